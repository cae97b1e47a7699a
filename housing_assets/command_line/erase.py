"""Removes a person's listing, and everything made of it."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from housing_assets.command_line.environment import read_settings, registry_of
from housing_assets.command_line.faults import CommandError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from housing_assets.erasure import Kept, Wanted
    from resources.settings import Settings

MAX_SHOWN = 20


def erase(
    prediction: Annotated[
        list[str] | None, typer.Option(help="Id of an answer; may be repeated.", metavar="ID", show_default=False)
    ] = None,
    cell: Annotated[
        list[str] | None,
        typer.Option(
            help="Cell as it was written; may be repeated: a listing must then have them all.",
            metavar="COLUMN=TEXT",
            show_default=False,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Remove what was found; without it, it is only shown.")] = False,
) -> None:
    """Remove a listing and all that was made of it.

    From the prediction store, the days and the training data that are stored; and say which versions learned of it.
    """
    from housing_assets.definitions import build_defs
    from housing_assets.erasure import Wanted, find, remove
    from housing_assets.market_loading import load_market
    from resources.predictions.store import PredictionStore
    from resources.values.disk import LinkReplaced
    from resources.values.store import ValueLost

    ids = frozenset(map(_as_id, prediction or ()))
    settings = read_settings()
    market = load_market(settings.market)
    wanted = Wanted(market, ids, dict(map(_as_cell, cell or ())))
    _require_shipped(settings.market_storage / "serving" / "journal")
    definitions = build_defs(market, settings=settings)
    graph = definitions.resolve_asset_graph()
    keys = sorted(graph.materializable_asset_keys)
    assets = {key.to_user_string(): graph.get(key).is_partitioned for key in keys}
    values = (definitions.resources or {})["io_manager"].store
    try:
        kept = find(wanted, PredictionStore(url=settings.prediction_store_url), values, assets, settings.key_prefix)
    except LinkReplaced as fault:
        raise CommandError(f"nothing was removed: {fault.description}") from fault
    except ValueLost as fault:
        raise CommandError(
            f"nothing was removed, because a stored value is gone or damaged: {fault}. Run this again when no run is "
            "in progress; if it says the same then, materialize that asset again"
        ) from fault
    for line in (*_describe(kept), *_versions(settings, wanted, kept)):
        print(line)
    if not (kept.predictions or kept.values):
        print("\nNothing was found.")
        return
    if not yes:
        print("\nNothing was removed: --yes removes it.")
        return
    deleted = remove(kept, settings.prediction_store_url, values)
    print(f"\nRemoved: {_count(deleted, 'row')} of the prediction store, {_count(len(kept.values), 'stored value')}.")
    for line in _next_steps(kept):
        print(line)


def _as_id(text: str) -> str:
    """Return an id as it is stored: it may be given in capitals, or in braces."""
    try:
        return str(UUID(text))
    except ValueError:
        raise CommandError(
            f"--prediction is {text!r}: expected the prediction_id of an answer, such as "
            "0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10"
        ) from None


def _as_cell(text: str) -> tuple[str, str]:
    name, separator, cell = text.partition("=")
    if not separator or not cell.strip():
        raise CommandError(f"--cell is {text!r}: expected COLUMN=TEXT")
    return name.strip(), cell


def _require_shipped(journal: Path) -> None:
    """Refuse while a service here has records that are not in the store: they would come back."""
    waiting = [path for path in journal.glob("*") if path.is_file() and path.stat().st_size]
    damaged = [path for path in waiting if path.suffix == ".damaged"]
    if damaged:
        raise CommandError(f"{damaged[0]} has records that the store refused: look through it, and remove it by hand")
    if waiting:
        raise CommandError(
            f"records wait in {journal} that are not in the prediction store yet: let the service ship them, then stop "
            "it, or run this again"
        )


def _describe(kept: "Kept") -> "Iterator[str]":
    days = sorted(set(kept.predictions.values()))
    when = f", of {', '.join(map(str, days[:MAX_SHOWN]))}" if days else ""
    yield f"prediction store   {_count(len(kept.predictions), 'prediction')}{when}"
    yield f"source             {_count(len(kept.source_rows), 'row')} that the last training has read"
    yield from (f"                   {file}, row {row:,}" for file, row in kept.source_rows[:MAX_SHOWN])
    if kept.former_rows:
        yield f"                   {_count(len(kept.former_rows), 'row')} that only trainings before it have read"
        yield from (f"                   {file}, row {row:,}" for file, row in kept.former_rows[:MAX_SHOWN])
    yield f"stored values      {len(kept.values):,} that hold it or were made of it"
    for value in kept.values[:MAX_SHOWN]:
        yield f"                   {value.name}{'' if value.newest else ', a value before the newest'}"


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _versions(settings: "Settings", wanted: "Wanted", kept: "Kept") -> "Iterator[str]":
    """Say of each version whether it may have learned of the listing, and what it holds of it."""
    import json

    from housing_assets.erasure import told_by_golden_rows
    from housing_assets.inference.artifact import GOLDEN

    registry = registry_of(settings)
    for version in registry.versions():
        learned = (
            kept.source_rows
            or kept.former_rows
            or (kept.labelled_since and version.registered_at >= kept.labelled_since)
        )
        golden = json.loads(registry.read_text(version, GOLDEN))
        held = told_by_golden_rows([row["cells"] for row in golden], wanted)
        what = "may have learned of it" if learned else "is not known to have learned of it"
        yield f"version {version.number:<10} {what}; {held} of its golden rows have the cells that are not personal"


def _next_steps(kept: "Kept") -> "Iterator[str]":
    names = [value.name for value in kept.values if value.newest]
    if kept.source_rows:
        yield "Take the rows out of the source, or the next training reads them again; then: make materialize"
    elif any("|" not in name for name in names):
        yield "The training data are made again by: make materialize"
    days = sorted({name.partition("|")[2] for name in names if "|" in name})
    yield from (f"The day is judged again by: make judge DAY={day}" for day in days)
