"""What people should hear of: failed runs, failed checks, and decisions that need a person; each of them once.

Everything is found in Dagster's storages by the time that it happened. The cursor is a point in time before which all
was delivered, and the keys of what was delivered since a little earlier: events may be stored out of order.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dagster as dg

from resources.alerts import Alert
from resources.decision_log import DecisionLogs, Log
from resources.judgements import as_judgement, evaluation_of, recent_records
from resources.run_plans import planned_assets
from sensors.cursor import Cursor
from sensors.training_runs import TRIGGER

OVERLAP = timedelta(hours=1)
"""How much later than what happened after it an event may be stored."""

LOOKBACK = timedelta(hours=24)
"""How far back a sensor without a cursor looks; what the local log knows is not raised again."""

_LONGEST_RUN = timedelta(days=1)
"""Time from when a check is planned to when it is evaluated."""

_GRACE = timedelta(seconds=5)
"""Time for the last check of a report to be stored after the first: one alert names them all."""

_MOST_DECISIONS = 200

_WILL_RETRY = "dagster/will_retry"
"""Tag by which Dagster says that its daemon runs a failed run again."""


@dataclass(frozen=True)
class Watched:
    """What one market's sensor tells of; other markets have sensors of their own.

    Attributes
    ----------
    market : str
        Its name, with which every alert begins.
    prefix : tuple of str
        Of the keys of its assets.
    assets : frozenset of AssetKey
        Of its code location.
    checks : tuple of AssetCheckKey
        Checks whose failures are told of.
    """

    market: str
    prefix: tuple[str, ...]
    assets: frozenset[dg.AssetKey]
    checks: tuple[dg.AssetCheckKey, ...]


class AlertCursor(Cursor):
    """What was delivered.

    Attributes
    ----------
    since : float
        All that happened before is delivered, in seconds since 1970.
    delivered : mapping of str to float
        Keys of what was delivered and happened since then, less the overlap, with the time that it happened.
    failures : int
        Ticks in a row in which the webhook could not be reached.
    not_before : float
        When it is tried again.
    """

    since: float
    delivered: Mapping[str, float] = {}
    failures: int = 0
    not_before: float = 0

    def after(self, delivered: Iterable[Alert], pending: Iterable[Alert], now: float) -> "AlertCursor":
        """Return the cursor that has moved as far as all is delivered, and no further."""
        since = min((alert.at for alert in pending), default=now)
        known = {**self.delivered, **{alert.key: alert.at for alert in delivered}}
        oldest = since - OVERLAP.total_seconds()
        kept = {key: at for key, at in known.items() if at >= oldest}
        return self.model_copy(update={"since": since, "delivered": kept})


def collect_alerts(instance: dg.DagsterInstance, watched: Watched, cursor: AlertCursor, now: datetime) -> list[Alert]:
    """Return the alerts that are not delivered yet, oldest first."""
    since = datetime.fromtimestamp(cursor.since, UTC) - OVERLAP
    found = [
        *_failed_runs(instance, watched, since),
        *_failed_checks(instance, watched, since, now),
        *_decisions(instance, watched, since),
    ]
    new = {alert.key: alert for alert in found if alert.key not in cursor.delivered}
    return sorted(new.values(), key=lambda alert: (alert.at, alert.key))


def _failed_runs(instance: dg.DagsterInstance, watched: Watched, since: datetime) -> Iterator[Alert]:
    wanted = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since)
    for record in instance.get_run_records(wanted):
        run = record.dagster_run
        ended = record.end_time or record.update_timestamp.timestamp()
        if ended < since.timestamp():  # something was noted on it later
            continue
        planned = planned_assets(instance, run)
        if planned and planned.isdisjoint(watched.assets):  # another market's; a run without assets is everybody's
            continue
        trigger = run.tags.get(TRIGGER)
        why = f", launched by {trigger}," if trigger else ""
        again = " It is run again." if run.tags.get(_WILL_RETRY) == "true" else ""
        text = f"{watched.market}: run {run.run_id}{why} failed{_where(instance, run.run_id)}.{again}"
        yield Alert(f"run:{run.run_id}", "run", text, ended)


def _where(instance: dg.DagsterInstance, run_id: str) -> str:
    """Return the steps that failed and the kinds of their errors; what errors say may hold people's data."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    events = [event for record in records if (event := record.event_log_entry.dagster_event) is not None]
    steps = []
    for event in events:
        error = event.step_failure_data.error
        cause = (error.cause or error) if error else None
        steps.append(f"{event.step_key} ({cause.cls_name})" if cause and cause.cls_name else str(event.step_key))
    return f" in {', '.join(sorted(steps))}" if steps else " outside its steps"


def _failed_checks(instance: dg.DagsterInstance, watched: Watched, since: datetime, now: datetime) -> Iterator[Alert]:
    """Yield one alert for each report with failed checks; the same report of a day that is made again is no news."""
    reports: dict[tuple[dg.AssetKey, str, str], dict[str, tuple[float, str]]] = defaultdict(dict)
    for check in watched.checks:
        for record in recent_records(instance, check, (since - _LONGEST_RUN).timestamp()):
            evaluation, judgement = evaluation_of(record), as_judgement(record)
            if evaluation is None or evaluation.passed or record.event is None:
                continue
            if record.event.timestamp < since.timestamp() or (judgement and not judgement.verdict.in_production):
                continue
            retrains = " (counts toward retraining)" if judgement and judgement.calls_for_retraining else ""
            text = f"{check.name}{retrains}: {(judgement and judgement.verdict.summary) or 'failed'}"
            of = judgement.window if judgement else ""
            if judgement and judgement.verdict.model_version:
                of += f" of version {judgement.verdict.model_version}"
            reports[check.asset_key, of, record.run_id][check.name] = (record.event.timestamp, text)
    for (asset, of, run_id), found in reports.items():
        at = min(at for at, _ in found.values())
        if at < (now - _GRACE).timestamp():
            key = f"finding:{asset.to_user_string()}:{of or run_id}:{','.join(sorted(found))}"
            title = f"{watched.market}: {asset.path[-1]}{' of ' + of if of else ''}: {len(found)} failed"
            yield Alert(key, "finding", "\n".join([title, *sorted(text for _, text in found.values())]), at)


def _decisions(instance: dg.DagsterInstance, watched: Watched, since: datetime) -> Iterator[Alert]:
    logs = DecisionLogs(watched.prefix)
    for log in Log:
        for one in logs.read(instance, log, _MOST_DECISIONS, since=since.timestamp()):
            if one.decision.needs_person:
                key = f"decision:{logs.key(log).to_user_string()}:{one.decision.fingerprint}"
                text = f"{watched.market}: {log}: {one.decision.outcome}. {one.decision.reason}"
                yield Alert(key, "decision", text, one.at.timestamp())
