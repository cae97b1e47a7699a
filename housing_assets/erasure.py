"""Finds what the platform keeps of one listing, and removes it: a person may ask for that.

A listing lies in the prediction store and in values that assets have stored. Everything that was made of it goes with
it, and is made again without it. What a registered version holds is told, not changed: a forest has thresholds and
hashed tokens, no rows, the local scores remember what their kernel reads of training rows, and none of these, nor the
golden rows and comparables of an artifact, have what is personal.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from housing_assets.inference.declaration import DeclarationError
from housing_assets.inference.market import Market
from resources.predictions.frames import read_listings
from resources.predictions.records import erase
from resources.predictions.store import PredictionStore
from resources.predictions.tables import open_store
from resources.values.ancestry import StoredValue
from resources.values.asset_storage import TABLE
from resources.values.store import KeptValue, ValueLost, ValueStore

if TYPE_CHECKING:
    import pandas as pd

LOOKS = 3
"""How often stored values are looked through while runs replace them: a run replaces each once, so two mostly do."""

_START, _END = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_RAW, _LEARNED = "raw_listings", "labelled_listings"
_WITH_IDS = ("production_predictions", "production_labels")
"""Assets whose values have the rows of the prediction store, by their ids."""


@dataclass(frozen=True)
class Wanted:
    """Which listing is meant.

    Attributes
    ----------
    prediction_ids : frozenset of str
        Each of them is meant, whatever its cells.
    cells : mapping of str to str
        Texts by raw column; a listing is meant that has all of them, apart from white space at their ends.

    Raises
    ------
    DeclarationError
        If a column is not the market's, or nothing is said.
    """

    market: Market
    prediction_ids: frozenset[str] = frozenset()
    cells: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        known = [column.raw for column in self.market.columns]
        if unknown := sorted(set(self.cells) - set(known)):
            raise DeclarationError(
                f"{self.market.name} has no column {', '.join(unknown)}; there are {', '.join(known)}"
            )
        if not self.prediction_ids and not self.cells:
            raise DeclarationError("no listing is named: give a prediction's id, or cells that it has")

    def have_cells(self, raw: "pd.DataFrame") -> "pd.Series":
        """Return which rows of raw cells are meant, a bool for each."""
        import pandas as pd

        found = pd.Series(bool(self.cells), index=raw.index)
        for name, text in self.cells.items():
            cells = raw[name] if name in raw else pd.Series(None, index=raw.index, dtype=object)
            found &= cells.astype(object).map(
                lambda cell, text=text: cell is not None and str(cell).strip() == text.strip()
            )
        return found


@dataclass(frozen=True)
class Kept:
    """What is kept of a listing.

    Attributes
    ----------
    predictions : mapping of str to date
        Ids of predictions in the store, with their days in UTC.
    labelled_since : datetime or None
        When the first of them got its true price or category.
    source_rows, former_rows : sequence of (str, int)
        File and row of each raw listing that the last training has read, and that only trainings before it have.
    values : sequence of KeptValue
        Stored values that hold it, and those made of them: the newest of their names, and those before.
    """

    predictions: Mapping[str, date]
    labelled_since: datetime | None
    source_rows: Sequence[tuple[str, int]]
    former_rows: Sequence[tuple[str, int]]
    values: Sequence[KeptValue]


def find(
    wanted: Wanted, store: PredictionStore, values: ValueStore, assets: Mapping[str, bool], prefix: Sequence[str]
) -> Kept:
    """Find what is kept of a listing.

    Parameters
    ----------
    wanted : Wanted
    store : PredictionStore
    values : ValueStore
        What assets have stored: what is not the newest of its name is looked through, too.
    assets : mapping of str to bool
        Keys of all assets, with slashes, and whether each is partitioned.
    prefix : sequence of str
        What the market's keys begin with.

    Raises
    ------
    ValueLost
        If values were replaced at each of ``LOOKS`` looks, or if one is damaged.
    """
    predictions = _in_store(wanted, store)
    labelled = _labelled_since(predictions, store)
    lost: Exception | None = None
    for _ in range(LOOKS):
        try:
            return _look_through(values, assets, wanted, predictions, labelled, prefix)
        except (ValueLost, FileNotFoundError) as fault:  # a run has replaced it: what there is now is looked at
            lost = fault
    raise ValueLost(str(lost)) from lost


def remove(kept: Kept, store_url: str, values: ValueStore) -> int:
    """Remove what was found, for good; return the rows that were deleted from the prediction store."""
    for value in kept.values:
        if value.newest:
            values.forget(value.name)
        else:
            values.drop(value)
    engine = open_store(store_url)
    try:
        return erase(engine, kept.predictions) if kept.predictions else 0
    finally:
        engine.dispose()


def _in_store(wanted: Wanted, store: PredictionStore) -> dict[str, date]:
    found: dict[str, date] = {}
    names = list(wanted.cells)
    for page in store.predictions(_START, _END, roles=("answer", "shadow")):
        meant = page["prediction_id"].isin(wanted.prediction_ids)
        if names:
            meant |= wanted.have_cells(read_listings(page, names))
        ids, days = page.loc[meant, "prediction_id"], page.loc[meant, "predicted_at"].dt.date
        found |= dict(zip(map(str, ids), days, strict=True))
    return found


def _labelled_since(predictions: Collection[str], store: PredictionStore) -> datetime | None:
    if not predictions:
        return None
    first = (
        page.loc[page["prediction_id"].isin(set(predictions)), "received_at"].min()
        for page in store.labels(_END, purpose="looking")
    )
    known = [moment.to_pydatetime() for moment in first if moment == moment]  # NaT differs from itself
    return min(known, default=None)


def _look_through(
    values: ValueStore,
    assets: Mapping[str, bool],
    wanted: Wanted,
    predictions: Mapping[str, date],
    labelled: datetime | None,
    prefix: Sequence[str],
) -> Kept:
    kept = (value for asset, partitioned in assets.items() for value in values.kept(asset, partitioned=partitioned))
    stored = {value: described for value in kept if (described := values.describe(value))}
    ids = wanted.prediction_ids | predictions.keys()  # those meant may be gone from the store, and not from a value
    rows: dict[bool, list[tuple[str, int]]] = {True: [], False: []}
    holding: list[KeptValue] = []
    for value, described in stored.items():
        asset = value.name.partition("|")[0].removeprefix("/".join((*prefix, "")))
        found = _source_rows(wanted, described, values) if asset == _RAW else []
        rows[value.newest] += found
        if (
            found
            or (asset == _LEARNED and labelled is not None)
            or (asset in _WITH_IDS and _has_ids(ids, described, values))
        ):
            holding.append(value)
    former = [row for row in dict.fromkeys(rows[False]) if row not in rows[True]]
    return Kept(predictions, labelled, rows[True], former, [*_with_made_of(holding, stored)])


def _source_rows(wanted: Wanted, value: StoredValue, values: ValueStore) -> list[tuple[str, int]]:
    import pandas as pd

    from housing_assets.listings.source import SOURCE_FILE, SOURCE_ROW

    if not wanted.cells:
        return []
    raw = pd.read_parquet(values.open(value) / TABLE, columns=[*wanted.cells, SOURCE_FILE, SOURCE_ROW])
    meant = raw[wanted.have_cells(raw)]
    return list(zip(meant[SOURCE_FILE].astype(str), meant[SOURCE_ROW].astype(int), strict=True))


def _has_ids(ids: Collection[str], value: StoredValue, values: ValueStore) -> bool:
    from housing_assets.monitoring.production.frames import Frames

    return bool(ids) and any(
        bool(frame["prediction_id"].isin(ids).any())
        for frame in Frames.load(values.open(value)).read(["prediction_id"])
    )


def _with_made_of(holding: Collection[KeptValue], stored: Mapping[KeptValue, StoredValue]) -> Iterator[KeptValue]:
    """Yield the values that hold the listing, then those made of them.

    So was one, for all that is known, that was made of a value which is gone, where another of its name holds it.
    """
    yield from holding
    names = {value.name for value in holding}
    clean = {(value.name, value.id) for value in stored if value not in holding}
    for value, described in stored.items():
        made_of = described.provenance.made_of.items()
        if value not in holding and any(name in names and (name, made) not in clean for name, made in made_of):
            yield value


def told_by_golden_rows(golden: Sequence[Mapping[str, Any]], wanted: Wanted) -> int:
    """Return how many golden rows of an artifact have the cells that are not personal, where there are such cells.

    Parameters
    ----------
    golden : sequence of mappings
        Cells by raw column.
    wanted : Wanted
    """
    import pandas as pd

    personal = {column.raw for column in wanted.market.columns if column.personal}
    target = wanted.market.target_column.raw
    cells = {name: text for name, text in wanted.cells.items() if name not in personal | {target}}
    if not cells or not golden:
        return 0
    frame = pd.DataFrame(list(golden), dtype=object)
    return int(Wanted(wanted.market, cells=cells).have_cells(frame).sum())
