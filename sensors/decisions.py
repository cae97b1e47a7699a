"""The decisions from the command line: ``python -m sensors.decisions`` prints what was decided, newest last."""

import argparse
import json
from collections.abc import Sequence

import dagster as dg

from resources.decision_log import Log, Recorded, read_decisions


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m sensors.decisions", description="What the platform decided by itself, and why."
    )
    parser.add_argument("log", nargs="?", type=Log, choices=list(Log), help="one kind of decision (default: all)")
    parser.add_argument("--limit", type=int, default=20, help="how many of each kind (default: 20)")
    parser.add_argument("--evidence", action="store_true", help="print what each decision rests on, too")
    chosen = parser.parse_args(arguments)
    with dg.DagsterInstance.get() as instance:
        logs = [chosen.log] if chosen.log else list(Log)
        found = [one for log in logs for one in read_decisions(instance, log, chosen.limit)]
    for one in sorted(found, key=lambda recorded: (recorded.at, recorded.storage_id)):
        print(_describe(one))
        if chosen.evidence:
            print(json.dumps(one.decision.evidence, indent=2, ensure_ascii=False))
    if not found:
        print("nothing has been decided yet: the sensors decide where a daemon runs (make dev)")
    return 0


def _describe(recorded: Recorded) -> str:
    decision = recorded.decision
    mark = " (needs a person)" if decision.needs_person else ""
    return f"{recorded.at:%Y-%m-%d %H:%M:%S} UTC  {recorded.log}  {decision.outcome}{mark}: {decision.reason}"


if __name__ == "__main__":
    raise SystemExit(main())
