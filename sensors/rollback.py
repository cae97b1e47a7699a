"""The sensor that takes production from a version that performs worse than the one it replaced.

It does so once for each version: the registry remembers, whatever happens to the sensor's cursor. A version that people
promote again after that is left alone.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg

from resources.decision_log import Decision, DecisionLogs, Log
from resources.judgements import Judgement, as_judgement, recent_records
from resources.mlflow.registry import PRODUCTION, ROLLED_BACK, ModelRegistry
from sensors.cursor import Cursor

HORIZON = timedelta(days=14)
"""Age of a verdict that is not acted upon any more."""

ROLLED, LEFT_ALONE = FINAL = "rolled back", "left alone"
"""Outcomes after which a version is not judged again."""

_PATIENCE = 5.0
"""Seconds in which a tracking server must answer: MLflow itself would wait for minutes, and other sensors with it."""


class RollbackCursor(Cursor):
    """The decision that was recorded last, and the versions that were rolled back or are left to people."""

    decision: str = ""
    closed: tuple[int, ...] = ()


def rollback_sensor(
    *, check: dg.AssetCheckKey, prefix: Sequence[str] = (), interval_seconds: int = 60
) -> dg.SensorDefinition:
    """Return the sensor ``roll_back_on_worse_performance``; it needs the resource ``registry``.

    Parameters
    ----------
    check : AssetCheckKey
        Its verdicts say which version was judged, which one it replaced, and whether it does worse.
    prefix : sequence of str
        Of the keys of the market's assets, its decision log among them.
    interval_seconds : int
        Least time between two looks.
    """
    logs = DecisionLogs(tuple(prefix))

    @dg.sensor(
        name="roll_back_on_worse_performance",
        description="Points production back, once, when a version does significantly worse than the one before it.",
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def roll_back_on_worse_performance(
        context: dg.SensorEvaluationContext, registry: dg.ResourceParam[ModelRegistry]
    ) -> dg.SensorResult:
        cursor = RollbackCursor.read(context.cursor) or _recover(context.instance, logs)
        compared = read_comparisons(context.instance, check, datetime.now(UTC))
        worse = [one for one in compared if one.verdict.worse_than_replaced]
        open_cases = [one for one in worse if one.verdict.model_version not in cursor.closed]
        if not open_cases:
            return dg.SensorResult(skip_reason="No version does worse than the one before it.", cursor=cursor.write())
        decision = act(open_cases, registry)
        closed = (*cursor.closed, decision.evidence["version"]) if decision.outcome in FINAL else cursor.closed
        return dg.SensorResult(
            skip_reason=decision.reason,
            cursor=RollbackCursor(decision=decision.fingerprint, closed=closed).write(),
            asset_events=[logs.event(Log.ROLLBACK, decision)] if decision.fingerprint != cursor.decision else [],
        )

    return roll_back_on_worse_performance


def read_comparisons(instance: dg.DagsterInstance, check: dg.AssetCheckKey, now: datetime) -> list[Judgement]:
    """Return each version's judgement against the one that it replaced, in its newest window; newest version first."""
    newest: dict[int, Judgement] = {}
    for record in recent_records(instance, check, (now - HORIZON).timestamp()):
        one = as_judgement(record)
        if one is None or one.verdict.insufficient:
            continue
        version = one.verdict.model_version
        if version and one.verdict.replaced_version:
            newest[version] = max(newest.get(version, one), one, key=lambda each: (each.window, each.at))
    return sorted(newest.values(), key=lambda each: each.verdict.model_version, reverse=True)


def act(worse: Sequence[Judgement], registry: ModelRegistry) -> Decision:
    """Roll back if the version in production is among the worse ones, and return what was decided."""
    import httpx
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _expect_answer(registry.tracking_uri)
        return _decide(worse, registry)
    except (MlflowException, SQLAlchemyError, httpx.HTTPError, OSError) as fault:
        reason = f"The registry cannot be reached ({type(fault).__name__}); asked again about version {_listed(worse)}."
        return Decision("registry out of reach", reason, needs_person=True)


def _decide(worse: Sequence[Judgement], registry: ModelRegistry) -> Decision:
    production = registry.with_alias(PRODUCTION)
    serving = production.number if production else None
    for one in worse:
        version, replaced = one.verdict.model_version, one.verdict.replaced_version
        why = f"{one.verdict.summary or 'worse than before'} (report {one.verdict.report_id} of {one.window})"
        evidence = {"version": version, "replaced": replaced, "window": one.window, "record": one.record_id}
        done = Decision(
            ROLLED, f"Production is version {replaced} again, instead of {version}: {why}", evidence, needs_person=True
        )
        if serving == replaced:
            return done
        if production is None or serving != version:
            continue
        if ROLLED_BACK in production.tags:
            reason = f"Version {version} does worse, but was promoted again after a rollback: a person decides."
            return Decision(LEFT_ALONE, reason, evidence, needs_person=True)
        try:
            registry.rollback(to=replaced, reason=why, replacing=version)
        except LookupError as fault:
            return Decision("cannot roll back", f"{fault}. Version {version}: {why}", evidence, needs_person=True)
        return done
    in_production = f"version {serving} is" if serving else "no version is"
    return Decision("not in production", f"Version {_listed(worse)} did worse, but {in_production} in production.")


def _listed(judgements: Sequence[Judgement]) -> str:
    return ", ".join(str(one.verdict.model_version) for one in judgements)


def _recover(instance: dg.DagsterInstance, logs: DecisionLogs) -> RollbackCursor:
    """Return what a lost cursor remembered, as the decision log has it."""
    decisions = [one.decision for one in logs.read(instance, Log.ROLLBACK, limit=200)]
    closed = {int(one.evidence["version"]) for one in decisions if one.outcome in FINAL}
    return RollbackCursor(decision=decisions[0].fingerprint if decisions else "", closed=tuple(sorted(closed)))


def _expect_answer(tracking_uri: str) -> None:
    import httpx

    if tracking_uri.startswith("http"):
        httpx.get(f"{tracking_uri.rstrip('/')}/health", timeout=_PATIENCE).raise_for_status()
