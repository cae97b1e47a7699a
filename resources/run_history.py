"""What Dagster keeps of runs: how much it is, and how what is old is removed.

The event log grows with every step of every run. Most of it tells how a step went; that is removed first. What sensors
decide by stays for as long as the run does: materializations, observations, evaluations of checks, how runs began and
ended, and why steps failed. Decisions of sensors belong to no run and are never removed.

Markets share an instance, and each keeps its own for as long as its settings say: a run is of those assets that its
plan makes or checks. One that is of no market's assets is nobody's, and stays.
"""

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
from sqlalchemy import column, delete, func, select, table

from resources.run_plans import assets_of

LOG_REMOVED = "housing/log_removed"
"""Tag of a run of which only the events that sensors decide by are left."""

KEPT_EVENTS = frozenset(
    event.value
    for event in dg.DagsterEventType
    if event.value.startswith(("ASSET_", "PIPELINE_")) or event == dg.DagsterEventType.STEP_FAILURE
)
"""Types of events that stay."""

_EVENTS = table("event_logs", column("run_id"), column("dagster_event_type"))
"""The event log as Dagster 1.13 has it in SQLite and PostgreSQL. Its public ``delete_run`` removes a run with all of
its events, those too that sensors decide by."""

_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_PAGE = 200


@dataclass(frozen=True)
class HistorySize:
    """How much Dagster keeps.

    Attributes
    ----------
    runs, events : int
    event_bytes : int
        Of the tables or files of events. PostgreSQL fills what was deleted before it grows, and returns no space.
    log_bytes : int
        Of what steps have printed.
    """

    runs: int
    events: int
    event_bytes: int
    log_bytes: int


def measure_history(instance: dg.DagsterInstance) -> HistorySize:
    """Return how much an instance keeps."""
    events, event_bytes = _events(instance)
    return HistorySize(instance.get_runs_count(), events, event_bytes, _log_bytes(instance))


def remove_logs(instance: dg.DagsterInstance, before: datetime, assets: Collection[dg.AssetKey]) -> int:
    """Remove what old runs have logged, and return how many runs there were.

    Parameters
    ----------
    instance : DagsterInstance
    before : datetime
        A run is old if it was created before then.
    assets : collection of AssetKey
        Only runs that make or check any of them.
    """
    removed = 0
    storage: Any = instance.event_log_storage
    for record in _ended(instance, before):
        run = record.dagster_run
        if LOG_REMOVED in run.tags or assets_of(instance, run).isdisjoint(assets):
            continue
        instance.compute_log_manager.delete_logs(prefix=[run.run_id, "compute_logs"])
        kind = _EVENTS.c.dagster_event_type
        told = kind.is_(None) | kind.not_in(sorted(KEPT_EVENTS))
        with storage.run_connection(run.run_id) as connection:
            connection.execute(delete(_EVENTS).where(_EVENTS.c.run_id == run.run_id, told))
        if files := _files(storage):
            _compact(files / f"{run.run_id}.db")
        instance.add_run_tags(run.run_id, {LOG_REMOVED: "true"})
        removed += 1
    return removed


def remove_runs(
    instance: dg.DagsterInstance,
    before: datetime,
    assets: Collection[dg.AssetKey],
    lasting: Collection[dg.AssetKey],
) -> int:
    """Remove old runs, and return how many.

    Parameters
    ----------
    instance : DagsterInstance
    before : datetime
        A run is old if it was created before then.
    assets : collection of AssetKey
        Only runs that make or check any of them.
    lasting : collection of AssetKey
        A run that has made the newest value of one of them stays: sensors ask when that was.
    """
    newest = {record.run_id for key in lasting for record in instance.fetch_materializations(key, limit=1).records}
    removed = 0
    for record in list(_ended(instance, before)):  # a page begins behind a run that must be there still
        run_id = record.dagster_run.run_id
        if run_id not in newest and not assets_of(instance, record.dagster_run).isdisjoint(assets):
            instance.compute_log_manager.delete_logs(prefix=[run_id, "compute_logs"])
            instance.delete_run(run_id)
            removed += 1
    return removed


def _ended(instance: dg.DagsterInstance, before: datetime) -> Iterator[dg.RunRecord]:
    """Yield the runs that have ended, newest first."""
    cursor = None
    wanted = dg.RunsFilter(statuses=_ENDED, created_before=before)
    while page := instance.get_run_records(wanted, limit=_PAGE, cursor=cursor):
        cursor = page[-1].dagster_run.run_id
        yield from page


def _files(storage: Any) -> Path | None:
    """Return the folder of the SQLite files, one for each run; None where events are in one database."""
    path_for = getattr(storage, "path_for_shard", None)
    return Path(path_for("index")).parent if path_for else None


def _events(instance: dg.DagsterInstance) -> tuple[int, int]:
    storage: Any = instance.event_log_storage
    files = _files(storage)
    if files is not None:
        databases = list(files.glob("*.db"))
        return sum(map(_rows, databases)), sum(path.stat().st_size for path in databases)
    with storage.index_connection() as connection:
        rows = connection.scalar(select(func.count()).select_from(_EVENTS))
        in_postgresql = connection.dialect.name == "postgresql"
        return rows, connection.scalar(select(func.pg_total_relation_size(_EVENTS.name))) if in_postgresql else 0


def _rows(database: Path) -> int:
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        known = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'event_logs'").fetchone()
        return int(connection.execute("SELECT count(*) FROM event_logs").fetchone()[0]) if known else 0


def _compact(database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("VACUUM")


def _log_bytes(instance: dg.DagsterInstance) -> int:
    manager: Any = instance.compute_log_manager
    if hasattr(manager, "stored_bytes"):
        return int(manager.stored_bytes())
    if not hasattr(manager, "get_captured_local_path"):  # of an instance that keeps nothing
        return 0
    folder = Path(manager.get_captured_local_path(["run", "compute_logs", "step"], "out")).parents[2]
    return sum(path.stat().st_size for path in folder.glob("*/compute_logs/*"))
