"""The whole of it with a real daemon process and real run processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from resources.decision_log import Log
from tests.sensors.loop import ROOT, Loop
from tests.sensors.tiny_assets import PSI

QUEUED = "telemetry: {enabled: false}\nconcurrency: {runs: {max_concurrent_runs: 1}}\n"


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, condition
        time.sleep(0.3)


@pytest.mark.acceptance
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
