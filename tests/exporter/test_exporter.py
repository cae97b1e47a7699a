"""The exporter: what it reads of a real instance, and what it says of what it cannot read."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_origin import InProcessCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families

from housing_assets.console.check_history import CheckHistory
from housing_assets.console.reports import Reports
from housing_assets.console.sources import check_keys
from housing_assets.exporter.exporter import Exporter, gauge
from housing_assets.exporter.monitoring import read_checks, read_performance
from housing_assets.exporter.orchestration import read_code_locations, read_daemons, read_runs
from resources.values.ancestry import Provenance
from resources.values.opening import open_value_store
from resources.verdicts import Verdict
from sensors.training_runs import TRIGGER
from tests.dagster_home import new_home

Values = dict[tuple[str, ...], float]


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(new_home(tmp_path))) as opened:
        yield opened


def values(metrics: Iterator[Metric]) -> dict[str, Values]:
    return {one.name: {tuple(sample.labels.values()): sample.value for sample in one.samples} for one in metrics}


@dg.asset
def succeeds() -> None: ...


@dg.asset
def fails() -> None:
    raise RuntimeError("on purpose")


def test_runs_are_counted_by_status_those_too_that_no_event_tells_of(instance: dg.DagsterInstance) -> None:
    dg.materialize([succeeds], instance=instance, tags={TRIGGER: "daily_schedule"})
    dg.materialize([fails], instance=instance, raise_on_error=False)
    killed = instance.create_run_for_job(dg.Definitions(assets=[succeeds]).resolve_implicit_global_asset_job_def())
    instance.report_run_canceling(killed)  # and then its process is gone

    found = values(read_runs(instance))

    assert found["housing_runs"]["SUCCESS",] == 1
    assert found["housing_runs"]["FAILURE",] == 1
    assert found["housing_runs"]["CANCELING",] == 1
    assert found["housing_runs"]["QUEUED",] == 0
    assert found["housing_queue_age_seconds"][()] == 0
    assert 0 < found["housing_run_age_seconds"][()] < 60
    assert set(found["housing_last_run_seconds"]) == {("daily_schedule", "SUCCESS"), ("nobody", "FAILURE")}


def test_a_run_that_waits_has_an_age(instance: dg.DagsterInstance) -> None:
    job = dg.Definitions(assets=[succeeds]).resolve_implicit_global_asset_job_def()
    location = InProcessCodeLocationOrigin(LoadableTargetOrigin(python_file=__file__))
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(location, "repository"), job.name)
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=origin)
    time.sleep(1.1)
    assert 1 <= values(read_runs(instance))["housing_queue_age_seconds"][()] < 60


def test_a_daemon_that_never_ran_has_been_silent_for_ever(instance: dg.DagsterInstance) -> None:
    found = values(read_daemons(instance))
    assert found["housing_daemon_silent_seconds"]["SENSOR",] == float("inf")
    assert not any(found["housing_daemon_healthy"].values())


def judge(instance: dg.DagsterInstance, report: str, check: str, day: str, **said: bool) -> None:
    told = {"insufficient": False, "counts_toward_retraining": False, "broken": False} | said
    passed = told.pop("passed", True)
    verdict = Verdict(day, "", 1, True, severe=False, summary="", value=0.2, threshold=0.25, **told)
    instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey(report), check_name=check, passed=passed, metadata=verdict.to_metadata()
        )
    )


def test_checks_are_told_of_by_their_newest_window(instance: dg.DagsterInstance) -> None:
    today = datetime.now(UTC).date()
    days = [str(today - timedelta(days=back)) for back in (4, 3, 2, 1)]
    for day, few in zip(days, (False, True, True, True), strict=True):
        judge(instance, "drift_report", "psi_within_limit", day, insufficient=few)
    judge(instance, "performance_report", "performance_held", days[2], insufficient=True)
    judge(instance, "performance_report", "performance_held", days[3], passed=False, counts_toward_retraining=True)
    judge(instance, "input_report", "input_not_broken", days[3], passed=False, broken=True)
    judge(instance, "drift_report", "psi_within_limit", days[0], passed=False)  # judged anew, and still old

    found = values(read_checks(CheckHistory(instance, check_keys(()), timedelta(days=60))))

    psi = ("drift_report", "psi_within_limit")
    assert (found["housing_check_passed"][psi], found["housing_check_value"][psi]) == (1, 0.2)
    assert found["housing_check_limit"][psi] == 0.25
    assert found["housing_check_counts"]["performance_report", "performance_held"] == 1
    assert found["housing_windows_insufficient"][()] == 3
    assert found["housing_windows_without_labels"][()] == 0
    assert found["housing_windows_held"][()] == 1
    assert 0 <= found["housing_window_age_seconds"][()] <= 86_400


def test_where_nothing_was_judged_nothing_is_told(instance: dg.DagsterInstance) -> None:
    found = values(read_checks(CheckHistory(instance, check_keys(()), timedelta(days=60))))
    assert found["housing_check_passed"] == {}
    assert "housing_window_age_seconds" not in found


def test_a_damaged_report_is_counted_and_hides_no_other(tmp_path: Path) -> None:
    store = open_value_store(str(tmp_path))
    days = [datetime.now(UTC).date() - timedelta(days=back) for back in (2, 1)]
    for day, text in zip(days, ('{"traffic": {"answered": 1200}}', "{"), strict=True):
        store.write(
            f"traffic_report|{day}",
            Provenance(),
            lambda folder, text=text: (folder / "traffic_report.json").write_text(text) and None,
        )

    found = values(read_performance(Reports(store)))

    assert found["housing_answered_rows"][()] == 1200
    assert found["housing_unreadable_reports"][()] == 1


def test_what_cannot_be_read_is_said_and_not_told_of() -> None:
    answers = [1.0]

    def read() -> list[Metric]:
        return [gauge("housing_runs", "Runs.", answers.pop())]

    exporter = Exporter({"runs": read, "code locations": lambda: read_code_locations("http://127.0.0.1:9")})

    def exposed() -> dict[str, Values]:
        return values(iter(text_string_to_metric_families(generate_latest(exporter.registry).decode())))

    exporter.poll()
    found = exposed()
    assert found["housing_runs"] == {(): 1.0}
    assert found["housing_exporter_reads"] == {("runs",): 1.0, ("code locations",): 0.0}
    assert found["process_resident_memory_bytes"][()] > 0

    exporter.poll()
    assert "housing_runs" not in exposed()
    assert exposed()["housing_exporter_reads"]["runs",] == 0.0


def test_a_source_that_is_away_is_told_once_and_when_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    answers: list[float | None] = [None, 1.0, None, None]

    def read() -> list[Metric]:
        answer = answers.pop()
        if answer is None:
            raise ConnectionError("nobody answers")
        return [gauge("housing_runs", "Runs.", answer)]

    exporter = Exporter({"runs": read})
    for _ in range(4):
        exporter.poll()

    fault = "runs cannot be read: ConnectionError: nobody answers"
    told = [record.getMessage() for record in caplog.records if record.name == "housing.exporter"]
    assert told == [fault, "runs can be read again", fault]
