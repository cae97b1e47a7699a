"""Storage in a bucket over real HTTP: what many do at once, what dies in the middle, and a server that fails."""

import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster_aws.s3 import S3Resource

from resources.object_store import ObjectStore, split_location
from resources.values import cache, s3
from resources.values.ancestry import Provenance
from resources.values.asset_storage import AssetStorage
from resources.values.cache import ValueCache
from resources.values.s3 import S3Values
from resources.values.store import ValueLost
from tests.resources.faulty_s3 import FaultyS3, in_front_of
from tests.resources.values.test_asset_storage import Edges

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NOTHING = Provenance()


@pytest.fixture
def client(s3_endpoint: str) -> "S3Client":
    made = ObjectStore().client()
    made.create_bucket(Bucket="values", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    return made


@pytest.fixture
def faulty(client: "S3Client", s3_endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyS3]:
    with in_front_of(s3_endpoint) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        yield proxy


def values_of(machine: Path, max_bytes: int = 1 << 30) -> S3Values:
    """Return the store as a machine sees it."""
    return S3Values("s3://values/housing", ValueCache(machine, max_bytes))


def save(text: str, folder: Path) -> None:
    """Write files that fit together."""
    (folder / "text").write_text(text * 1000)
    (folder / "sha256").write_text(hashlib.sha256(text.encode() * 1000).hexdigest())


def write(store: S3Values, text: str, name: str = "ads") -> str:
    return store.write(name, NOTHING, lambda folder: save(text, folder)).id


def read(store: S3Values, name: str = "ads") -> str:
    value = store.newest(name)
    assert value is not None
    folder = store.open(value)
    text = (folder / "text").read_text()
    assert hashlib.sha256(text.encode()).hexdigest() == (folder / "sha256").read_text()
    return text[: len(text) // 1000]


def keys(client: "S3Client") -> list[str]:
    return [entry["Key"] for entry in client.list_objects_v2(Bucket="values").get("Contents", [])]


def test_another_machine_reads_what_one_has_written(client: "S3Client", tmp_path: Path) -> None:
    write(values_of(tmp_path / "one"), "a")

    assert read(values_of(tmp_path / "other")) == "a"


def test_keys_have_neither_slashes_nor_characters_of_their_own(client: "S3Client", tmp_path: Path) -> None:
    value_id = write(values_of(tmp_path), "a", "king_county/profile|Kadıköy/../ç")

    below = "housing/king_county/profile/.partitions/Kad.c4.b1k.c3.b6y.2f.2e.2e.2f.c3.a7"
    assert sorted(keys(client)) == sorted(
        f"{below}/{rest}"
        for rest in (
            ".newest.json",
            f".values/{value_id}.json",
            f".values/{value_id}/sha256",
            f".values/{value_id}/text",
        )
    )


def test_a_second_reading_downloads_no_file(faulty: FaultyS3, tmp_path: Path) -> None:
    store = values_of(tmp_path / "one")
    write(values_of(tmp_path / "other"), "a")
    read(store)
    asked: list[str] = []
    faulty.fault = lambda method, path: asked.append(path) or "none"  # type: ignore[func-returns-value]

    read(store)

    assert len(asked) == 2
    assert asked[0].endswith(".newest.json")
    assert asked[1].endswith(".json")


def test_many_write_and_read_at_once_and_every_value_is_whole(client: "S3Client", tmp_path: Path) -> None:
    stores = [values_of(tmp_path / str(machine)) for machine in range(4)]
    write(stores[0], "0")

    def many_writes(machine: int) -> list[str]:
        return [write(stores[machine], f"{machine}.{turn};") for turn in range(5)]

    def many_reads(machine: int) -> list[str]:
        texts = []
        for _ in range(8):
            with suppress(ValueLost):  # it was replaced twice meanwhile: what is not read is never a mixture
                texts.append(read(stores[machine]))
        return texts

    with ThreadPoolExecutor(4) as threads:
        written = [threads.submit(many_writes, machine) for machine in (0, 1)]
        seen = [threads.submit(many_reads, machine) for machine in (2, 3)]
        ids = {one for done in written for one in done.result()}
        texts = {text for done in seen for text in done.result()}

    assert texts
    assert texts <= {"0", *(f"{machine}.{turn};" for machine in (0, 1) for turn in range(5))}
    (pointer,) = [key for key in keys(client) if key.endswith(".newest.json")]
    named = json.loads(client.get_object(Bucket="values", Key=pointer)["Body"].read())
    assert {named["newest"], named["previous"]} <= ids
    assert read(values_of(tmp_path / "new")) in {"0.4;", "1.4;"}


def test_whoever_switches_second_keeps_the_value_of_the_first(client: "S3Client", tmp_path: Path) -> None:
    """Two writers have read the same pointer; the second must not switch as if the first had never written."""
    one, other = values_of(tmp_path / "one"), values_of(tmp_path / "other")
    write(one, "before")
    pointer_of, interrupted = other._pointer, []

    def read_then_wait(name: str) -> object:
        found = pointer_of(name)
        if not interrupted:
            interrupted.append(write(one, "first"))
        return found

    other._pointer = read_then_wait  # type: ignore[method-assign,assignment]
    second = write(other, "second")

    kept = {kept.id: kept.newest for kept in one.kept("ads", partitioned=False)}
    assert kept == {interrupted[0]: False, second: True}


def die_before_the_switch(machine: Path) -> None:
    store = values_of(machine)
    store._switch = lambda *_: os.kill(os.getpid(), signal.SIGKILL)  # type: ignore[method-assign,assignment]
    write(store, "never seen")


@pytest.mark.acceptance
def test_a_writer_killed_after_its_upload_leaves_the_old_value_and_nothing_for_ever(
    client: "S3Client", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = values_of(tmp_path / "here")
    write(store, "old")
    writer = multiprocessing.get_context("spawn").Process(target=die_before_the_switch, args=(tmp_path / "there",))
    writer.start()
    writer.join()
    assert writer.exitcode == -signal.SIGKILL
    left = [key for key in keys(client) if key.endswith("/text")]
    assert len(left) == 2

    assert read(store) == "old"
    write(store, "new")
    assert len([key for key in keys(client) if key.endswith("/text")]) == 3  # its writer may live yet
    monkeypatch.setattr(s3, "ABANDONED_AFTER", timedelta(seconds=-1))
    write(store, "newer")
    assert len([key for key in keys(client) if key.endswith("/text")]) == 2
    assert read(store) == "newer"


@pytest.mark.acceptance
@pytest.mark.parametrize("fault", ["503", "cut off"])
def test_faults_that_pass_are_not_seen(faulty: FaultyS3, tmp_path: Path, fault: str) -> None:
    store = values_of(tmp_path / "one")
    write(store, "old")

    faulty.fail_next(2, fault, only=lambda method, path: method == "PUT" and path.endswith("/text"))  # type: ignore[arg-type]
    write(store, "new")
    faulty.fail_next(1, fault, only=lambda method, path: path.endswith(".newest.json") and method == "PUT")  # type: ignore[arg-type]
    write(store, "newer")
    faulty.fail_next(3, fault, only=lambda method, path: method == "GET")  # type: ignore[arg-type]

    assert read(values_of(tmp_path / "other")) == "newer"
    assert faulty.befallen >= 3
    assert [kept.newest for kept in store.kept("ads", partitioned=False)] == [False, True]


@pytest.mark.acceptance
def test_a_slow_server_is_waited_for(faulty: FaultyS3, tmp_path: Path) -> None:
    faulty.delay = 0.2
    with faulty.failing("slow"):
        write(values_of(tmp_path / "one"), "a")

        assert read(values_of(tmp_path / "other")) == "a"
    assert faulty.befallen >= 6


def test_a_step_is_tried_again_while_the_bucket_is_away(
    faulty: FaultyS3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ObjectStore, "client", lambda self: S3Resource(max_attempts=0).get_client())
    storage = AssetStorage(
        folder="s3://values/housing",
        cache=str(tmp_path),
        values={"edges": "tests.resources.values.test_asset_storage:Edges"},
    )
    away: list[str] = []

    @dg.asset
    def edges(context: dg.AssetExecutionContext) -> Edges:
        away.append("writing")
        if context.retry_number == 0:
            faulty.fail_next(1, "503", only=lambda method, path: method == "PUT")
        return Edges(1.0, 2.0)

    @dg.asset
    def report(context: dg.AssetExecutionContext, edges: Edges) -> None:
        away.append("reading")
        assert edges == Edges(1.0, 2.0)

    result = dg.materialize([edges, report], resources={"io_manager": storage})

    assert result.success
    assert away == ["writing", "writing", "reading"]


def test_a_damaged_object_is_refused_by_its_checksum(client: "S3Client", tmp_path: Path) -> None:
    write(values_of(tmp_path / "one"), "a")
    (key,) = [key for key in keys(client) if key.endswith("/text")]
    client.put_object(Bucket="values", Key=key, Body=b"b" * 1000)

    with pytest.raises(ValueLost, match="is damaged: its checksum differs"):
        read(values_of(tmp_path / "other"))


def test_a_value_that_was_replaced_twice_while_it_was_read_says_so(client: "S3Client", tmp_path: Path) -> None:
    store, reader = values_of(tmp_path / "one"), values_of(tmp_path / "other")
    write(store, "a")
    found = reader.newest("ads")
    assert found is not None
    for text in "bc":
        write(store, text)

    with pytest.raises(ValueLost, match="replaced twice"):
        reader.open(found)


def test_copies_that_are_too_many_go_the_longest_unused_first(
    client: "S3Client", tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "IN_USE", timedelta(seconds=0))
    for name in "abc":
        write(values_of(tmp_path / "writer"), name * 10, name)
    store = values_of(tmp_path / "reader", max_bytes=25_000)  # two of 10,064
    for name in "abac":
        read(store, name)
        time.sleep(0.01)

    copies = {path.read_text()[0] for path in (tmp_path / "reader").rglob("text")}

    assert copies == {"a", "c"}


def test_copies_in_use_stay_however_many_there_are(client: "S3Client", tmp_path: Path) -> None:
    store = values_of(tmp_path / "reader", max_bytes=0)
    for name in "ab":
        write(values_of(tmp_path / "writer"), name, name)
        read(store, name)

    assert len(list((tmp_path / "reader").rglob("text"))) == 2


@pytest.mark.parametrize("location", ["values/housing", "s3://", "s3:///housing", "http://values/housing", "s3://a?b"])
def test_what_is_no_location_is_refused(location: str) -> None:
    with pytest.raises(ValueError, match="expected s3://bucket/prefix"):
        split_location(location)
