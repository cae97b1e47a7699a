"""What was refused and what did not come: judged day by day, told of, and never a reason to retrain."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from housing_assets.definitions import build_defs
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring import checks
from housing_assets.monitoring.production.traffic import Traffic, expected_answers, judge_traffic, read_traffic
from housing_assets.monitoring.report_context import ReportContext
from housing_assets.monitoring.thresholds import Thresholds
from resources.predictions.records import insert
from resources.predictions.store import PredictionStore, Refusals
from resources.predictions.tables import migrate, open_store
from resources.verdicts import Verdict
from tests.monitoring.watched import Watched, told
from tests.resources.prediction_records import prediction, refusal

DAY = date(2026, 3, 10)


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Watched.on(tmp_path, instance)


def record(url: str, *, answered: dict[date, int], refused: tuple[dict[str, Any], ...] = ()) -> None:
    """Store answers evenly spread over days, and refusals."""
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        for day, rows in answered.items():
            midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)
            moments = (midnight + timedelta(days=row / rows) for row in range(rows))
            insert(connection, (prediction(predicted_at=moment.isoformat()) for moment in moments))
        insert(connection, refused)
    engine.dispose()


def week_before(day: date, rows: int = 400) -> dict[date, int]:
    return {day - timedelta(days=back): rows for back in range(1, 8)}


def refusals(requests: int, **changes: Any) -> dict[str, Any]:
    return refusal(requests, refused_at=f"{DAY}T12:00:00Z", **changes)


def judge(watched: Watched, **thresholds: float) -> dict[str, dg.AssetCheckEvaluation]:
    config = {"traffic_report": thresholds} if thresholds else None
    result = watched.materialize(DAY, ["traffic_report"], config)
    assert result.success
    return {one.check_name: one for one in result.get_asset_check_evaluations()}


def test_an_ordinary_day_passes(watched: Watched) -> None:
    record(watched.settings.prediction_store_url, answered=week_before(DAY) | {DAY: 380}, refused=(refusals(5),))

    found = judge(watched)

    assert {name: one.passed for name, one in found.items()} == {"refusals_within_limit": True, "traffic_held": True}
    assert not any(told(one, "insufficient") for one in found.values())


def test_a_day_of_refusals_fails_is_told_by_field_and_reason_and_retrains_nothing(watched: Watched) -> None:
    refused = (refusals(1_700), refusals(200, field="district", reason="missing"), refusals(100, field=None))
    feedback = refusals(5_000, endpoint="feedback", field="price")
    url = watched.settings.prediction_store_url
    record(url, answered=week_before(DAY) | {DAY: 400}, refused=(*refused, feedback))

    check = judge(watched)["refusals_within_limit"]

    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.WARN
    assert told(check, "value") == pytest.approx(2_000 / 2_400)
    assert told(check, "offending_columns") == "GrossSquareMeters, district"
    assert "2,000 of 2,400 listings were refused (83.3%, limit 5.0%): GrossSquareMeters unusable (1,700)" in told(
        check, "verdict"
    )
    verdict = Verdict.from_metadata(check.metadata)
    assert verdict is not None
    assert not verdict.counts_toward_retraining
    assert verdict.in_production  # or nobody would be told
    report = json.loads((watched.value("traffic_report", DAY) / "traffic_report.json").read_text())
    assert report["traffic"]["answered"] == 400


def test_the_limits_are_those_of_the_run(watched: Watched) -> None:
    url = watched.settings.prediction_store_url
    record(url, answered=week_before(DAY) | {DAY: 300}, refused=(refusals(60),))

    strict = judge(watched, refused_share=0.1, traffic_share=0.8)

    assert not any(one.passed for one in strict.values())
    assert all(one.passed for one in judge(watched, refused_share=0.2).values())


@pytest.mark.parametrize("answered", [0, 100])
def test_a_day_with_far_fewer_answers_than_the_days_before_fails(watched: Watched, answered: int) -> None:
    record(watched.settings.prediction_store_url, answered=week_before(DAY) | {DAY: answered})

    check = judge(watched)["traffic_held"]

    assert not check.passed
    assert not told(check, "counts_toward_retraining")
    assert told(check, "verdict") == (
        f"{answered} listings were answered; about 400 were expected from the days before "
        f"({answered // 4}%, limit 30%)."
    )


def test_the_first_days_of_a_service_are_compared_with_nothing(watched: Watched) -> None:
    record(watched.settings.prediction_store_url, answered={DAY - timedelta(days=1): 4_000, DAY: 300})

    check = judge(watched)["traffic_held"]

    assert check.passed
    assert told(check, "insufficient")


def test_a_day_that_is_not_over_is_compared_with_the_days_before_until_the_same_time(watched: Watched) -> None:
    url = watched.settings.prediction_store_url
    record(url, answered=week_before(DAY) | {DAY: 400})
    start = datetime(2026, 3, 10, tzinfo=UTC)

    morning = read_traffic(PredictionStore(url=url), start, start + timedelta(days=1), start + timedelta(hours=6))

    assert (morning.answered, morning.before) == (100, (0,) * 7 + (100,) * 7)


@pytest.mark.parametrize(
    ("before", "expected"),
    [
        ((400,) * 14, 400),
        ((400,) * 7 + (80, 400, 400, 400, 400, 400, 90), 80),  # a Saturday, a week after the last one
        ((400,) * 7 + (0, 400, 400, 400, 400, 400, 400), 0),  # a weekday on which nobody comes
        ((400,) * 7 + (400, 0, 0, 0, 400, 400, 400), 400),  # days of an outage
        ((0,) * 10 + (400, 500, 600, 700), 550),  # a service of four days
        ((0,) * 12 + (5_000, 5_000), None),
        ((10,) * 14, None),
        ((0,) * 14, None),
    ],
)
def test_what_the_days_before_let_expect(before: tuple[int, ...], expected: float | None) -> None:
    assert expected_answers(before, min_rows=200) == expected


def test_a_weekday_on_which_nobody_comes_is_no_failure() -> None:
    closed = (400,) * 7 + (0, 400, 400, 400, 400, 400, 400)
    assert not judge_traffic(Traffic(0, (), closed), Thresholds()).too_few_answered


def test_few_refusals_say_nothing() -> None:
    few = (Refusals("predict", "district", "missing", 30),)
    report = judge_traffic(Traffic(100, few, ()), Thresholds())
    assert report.refused_share > 0.2
    assert report.too_few_to_judge_refusals
    assert not report.too_many_refused


def test_a_check_that_crashes_fails_and_calls_for_nothing() -> None:
    broken: Any = object()
    for result in checks.traffic_results(broken, ReportContext("2026-03-10", ("2026-03-10",), "r", 0, True)):
        assert (result.passed, result.severity) == (False, dg.AssetCheckSeverity.WARN)


def test_what_alerts_alone_is_no_judged_window_to_the_sensor_that_retrains(watched: Watched) -> None:
    record(watched.settings.prediction_store_url, answered={DAY: 400}, refused=(refusals(2_000),))
    assert not judge(watched)["refusals_within_limit"].passed
    repository = build_defs(MARKET, settings=watched.settings).get_repository_def()
    predictions = PredictionStore(url=watched.settings.prediction_store_url)
    context = dg.build_sensor_context(
        instance=watched.instance, repository_def=repository, resources={"predictions": predictions}
    )

    result = repository.get_sensor_def("retrain_on_failed_drift_checks").evaluate_tick(context)

    assert not result.run_requests
    assert result.skip_message == "No window has had enough rows to be judged yet."
