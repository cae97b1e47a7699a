"""Runs of the market's assets, launched as ``dg launch`` does."""

from typing import TYPE_CHECKING, Annotated

import typer

from housing_assets.command_line.days import read_day
from housing_assets.command_line.environment import environment_of, read_settings
from housing_assets.command_line.processes import run

if TYPE_CHECKING:
    from resources.settings import Settings


def materialize() -> None:
    """Materialize every asset of the market.

    From the listings to the bento; then shows what was built.
    """
    from housing_assets.command_line.summary import summary

    settings = read_settings()
    code = run(["dg", "launch", "--assets", training_selection(settings)], environment_of(settings))
    if code:
        raise typer.Exit(code)
    summary()


def judge(
    day: Annotated[str, typer.Argument(help="Such as 2026-03-01.", metavar="[DAY]")] = "yesterday",
) -> None:
    """Judge a day of production.

    As the daemon does each night; yesterday by default.
    """
    settings = read_settings()
    partition = read_day(day).isoformat()
    command = ["dg", "launch", "--job", "daily_monitoring", "--partition", partition]
    raise typer.Exit(run(command, environment_of(settings)))


def training_selection(settings: "Settings") -> str:
    """Return what a training materializes, in the syntax of ``dg launch --assets``."""
    from housing_assets.definitions import START

    return f'key:"{"/".join((*settings.key_prefix, START))}"+'
