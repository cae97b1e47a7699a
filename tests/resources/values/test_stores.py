"""What holds wherever values lie: on a disk, and in an S3 bucket over HTTP."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from resources.object_store import ObjectStore
from resources.values.ancestry import Provenance
from resources.values.opening import open_value_store
from resources.values.store import ValueStore

MADE_OF = Provenance(("ads",), {"ads": "1-2"}, "declared", ("ads",))
ODD = ["2026-01-01", "Kadıköy/Moda", "../ads", ".hidden", "a b|c", "%2F.2f", "100 % ~ 'ş'"]


@pytest.fixture(params=["disk", "s3"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ValueStore:
    if request.param == "disk":
        return open_value_store(str(tmp_path / "assets"))
    request.getfixturevalue("bucket")
    return open_value_store("s3://values/team/housing/", cache=str(tmp_path / "cache"), cache_bytes=1 << 30)


@pytest.fixture
def bucket(s3_endpoint: str) -> None:
    region = {"LocationConstraint": "eu-central-1"}
    ObjectStore().client().create_bucket(Bucket="values", CreateBucketConfiguration=region)


def writing(text: str) -> Callable[[Path], None]:
    def save(folder: Path) -> None:
        (folder / "parts").mkdir()
        (folder / "told.txt").write_text(text)
        (folder / "parts" / "ş.json").write_text(json.dumps(text))
        (folder / "page.html").write_text(text)

    return save


def read(store: ValueStore, name: str) -> str | None:
    value = store.newest(name)
    if value is None:
        return None
    folder = store.open(value)
    told = (folder / "told.txt").read_text()
    assert json.loads((folder / "parts" / "ş.json").read_text()) == told
    return told


def test_what_was_written_is_read_with_what_it_was_made_of(store: ValueStore) -> None:
    assert store.newest("ads") is None

    written = store.write("ads", MADE_OF, writing("first"))

    value = store.newest("ads")
    assert value is not None
    assert (value.id, value.provenance) == (written.id, MADE_OF)
    assert read(store, "ads") == "first"
    assert written.n_bytes == 2 * len("first") + len('"first"')
    assert written.where == store.where("ads")
    assert written.pages["page"].endswith("page.html")


def test_the_newest_value_and_the_one_before_are_kept_and_no_others(store: ValueStore) -> None:
    written = [store.write("ads", MADE_OF, writing(str(one))).id for one in range(4)]

    kept = list(store.kept("ads", partitioned=False))

    assert [(one.id, one.newest) for one in kept] == [(written[2], False), (written[3], True)]
    assert all(one.n_bytes > 0 for one in kept)
    assert kept[0].written_at < kept[1].written_at


def test_a_value_that_was_found_can_be_read_after_the_next_was_written(store: ValueStore) -> None:
    store.write("ads", MADE_OF, writing("old"))
    found = store.newest("ads")
    assert found is not None

    store.write("ads", MADE_OF, writing("new"))

    assert (store.open(found) / "told.txt").read_text() == "old"


def test_a_save_that_fails_leaves_the_value_as_it_was_and_nothing_else(store: ValueStore) -> None:
    store.write("ads", MADE_OF, writing("whole"))

    def fail(folder: Path) -> None:
        (folder / "told.txt").write_text("half")
        raise OSError("no space left on device")

    with pytest.raises(OSError, match="no space left"):
        store.write("ads", MADE_OF, fail)

    assert read(store, "ads") == "whole"
    assert len(list(store.kept("ads", partitioned=False))) == 1


@pytest.mark.parametrize("asset", ["profile", "king_county/profile"])
def test_partitions_of_any_name_are_told_apart_and_found(store: ValueStore, asset: str) -> None:
    for day in ODD:
        store.write(f"{asset}|{day}", MADE_OF, writing(day))
    store.write("profiles", MADE_OF, writing("of another asset"))

    names = list(store.names(asset, partitioned=True))

    assert sorted(names) == sorted(f"{asset}|{day}" for day in ODD)
    assert {name: read(store, name) for name in names} == {f"{asset}|{day}": day for day in ODD}
    assert {one.name for one in store.kept(asset, partitioned=True)} == set(names)


def test_a_forgotten_name_has_no_value_and_the_others_have(store: ValueStore) -> None:
    for name in ("ads", "ads_of_others", "profile|2026-01-01", "profile|2026-01-02"):
        for text in ("old", "new"):
            store.write(name, MADE_OF, writing(text))

    store.forget("ads")
    store.forget("profile|2026-01-01")
    store.forget("never there")

    assert [read(store, name) for name in ("ads", "ads_of_others")] == [None, "new"]
    assert list(store.names("profile", partitioned=True)) == ["profile|2026-01-02"]
    assert list(store.names("ads", partitioned=False)) == []
    assert list(store.kept("ads", partitioned=False)) == []


def test_a_dropped_value_is_gone_and_its_name_stands_for_the_newest(store: ValueStore) -> None:
    for text in ("old", "new"):
        store.write("ads", MADE_OF, writing(text))
    before, newest = store.kept("ads", partitioned=False)

    store.drop(before)

    assert list(store.kept("ads", partitioned=False)) == [newest]
    assert read(store, "ads") == "new"


def test_ids_grow_with_time(store: ValueStore) -> None:
    ids = [store.write("ads", MADE_OF, writing("x")).id for _ in range(3)]

    assert all(int(one.partition("-")[0]) < int(other.partition("-")[0]) for one, other in pairwise(ids))


def test_a_kept_value_tells_what_it_was_made_of_and_can_be_read(store: ValueStore) -> None:
    for text in ("old", "new"):
        store.write("ads|2026-01-01", Provenance(("raw",), {"raw": text}), writing(text))

    described = [store.describe(one) for one in store.kept("ads", partitioned=True)]

    assert [one and one.provenance.made_of["raw"] for one in described] == ["old", "new"]
    assert [one and (store.open(one) / "told.txt").read_text() for one in described] == ["old", "new"]


def test_what_a_writer_has_not_finished_tells_nothing(store: ValueStore) -> None:
    store.write("ads", MADE_OF, writing("whole"))
    store.write("ads", MADE_OF, writing("unfinished"))
    _, unfinished = store.kept("ads", partitioned=False)
    where = Path(store.where("ads"))
    if where.exists():
        (where.with_name(".ads") / f"{unfinished.id}.json").unlink()
    else:
        ObjectStore().client().delete_object(Bucket="values", Key=f"team/housing/ads/.values/{unfinished.id}.json")

    assert store.describe(replace(unfinished, newest=False)) is None
