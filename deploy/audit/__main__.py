"""Software bills of materials, and a search for secrets and known vulnerabilities: ``make audit``.

The bills (CycloneDX) and the search for secrets in the image's layers need no network: one bill for each lock file, one
for the image if there is one. The search for vulnerabilities needs the
vulnerability service of the package index. Where that does not answer, nothing was searched, and that is what is said.
"""

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deploy.audit.secrets import search

LOCKS = {
    "environment": Path("requirements.lock"),
    "platform": Path("deploy/platform/requirements.lock"),
    "service": Path("deploy/service/requirements.lock"),
}


class Findings(NamedTuple):
    """What the search in a lock file found.

    Attributes
    ----------
    searched, skipped : int
        Packages that the service knows, and those that it gave no answer for.
    vulnerable : sequence of str
        A line for each known vulnerability.
    """

    searched: int
    skipped: int
    vulnerable: Sequence[str]


def read_report(report: Mapping[str, Any]) -> Findings:
    """Read a report of pip-audit in its JSON form."""
    packages = report["dependencies"]
    skipped = sum("skip_reason" in package for package in packages)
    vulnerable = [
        f"{package['name']} {package['version']}: {found['id']}, mended in {', '.join(found['fix_versions']) or 'none'}"
        for package in packages
        for found in package.get("vulns", ())
    ]
    return Findings(len(packages) - skipped, skipped, vulnerable)


def main() -> int:
    """Write the bills, search, and return 1 if there is a known vulnerability."""
    parser = argparse.ArgumentParser(prog="audit", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of the bills")
    parser.add_argument("--image", default="housing_price_classifier:latest", help="image, where docker has it")
    parser.add_argument("--require-search", action="store_true", help="fail where the vulnerability service is away")
    chosen = parser.parse_args()
    chosen.out.mkdir(parents=True, exist_ok=True)
    for name, lock in LOCKS.items():
        bill = chosen.out / f"{name}.cdx.json"
        _run("cyclonedx-py", "requirements", str(lock), "--output-file", str(bill))
        print(f"{bill}: {len(json.loads(bill.read_text())['components'])} packages of {lock}")
    complete, clean = True, _is_image_clean(chosen.image, chosen.out / "image.cdx.json")
    for lock in LOCKS.values():
        if not _is_answered(lock):
            print(f"NOT SEARCHED: the vulnerability service does not answer, so nothing is known of {lock}")
            complete = False
            continue
        findings = _search(lock.read_text())
        print(f"{lock}: {findings.searched} packages searched, {findings.skipped} unknown to the service")
        print("".join(f"VULNERABLE: {line}\n" for line in findings.vulnerable), end="")
        complete, clean = complete and not findings.skipped, clean and not findings.vulnerable
    return 0 if clean and (complete or not chosen.require_search) else 1


def _is_image_clean(image: str, bill: Path) -> bool:
    """Write the bill of an image, if there is one, and return whether no layer of it has a secret."""
    docker = shutil.which("docker")
    shown = docker and subprocess.run([docker, "image", "inspect", image], capture_output=True, check=False)
    if not docker or not shown or shown.returncode:
        print(f"there is no image {image}, so there is no bill of it, and it is not searched: make container")
        return True
    _run("syft", f"docker:{image}", "--quiet", "--output", f"cyclonedx-json={bill}")
    print(f"{bill}: {len(json.loads(bill.read_text())['components'])} components of {image}")
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar"
        subprocess.run([docker, "save", "--output", str(archive), image], check=True)
        searched = search(archive)
    print(f"{image}: {searched.files} files in {searched.layers} layers searched for secrets")
    print("".join(f"SECRET: {found.what} in {found.file or found.layer}\n" for found in searched.found), end="")
    return not searched.found


def _is_answered(lock: Path) -> bool:
    """Return whether the service knows the first package of a lock file: it is asked for no more where it does not."""
    lines = lock.read_text().splitlines()
    first = next(line for line in lines if "==" in line)
    return bool(_search(first.rstrip(" \\") + "\n").searched)


def _search(requirements: str) -> Findings:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        options = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json", "--timeout", "10")
        ended = subprocess.run(
            [str(_tool("pip-audit")), *options, "--requirement", file.name], capture_output=True, text=True, check=False
        )
    if not ended.stdout.strip():  # it fails without a report where nothing answers
        return Findings(0, 1, ())
    return read_report(json.loads(ended.stdout))


def _tool(name: str) -> Path:
    return Path(sys.executable).with_name(name)


def _run(name: str, *arguments: str) -> None:
    ended = subprocess.run([str(_tool(name)), *arguments], capture_output=True, text=True, check=False)
    if ended.returncode:
        raise SystemExit(f"{name} failed: {ended.stderr.strip()[-2_000:]}")


if __name__ == "__main__":
    sys.exit(main())
