"""Runs whose process was killed, before the real monitoring and queue of an instance with the project's settings."""

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import psutil
import pytest
from dagster._core.events import DagsterEvent
from dagster._core.launcher import LaunchRunContext
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.daemon import MonitoringDaemon
from dagster._daemon.monitoring import execute_run_monitoring_iteration
from dagster._daemon.run_coordinator.queued_run_coordinator_daemon import QueuedRunCoordinatorDaemon

from resources.run_launcher import LocalRunLauncher

ROOT = Path(__file__).parents[2]
FRAGILE = """
import os, signal
import dagster as dg

@dg.asset
def fragile() -> None:
    if "KILLED" in os.environ:
        os.kill(os.getpid(), signal.SIGKILL)

defs = dg.Definitions(assets=[fragile], executor=dg.in_process_executor)
"""
"""A code location whose run dies without a word where the environment says so."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "dagster.yaml").symlink_to(ROOT / "dagster.yaml")
    (tmp_path / "fragile.py").write_text(FRAGILE)
    return tmp_path


@pytest.fixture
def instance(home: Path) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.from_config(str(home)) as made:
        yield made


@pytest.fixture
def workspace(instance: dg.DagsterInstance) -> Iterator[WorkspaceProcessContext]:
    with WorkspaceProcessContext(instance, EmptyWorkspaceTarget()) as made:
        yield made


def command(home: Path, *arguments: str, **variables: str) -> "subprocess.Popen[bytes]":
    """Start a command of Dagster on the code location."""
    environment = {**os.environ, "DAGSTER_HOME": str(home), "DAGSTER_DISABLE_TELEMETRY": "1", **variables}
    location = ["-f", str(home / "fragile.py"), "-d", str(ROOT)]
    with (home / "commands.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *arguments, *location],
            cwd=ROOT,
            env=environment,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )


def launch_as_dg_does_and_be_killed(home: Path) -> "subprocess.Popen[bytes]":
    """Do what ``dg launch --assets`` calls; the process that has died is not waited for."""
    launched = command(home, "dagster", "asset", "materialize", "--select", "fragile", KILLED="yes")
    ended = os.waitid(os.P_PID, launched.pid, os.WEXITED | os.WNOWAIT)
    assert ended is not None
    assert ended.si_status == signal.SIGKILL, (home / "commands.log").read_text()
    return launched


def started(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED])))


def monitor(workspace: WorkspaceProcessContext) -> None:
    """Do what the daemon does every two minutes."""
    assert MonitoringDaemon.daemon_type() in workspace.instance.get_required_daemon_types()
    assert not any(execute_run_monitoring_iteration(workspace, logging.getLogger("monitoring")))


@dg.job
def waiting() -> None: ...


ORIGIN = RemoteJobOrigin(RemoteRepositoryOrigin(RegisteredCodeLocationOrigin("tiny"), "__repository__"), waiting.name)


def start(instance: dg.DagsterInstance, pid: int, moment: float) -> dg.DagsterRun:
    """Store a run that a process started at a moment."""
    run = instance.create_run_for_job(waiting, status=dg.DagsterRunStatus.STARTING)
    event = DagsterEvent(dg.DagsterEventType.RUN_START.value, waiting.name, pid=pid)
    instance.report_dagster_event(event, run_id=run.run_id, timestamp=moment)
    return run


def test_a_killed_run_holds_the_queue_up_until_the_monitoring_looks(
    home: Path, instance: dg.DagsterInstance, workspace: WorkspaceProcessContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    left_queue: list[str] = []

    def take(self: LocalRunLauncher, context: LaunchRunContext) -> None:
        left_queue.append(context.dagster_run.run_id)

    monkeypatch.setattr(LocalRunLauncher, "launch_run", take)
    killed = launch_as_dg_does_and_be_killed(home)
    (dead,) = started(instance)
    queued = instance.create_run_for_job(waiting, status=dg.DagsterRunStatus.QUEUED, remote_job_origin=ORIGIN)
    queue = QueuedRunCoordinatorDaemon(interval_seconds=5)

    list(queue.run_iteration(workspace))
    assert left_queue == []

    monitor(workspace)
    list(queue.run_iteration(workspace))
    failed = instance.get_run_by_id(dead.run_id)
    assert failed is not None
    assert failed.status == dg.DagsterRunStatus.FAILURE
    assert left_queue == [queued.run_id]
    killed.wait()


def test_a_run_whose_process_lives_is_left_alone(
    instance: dg.DagsterInstance, workspace: WorkspaceProcessContext
) -> None:
    @dg.asset
    def looked_at(context: dg.AssetExecutionContext) -> None:
        monitor(workspace)
        assert [run.run_id for run in started(instance)] == [context.run.run_id]

    assert dg.materialize([looked_at], instance=instance).success


def test_a_younger_process_with_the_id_of_the_killed_one_is_not_taken_for_it(
    instance: dg.DagsterInstance, workspace: WorkspaceProcessContext
) -> None:
    born = psutil.Process().create_time()
    run_of_this_process, run_before_it = start(instance, os.getpid(), born + 1), start(instance, os.getpid(), born - 1)

    monitor(workspace)

    assert [run.run_id for run in started(instance)] == [run_of_this_process.run_id]
    (failure,) = instance.get_records_for_run(run_before_it.run_id, of_type=dg.DagsterEventType.RUN_FAILURE).records
    assert f"its process {os.getpid()} is gone" in str(failure.event_log_entry.dagster_event)


@pytest.mark.trial
def test_a_daemon_launches_what_is_queued_behind_a_killed_run(home: Path, instance: dg.DagsterInstance) -> None:
    launch_as_dg_does_and_be_killed(home).wait()
    assert command(home, "dagster", "job", "launch", "-j", "__ASSET_JOB").wait() == 0
    daemon = command(home, "dagster._daemon", "run")
    deadline = time.monotonic() + 90
    try:
        while (statuses := [run.status for run in instance.get_runs()]) != [
            dg.DagsterRunStatus.SUCCESS,
            dg.DagsterRunStatus.FAILURE,
        ]:
            assert time.monotonic() < deadline, (statuses, (home / "commands.log").read_text())
            time.sleep(0.5)
    finally:
        os.killpg(daemon.pid, signal.SIGKILL)
        daemon.wait()
