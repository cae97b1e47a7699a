"""The sensor that closes the loop: failed monitoring checks lead to one retraining."""

from collections.abc import Sequence

import dagster as dg

from resources.decision_log import DecisionLogs, Log
from sensors.clock import Clock, utc_now
from sensors.cursor import DecisionCursor
from sensors.judgements import read_history
from sensors.retraining import RetrainingRule, decide, provenance
from sensors.training_runs import MARKET, TRIGGER, read_training_runs

NAME = "retrain_on_failed_drift_checks"

FAILED_CHECKS = "failed_drift_checks"
"""Value of the tag ``housing/trigger`` on the runs that this sensor launches."""


def retraining_sensor(
    *,
    checks: Sequence[dg.AssetCheckKey],
    training: dg.AssetSelection,
    rule: RetrainingRule,
    market: str,
    prefix: Sequence[str] = (),
    interval_seconds: int = 30,
    clock: Clock = utc_now,
) -> dg.SensorDefinition:
    """Return the sensor ``retrain_on_failed_drift_checks``.

    Parameters
    ----------
    checks : sequence of AssetCheckKey
        The checks that are watched; their metadata says which failures count.
    training : AssetSelection
        What a retraining materializes; it must not hold what is checked, or it would trigger itself.
    rule : RetrainingRule
    market : str
        Name of the market, for the tags of its runs.
    prefix : sequence of str
        Of the keys of the market's assets, its decision log among them.
    interval_seconds : int
        Least time between two looks.
    clock : callable
        Returns the time, in UTC.
    """
    logs = DecisionLogs(tuple(prefix))

    @dg.sensor(
        name=NAME,
        target=training,
        description="Retrains once when enough of the last windows have unresolved findings, and records why.",
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def retrain_on_failed_drift_checks(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        history = read_history(context.instance, checks, now)
        runs = read_training_runs(context, training, FAILED_CHECKS, now)
        decision, windows = decide(history, runs, now, rule)
        known = DecisionCursor.read(context.cursor)
        last = known.decision if known else logs.last_fingerprint(context.instance, Log.RETRAINING)
        tags = {TRIGGER: FAILED_CHECKS, MARKET: market, **provenance(decision, windows)}
        return dg.SensorResult(
            run_requests=[dg.RunRequest(decision.run_key, tags=tags)] if decision.run_key else [],
            skip_reason=None if decision.run_key else decision.reason,
            cursor=DecisionCursor(decision=decision.fingerprint).write(),
            asset_events=[logs.event(Log.RETRAINING, decision)] if decision.fingerprint != last else [],
        )

    return retrain_on_failed_drift_checks
