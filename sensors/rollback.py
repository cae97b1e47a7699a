"""The sensor that takes production from a version that performs worse than the one it replaced.

It does so once for each version: the registry remembers, whatever happens to the sensor's cursor. A version that people
promote again after that is left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from resources.decision_log import Decision, Log, read_decisions
from resources.model_registry import PRODUCTION, ROLLED_BACK, ModelRegistry
from sensors.cursor import Cursor
from sensors.judgements import as_judgement, evaluation_of, recent_records

HORIZON = timedelta(days=14)
"""Age of a verdict that is not acted upon any more."""

ROLLED, LEFT_ALONE = SETTLED = "rolled back", "left alone"
"""Outcomes after which a version is not judged again."""

_PATIENCE = 5.0
"""Seconds in which a tracking server must answer: MLflow itself would wait for minutes, and other sensors with it."""


@dataclass(frozen=True)
class Verdict:
    """A version's newest evaluation against the one that it replaced."""

    record_id: int
    window: str
    at: float
    version: int
    replaced: int
    worse: bool
    reason: str


class RollbackCursor(Cursor):
    """The decision that was recorded last, and the versions that were rolled back or are left to people."""

    decision: str = ""
    settled: tuple[int, ...] = ()


def rollback_sensor(*, check: dg.AssetCheckKey, interval_seconds: int = 60) -> dg.SensorDefinition:
    """Return the sensor ``roll_back_on_worse_performance``; it needs the resource ``registry``.

    Parameters
    ----------
    check : AssetCheckKey
        Its metadata names ``model_version``, ``replaced_version`` and whether the one is ``worse_than_replaced``.
    interval_seconds : int
        Least time between two looks.
    """

    @dg.sensor(
        name="roll_back_on_worse_performance",
        description="Points production back, once, when a version does significantly worse than the one before it.",
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def roll_back_on_worse_performance(
        context: dg.SensorEvaluationContext, registry: dg.ResourceParam[ModelRegistry]
    ) -> dg.SensorResult:
        cursor = RollbackCursor.read(context.cursor)
        cursor = cursor or _recover(context.instance)
        worse = [one for one in read_verdicts(context.instance, check, datetime.now(UTC)) if one.worse]
        unsettled = [one for one in worse if one.version not in cursor.settled]
        if not unsettled:
            return dg.SensorResult(skip_reason="No version does worse than the one before it.", cursor=cursor.write())
        decision = act(unsettled, registry)
        settled = (*cursor.settled, decision.evidence["version"]) if decision.outcome in SETTLED else cursor.settled
        return dg.SensorResult(
            skip_reason=decision.reason,
            cursor=RollbackCursor(decision=decision.fingerprint, settled=settled).write(),
            asset_events=[decision.as_event(Log.ROLLBACK)] if decision.fingerprint != cursor.decision else [],
        )

    return roll_back_on_worse_performance


def read_verdicts(instance: dg.DagsterInstance, check: dg.AssetCheckKey, now: datetime) -> list[Verdict]:
    """Return the verdict on each version, from the newest window in which it was evaluated; newest version first."""
    newest: dict[int, Verdict] = {}
    for record in recent_records(instance, check, (now - HORIZON).timestamp()):
        evaluation, judgement = evaluation_of(record), as_judgement(record)
        if evaluation is None or judgement is None or judgement.insufficient:
            continue
        said = {key: entry.value for key, entry in evaluation.metadata.items()}
        version, replaced = (_number(said.get(key)) for key in ("model_version", "replaced_version"))
        if version and replaced and isinstance(said.get("worse_than_replaced"), bool):
            worse = bool(said["worse_than_replaced"])
            reason = f"{judgement.verdict or 'worse than before'} (report {judgement.report_id} of {judgement.window})"
            one = Verdict(judgement.record_id, judgement.window, judgement.at, version, replaced, worse, reason)
            newest[version] = max(newest.get(version, one), one, key=lambda each: (each.window, each.at))
    return sorted(newest.values(), key=lambda each: each.version, reverse=True)


def act(verdicts: Sequence[Verdict], registry: ModelRegistry) -> Decision:
    """Roll back if the version in production is among the worse ones, and return what was decided."""
    import httpx
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        _expect_answer(registry.tracking_uri)
        return _decide(verdicts, registry)
    except (MlflowException, SQLAlchemyError, httpx.HTTPError, OSError) as fault:
        versions = ", ".join(str(one.version) for one in verdicts)
        reason = f"The registry cannot be asked about version {versions} ({type(fault).__name__}); it will be again."
        return Decision("registry out of reach", reason, needs_person=True)


def _decide(verdicts: Sequence[Verdict], registry: ModelRegistry) -> Decision:
    production = registry.with_alias(PRODUCTION)
    serving = production.number if production else None
    for one in verdicts:
        evidence = {"version": one.version, "replaced": one.replaced, "window": one.window, "record": one.record_id}
        if serving == one.replaced:
            reason = f"Production is version {one.replaced} again, instead of {one.version}: {one.reason}"
            return Decision(ROLLED, reason, evidence, needs_person=True)
        if production is None or serving != one.version:
            continue
        if ROLLED_BACK in production.tags:
            reason = f"Version {one.version} does worse, but was promoted again after a rollback: a person decides."
            return Decision(LEFT_ALONE, reason, evidence, needs_person=True)
        try:
            registry.rollback(to=one.replaced, reason=one.reason, replacing=one.version)
        except LookupError as fault:
            return Decision("cannot roll back", f"{fault}. Version {one.version}: {one.reason}", evidence, "", True)
        reason = f"Production is version {one.replaced} again, instead of {one.version}: {one.reason}"
        return Decision(ROLLED, reason, evidence, needs_person=True)
    versions = ", ".join(str(one.version) for one in verdicts)
    return Decision("not in production", f"Version {versions} did worse, but production is version {serving}.")


def _recover(instance: dg.DagsterInstance) -> RollbackCursor:
    """Return what a lost cursor remembered, as the decision log has it."""
    decisions = [one.decision for one in read_decisions(instance, Log.ROLLBACK, limit=200)]
    settled = {int(one.evidence["version"]) for one in decisions if one.outcome in SETTLED}
    return RollbackCursor(decision=decisions[0].fingerprint if decisions else "", settled=tuple(sorted(settled)))


def _expect_answer(tracking_uri: str) -> None:
    import httpx

    if tracking_uri.startswith("http"):
        httpx.get(f"{tracking_uri.rstrip('/')}/health", timeout=_PATIENCE).raise_for_status()


def _number(value: object) -> int | None:
    return int(str(value)) if str(value).isdecimal() else None
