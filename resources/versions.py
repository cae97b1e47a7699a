"""The registered versions from the command line: the audit trail, and the way back.

``python -m resources.versions`` lists them; ``… rollback`` points production at an earlier one.
"""

import argparse
from collections.abc import Sequence

from resources.model_registry import ModelRegistry, Version
from resources.settings import Settings

SHOWN_TAGS = ("lineage", "data_fingerprint", "git_commit", "macro_f1", "decision", "reason", "rolled_back")


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
    chosen = parser.parse_args(arguments)
    registry = ModelRegistry(tracking_uri=Settings().mlflow_uri)
    if chosen.command == "rollback":
        return _rollback(registry, chosen.to, chosen.reason)
    versions = registry.versions()
    print("\n\n".join(_describe(version) for version in versions) or "no version is registered yet: make materialize")
    return 0


def _rollback(registry: ModelRegistry, to: int | None, reason: str) -> int:
    try:
        old, new = registry.rollback(to, reason)
    except LookupError as fault:
        print(f"not rolled back: {fault}")
        return 1
    print(f"production: version {old.number} -> version {new.number}")
    return 0


def _describe(version: Version) -> str:
    lines = [f"version {version.number}  {', '.join(version.aliases)}".rstrip()]
    lines += [f"  {name:<17} {version.tags[name]}" for name in SHOWN_TAGS if name in version.tags]
    return "\n".join([*lines, f"  {'mlflow run':<17} {version.run_id}"])


if __name__ == "__main__":
    raise SystemExit(main())
