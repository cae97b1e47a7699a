"""Metrics of Dagster: runs, the queue, the daemons, sensors and schedules, code locations."""

import math
import time
from collections.abc import Iterator

import dagster as dg
import httpx
from prometheus_client.core import GaugeMetricFamily, Metric

from housing_assets.exporter.exporter import gauge, gauges
from sensors.training_runs import IN_FLIGHT, TRIGGER

NEWEST_RUNS = 50
"""Runs that ended, among which the last of each trigger is looked for."""

BY_HAND = "nobody"
"""The trigger of a run that a person launched."""

TIMEOUT = 5.0

_WORKSPACE = """{ workspaceOrError { __typename ... on Workspace {
  locationEntries { name loadStatus locationOrLoadError { __typename } } } } }"""


def read_runs(instance: dg.DagsterInstance) -> Iterator[Metric]:
    """Yield how many runs there are by status, how long they wait and take."""
    counts = {
        status.value: float(instance.get_runs_count(dg.RunsFilter(statuses=[status]))) for status in dg.DagsterRunStatus
    }
    yield gauges("housing_runs", "Runs that Dagster knows, by status.", "status", counts)
    queued, *others = IN_FLIGHT
    yield gauge(
        "housing_queue_age_seconds", "How long the oldest run has been queued; 0 if none is.", _age(instance, [queued])
    )
    yield gauge("housing_run_age_seconds", "Age of the oldest run under way; 0 if none is.", _age(instance, others))
    took = GaugeMetricFamily(
        "housing_last_run_seconds", "How long the last run took, by what launched it.", labels=["trigger", "status"]
    )
    ended = dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE])
    seen: set[tuple[str, str]] = set()
    for record in instance.get_run_records(ended, limit=NEWEST_RUNS):
        run = record.dagster_run
        key = run.tags.get(TRIGGER, BY_HAND), run.status.value
        if key not in seen and record.start_time and record.end_time:
            seen.add(key)
            took.add_metric(key, record.end_time - record.start_time)
    yield took


def read_daemons(instance: dg.DagsterInstance) -> Iterator[Metric]:
    """Yield how long each daemon that this instance needs has been silent, and whether it says that all is well."""
    required = {name: status for name, status in instance.get_daemon_statuses().items() if status.required}
    silent = {
        name: math.inf if status.last_heartbeat is None else time.time() - status.last_heartbeat.timestamp
        for name, status in required.items()
    }
    yield gauges("housing_daemon_silent_seconds", "Time since a daemon's last heartbeat.", "daemon", silent)
    healthy = {name: float(bool(status.healthy)) for name, status in required.items()}
    yield gauges(
        "housing_daemon_healthy", "Whether a daemon's heartbeat is recent and tells of no error.", "daemon", healthy
    )


def read_ticks(instance: dg.DagsterInstance) -> Iterator[Metric]:
    """Yield when each sensor and schedule looked last, and whether it failed."""
    ages: dict[str, float] = {}
    failed: dict[str, float] = {}
    for state in instance.all_instigator_state():
        ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=1)
        if ticks:
            ages[state.name] = time.time() - ticks[0].timestamp
            failed[state.name] = float(ticks[0].is_failure)
    yield gauges("housing_tick_age_seconds", "Time since a sensor or schedule looked last.", "name", ages)
    yield gauges("housing_tick_failed", "Whether its last look failed.", "name", failed)


def read_code_locations(lineage_url: str) -> Iterator[Metric]:
    """Yield whether each code location could be loaded, as the lineage page's server has it.

    Parameters
    ----------
    lineage_url : str
        Without a slash at its end.

    Raises
    ------
    httpx.HTTPError, KeyError, ValueError
        If that server does not answer, or something else does.
    """
    reply = httpx.post(f"{lineage_url}/graphql", json={"query": _WORKSPACE}, timeout=TIMEOUT).raise_for_status()
    entries = reply.json()["data"]["workspaceOrError"]["locationEntries"]
    failed = {
        entry["name"]: float((entry["locationOrLoadError"] or {}).get("__typename") == "PythonError")
        for entry in entries
    }
    yield gauges("housing_code_location_error", "Whether a code location could not be loaded.", "location", failed)


def _age(instance: dg.DagsterInstance, statuses: list[dg.DagsterRunStatus]) -> float:
    oldest = instance.get_run_records(dg.RunsFilter(statuses=statuses), limit=1, ascending=True)
    return max(time.time() - oldest[0].create_timestamp.timestamp(), 0.0) if oldest else 0.0
