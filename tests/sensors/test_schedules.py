"""The daily monitoring takes the day before; the weekly retraining waits for what is under way."""

from datetime import UTC, datetime

import dagster as dg

from sensors.schedules import daily_monitoring_schedule, weekly_retraining_schedule
from tests.sensors.loop import Loop
from tests.sensors.tiny_assets import ASSETS, MARKET, MONITORING, PSI, TRAINING


def test_the_daily_monitoring_asks_for_the_day_before() -> None:
    schedules = [daily_monitoring_schedule(monitoring=MONITORING, market=MARKET)]
    repository = dg.Definitions(ASSETS, schedules=schedules).get_repository_def()
    schedule = repository.get_schedule_def("daily_monitoring")
    context = dg.build_schedule_context(
        scheduled_execution_time=datetime(2026, 3, 2, 2, 30, tzinfo=UTC), repository_def=repository
    )

    (request,) = schedule.evaluate_tick(context).run_requests or []

    assert request.partition_key == "2026-03-01"
    assert schedule.cron_schedule == "30 2 * * *"
    assert schedule.execution_timezone == "UTC"
    assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING


def test_the_weekly_retraining_says_why_and_waits_for_a_training_under_way(loop: Loop) -> None:
    schedule = weekly_retraining_schedule(training=TRAINING, market=MARKET)
    repository = dg.Definitions(ASSETS, schedules=[schedule]).get_repository_def()
    context = dg.build_schedule_context(
        instance=loop.instance,
        scheduled_execution_time=datetime(2026, 3, 1, 3, 30, tzinfo=UTC),
        repository_def=repository,
    )
    assert schedule.default_status == dg.DefaultScheduleStatus.STOPPED
    (request,) = schedule.evaluate_tick(context).run_requests or []
    assert request.tags["housing/trigger"] == "weekly_schedule"
    assert request.run_key == "weekly-2026-03-01"

    for day in ("2026-03-01", "2026-03-02"):
        loop.judge(day, **{PSI: {"passed": False}})
    loop.tick()
    under_way = loop.launched()[0].run_id
    answer = schedule.evaluate_tick(context)
    assert not answer.run_requests
    assert under_way in str(answer.skip_message)
