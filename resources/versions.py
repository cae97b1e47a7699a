"""The registered versions from the command line: the audit trail, and the way back.

``python -m resources.versions`` lists them; ``… rollback`` points production at an earlier one, ``… export`` writes the
files of one to a folder.
"""

import argparse
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from resources.model_registry import PRODUCTION, ModelRegistry, Version
from resources.settings import Settings

SHOWN_TAGS = ("lineage", "data_fingerprint", "fine_tuned_from", "git_commit", "decision", "reason", "rolled_back")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="housing-versions", description="Registered versions of the price classifier."
    )
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("list", help="each version with its aliases, provenance and promotion decision (the default)")
    back = commands.add_parser("rollback", help="point production at an earlier version; takes effect at once")
    back.add_argument("--to", type=int, metavar="VERSION", help="default: the version that the current one replaced")
    back.add_argument("--reason", default="", help="kept in the audit trail")
    out = commands.add_parser("export", help="write the model artifact of the version in production to a folder")
    out.add_argument("folder", type=Path, help="made anew; what is there is replaced")
    chosen = parser.parse_args(arguments)
    registry = ModelRegistry(tracking_uri=Settings().mlflow_uri)
    if chosen.command == "rollback":
        return _rollback(registry, chosen.to, chosen.reason)
    if chosen.command == "export":
        return _export(registry, chosen.folder)
    versions = registry.versions()
    print(
        "\n\n".join(_describe(registry, version) for version in versions)
        or "no version is registered yet: make materialize"
    )
    return 0


def _rollback(registry: ModelRegistry, to: int | None, reason: str) -> int:
    try:
        old, new = registry.rollback(to, reason)
    except LookupError as fault:
        print(f"not rolled back: {fault}")
        return 1
    print(f"production: version {old.number} -> version {new.number}")
    return 0


def _export(registry: ModelRegistry, folder: Path) -> int:
    version = registry.with_alias(PRODUCTION)
    if version is None:
        print("not exported: no version is in production: make materialize")
        return 1
    with TemporaryDirectory() as temporary:
        artifact = registry.download(version, Path(temporary))
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(artifact, folder)
    print(f"version {version.number} -> {folder}")
    return 0


def _describe(registry: ModelRegistry, version: Version) -> str:
    logged = registry.client().get_run(version.run_id).data
    told = {name: version.tags[name] for name in SHOWN_TAGS if name in version.tags}
    told["parameters"] = ", ".join(f"{name}={value}" for name, value in sorted(logged.params.items()))
    told["metrics"] = ", ".join(f"{name}={value:.4f}" for name, value in sorted(logged.metrics.items()))
    told["mlflow run"] = version.run_id
    lines = [f"version {version.number}  {', '.join(version.aliases)}".rstrip()]
    return "\n".join([*lines, *(f"  {name:<17} {value}" for name, value in told.items() if value)])


if __name__ == "__main__":
    raise SystemExit(main())
