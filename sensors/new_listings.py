"""The sensor that trains on what lands."""

from collections.abc import Collection, Sequence

import dagster as dg

from resources.dagster_internals import RUN_KEY_TAG
from resources.decision_log import Decision, DecisionLogs, Log
from resources.object_store import ObjectStore
from resources.run_plans import planned_assets
from sensors.clock import Clock, utc_now
from sensors.landing import Arrivals, Batch, LandingCursor, collect, look
from sensors.training_runs import MARKET, TRIGGER, runs_in_flight, selected_assets

NEW_LISTINGS = "new_listings"
"""Value of the tag ``housing/trigger`` on the runs that this sensor launches."""

_SHOWN = 10
"""Files that a reason names."""


def new_listings_sensor(
    *,
    landing: str | None,
    training: dg.AssetSelection,
    object_store: ObjectStore,
    market: str,
    prefix: Sequence[str] = (),
    settle_seconds: float = 60,
    interval_seconds: int = 30,
    clock: Clock = utc_now,
) -> dg.SensorDefinition:
    """Return the sensor ``materialize_on_new_listings``; it is off where there is no landing place.

    Parameters
    ----------
    landing : str or None
        Folder or ``s3://bucket/prefix``; the source of raw listings should read it, too.
    training : AssetSelection
        What a run materializes.
    object_store : ObjectStore
    market : str
        Name of the market, for the tags of its runs.
    prefix : sequence of str
        Of the keys of the market's assets, its decision log among them.
    settle_seconds : float
        How long a file must have stayed the same.
    interval_seconds : int
        Least time between two looks.
    clock : callable
        Returns the time, in UTC.
    """
    logs = DecisionLogs(tuple(prefix))

    @dg.sensor(
        name="materialize_on_new_listings",
        target=training,
        description="Launches one run for the complete files that have landed since the last one; each file once.",
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING if landing else dg.DefaultSensorStatus.STOPPED,
    )
    def materialize_on_new_listings(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if not landing:
            return dg.SensorResult(skip_reason="There is no landing place: set HOUSING_LANDING.", cursor=context.cursor)
        assets = selected_assets(context, training)
        cursor = LandingCursor.read(context.cursor) or _recover(context.instance, logs, assets)
        if cursor.asked and not _has_run(context.instance, cursor.asked.run_key, assets):
            return _launch(cursor, cursor.asked, logs, market)
        cursor = cursor.model_copy(update={"asked": None})
        try:
            landed = look(landing, object_store.client)
        except OSError as fault:
            unreadable = Decision("cannot look", f"The landing place cannot be read: {fault}", needs_person=True)
            return _wait(cursor, unreadable, logs)
        arrivals, cursor = collect(landed, cursor, clock().timestamp(), settle_seconds)
        if not arrivals.complete:
            return dg.SensorResult(
                skip_reason=f"No complete new file among {len(landed)}; {len(arrivals.growing)} may still grow.",
                cursor=cursor.model_copy(update={"decision": ""}).write(),
            )
        if waiting := _reason_to_wait(context.instance, assets, arrivals):
            return _wait(cursor, waiting, logs)
        return _launch(cursor, arrivals.as_batch(), logs, market)

    return materialize_on_new_listings


def _reason_to_wait(
    instance: dg.DagsterInstance, assets: Collection[dg.AssetKey], arrivals: Arrivals
) -> Decision | None:
    if arrivals.growing:
        growing = _listed([file.path for file in arrivals.growing])
        return Decision("settling", f"New files wait for others to be complete: {growing}")
    under_way = runs_in_flight(instance, assets)
    if under_way:
        run_id = under_way[-1].dagster_run.run_id
        return Decision("in flight", f"New files wait for training run {run_id} to end")
    return None


def _wait(cursor: LandingCursor, decision: Decision, logs: DecisionLogs) -> dg.SensorResult:
    return dg.SensorResult(
        skip_reason=decision.reason,
        cursor=cursor.model_copy(update={"decision": decision.fingerprint}).write(),
        asset_events=[logs.event(Log.NEW_LISTINGS, decision)] if decision.fingerprint != cursor.decision else [],
    )


def _launch(cursor: LandingCursor, batch: Batch, logs: DecisionLogs, market: str) -> dg.SensorResult:
    decision = Decision(
        outcome="launch",
        reason=f"New files have landed: {_listed(batch.paths)}",
        evidence={"files": list(batch.paths), "fingerprints": list(batch.fingerprints)},
        run_key=batch.run_key,
    )
    known = {*cursor.handled, *batch.fingerprints}
    update = {"handled": tuple(sorted(known)), "seen": {}, "asked": batch, "decision": decision.fingerprint}
    return dg.SensorResult(
        run_requests=[
            dg.RunRequest(
                batch.run_key, tags={TRIGGER: NEW_LISTINGS, MARKET: market, "housing/reason": decision.reason}
            ),
        ],
        cursor=cursor.model_copy(update=update).write(),
        asset_events=[logs.event(Log.NEW_LISTINGS, decision)] if decision.fingerprint != cursor.decision else [],
    )


def _recover(instance: dg.DagsterInstance, logs: DecisionLogs, assets: Collection[dg.AssetKey]) -> LandingCursor:
    """Return what a lost cursor remembered: each launch is in the decision log, and its run in the run storage."""
    launches = [one.decision for one in logs.read(instance, Log.NEW_LISTINGS, limit=1_000)]
    handled = {
        fingerprint
        for decision in launches
        if decision.run_key and _has_run(instance, decision.run_key, assets)
        for fingerprint in decision.evidence.get("fingerprints", [])
    }
    return LandingCursor(handled=tuple(sorted(handled)), decision=logs.last_fingerprint(instance, Log.NEW_LISTINGS))


def _has_run(instance: dg.DagsterInstance, run_key: str, assets: Collection[dg.AssetKey]) -> bool:
    """Return whether a run of some assets was made for a run key: markets that share a landing place share its keys."""
    runs = instance.get_runs(dg.RunsFilter(tags={RUN_KEY_TAG: run_key}))
    return any(not planned_assets(instance, run).isdisjoint(assets) for run in runs)


def _listed(paths: list[str] | tuple[str, ...]) -> str:
    more = f" and {len(paths) - _SHOWN} more" if len(paths) > _SHOWN else ""
    return ", ".join(paths[:_SHOWN]) + more
