"""Launches runs as Dagster does by default, and tells its run monitoring which of them are dead."""

import dagster as dg

from resources.dagster_internals import CheckRunHealthResult, WorkerStatus


class LocalRunLauncher(dg.DefaultRunLauncher):
    """The default launcher, which can be asked whether the process of a run lives.

    A code server reports the end of the processes that it has started, but not if it is killed with them, and never
    that of ``dg launch``, which executes a run itself. Their runs would count as started for ever, and with a limit of
    concurrent runs none would leave the queue again. Every run has stored its process's id when it started; hence all
    runs of an instance have to be on the machine of its daemon.
    """

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Whether the monitoring is to ask: always."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Return whether the process that started a run is still there."""
        starts = self._instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_START).records
        entries = [start.event_log_entry for start in starts]
        pids = {entry.dagster_event.pid: entry.timestamp for entry in entries if entry.dagster_event}
        if any(pid and _has_lived_since(pid, moment) for pid, moment in pids.items()):
            return CheckRunHealthResult(WorkerStatus.RUNNING)
        return CheckRunHealthResult(WorkerStatus.NOT_FOUND, f"its process {', '.join(map(str, pids))} is gone")


def _has_lived_since(pid: int, moment: float) -> bool:
    """Tell whether a process lives that is no younger: after a restart of the machine, ids are given again."""
    from psutil import STATUS_ZOMBIE, NoSuchProcess, Process

    try:
        process = Process(pid)
        return process.create_time() <= moment and process.status() != STATUS_ZOMBIE
    except NoSuchProcess:
        return False
