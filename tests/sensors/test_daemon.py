"""The whole of it with a real daemon process and real run processes."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from resources.decision_log import Log
from sensors.alerting import AlertCursor, Watched, collect_alerts
from tests.sensors.loop import ROOT, Loop
from tests.sensors.tiny_assets import PSI

QUEUED = "telemetry: {enabled: false}\nconcurrency: {runs: {max_concurrent_runs: 1}}\n"


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.3)


@pytest.mark.trial
def test_a_daemon_that_is_killed_and_started_again_retrains_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TINY_LOOP", str(tmp_path))
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAGSTER_DISABLE_TELEMETRY", "1")
    loop = Loop(tmp_path)
    for day in ("2026-03-01", "2026-03-02"):
        loop.judge(day, **{PSI: {"passed": False}})
    (loop.home / "dagster.yaml").write_text(QUEUED)
    command = [Path(sys.executable).parent / "dagster-daemon", "run", "-f", str(loop.location), "-d", str(ROOT)]

    def started() -> "subprocess.Popen[bytes]":
        log = (tmp_path / "daemon.log").open("ab")
        return subprocess.Popen(command, cwd=ROOT, env={**os.environ}, stdout=log, stderr=log, start_new_session=True)

    def succeeded() -> bool:
        return [run.status for run in loop.launched()] == [dg.DagsterRunStatus.SUCCESS]

    daemon = started()
    try:
        wait_until(lambda: bool(loop.launched()), 60)
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
        daemon = started()
        wait_until(succeeded, 90)
        wait_until(lambda: loop.outcomes()[-1] == "nothing found", 30)
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()

    assert len(loop.launched()) == 1
    assert loop.outcomes()[0] == "retrain"
    assert loop.outcomes(Log.ROLLBACK) == []
    assert "drift_report of 2026-03-02: 1 failed" in (tmp_path / "alerts.log").read_text()
    loop.close()


FAILS_TWICE = """
from pathlib import Path

import dagster as dg

from sensors.schedules import daily_monitoring_schedule

DAYS = dg.DailyPartitionsDefinition("2026-03-01")


def tries(name: str) -> int:
    file = Path(__file__).with_name(name)
    with file.open("a") as log:
        log.write("x")
    return len(file.read_text())


@dg.asset(partitions_def=DAYS)
def read() -> None:
    tries("read")


@dg.asset(partitions_def=DAYS, deps=[read])
def judged() -> None:
    if tries("judged") < 3:
        raise ValueError("something is wrong for the moment")


schedule = daily_monitoring_schedule(monitoring=dg.AssetSelection.all(), market="tiny")
defs = dg.Definitions([read, judged], schedules=[schedule], executor=dg.in_process_executor)
"""


@pytest.mark.trial
def test_a_night_that_failed_is_run_again_from_where_it_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, location = tmp_path / "home", tmp_path / "nights.py"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    location.write_text(FAILS_TWICE)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    binaries = Path(sys.executable).parent
    asked = [*("-f", location, "-j", "daily_monitoring"), "--tags", json.dumps({"dagster/partition": "2026-03-01"})]
    subprocess.run([binaries / "dagster", "job", "launch", *asked], cwd=ROOT, check=True, capture_output=True)
    with (tmp_path / "daemon.log").open("wb") as log:
        command = [binaries / "dagster-daemon", "run", "-f", location]
        daemon = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
    try:
        with dg.DagsterInstance.from_config(str(home)) as instance:

            def statuses() -> list[str]:
                return sorted(run.status.value for run in instance.get_runs())

            wait_until(lambda: "SUCCESS" in statuses(), 240)
            assert statuses() == ["FAILURE", "FAILURE", "SUCCESS"]
            watched = Watched("tiny", (), frozenset(map(dg.AssetKey, ("read", "judged"))), ())
            alerts = collect_alerts(instance, watched, AlertCursor(since=0), datetime.now(UTC))
            assert [alert.text.endswith("failed in judged (ValueError). It is run again.") for alert in alerts] == [
                True
            ] * 2
            assert {run.tags["dagster/partition"] for run in instance.get_runs()} == {"2026-03-01"}
        assert [(tmp_path / name).read_text() for name in ("read", "judged")] == ["x", "xxx"]
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
