"""Markets: what there is, the draft of a new declaration, and what a declaration makes of a file."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from housing_assets.command_line.faults import CommandError

if TYPE_CHECKING:
    from housing_assets.drafting.inspection import Inspection

market_app = typer.Typer(no_args_is_help=True)


@market_app.callback()
def market() -> None:
    """List, draft and check declarations of markets.

    A declaration is drafted from a file of listings, and checked against one.
    """


@market_app.command("list")
def list_markets() -> None:
    """List the markets of the package.

    HOUSING_MARKET chooses one, or names the file that declares yours.
    """
    from housing_assets.market_loading import load_market, market_names

    for name in market_names():
        declared = load_market(name)
        print(f"{name:<16} {declared.title}: {', '.join(declared.categories)}")


@market_app.command()
def draft(
    file: Annotated[Path, typer.Argument(help="Your listings: .csv, .csv.gz or .parquet, with a header.")],
    name: Annotated[str, typer.Option(help="Name of the market; by default taken from the file's name.")] = "",
    target: Annotated[
        str, typer.Option(help="Header of the column to predict; by default the first that sounds like a price.")
    ] = "",
    classes: Annotated[
        bool, typer.Option("--classes", help="Predict classes: the target has texts, not prices.")
    ] = False,
    currency: Annotated[
        str, typer.Option(help="Currency of the prices, an ISO 4217 code; by default the one written beside them.")
    ] = "",
    price_kind: Annotated[str, typer.Option(help="Kind of the prices: asking, the default, or paid.")] = "",
    out: Annotated[Path | None, typer.Option(help="File to write, NAME.py; by default it is printed.")] = None,
) -> None:
    """Print a declaration to begin with, guessed from the cells of a file.

    What was not understood stands in comments. Save it as NAME.py, mend it, and check it:

    housing market draft ads.csv --out ads.py && housing market check ads.py ads.csv
    """
    from housing_assets.drafting.table import read_texts
    from housing_assets.drafting.writing import as_market_name, draft_market

    if out is not None and (out.suffix != ".py" or out.exists()):
        found = "is there already: choose another, or remove it" if out.exists() else "expected a name ending in .py"
        raise CommandError(f"--out is {out}: {found}")
    if out is not None and name not in ("", out.stem):
        raise CommandError(f"--name is {name!r}: expected that of the file, {out.stem!r}, or no --name")
    if classes and not target:
        raise CommandError("--target is missing: expected the header of the classes")
    chosen = name or (out.stem if out else as_market_name(file))
    text = draft_market(
        read_texts(file), chosen, target=target or None, classes=classes, currency=currency, price_kind=price_kind
    )
    if out is None:
        print(text, end="")
        return
    out.write_text(text, encoding="utf-8")
    print(f"{out} declares {chosen}: read it, then try `housing market check {out} {file}`")


@market_app.command()
def check(
    declaration: Annotated[str, typer.Argument(help="Name of a market, or the path of the file that declares it.")],
    source: Annotated[str, typer.Argument(help="Your listings, as HOUSING_SOURCE takes them.")],
) -> None:
    """Show, column by column, what a declaration reads of your listings, and what would be quarantined."""
    from housing_assets.drafting.inspection import inspect_rows
    from housing_assets.listings.source import read_listings
    from housing_assets.market_loading import load_market
    from resources.object_store import ObjectStore

    declared = load_market(declaration)
    raw = read_listings(declared, source, ObjectStore().client).frame
    _show(declared.title, inspect_rows(declared, raw))


def _show(title: str, found: "Inspection") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"{title}: {found.rows:,} rows", title_justify="left", row_styles=("", "dim"))
    for heading, justify in (("column", "left"), ("read", "right"), ("missing", "right"), ("refused", "right")):
        table.add_column(heading, justify=justify)  # type: ignore[arg-type]
    table.add_column("what was read", overflow="fold")
    for one in found.columns:
        shares = (f"{count / max(found.rows, 1):.1%}" for count in (one.read, one.missing, one.refused))
        table.add_row(one.raw, *shares, "\n".join([f"{one.values}: {one.summary}", *map(_refused, one.refusals)]))
    console = Console(highlight=False, markup=False)  # a cell may hold [brackets]
    console.print(table)
    console.print(
        f"{found.listings:,} listings, {found.quarantined:,} quarantined, {found.duplicates:,} exact duplicates"
    )
    for reason, count in found.reasons:
        console.print(f"  {count:>8,}  {reason}")
    if found.categories:
        console.print("categories: " + "; ".join(f"{name}: {count:,}" for name, count in found.categories))
    else:
        console.print("categories: these listings have too few different targets for them")


def _refused(example: str) -> str:
    return f"refused: {example[:120]}"
