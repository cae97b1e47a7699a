"""Never two retrainings for one finding, never a silent stop: the real daemon over a real instance."""

import sqlite3

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.storage.event_log.sqlite import sqlite_event_log

from resources.run_plans import planned_assets
from tests.sensors import tiny_assets
from tests.sensors.loop import RETRAIN, Loop
from tests.sensors.tiny_assets import PREDICTIONS, PSI

pytestmark = pytest.mark.acceptance

DRIFTED = {"passed": False}
SEVERE = {"passed": False, "severe": True}
ALERT_ONLY = {"passed": False, "counts_toward_retraining": False}
FEW_ROWS = {"passed": False, "insufficient": True}


@pytest.fixture(autouse=True)
def no_other_sensor(loop: Loop) -> None:
    loop.only(RETRAIN)


def drift(loop: Loop, *days: int, **said: object) -> None:
    for day in days:
        loop.judge(f"2026-03-{day:02}", **(said or {PSI: DRIFTED}))  # type: ignore[arg-type]


def test_findings_in_two_windows_lead_to_one_retraining_that_says_why(loop: Loop) -> None:
    drift(loop, 1, 2)

    loop.tick(3)
    loop.run_queue()
    loop.tick(3)

    (run,) = loop.launched()
    assert run.status == dg.DagsterRunStatus.SUCCESS
    assert planned_assets(loop.instance, run) == {
        dg.AssetKey(name) for name in ("raw_listings", "price_forest", "price_bento")
    }
    assert run.tags["housing/windows"] == "2026-03-01,2026-03-02"
    reports = [report.rpartition("-")[0] for report in run.tags["housing/report_ids"].split(",")]
    assert reports == ["drift_report-2026-03-01", "drift_report-2026-03-02"]
    assert "psi_within_limit says so" in run.tags["housing/reason"]
    assert loop.outcomes() == ["retrain", "in flight", "nothing found"]
    launch = loop.decisions()[0]
    assert [window["window"] for window in launch.evidence["windows_unresolved"]] == ["2026-03-01", "2026-03-02"]
    assert launch.run_key == run.tags["dagster/run_key"]


def test_a_retraining_runs_with_the_configuration_that_it_is_given(loop: Loop) -> None:
    quiet = {"loggers": {"console": {"config": {"log_level": "ERROR"}}}}
    loop.configure(quiet)
    drift(loop, 1, 2)

    loop.tick()

    (run,) = loop.launched()
    assert run.run_config == quiet


@pytest.mark.trial
@pytest.mark.parametrize("said", [{PSI: ALERT_ONLY}, {PSI: FEW_ROWS}, {}], ids=["alert only", "few rows", "passed"])
def test_what_does_not_count_leads_to_nothing(loop: Loop, said: dict[str, object]) -> None:
    for day in range(1, 8):
        loop.judge(f"2026-03-{day:02}", **said)  # type: ignore[arg-type]

    loop.tick(2)

    assert loop.launched() == []
    assert loop.outcomes() == ["nothing found"]  # the other check of the same days does judge


def test_one_finding_among_five_windows_waits_for_a_second(loop: Loop) -> None:
    drift(loop, 1)
    drift(loop, 2, 3, 4, 5, **{PSI: {"passed": True}})
    loop.tick()
    drift(loop, 6)  # of the last five windows, to the sixth, it is the only one
    loop.tick()

    assert loop.launched() == []
    assert loop.outcomes() == ["too few windows", "too few windows"]

    drift(loop, 7)
    loop.tick()
    assert len(loop.launched()) == 1


def test_a_single_window_is_enough_only_if_it_is_severe(loop: Loop) -> None:
    drift(loop, 1)
    loop.tick()
    assert loop.launched() == []

    drift(loop, 1, **{PSI: SEVERE})
    loop.tick()
    assert len(loop.launched()) == 1


def test_a_severe_finding_after_an_ordinary_window_waits_for_a_second(loop: Loop) -> None:
    drift(loop, 1, **{PSI: {"passed": True}})
    drift(loop, 2, **{PSI: SEVERE})

    loop.tick()

    assert loop.launched() == []


def test_a_rematerialized_partition_is_one_window(loop: Loop) -> None:
    for _ in range(3):
        drift(loop, 1)
    loop.tick()

    assert loop.launched() == []
    assert loop.decisions()[-1].evidence["windows_judged"] == ["2026-03-01"]


def test_a_partition_that_passes_when_it_is_materialized_again_counts_no_more(loop: Loop) -> None:
    drift(loop, 1, 2)
    drift(loop, 2, **{PSI: {"passed": True}})

    loop.tick()

    assert loop.launched() == []


def test_two_failures_at_once_lead_to_one_retraining(loop: Loop) -> None:
    drift(loop, 1, 2, **{PSI: DRIFTED, PREDICTIONS: DRIFTED})
    loop.judge("2026-03-02", asset="performance_report", performance_held=DRIFTED)

    loop.tick(2)

    (run,) = loop.launched()
    assert len(loop.decisions()[0].evidence["windows_unresolved"][1]["findings"]) == 3
    assert "performance_report-2026-03-02" in run.tags["housing/report_ids"]


@pytest.mark.trial
def test_resolved_windows_do_not_count_again_even_when_they_are_judged_anew(loop: Loop) -> None:
    drift(loop, 1, 2)
    loop.tick()
    loop.run_queue()
    drift(loop, 1, 2)
    loop.put_clock_ahead(48)
    loop.tick(2)

    assert len(loop.launched()) == 1
    assert loop.decisions()[-1].outcome == "nothing found"
    assert loop.decisions()[-1].evidence["windows_resolved"] == ["2026-03-01", "2026-03-02"]


@pytest.mark.trial
def test_a_failure_inside_the_cooldown_leads_to_a_retraining_when_it_is_over(loop: Loop) -> None:
    drift(loop, 1, 2)
    loop.tick()
    loop.run_queue()
    drift(loop, 3, 4)
    loop.tick(3)
    assert len(loop.launched()) == 1
    assert loop.outcomes()[-1] == "waiting"
    assert len(loop.outcomes()) == 2, "a tick that decides as the one before leaves no line"

    loop.put_clock_ahead(24.1)
    loop.tick(2)

    assert len(loop.launched()) == 2
    assert loop.launched()[0].tags["housing/windows"] == "2026-03-03,2026-03-04"


def test_a_training_that_somebody_else_launched_is_waited_for_and_resolves_the_finding(loop: Loop) -> None:
    drift(loop, 1, 2)
    job = dg.Definitions(tiny_assets.ASSETS, jobs=[dg.define_asset_job("some", "price_forest")]).resolve_job_def("some")
    manual = loop.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
    loop.tick(2)
    assert loop.launched() == []
    assert loop.outcomes() == ["in flight"]
    assert manual.run_id in loop.decisions()[0].reason

    loop.instance.report_run_canceled(manual)
    whole = [tiny_assets.raw_listings, tiny_assets.price_forest, tiny_assets.price_bento]
    dg.materialize(whole, instance=loop.instance)
    loop.tick(2)

    assert loop.launched() == []
    assert loop.outcomes() == ["in flight", "nothing found"]


def test_what_is_found_while_a_training_runs_is_of_the_version_that_it_replaces(loop: Loop) -> None:
    @dg.asset(name="price_forest", deps=[tiny_assets.raw_listings])
    def judged_meanwhile() -> None:
        drift(loop, 1, 2)

    dg.materialize([tiny_assets.raw_listings, judged_meanwhile, tiny_assets.price_bento], instance=loop.instance)
    loop.tick(2)

    assert loop.launched() == []
    assert loop.outcomes() == ["nothing found"]


def test_a_run_of_some_of_the_assets_resolves_nothing(loop: Loop) -> None:
    drift(loop, 1, 2)
    dg.materialize([tiny_assets.price_bento], instance=loop.instance)

    loop.tick()

    assert len(loop.launched()) == 1


@pytest.mark.trial
def test_a_training_that_is_under_way_for_a_day_calls_a_person(loop: Loop) -> None:
    loop.only(RETRAIN, "alert_on_failures")
    drift(loop, 1, 2)
    loop.tick()
    loop.put_clock_ahead(25)

    loop.tick(2)

    assert loop.outcomes() == ["retrain", "in flight"]
    assert loop.decisions()[-1].needs_person
    loop.tick()
    assert "It looks stuck" in (loop.folder / "alerts.log").read_text()


@pytest.mark.trial
def test_a_failed_retraining_is_tried_again_after_a_pause_that_doubles_and_not_for_ever(loop: Loop) -> None:
    drift(loop, 1, 2)
    loop.training(fails=True)
    launched = []
    for hours in (0, 0.9, 1.1, 2.2, 3.3, 30, 100):
        loop.put_clock_ahead(hours)
        loop.tick(2)
        loop.run_queue()
        launched.append(len(loop.launched()))

    # the run of each attempt ends at once, but at the real time, so that pauses are counted from the start
    assert launched == [1, 1, 2, 3, 3, 3, 3]
    assert loop.outcomes()[-1] == "weekly cap"
    assert loop.decisions()[-1].needs_person

    loop.put_clock_ahead(24 * 7 + 1)
    loop.training(fails=False)
    loop.tick()
    loop.run_queue()
    loop.tick(2)
    assert len(loop.launched()) == 4
    assert loop.outcomes()[-1] == "nothing found"
    assert len({run.tags["dagster/run_key"] for run in loop.launched()}) == 4


@pytest.mark.trial
def test_a_retraining_that_a_person_cancelled_is_not_launched_again_within_the_cooldown(loop: Loop) -> None:
    drift(loop, 1, 2)
    loop.tick()
    loop.instance.report_run_canceled(loop.launched()[0])
    loop.put_clock_ahead(20)
    loop.tick(2)
    assert len(loop.launched()) == 1
    assert loop.outcomes()[-1] == "waiting"

    loop.put_clock_ahead(25)
    loop.tick()
    assert len(loop.launched()) == 2


def test_a_check_that_crashes_is_no_window_and_is_told_of(loop: Loop) -> None:
    drift(loop, 1)
    drift(loop, 2, crash=True)
    loop.tick()
    assert loop.launched() == []
    assert "psi_within_limit of 2026-03-02 crashed in run" in loop.decisions()[-1].reason

    drift(loop, 2)
    loop.tick()
    assert len(loop.launched()) == 1
    assert "crashed" not in loop.decisions()[-1].reason


@pytest.mark.parametrize(
    "stage",
    [
        "RUN_CREATED",
        *(pytest.param(s, marks=pytest.mark.trial) for s in ("TICK_HELD", "RUN_IDS_RESERVED", "RUN_LAUNCHED")),
    ],
)
def test_a_daemon_killed_in_the_middle_of_a_tick_launches_one_retraining_when_it_is_back(
    loop: Loop, stage: str
) -> None:
    drift(loop, 1, 2)
    loop.tick_killed_at(stage)

    loop.tick(3)
    loop.run_queue()
    loop.put_clock_ahead(30)
    loop.tick(2)

    (run,) = loop.launched()
    finished = loop.instance.get_run_by_id(run.run_id)
    assert finished is not None
    assert finished.status == dg.DagsterRunStatus.SUCCESS
    assert "retrain" in loop.outcomes()


def test_a_failed_retraining_that_a_person_resumes_resolves_the_finding(loop: Loop) -> None:
    drift(loop, 1, 2)
    loop.training(fails=True)
    loop.tick()
    loop.run_queue()
    (failed,) = loop.launched()
    loop.training(fails=False)
    rest = dg.define_asset_job("rest", ["price_forest", "price_bento"])
    job = dg.Definitions(tiny_assets.ASSETS, jobs=[rest], executor=dg.in_process_executor).resolve_job_def("rest")
    resumed = loop.instance.create_run_for_job(job, root_run_id=failed.run_id, parent_run_id=failed.run_id)
    execute_run(InMemoryJob(job), resumed, loop.instance)
    loop.put_clock_ahead(30)
    loop.tick(2)

    assert len(loop.launched()) == 1
    assert loop.outcomes()[-1] == "nothing found"


def test_an_evaluation_that_cannot_be_read_is_told_of(loop: Loop) -> None:
    drift(loop, 1, **{PSI: {"passed": False, "severe": "very"}})
    loop.tick()

    (unreadable,) = loop.decisions()[-1].evidence["unreadable_evaluations"]
    assert unreadable.startswith("drift_report.psi_within_limit of run ")
    assert unreadable.endswith(" has no verdict in its metadata")


@pytest.mark.trial
def test_a_run_whose_announcements_a_crash_swallowed_is_seen_all_the_same(loop: Loop) -> None:
    drift(loop, 1, 2)
    loop.tick()
    loop.instance.event_log_storage.delete_events(loop.launched()[0].run_id)
    loop.tick()
    assert loop.outcomes()[-1] == "in flight"

    loop.run_queue()
    loop.put_clock_ahead(30)
    loop.tick()
    assert loop.outcomes()[-1] == "nothing found"
    assert len(loop.launched()) == 1


@pytest.mark.trial
@pytest.mark.parametrize("cursor", ["", "{", '{"schema_version": 7, "decision": "x"}', '{"decision": 5}', "null"])
def test_a_lost_or_garbled_cursor_neither_retrains_twice_nor_repeats_itself(loop: Loop, cursor: str) -> None:
    drift(loop, 1, 2)
    loop.tick()
    loop.set_cursor(cursor)
    loop.tick(2)
    loop.run_queue()
    loop.set_cursor(cursor)
    loop.put_clock_ahead(30)
    loop.tick(2)
    loop.set_cursor(cursor)
    loop.tick(2)

    assert len(loop.launched()) == 1
    assert loop.outcomes() == ["retrain", "in flight", "nothing found"]


def test_an_event_log_that_is_locked_fails_the_tick_and_the_next_one_retrains(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop.ticks_may_fail = True
    monkeypatch.setattr(sqlite_event_log, "SQLITE_BUSY_TIMEOUT_SECONDS", 2)
    drift(loop, 1)
    loop.tick()
    drift(loop, 2)
    database = sqlite3.connect(next(loop.home.rglob("index.db")), isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    with pytest.raises(AssertionError, match="database is locked"):
        loop.tick()
    assert loop.launched() == []
    database.execute("ROLLBACK")
    loop.tick(2)

    assert len(loop.launched()) == 1
    assert loop.outcomes() == ["too few windows", "retrain", "in flight"]
    assert any("locked" in error for error in loop.failed_ticks())


@pytest.mark.trial
def test_a_backfill_of_old_days_does_not_push_the_newest_windows_out_of_sight(loop: Loop) -> None:
    for day in (1, 2):
        loop.judge(f"2026-05-{day:02}", **{PSI: DRIFTED})
    for day in range(1, 29):
        loop.judge(f"2026-02-{day:02}")

    loop.tick()

    assert loop.launched()[0].tags["housing/windows"] == "2026-05-01,2026-05-02"
