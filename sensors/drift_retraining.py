"""The sensor that closes the loop: failed monitoring checks lead to one retraining."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import dagster as dg

from resources.decision_log import Decision, DecisionLogs, Log
from resources.judgements import read_history
from resources.predictions.store import PredictionStore
from sensors.clock import Clock, utc_now
from sensors.cursor import DecisionCursor
from sensors.retraining import RetrainingRule, decide, provenance
from sensors.training_runs import MARKET, TRIGGER, read_training_runs

NAME = "retrain_on_failed_drift_checks"

FAILED_CHECKS = "failed_drift_checks"
"""Value of the tag ``housing/trigger`` on the runs that this sensor launches."""


OUT_OF_REACH = Decision(
    "prediction store out of reach",
    "Nothing is decided: the prediction store (HOUSING_PREDICTION_STORE) cannot say which days are held.",
    needs_person=True,
)


def retraining_sensor(
    *,
    checks: Sequence[dg.AssetCheckKey],
    training: dg.AssetSelection,
    rule: RetrainingRule,
    market: str,
    prefix: Sequence[str] = (),
    interval_seconds: int = 30,
    run_config: Mapping[str, Any] | None = None,
    clock: Clock = utc_now,
) -> dg.SensorDefinition:
    """Return the sensor ``retrain_on_failed_drift_checks``; it needs the resource ``predictions``.

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
    run_config : mapping, optional
        Of the retrainings; by default each asset's own.
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
    def retrain_on_failed_drift_checks(
        context: dg.SensorEvaluationContext, predictions: dg.ResourceParam[PredictionStore]
    ) -> dg.SensorResult:
        now = clock()
        history = read_history(context.instance, checks, now, rule.horizon)
        runs = read_training_runs(context, training, FAILED_CHECKS, now)
        held = _held_days(predictions)
        decision, windows = (OUT_OF_REACH, []) if held is None else decide(history, runs, now, rule, held)
        known = DecisionCursor.read(context.cursor)
        last = known.decision if known else logs.last_fingerprint(context.instance, Log.RETRAINING)
        tags = {TRIGGER: FAILED_CHECKS, MARKET: market, **provenance(decision, windows)}
        return dg.SensorResult(
            run_requests=[dg.RunRequest(decision.run_key, run_config=run_config, tags=tags)]
            if decision.run_key
            else [],
            skip_reason=None if decision.run_key else decision.reason,
            cursor=DecisionCursor(decision=decision.fingerprint).write(),
            asset_events=[logs.event(Log.RETRAINING, decision)] if decision.fingerprint != last else [],
        )

    return retrain_on_failed_drift_checks


def _held_days(predictions: PredictionStore) -> dict[str, datetime] | None:
    """Return the days that are held, and since when, None where the prediction store cannot say."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        return {day.isoformat(): decision.at for day, decision in predictions.days().held.items()}
    except SQLAlchemyError:
        return None
