"""The sensor that tells people."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from resources.alerts import Alert, AlertLog, NotDelivered, Webhook
from sensors.alerting import LOOKBACK, AlertCursor, Watched, collect_alerts
from sensors.clock import Clock, utc_now
from sensors.training_runs import selected_assets

DONE = LOGGED, DELIVERED, GIVEN_UP = "logged", "delivered", "given up"
WAITING = "waits"
"""What became of an alert, as the local log tells: where it was not delivered, the reason follows."""

_LONGEST_PAUSE = 600.0
"""Seconds between two tries of a webhook that has been out of reach for long."""


def alert_sensor(
    *,
    checks: Sequence[dg.AssetCheckKey],
    log: AlertLog,
    webhook: Webhook | None,
    market: str,
    prefix: Sequence[str] = (),
    interval_seconds: int = 30,
    clock: Clock = utc_now,
) -> dg.SensorDefinition:
    """Return the sensor ``alert_on_failures``.

    Parameters
    ----------
    checks : sequence of AssetCheckKey
        Checks whose failures are told of; what fails a run is told of anyway.
    log : AlertLog
        Holds every alert.
    webhook : Webhook or None
        Where they are sent besides.
    market : str
        Name of the market, with which every alert begins.
    prefix : sequence of str
        Of the keys of the market's assets, its decision logs among them.
    interval_seconds : int
        Least time between two looks.
    clock : callable
        Returns the time, in UTC.
    """

    @dg.sensor(
        name="alert_on_failures",
        description="Alerts on failed runs, failed checks and decisions that need a person, once each.",
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def alert_on_failures(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        cursor = AlertCursor.read(context.cursor) or _recover(log, now)
        watched = Watched(market, tuple(prefix), selected_assets(context, dg.AssetSelection.all()), tuple(checks))
        pending = collect_alerts(context.instance, watched, cursor, now)
        resting = webhook is not None and now.timestamp() < cursor.not_before
        delivered, failure = ([], None) if resting else _deliver(pending, log, webhook, now)
        done = {alert.key for alert in delivered}
        waiting = [alert for alert in pending if alert.key not in done]
        cursor = cursor.after(delivered, waiting, now.timestamp())
        if not resting:
            failures = cursor.failures + 1 if failure else 0
            pause = min(interval_seconds * 2.0**failures, _LONGEST_PAUSE) if failure else 0
            cursor = cursor.model_copy(update={"failures": failures, "not_before": now.timestamp() + pause})
        told = f"{len(delivered)} alerts delivered, {len(waiting)} waiting"
        return dg.SensorResult(skip_reason=f"{told}: {failure}" if failure else told, cursor=cursor.write())

    return alert_on_failures


def _deliver(
    alerts: Sequence[Alert], log: AlertLog, webhook: Webhook | None, now: datetime
) -> tuple[list[Alert], NotDelivered | None]:
    """Return the alerts that are done with, and what kept the webhook from being reached."""
    if not alerts:
        return [], None
    known = log.outcomes()
    done: list[Alert] = []
    unreachable: NotDelivered | None = None
    for alert in alerts:
        outcome = known.get(alert.key, "")
        if not outcome.startswith(DONE):
            outcome, fault = _try(alert, webhook, unreachable, now)
            unreachable = fault if fault is not None and not fault.refused else unreachable
        if outcome.startswith(DONE):
            done.append(alert)
        if known.get(alert.key) != outcome:
            try:
                log.write(alert, outcome)
            except OSError:
                if outcome != DELIVERED:  # what the webhook took must not be sent again because the disk is full
                    raise
    return done, unreachable


def _try(
    alert: Alert, webhook: Webhook | None, unreachable: NotDelivered | None, now: datetime
) -> tuple[str, NotDelivered | None]:
    """Send an alert; return what became of it, and what kept it."""
    if webhook is None:
        return LOGGED, None
    try:
        if unreachable is not None:
            raise unreachable
        webhook.deliver(alert)
    except NotDelivered as fault:
        hopeless = fault.refused and alert.at < (now - LOOKBACK).timestamp()
        return f"{GIVEN_UP if hopeless else WAITING}: the webhook {fault}", fault
    return DELIVERED, None


def _recover(log: AlertLog, now: datetime) -> AlertCursor:
    """Return a cursor that starts a day ago and knows what the local log knows."""
    taken = {key: now.timestamp() for key, outcome in log.outcomes().items() if outcome.startswith(DONE)}
    return AlertCursor(since=(now - LOOKBACK).timestamp(), delivered=taken)
