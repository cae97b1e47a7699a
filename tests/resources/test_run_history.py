"""Old runs lose their logs first, and themselves later; what sensors decide by stays. On SQLite and on PostgreSQL."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from resources.decision_log import Decision, DecisionLogs, Log
from resources.run_history import KEPT_EVENTS, measure_history, remove_logs, remove_runs
from tests.databases import new_database, server_of

pytestmark = pytest.mark.acceptance

ADS = dg.AssetKey("ads")
LATER = timedelta(seconds=1)
POSTGRESQL = """
storage: {postgres: {postgres_url: {env: HISTORY}}}
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def instance(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dg.DagsterInstance]:
    told = "telemetry: {enabled: false}\n"
    if request.param == "postgresql":
        monkeypatch.setenv("HISTORY", new_database(server_of(request.session).get_uri(), "postgresql+psycopg2"))
        told += POSTGRESQL
    (tmp_path / "dagster.yaml").write_text(told)
    with dg.DagsterInstance.from_config(str(tmp_path)) as made:
        yield made


@dg.asset(check_specs=[dg.AssetCheckSpec("fine", asset="ads")])
def ads(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    print("printed by a step")
    context.log.info("logged by a step")
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="fine")])


@dg.asset(
    key=dg.AssetKey(["king_county", "ads"]),
    check_specs=[dg.AssetCheckSpec("fine", asset=dg.AssetKey(["king_county", "ads"]))],
)
def sales(context: dg.AssetExecutionContext) -> dg.MaterializeResult:
    context.log.info("logged by a step of another market")
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(passed=True, check_name="fine")])


@dg.asset_check(asset=ads)
def plausible() -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=True)


@dg.job
def housekeeping() -> None:
    """Do nothing to any asset."""


def run_of(instance: dg.DagsterInstance) -> str:
    return dg.materialize([ads], instance=instance).run_id


def now() -> datetime:
    return datetime.now(UTC) + LATER


def test_what_a_run_has_logged_goes_and_what_sensors_read_stays(instance: dg.DagsterInstance) -> None:
    run_id = run_of(instance)
    before = measure_history(instance)

    assert remove_logs(instance, now(), [ADS]) == 1

    after = measure_history(instance)
    kinds = {
        entry.get_dagster_event().event_type_value for entry in instance.all_logs(run_id) if entry.is_dagster_event
    }
    assert kinds <= KEPT_EVENTS
    assert {"ASSET_MATERIALIZATION", "ASSET_CHECK_EVALUATION", "PIPELINE_SUCCESS"} <= kinds
    assert after.events < before.events / 1.5
    assert (before.log_bytes > 0, after.log_bytes) == (True, 0)
    assert after.runs == before.runs == 1
    assert after.event_bytes > 0
    check = dg.AssetCheckKey(ADS, "fine")
    assert instance.event_log_storage.get_asset_check_execution_history(check, limit=1)
    assert instance.get_latest_materialization_event(ADS) is not None


def test_it_is_done_once_and_to_old_runs_alone(instance: dg.DagsterInstance) -> None:
    run_of(instance)

    assert remove_logs(instance, datetime.now(UTC) - timedelta(days=1), [ADS]) == 0
    assert remove_logs(instance, now(), [ADS]) == 1
    assert remove_logs(instance, now(), [ADS]) == 0


def test_old_runs_go_but_for_the_one_that_made_the_newest_value(instance: dg.DagsterInstance) -> None:
    runs = [run_of(instance) for _ in range(3)]

    assert remove_runs(instance, now(), [ADS], [ADS]) == 2

    assert [run.run_id for run in instance.get_runs()] == runs[-1:]
    assert instance.get_latest_materialization_event(ADS) is not None
    assert len(instance.all_logs(runs[0])) == 0


def test_runs_of_another_market_and_of_no_asset_stay_with_what_they_have_logged(instance: dg.DagsterInstance) -> None:
    of_another = dg.materialize([sales], instance=instance).run_id
    of_none = housekeeping.execute_in_process(instance=instance).run_id
    of_check = dg.materialize([ads, plausible], instance=instance, selection=dg.AssetSelection.checks(plausible)).run_id
    of_market = run_of(instance)
    logged = len(instance.all_logs(of_another))

    assert remove_logs(instance, now(), [ADS]) == 2
    assert len(instance.all_logs(of_another)) == logged
    assert remove_runs(instance, now(), [ADS], []) == 2

    assert {run.run_id for run in instance.get_runs()} == {of_another, of_none}
    assert len(instance.all_logs(of_another)) == logged
    assert not {of_check, of_market} & {run.run_id for run in instance.get_runs()}


def test_decisions_stay(instance: dg.DagsterInstance) -> None:
    logs = DecisionLogs()
    instance.report_runless_asset_event(logs.event(Log.RETRAINING, Decision("retrain", "it drifts")))
    run_of(instance)

    remove_logs(instance, now(), [ADS])
    remove_runs(instance, now(), [ADS], [])

    assert [one.decision.outcome for one in logs.read(instance, Log.RETRAINING, 10)] == ["retrain"]
    assert instance.get_runs_count() == 0
