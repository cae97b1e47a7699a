"""What is kept of a listing is found in every value that takes up space, on a disk and in a bucket."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from housing_assets.erasure import LOOKS, Kept, Wanted, find, remove
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.production.frames import Frames
from resources.object_store import ObjectStore
from resources.predictions.store import PredictionStore
from resources.values.ancestry import Provenance, StoredValue
from resources.values.asset_storage import TABLE
from resources.values.opening import open_value_store
from resources.values.store import KeptValue, ValueLost, ValueStore

ASSETS = {"raw_listings": False, "listings": False, "production_predictions": True, "drift_report": True}
GONE, STAYS = "Silinecek Sokak", "Kalan Sokak"
NEWEST = [("raw_listings", True), ("listings", True)]
DAY = "production_predictions|2026-03-01"


@pytest.fixture(params=["disk", "s3"])
def values(request: pytest.FixtureRequest, tmp_path: Path) -> ValueStore:
    if request.param == "disk":
        return open_value_store(str(tmp_path / "assets"))
    request.getfixturevalue("s3_endpoint")
    region = {"LocationConstraint": "eu-central-1"}
    ObjectStore().client().create_bucket(Bucket="values", CreateBucketConfiguration=region)
    return open_value_store("s3://values/housing", cache=str(tmp_path / "cache"), cache_bytes=1 << 30)


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Name a prediction store that nothing was written to yet."""
    return f"sqlite:///{tmp_path / 'predictions.db'}"


def train_on(values: ValueStore, *streets: str) -> None:
    """Store raw listings, and listings made of them."""
    rows = range(1, len(streets) + 1)
    raw = pd.DataFrame({"address": streets, "source_file": "ads.csv", "source_row": rows})
    written = values.write("raw_listings", Provenance(), lambda folder: raw.to_parquet(folder / TABLE))
    make_of(values, "listings", {"raw_listings": written.id})


def make_of(values: ValueStore, name: str, made_of: Mapping[str, str]) -> None:
    values.write(name, Provenance(tuple(made_of), made_of), lambda folder: (folder / "value").touch())


def answer(values: ValueStore, *ids: str) -> str:
    """Store a day of answers; return the id of the value."""
    frame = pd.DataFrame({"prediction_id": ids})
    return values.write(DAY, Provenance(), partial(Frames.write, [frame])).id  # type: ignore[arg-type]


def look_for(values: ValueStore, url: str, *prediction_ids: str, **cells: str) -> Kept:
    wanted = Wanted(MARKET, frozenset(prediction_ids), cells)
    return find(wanted, PredictionStore(url=url), values, ASSETS, ())


def told(kept: Kept) -> list[tuple[str, bool]]:
    return [(value.name, value.newest) for value in kept.values]


def left(values: ValueStore) -> list[tuple[str, bool]]:
    kept = (one for asset, partitioned in ASSETS.items() for one in values.kept(asset, partitioned=partitioned))
    return [(one.name, one.newest) for one in kept]


def test_an_ad_that_was_taken_out_of_the_source_is_found_in_the_values_before(values: ValueStore, url: str) -> None:
    train_on(values, STAYS, GONE)
    train_on(values, STAYS)

    kept = look_for(values, url, address=GONE)

    assert told(kept) == [("raw_listings", False), ("listings", False)]
    assert (kept.source_rows, kept.former_rows) == ([], [("ads.csv", 2)])
    remove(kept, url, values)
    assert left(values) == NEWEST
    assert not look_for(values, url, address=GONE).values


def test_an_ad_that_all_values_hold_leaves_none(values: ValueStore, url: str) -> None:
    train_on(values, GONE)
    train_on(values, GONE)

    kept = look_for(values, url, address=GONE)

    assert sorted(told(kept)) == sorted([("raw_listings", False), ("listings", False), *NEWEST])
    assert (kept.source_rows, kept.former_rows) == ([("ads.csv", 1)], [])
    remove(kept, url, values)
    assert left(values) == []


def test_what_was_made_of_a_value_that_is_gone_goes_where_the_others_of_its_name_hold_the_ad(
    values: ValueStore, url: str
) -> None:
    train_on(values, GONE)
    make_of(values, "listings", {"raw_listings": "1-2"})

    assert told(look_for(values, url, address=GONE)) == [
        ("raw_listings", True),
        ("listings", False),
        ("listings", True),
    ]


def test_what_was_made_of_rows_without_the_ad_stays(values: ValueStore, url: str) -> None:
    train_on(values, STAYS)
    train_on(values, STAYS, GONE)

    assert told(look_for(values, url, address=GONE)) == NEWEST


def test_a_day_before_the_newest_goes_by_its_id_though_the_store_has_forgotten_it(values: ValueStore, url: str) -> None:
    with_it = answer(values, "a", "b")
    make_of(values, "drift_report|2026-03-01", {DAY: with_it})
    without = answer(values, "a")
    make_of(values, "drift_report|2026-03-01", {DAY: without})

    kept = look_for(values, url, "b")

    assert told(kept) == [(DAY, False), ("drift_report|2026-03-01", False)]
    remove(kept, url, values)
    assert left(values) == [(DAY, True), ("drift_report|2026-03-01", True)]


def replacing_at_each_look(
    values: ValueStore, looks: int, monkeypatch: pytest.MonkeyPatch, read: str = "open"
) -> list[str]:
    """Let a run replace the raw listings twice just before they are read, so many times; return what was read."""
    look, seen = getattr(values, read), list[str]()

    def replace_first(value: StoredValue | KeptValue) -> object:
        seen.append(value.id)
        if len(seen) <= looks:
            train_on(values, STAYS, GONE)
            train_on(values, GONE)
        return look(value)

    monkeypatch.setattr(values, read, replace_first)
    return seen


@pytest.mark.parametrize("read", ["open", "describe"])
def test_values_that_a_run_replaces_during_a_look_are_looked_through_again(
    values: ValueStore, url: str, monkeypatch: pytest.MonkeyPatch, read: str
) -> None:
    train_on(values, STAYS)
    seen = replacing_at_each_look(values, 1, monkeypatch, read)

    kept = look_for(values, url, address=GONE)

    assert sorted(told(kept)) == sorted([("raw_listings", False), ("listings", False), *NEWEST])
    assert seen


def test_values_that_runs_replace_at_every_look_are_given_up_and_all_is_left(
    values: ValueStore, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    train_on(values, GONE)
    seen = replacing_at_each_look(values, 10, monkeypatch)

    with pytest.raises(ValueLost, match="raw_listings"):
        look_for(values, url, address=GONE)

    assert len(seen) == LOOKS
    assert {("raw_listings", True), ("listings", True)} <= set(left(values))
