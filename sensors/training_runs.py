"""Runs of the training assets, however they were launched: what is under way, what succeeded, what was tried."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import dagster as dg

from resources.run_plans import planned_assets

TRIGGER = "housing/trigger"
"""Tag of a run: what launched it."""

MARKET = "housing/market"
"""Tag of a run: the market whose assets it materializes, for people; the sensors go by the assets."""

IN_FLIGHT = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]
"""A run that is only created is not among them: whoever created it may be gone, and its run key starts it again."""

_CANDIDATES = 20
"""Materializations that are looked through for one of a whole training."""

_MEMORY = timedelta(days=30)
"""Age of attempts that are not looked at any more."""


@dataclass(frozen=True)
class Attempt:
    """A run that ended; times are seconds since 1970."""

    run_id: str
    status: dg.DagsterRunStatus
    launched: float
    ended: float


@dataclass(frozen=True)
class TrainingRuns:
    """What the run storage says of training.

    Attributes
    ----------
    in_flight : tuple of (str, float)
        Each run that is under way, and when it was created, in seconds since 1970.
    trained_at : float or None
        Findings up to then are resolved by the last successful training of all selected assets: its end, or where it
        was resumed, the start of the run that had read the listings.
    attempts : tuple of Attempt
        Runs that one trigger launched and that have ended, newest first.
    """

    in_flight: tuple[tuple[str, float], ...] = ()
    trained_at: float | None = None
    attempts: tuple[Attempt, ...] = ()


def read_training_runs(
    context: dg.SensorEvaluationContext, selection: dg.AssetSelection, trigger: str, now: datetime
) -> TrainingRuns:
    """Return the runs of the selected assets, and those of them that a trigger launched.

    The sensors of all markets launch with the same trigger: only runs of the selected assets are this one's attempts.
    """
    instance, assets = context.instance, selected_assets(context, selection)
    wanted = dg.RunsFilter(tags={TRIGGER: trigger}, updated_after=now - _MEMORY)
    launched = _of_assets(instance, instance.get_run_records(wanted), assets)
    return TrainingRuns(
        in_flight=tuple(
            (record.dagster_run.run_id, record.create_timestamp.timestamp())
            for record in runs_in_flight(instance, assets)
        ),
        trained_at=_last_success(instance, _ends(context, assets)),
        attempts=tuple(_attempt(one) for one in launched if one.dagster_run.is_finished),
    )


def selected_assets(
    context: dg.SensorEvaluationContext | dg.ScheduleEvaluationContext, selection: dg.AssetSelection
) -> frozenset[dg.AssetKey]:
    """Return the selected assets of the code location that a sensor or schedule belongs to."""
    if context.repository_def is None:
        raise ValueError("outside a code location there is no telling which assets are selected")
    return frozenset(selection.resolve(context.repository_def.asset_graph))


def runs_in_flight(instance: dg.DagsterInstance, assets: Collection[dg.AssetKey]) -> list[dg.RunRecord]:
    """Return the runs under way that materialize any of some assets, newest first."""
    return _of_assets(instance, instance.get_run_records(dg.RunsFilter(statuses=IN_FLIGHT)), assets)


def _of_assets(
    instance: dg.DagsterInstance, records: Iterable[dg.RunRecord], assets: Collection[dg.AssetKey]
) -> list[dg.RunRecord]:
    return [record for record in records if not planned_assets(instance, record.dagster_run).isdisjoint(assets)]


def _ends(context: dg.SensorEvaluationContext, assets: frozenset[dg.AssetKey]) -> frozenset[dg.AssetKey]:
    """Return where training starts and where it ends: a run of all that lies between is a whole training."""
    graph = context.repository_def.asset_graph if context.repository_def else None
    nodes = [graph.get(key) for key in assets] if graph else []
    return frozenset(
        node.key for node in nodes if node.parent_keys.isdisjoint(assets) or node.child_keys.isdisjoint(assets)
    )


def _last_success(instance: dg.DagsterInstance, ends: frozenset[dg.AssetKey]) -> float | None:
    runs = {
        record.run_id: None
        for key in ends
        for record in instance.fetch_materializations(key, limit=_CANDIDATES).records
    }
    moments = [_resolves_until(instance, run_id, ends) for run_id in runs if run_id]
    return max((moment for moment in moments if moment is not None), default=None)


def _resolves_until(instance: dg.DagsterInstance, run_id: str, ends: frozenset[dg.AssetKey]) -> float | None:
    """Return until when findings are resolved by a run, None if it is no successful whole training.

    What is found while it runs is of the version that it replaces.
    """
    record = instance.get_run_record_by_id(run_id)
    if record is None or record.dagster_run.status != dg.DagsterRunStatus.SUCCESS:
        return None
    first = instance.get_run_record_by_id(record.dagster_run.root_run_id or run_id) or record
    both = planned_assets(instance, record.dagster_run) | planned_assets(instance, first.dagster_run)
    if not ends <= both:
        return None
    known = record.end_time if first.dagster_run.run_id == run_id else first.start_time
    return known or first.create_timestamp.timestamp()


def _attempt(record: dg.RunRecord) -> Attempt:
    launched = record.create_timestamp.timestamp()
    return Attempt(record.dagster_run.run_id, record.dagster_run.status, launched, record.end_time or launched)
