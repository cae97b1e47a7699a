"""Days of production that are held out of every training and every judging, and their release."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from housing_assets.command_line.days import read_day
from housing_assets.command_line.environment import prediction_store_of, read_settings, registry_of
from housing_assets.command_line.faults import CommandError
from housing_assets.command_line.versions import learned_held_days

if TYPE_CHECKING:
    from datetime import date

    from resources.predictions.day_decisions import DayDecision, State
    from resources.settings import Settings

windows_app = typer.Typer(invoke_without_command=True)

Day = Annotated[str, typer.Argument(help="Day of production (UTC), such as 2026-03-01, or yesterday.")]
Reason = Annotated[str, typer.Option(help="Why; it is stored with the decision.")]
Who = Annotated[str, typer.Option(help="Your name. [default: the user of this machine]", show_default=False)]


@windows_app.callback()
def windows(
    context: typer.Context,
    history: Annotated[bool, typer.Option("--history", help="Show every decision, those on clean days too.")] = False,
) -> None:
    """List, hold or release days of production.

    Without a command: the days that are held or were released, each with who decided that, when and why.
    """
    if context.invoked_subcommand is not None:
        return
    days = prediction_store_of(read_settings()).days()
    shown = days.decisions if history else [one for one in days.newest.values() if one.state != "clean"]
    told = [_describe(one) for one in sorted(shown, key=lambda decision: (decision.day, decision.at))]
    print("\n".join(told) or "no day is held")


@windows_app.command()
def hold(day: Day, reason: Reason, by: Who = "") -> None:
    """Hold a day: its rows teach and judge no version.

    Says which version learned from it already.
    """
    from resources.mlflow.registry import PRODUCTION
    from resources.predictions.day_decisions import State

    settings, held = read_settings(), read_day(day)
    if held > datetime.now(UTC).date():
        raise CommandError(f"{held} is yet to come: expected today (UTC) or a day before it")
    print(_describe(_decide(settings, held, State.HELD, reason, by)))
    for version in registry_of(settings).versions():
        if learned_held_days(version, [held]):
            serves = PRODUCTION in version.aliases
            undo = f': housing rollback --reason "learned {held}" takes it out of production' if serves else ""
            print(f"version {version.number} learned from it{undo}")


@windows_app.command()
def release(day: Day, reason: Reason, by: Who = "") -> None:
    """Release a day that is held: what it shows is the world.

    A client that does not send a column is then known: days to come are not held for that column missing.
    """
    from resources.predictions.day_decisions import State

    settings, released = read_settings(), read_day(day)
    print(_describe(_decide(settings, released, State.RELEASED, reason, by)))
    print(f"housing judge {released} judges it anew: until then nothing that was found in it counts")


def _decide(settings: "Settings", day: "date", state: "State", reason: str, by: str) -> "DayDecision":
    from getpass import getuser

    from resources.predictions.day_decisions import DayDecision, State

    if not reason.strip():
        raise CommandError("the reason is empty: say in a few words why, for those who read it later")
    store = prediction_store_of(settings)
    standing = store.days().newest.get(day)
    if state is State.RELEASED and (standing is None or standing.state is not State.HELD):
        raise CommandError(f"{day} is not held: housing windows lists the days that are")
    causes = standing.causes if standing else ()
    decision = DayDecision(day, state, reason, by or getuser(), causes=causes)
    store.decide(decision)
    return decision


def _describe(decision: "DayDecision") -> str:
    return f"{decision.day}  {decision.state:<8}  {decision.reason} ({decision.by}, {decision.at:%Y-%m-%d %H:%M} UTC)"
