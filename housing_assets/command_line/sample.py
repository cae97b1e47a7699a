"""Files of synthetic rows."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from housing_assets.command_line.environment import read_settings
from housing_assets.command_line.faults import CommandError

if TYPE_CHECKING:
    from housing_assets.inference.market import Market

MarketName = Annotated[
    str,
    typer.Option(
        "--market",
        help="A market's name, or the file.py that declares one. [default: that of HOUSING_MARKET]",
        show_default=False,
    ),
]
Shifts = Annotated[
    list[str] | None,
    typer.Option(
        "--shift",
        metavar="NAME=VALUE",
        help="How synthetic rows differ from the ordinary ones; may be repeated. `housing sample --shifts` lists them.",
    ),
]


def sample(
    out: Annotated[Path | None, typer.Option(help="File to write: .csv, .csv.gz or .parquet.")] = None,
    rows: Annotated[int, typer.Option(min=0, help="Number of rows.")] = 20_000,
    seed: Annotated[
        int, typer.Option(min=0, help="Seed of the rows: another one draws others of the same market.")
    ] = 0,
    as_of: Annotated[
        str, typer.Option(help="Day on which the rows were written, such as 2026-03-01; by default the sample's own.")
    ] = "",
    shift: Shifts = None,
    shifts: Annotated[bool, typer.Option("--shifts", help="List the shifts of the market's sample and end.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")] = False,
    market: MarketName = "",
) -> None:
    """Write a file of SYNTHETIC rows.

    None of them is real.
    """
    from housing_assets.listings.samples import load_sample

    declared = load_named(market)
    generator = load_sample(declared)
    if shifts:
        for name, meaning in generator.shifts.items():
            print(f"{name:<20} {meaning}")
        return
    if out is None:
        raise CommandError("--out is missing: expected a file to write, ending in .csv, .csv.gz or .parquet")
    if out.exists() and not force:
        raise CommandError(f"--out is {out}, which is there already: choose another, or write over it with --force")

    from housing_assets.command_line.days import read_day
    from housing_assets.listings.files import require_suffix, write_listings

    try:
        require_suffix(out)
        day = read_day(as_of) if as_of else None
        drawn = generator.draw(rows, seed=seed, as_of=day, shift=read_pairs("--shift", shift))
        write_listings(drawn, out)
    except (ValueError, OSError) as fault:
        raise CommandError(str(fault)) from fault
    print(f"{rows:,} synthetic rows of {declared.name} written to {out}")


def load_named(market: str) -> "Market":
    """Return the market that ``--market`` names, that of the settings where it names none."""
    from housing_assets.market_loading import load_market

    return load_market(market or read_settings().market)


def read_pairs(option: str, given: list[str] | None) -> dict[str, str]:
    """Return the NAME=VALUE texts of an option as a mapping.

    Raises
    ------
    CommandError
        If one of them is no pair, or a name is given twice.
    """
    pairs: dict[str, str] = {}
    for text in given or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise CommandError(f"{option} is {text!r}: expected NAME=VALUE")
        if name in pairs:
            raise CommandError(f"{option} names {name} twice: expected different names")
        pairs[name] = value
    return pairs
