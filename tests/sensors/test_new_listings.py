"""Files that land: complete ones only, each once, one run for what arrives together."""

import os
from pathlib import Path

import dagster as dg
import pytest

from resources.decision_log import DecisionLogs, Log
from resources.object_store import ObjectStore
from sensors.landing import LandingCursor, collect, look
from sensors.new_listings import new_listings_sensor
from tests.sensors.loop import Loop
from tests.sensors.tiny_assets import ASSETS, MARKET, TRAINING

SENSOR = "materialize_on_new_listings"


@pytest.fixture(autouse=True)
def no_other_sensor(loop: Loop) -> None:
    loop.only(SENSOR)


def launched(loop: Loop) -> int:
    return len(loop.launched("new_listings"))


def land(loop: Loop, name: str, text: str = "price\n1\n") -> Path:
    path = loop.folder / "landing" / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def settle(loop: Loop, hours: float) -> None:
    """Look, and look again after a while."""
    loop.tick()
    loop.put_clock_ahead(hours)
    loop.tick()


def test_files_that_arrive_together_are_one_run_and_each_file_is_used_once(loop: Loop) -> None:
    for name in (
        "a.csv",
        "b.csv.gz",
        "c.parquet",
        ".d.csv",
        "_e.csv",
        "f.csv.part",
        "g.txt",
        "H.CSV",
        ".i/j.csv",
        "k.csv/l",
    ):
        land(loop, name)
    loop.tick()
    assert launched(loop) == 0, "they may still grow"

    loop.put_clock_ahead(1)
    loop.tick(3)
    loop.run_queue()
    loop.tick(2)

    (run,) = loop.launched("new_listings")
    (decision,) = [one for one in loop.decisions(Log.NEW_LISTINGS) if one.outcome == "launch"]
    assert [Path(name).name for name in decision.evidence["files"]] == ["H.CSV", "a.csv", "b.csv.gz", "c.parquet"]
    assert run.tags["dagster/run_key"] == decision.run_key


def test_a_file_that_grows_is_waited_for_and_so_are_the_others(loop: Loop) -> None:
    land(loop, "a.csv")
    loop.tick()
    loop.put_clock_ahead(1)
    growing = land(loop, "b.csv")
    loop.tick()
    loop.put_clock_ahead(2)
    growing.write_text("price\n1\n2\n")
    loop.tick()
    assert launched(loop) == 0
    assert loop.outcomes(Log.NEW_LISTINGS) == ["settling"]

    loop.put_clock_ahead(3)
    loop.tick()
    assert launched(loop) == 1


def test_a_file_that_is_replaced_is_new(loop: Loop) -> None:
    file = land(loop, "a.csv")
    settle(loop, 1)
    loop.run_queue()
    os.utime(file, (1, 1))
    settle(loop, 2)

    assert launched(loop) == 2


def test_files_wait_for_a_training_that_is_under_way(loop: Loop) -> None:
    land(loop, "a.csv")
    settle(loop, 1)
    land(loop, "b.csv")
    settle(loop, 2)
    assert launched(loop) == 1
    assert loop.outcomes(Log.NEW_LISTINGS) == ["launch", "in flight"]

    loop.run_queue()
    loop.tick()
    assert launched(loop) == 2


@pytest.mark.parametrize("cursor", ["", "{", '{"schema_version": 2}'])
def test_a_lost_cursor_uses_no_file_twice(loop: Loop, cursor: str) -> None:
    land(loop, "a.csv")
    settle(loop, 1)
    loop.run_queue()
    loop.set_cursor(cursor, SENSOR)
    land(loop, "b.csv")
    settle(loop, 2)
    settle(loop, 3)

    assert launched(loop) == 2
    assert [Path(one.evidence["files"][0]).name for one in loop.decisions(Log.NEW_LISTINGS)] == ["a.csv", "b.csv"]


def test_a_batch_whose_run_was_never_made_is_asked_for_again(loop: Loop) -> None:
    land(loop, "a.csv")
    settle(loop, 1)
    (run,) = loop.launched("new_listings")
    loop.instance.delete_run(run.run_id)

    loop.tick(2)

    (again,) = loop.launched("new_listings")
    assert again.tags["dagster/run_key"] == run.tags["dagster/run_key"]


def test_a_landing_place_that_is_gone_is_told_of_and_comes_back(loop: Loop) -> None:
    landing = loop.folder / "landing"
    landing.rename(loop.folder / "elsewhere")
    loop.tick(2)
    assert loop.outcomes(Log.NEW_LISTINGS) == ["cannot look"]
    assert loop.decisions(Log.NEW_LISTINGS)[0].needs_person

    (loop.folder / "elsewhere").rename(landing)
    land(loop, "a.csv")
    settle(loop, 1)
    assert launched(loop) == 1


def test_without_a_landing_place_the_sensor_is_off() -> None:
    sensor = new_listings_sensor(landing=None, training=TRAINING, object_store=ObjectStore(), market=MARKET)

    assert sensor.default_status == dg.DefaultSensorStatus.STOPPED


def test_objects_of_a_bucket_are_complete_at_once_and_used_once(s3_endpoint: str) -> None:
    client = ObjectStore().client()
    bucket = "ads"
    client.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-central-1"})
    for key in ("new/a.csv", "new/2026/b.parquet", "new/_tmp.csv", "old/c.csv"):
        client.put_object(Bucket=bucket, Key=key, Body=b"price\n")
    location = f"s3://{bucket}/new/"

    arrivals, cursor = collect(look(location, ObjectStore().client), LandingCursor(), 0, 60)
    assert [file.path for file in arrivals.complete] == [
        f"s3://{bucket}/new/2026/b.parquet",
        f"s3://{bucket}/new/a.csv",
    ]

    handled = LandingCursor(handled=arrivals.as_batch().fingerprints)
    client.put_object(Bucket=bucket, Key="new/a.csv", Body=b"price\n2\n")
    arrivals, cursor = collect(look(location, ObjectStore().client), handled, 0, 60)
    assert [file.path for file in arrivals.complete] == [f"s3://{bucket}/new/a.csv"]
    assert len(cursor.handled) == 1, "what is no longer there is forgotten"


def test_a_bucket_that_does_not_exist_is_told_of(s3_endpoint: str) -> None:
    sensor = new_listings_sensor(
        landing="s3://nowhere/new", training=TRAINING, object_store=ObjectStore(), market=MARKET
    )
    repository = dg.Definitions([*ASSETS, *DecisionLogs().assets()], sensors=[sensor]).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, repository_def=repository)
        result = sensor(context)

    assert isinstance(result, dg.SensorResult)
    assert "NoSuchBucket" in str(result.skip_reason)
    assert result.asset_events
