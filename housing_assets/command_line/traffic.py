"""Traffic for a running service."""

import os
from typing import TYPE_CHECKING, Annotated

import typer

from housing_assets.command_line.environment import read_serving_settings
from housing_assets.command_line.faults import CommandError
from housing_assets.command_line.sample import MarketName, Shifts, load_named, read_pairs

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from housing_assets.inference.market import Market
    from housing_assets.traffic.rows import Changes
    from housing_assets.traffic.sending import Tally

KEY_VARIABLE = "TRAFFIC_API_KEY"
"""Environment variable: the API key that feedback and replayed days need."""

_NEW_KEY = "`housing keys new traffic --scope predict --scope feedback --scope replay`"
"""The last scope is for days that are replayed."""


def _pairs(name: str, metavar: str, help_text: str) -> typer.models.OptionInfo:
    return typer.Option(f"--{name}", metavar=metavar, help=f"{help_text}; may be repeated.")


def traffic(
    url: Annotated[
        str,
        typer.Option(
            help="Address of the service. [default: the port HOUSING_PORT on this machine]", show_default=False
        ),
    ] = "",
    requests: Annotated[int, typer.Option(min=1, help="Number of rows to send.")] = 2_000,
    rate: Annotated[float, typer.Option(min=0.001, help="Most requests a second.")] = 200.0,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the rows: another one draws others.")] = 1,
    label_share: Annotated[
        float, typer.Option(min=0, max=1, help="Share of the rows whose true price or category is sent as feedback.")
    ] = 0.0,
    label_delay: Annotated[float, typer.Option(min=0, help="Seconds from an answer to its feedback.")] = 0.0,
    day: Annotated[
        str, typer.Option(help="Replay this day of the past, such as 2026-03-01, or yesterday; it needs a key.")
    ] = "",
    connections: Annotated[int, typer.Option(min=1, help="Most requests in flight at once.")] = 8,
    source: Annotated[
        str, typer.Option(help="Draw rows from this file, folder or s3:// prefix instead of the synthetic sample.")
    ] = "",
    shift: Shifts = None,
    scale: Annotated[list[str] | None, _pairs("scale", "COLUMN=FACTOR", "Factor on a column's numbers")] = None,
    set_to: Annotated[list[str] | None, _pairs("set", "COLUMN=VALUE", "Value that all cells of a column get")] = None,
    missing: Annotated[list[str] | None, _pairs("missing", "COLUMN=SHARE", "Share of a column to blank")] = None,
    only: Annotated[list[str] | None, _pairs("only", "COLUMN=VALUE", "Send rows with this cell only")] = None,
    market: MarketName = "",
) -> None:
    """Send rows to a running service.

    What they really were comes back as feedback, for a share of them. TRAFFIC_API_KEY holds the API key, where one is
    needed. Ends with exit code 1 if a request got no answer.
    """
    import asyncio

    from housing_assets.command_line.days import read_day
    from housing_assets.traffic.rows import Changes
    from housing_assets.traffic.sending import Plan, send

    declared = load_named(market)
    replayed = read_day(day) if day else None
    changes = Changes(
        scale=_numbers("--scale", scale),
        set=read_pairs("--set", set_to),
        missing=_numbers("--missing", missing),
        only=read_pairs("--only", only),
    )
    rows = _rows(declared, source, requests, seed, replayed, read_pairs("--shift", shift), changes)
    plan = Plan(
        rate=rate,
        seed=seed,
        label_share=label_share,
        label_delay=label_delay,
        day=replayed,
        connections=connections,
    )
    address, key = url or f"http://127.0.0.1:{read_serving_settings().port}", os.environ.get(KEY_VARIABLE)
    tally = asyncio.run(send(address, key, declared, rows, plan, progress=True))
    print(tally.describe())
    _require_a_service(tally, address, key)
    raise typer.Exit(1 if tally.failed else 0)


def _require_a_service(tally: "Tally", url: str, key: str | None) -> None:
    """Say what to do where no request could have been answered."""
    if tally.never_reached:
        raise CommandError(f"nothing answers on {url}: start the service (make serve), or name its address with --url")
    if tally.without_key:
        found = "does not know that" if key else "wants one"
        raise CommandError(f"{KEY_VARIABLE} is to have an API key, and the service {found}: {_NEW_KEY} makes one")
    if tally.without_scope:
        raise CommandError(f"the API key in {KEY_VARIABLE} lacks a scope: {_NEW_KEY} makes one that has all")


def _rows(
    market: "Market",
    source: str,
    requests: int,
    seed: int,
    day: "date | None",
    shift: dict[str, str],
    changes: "Changes",
) -> "pd.DataFrame":
    from datetime import UTC, datetime

    from housing_assets.inference.declaration import DeclarationError
    from housing_assets.listings.source import SourceError
    from housing_assets.traffic.rows import sample_rows, source_rows
    from resources.object_store import ObjectStore

    if source and shift:
        raise CommandError("--shift is for synthetic rows: those of --source take --scale, --set, --missing and --only")
    if not source and not market.sample:
        raise CommandError(f"{market.name} has no synthetic sample: name listings of yours with --source")
    try:
        if source:
            client = ObjectStore().client
            return source_rows(market, source, requests, seed=seed, changes=changes, s3_client=client)
        as_of = day or datetime.now(UTC).date()
        return sample_rows(market, requests, seed=seed, as_of=as_of, shift=shift, changes=changes)
    except (SourceError, DeclarationError):
        raise
    except ValueError as fault:
        raise CommandError(str(fault)) from fault


def _numbers(option: str, given: list[str] | None) -> dict[str, float]:
    numbers: dict[str, float] = {}
    for name, text in read_pairs(option, given).items():
        try:
            numbers[name] = float(text)
        except ValueError:
            raise CommandError(f"{option} {name} is {text!r}: expected a number") from None
    return numbers
