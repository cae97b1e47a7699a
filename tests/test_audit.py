"""What the audit says of a report: what it found, and what it did not look at."""

import io
import tarfile
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from deploy.audit.__main__ import LOCKS, Findings, read_report
from deploy.audit.licences import is_refused, licence_of, main
from deploy.audit.secrets import Found, search

ROOT = Path(__file__).parents[1]
FOUND = {"id": "PYSEC-2026-1", "fix_versions": ["2.0", "2.1"], "aliases": ["CVE-2026-1"], "description": ""}
CLEAN = {"name": "httpx", "version": "0.28.1", "vulns": []}
UNKNOWN = {"name": "ours", "skip_reason": "Dependency not found on PyPI and could not be audited: ours (1.0)"}
VULNERABLE = {"name": "old", "version": "1.0", "vulns": [FOUND, FOUND | {"id": "PYSEC-2026-2", "fix_versions": []}]}
LINES = ["old 1.0: PYSEC-2026-1, mended in 2.0, 2.1", "old 1.0: PYSEC-2026-2, mended in none"]


@pytest.mark.parametrize(
    ("packages", "expected"),
    [
        ([CLEAN], Findings(1, 0, [])),
        ([CLEAN, UNKNOWN, VULNERABLE], Findings(2, 1, LINES)),
        ([UNKNOWN], Findings(0, 1, [])),  # nothing was searched: this is no clean report
    ],
)
def test_what_was_not_searched_is_not_called_clean(packages: list[dict[str, Any]], expected: Findings) -> None:
    assert read_report({"dependencies": packages, "fixes": []}) == expected


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("bento/src/.env", b"", ["a file of secrets"]),
        (
            "root/.aws/credentials",
            b"aws_secret_access_key = " + b"a" * 40,
            ["a file of secrets", "a secret key of AWS"],
        ),
        ("app/notes.txt", b"AKIA" + b"ABCDEFGHIJKLMNOP", ["an access key of AWS"]),
        ("app/notes.txt", b"AKIAIOSFODNN7EXAMPLE", []),
        ("etc/tls.pem", b"-----BEGIN PRIVATE KEY-----\n" + b"MIGH" * 20, ["a private key"]),
        ("etc/ca.pem", b"-----BEGIN CERTIFICATE-----\n" + b"MIGH" * 20, []),
        ("app/key.py", b'header = "-----BEGIN PRIVATE KEY-----"', []),
        ("app/settings.sh", b"export HOUSING_SIGNING_KEY=MC4CAQAwBQYDK2Vw", ["a secret of the platform"]),
        ("app/settings.sh", b"export HOUSING_SIGNING_KEY=$(cat key)", []),
        ("app/x", b"HOUSING_PREDICTION_STORE=postgresql://me:hunter22@db/x", ["a password in a URL"]),
        ("app/x", b"HOUSING_PREDICTION_STORE=postgresql://me@db/x", []),
        ("app/.environment.py", b"nothing", []),
    ],
)
def test_secrets_are_found_in_layers_and_also_where_a_later_one_removes_them(
    tmp_path: Path, name: str, content: bytes, expected: list[str]
) -> None:
    removed = f"{name.rpartition('/')[0]}/.wh.{name.rpartition('/')[2]}"
    parts = {"manifest.json": b"[]", "1/layer.tar": tarred({name: content}), "2/layer.tar": tarred({removed: b""})}
    (tmp_path / "image.tar").write_bytes(tarred(parts))

    searched = search(tmp_path / "image.tar")

    assert (searched.layers, searched.files) == (2, 2)
    assert [(found.layer, found.file, found.what) for found in searched.found] == [
        ("1/layer.tar", name, what) for what in expected
    ]


def test_an_image_is_searched_for_what_it_was_built_with(tmp_path: Path) -> None:
    history = b'{"history": [{"created_by": "ENV MLFLOW_TRACKING_PASSWORD=correct-horse"}]}'
    (tmp_path / "image.tar").write_bytes(tarred({"config.json": history, "layer.tar": tarred({"app/x": b""})}))
    assert search(tmp_path / "image.tar").found == [Found("config.json", "", "a secret of the platform")]


def test_an_archive_without_layers_is_not_called_clean(tmp_path: Path) -> None:
    (tmp_path / "image.tar").write_bytes(tarred({"manifest.json": b"[]"}))
    with pytest.raises(ValueError, match="nothing was searched"):
        search(tmp_path / "image.tar")


def tarred(files: dict[str, bytes]) -> bytes:
    written = io.BytesIO()
    with tarfile.open(fileobj=written, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return written.getvalue()


def test_every_lock_file_is_audited() -> None:
    kept = {path.relative_to(ROOT) for path in ROOT.glob("deploy/*/requirements.lock")} | {Path("requirements.lock")}
    assert set(LOCKS.values()) == kept


@pytest.mark.parametrize(
    ("told", "expected", "refused"),
    [
        ({"License-Expression": "Apache-2.0"}, "Apache-2.0", False),
        ({"Classifier": "License :: OSI Approved :: MIT License"}, "MIT License", False),
        ({"License": "BSD 3-Clause\n\nCopyright"}, "BSD 3-Clause", False),
        ({"License-Expression": "LGPL-3.0-only"}, "LGPL-3.0-only", False),
        ({"License-Expression": "GPL-2.0-only OR MIT"}, "GPL-2.0-only OR MIT", False),
        ({"License-Expression": "GPL-3.0-or-later"}, "GPL-3.0-or-later", True),
        ({"License-Expression": "MIT AND AGPL-3.0-only"}, "MIT AND AGPL-3.0-only", True),
        (
            {"Classifier": "License :: OSI Approved :: GNU General Public License v3 (GPLv3)"},
            "GNU General Public License v3 (GPLv3)",
            True,
        ),
        ({"License": "Elastic License 2.0"}, "Elastic License 2.0", True),
        ({}, "", True),
    ],
)
def test_a_licence_that_binds_whoever_passes_the_platform_on_is_refused(
    told: dict[str, str], expected: str, refused: bool
) -> None:
    metadata = Message()
    metadata["Name"] = "one"
    for name, value in told.items():
        metadata[name] = value
    assert licence_of(metadata) == expected
    assert is_refused(expected) == refused


def test_no_licence_of_what_is_installed_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0, capsys.readouterr().out
