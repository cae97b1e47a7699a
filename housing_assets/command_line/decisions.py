"""What the platform decided by itself."""

import json
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from resources.decision_log import Recorded


class LogName(StrEnum):
    """Kinds of decisions; the names of ``resources.decision_log.Log``, which takes a second to import."""

    RETRAINING = "retraining_decisions"
    NEW_LISTINGS = "new_listings_decisions"
    ROLLBACK = "rollback_decisions"


def decisions(
    log: Annotated[LogName | None, typer.Argument(help="Kind of decisions; all by default.", metavar="LOG")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most decisions of each kind.")] = 20,
    evidence: Annotated[bool, typer.Option("--evidence", help="Print what each decision rests on, too.")] = False,
) -> None:
    """Show what the sensors decided, and why.

    The newest comes last.
    """
    from housing_assets.command_line.environment import dagster_instance, read_settings
    from resources.decision_log import DecisionLogs, Log

    settings = read_settings()
    with dagster_instance(settings) as instance:
        chosen = [Log(log)] if log else list(Log)
        found = [one for log in chosen for one in DecisionLogs(settings.key_prefix).read(instance, log, limit)]
    for one in sorted(found, key=lambda recorded: (recorded.at, recorded.storage_id)):
        print(_describe(one))
        if evidence:
            print(json.dumps(one.decision.evidence, indent=2, ensure_ascii=False))
    if not found:
        print("nothing has been decided yet: the sensors decide where a daemon runs (make dev)")


def _describe(recorded: "Recorded") -> str:
    decision = recorded.decision
    mark = " (needs a person)" if decision.needs_person else ""
    return f"{recorded.at:%Y-%m-%d %H:%M:%S} UTC  {recorded.log}  {decision.outcome}{mark}: {decision.reason}"
