"""The real sensor daemon, ticked by hand, over a real instance on disk and the tiny code location."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import dagster as dg
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.sensor import execute_sensor_iteration

from resources.dagster_internals import SensorInstigatorData
from resources.decision_log import Decision, DecisionLogs, Log
from sensors.training_runs import TRIGGER
from tests.dagster_home import new_home
from tests.sensors.tiny_assets import ASSETS

ROOT = Path(__file__).parents[2]
INSTANCE = """
telemetry: {enabled: false}
concurrency: {runs: {max_concurrent_runs: 1}}
run_launcher: {module: dagster._core.launcher.sync_in_memory_run_launcher, class: SyncInMemoryRunLauncher}
"""
"""Runs are queued, as the platform's are, until a test takes them from the queue."""

RETRAIN = "retrain_on_failed_drift_checks"


class Loop:
    """A platform in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        (folder / "landing").mkdir(exist_ok=True)
        if not self.home.exists():  # else a process goes on with what another one began
            new_home(self.home, INSTANCE)
        self.location = folder / "tiny_loop.py"  # a copy: Dagster loads each file once in a process
        shutil.copy(Path(__file__).with_name("tiny_loop.py"), self.location)
        self.instance = dg.DagsterInstance.from_config(str(self.home))
        self.verdicts: dict[str, Any] = {}
        self.ticks_may_fail = False

    def configure(self, run_config: dict[str, Any]) -> None:
        """Give the retrainings a configuration."""
        (self.folder / "run_config.json").write_text(json.dumps(run_config))

    def only(self, *sensors: str) -> None:
        """Leave the other sensors out: each takes its time in every tick. To be said before the first tick."""
        (self.folder / "sensors.json").write_text(json.dumps(sensors))

    # -- what happens ---------------------------------------------------------------------------------------------

    def judge(self, day: str, *, asset: str = "drift_report", **said: Mapping[str, Any] | bool) -> None:
        """Materialize a day's report, whose checks say what they are told; ``crash=True`` crashes the step."""
        self.verdicts[day] = said
        (self.folder / "verdicts.json").write_text(json.dumps(self.verdicts))
        (chosen,) = [each for each in ASSETS if each.key.to_user_string() == asset]
        dg.materialize([chosen], instance=self.instance, partition_key=day, raise_on_error=False)

    def training(self, *, fails: bool) -> None:
        (self.folder / "training.json").write_text(json.dumps({"fails": fails}))

    def put_clock_ahead(self, hours: float) -> None:
        (self.folder / "ahead.json").write_text(json.dumps(hours * 3600))

    @cached_property
    def workspace(self) -> WorkspaceProcessContext:
        target = LoadableTargetOrigin(python_file=str(self.location), working_directory=str(ROOT))
        made = WorkspaceProcessContext(
            self.instance, InProcessWorkspaceLoadTarget([InProcessCodeLocationOrigin(target)])
        )
        (entry,) = made.create_request_context().get_code_location_entries().values()
        assert entry.load_error is None, entry.load_error
        return made

    def close(self) -> None:
        if "workspace" in vars(self):
            self.workspace.__exit__(None, None, None)
        self.instance.dispose()

    def tick(self, times: int = 1, crash: Mapping[str, Any] | None = None) -> None:
        """Let the daemon look at every sensor."""
        for _ in range(times):
            self._forget_when_it_ticked()
            flags = {RETRAIN: dict(crash)} if crash else None
            log = logging.getLogger("ticks")
            ticks = execute_sensor_iteration(self.workspace, log, None, None, debug_crash_flags=flags)
            errors = [error for error in ticks if error]
            assert not errors, errors

    def _forget_when_it_ticked(self) -> None:
        for state in self.instance.all_instigator_state():
            data = state.instigator_data
            if isinstance(data, SensorInstigatorData):
                data = data._replace(last_tick_timestamp=None, last_tick_start_timestamp=None)
                self.instance.update_instigator_state(state.with_data(data))

    def tick_killed_at(self, stage: str) -> None:
        """Kill a daemon process, as ``kill -9`` does, at a stage of the retraining sensor's tick."""
        code = (
            "import signal, sys; from pathlib import Path; from tests.sensors.loop import Loop; "
            "Loop(Path(sys.argv[1])).tick(crash={sys.argv[2]: signal.SIGKILL})"
        )
        command = [sys.executable, "-W", "ignore", "-c", code, str(self.folder), stage]
        ended = subprocess.run(command, cwd=ROOT, env={**os.environ}, capture_output=True, timeout=60)
        assert ended.returncode == -9, ended.stderr.decode()

    def run_queue(self) -> None:
        """Do what is queued, to its end."""
        for run in self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.QUEUED])):
            self.instance.launch_run(run.run_id, self.workspace.create_request_context())

    def set_cursor(self, text: str, sensor: str = RETRAIN) -> None:
        """Overwrite what a sensor remembers."""
        (state,) = [each for each in self.instance.all_instigator_state() if each.name == sensor]
        data = state.instigator_data
        self.instance.update_instigator_state(state.with_data(data._replace(cursor=text)))  # type: ignore[union-attr]

    # -- what can be seen -----------------------------------------------------------------------------------------

    def launched(self, trigger: str = "failed_drift_checks") -> list[dg.DagsterRun]:
        """Return the runs that a trigger launched, newest first."""
        return list(self.instance.get_runs(dg.RunsFilter(tags={TRIGGER: trigger})))

    def decisions(self, log: Log = Log.RETRAINING) -> list[Decision]:
        """Return the recorded decisions, oldest first."""
        return [one.decision for one in reversed(DecisionLogs().read(self.instance, log, 500))]

    def outcomes(self, log: Log = Log.RETRAINING) -> list[str]:
        return [decision.outcome for decision in self.decisions(log)]

    def failed_ticks(self) -> list[str]:
        """Return the errors of ticks that failed."""
        states = self.instance.all_instigator_state()
        ticks = [
            tick for state in states for tick in self.instance.get_ticks(state.instigator_origin_id, state.selector_id)
        ]
        return [str(tick.error) for tick in ticks if tick.error]
