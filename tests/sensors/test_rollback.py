"""A version that does worse than the one it replaced is taken back, once, over a real registry."""

from typing import Any

import dagster as dg
import pytest

from resources.decision_log import Log
from resources.mlflow.registry import PRODUCTION, ROLLED_BACK, ModelRegistry
from tests.resources.mlflow_database import new_database
from tests.sensors.loop import Loop
from tests.sensors.tiny_assets import PERFORMANCE

SENSOR = "roll_back_on_worse_performance"


@pytest.fixture(autouse=True)
def no_other_sensor(loop: Loop) -> None:
    loop.only(SENSOR, "alert_on_failures")


def verdict(version: int, replaced: int, *, worse: bool, **more: Any) -> dict[str, Any]:
    told = {"passed": not worse, "model_version": version, "replaced_version": replaced, "worse_than_replaced": worse}
    return {PERFORMANCE: {**told, "counts_toward_retraining": False, **more}}


@pytest.fixture
def registry(loop: Loop) -> ModelRegistry:
    """Give a registry of three versions, of which the third has replaced the second in production."""
    new_database(loop.folder)
    made = ModelRegistry(tracking_uri=f"sqlite:///{loop.folder / 'mlflow.db'}")
    client = made.client()
    client.create_registered_model(made.model_name)
    for _ in range(3):
        client.create_model_version(made.model_name, source=str(loop.folder / "landing"))
    for version in sorted(made.versions(), key=lambda each: each.number)[1:]:
        made.promote(version)
    return made


def production(registry: ModelRegistry) -> int:
    version = registry.with_alias(PRODUCTION)
    assert version is not None
    return version.number


def judge(loop: Loop, day: int, said: dict[str, Any]) -> None:
    loop.judge(f"2026-03-{day:02}", asset="performance_report", **said)


@pytest.mark.parametrize("cursor", [None, *(pytest.param(each, marks=pytest.mark.trial) for each in ("", "{"))])
def test_a_worse_version_is_rolled_back_once_and_told_of(
    loop: Loop, registry: ModelRegistry, cursor: str | None
) -> None:
    judge(loop, 1, verdict(3, 2, worse=True))
    for day in (2, 3):
        loop.tick()
        if cursor is not None:
            loop.set_cursor(cursor, SENSOR)
        judge(loop, day, verdict(3, 2, worse=True))
    loop.tick(2)

    assert production(registry) == 2
    (noted,) = [version.tags[ROLLED_BACK] for version in registry.versions() if ROLLED_BACK in version.tags]
    assert noted.count("to version 2") == 1
    assert "report performance_report-2026-03-01" in noted
    assert loop.outcomes(Log.ROLLBACK) == ["rolled back"]
    assert (loop.folder / "alerts.log").read_text().count("rolled back") == 1


def test_a_version_that_people_promote_again_is_left_alone(loop: Loop, registry: ModelRegistry) -> None:
    judge(loop, 1, verdict(3, 2, worse=True))
    loop.tick()
    registry.promote(registry.versions()[0])
    loop.set_cursor("", SENSOR)
    judge(loop, 2, verdict(3, 2, worse=True))
    loop.tick(2)

    assert production(registry) == 3


def test_a_version_that_people_took_back_and_promoted_again_is_theirs(loop: Loop, registry: ModelRegistry) -> None:
    newest = registry.versions()[0]
    registry.rollback(reason="a person")
    registry.promote(newest)
    judge(loop, 1, verdict(3, 2, worse=True))
    loop.tick(2)

    assert production(registry) == 3
    assert loop.outcomes(Log.ROLLBACK) == ["left alone"]
    assert loop.decisions(Log.ROLLBACK)[0].needs_person


def test_a_rollback_that_a_crash_left_unrecorded_is_recorded_and_told_of(loop: Loop, registry: ModelRegistry) -> None:
    judge(loop, 1, verdict(3, 2, worse=True))
    registry.rollback(to=2, reason="the sensor, which was then killed")
    loop.tick(2)

    assert production(registry) == 2
    assert loop.outcomes(Log.ROLLBACK) == ["rolled back"]


@pytest.mark.parametrize(
    "said",
    [
        verdict(3, 2, worse=False),
        verdict(3, 2, worse=True, insufficient=True),
        verdict(2, 1, worse=True),
        verdict(3, 2, worse=True, worse_than_replaced="yes"),
        {PERFORMANCE: {"passed": False}},
    ],
    ids=["no worse", "too few labels", "another version", "no bool", "nothing said"],
)
def test_production_stays(loop: Loop, registry: ModelRegistry, said: dict[str, Any]) -> None:
    judge(loop, 1, said)
    loop.tick(2)

    assert production(registry) == 3
    assert "rolled back" not in loop.outcomes(Log.ROLLBACK)


def test_the_newest_window_of_a_version_is_what_counts(loop: Loop, registry: ModelRegistry) -> None:
    judge(loop, 1, verdict(3, 2, worse=True))
    judge(loop, 2, verdict(3, 2, worse=False))
    judge(loop, 1, verdict(3, 2, worse=True))  # an old day, judged again
    loop.tick(2)

    assert production(registry) == 3


def test_a_version_that_is_gone_calls_a_person(loop: Loop, registry: ModelRegistry) -> None:
    judge(loop, 1, verdict(3, 9, worse=True))
    loop.tick(3)

    assert production(registry) == 3
    assert loop.outcomes(Log.ROLLBACK) == ["cannot roll back"]
    assert loop.decisions(Log.ROLLBACK)[0].needs_person


def test_a_registry_out_of_reach_is_recorded_and_asked_again(loop: Loop, registry: ModelRegistry) -> None:
    judge(loop, 1, verdict(3, 2, worse=True))
    from sensors.rollback import rollback_sensor
    from tests.sensors.tiny_assets import HELD

    sensor, cursor = rollback_sensor(check=HELD), None
    unreachable = ModelRegistry(tracking_uri="http://127.0.0.1:9")
    recorded = []
    for reached in (unreachable, unreachable, registry):
        context = dg.build_sensor_context(instance=loop.instance, cursor=cursor, resources={"registry": reached})
        result = sensor(context)
        assert isinstance(result, dg.SensorResult)
        cursor = result.cursor
        recorded += [event.metadata["outcome"].value for event in result.asset_events]

    assert recorded == ["registry out of reach", "rolled back"]
    assert production(registry) == 2
