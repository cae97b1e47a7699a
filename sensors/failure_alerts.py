"""The sensor that tells people."""

from collections.abc import Sequence
from datetime import datetime

import dagster as dg

from resources.alerts import Alert, AlertLog, NotDelivered, Webhook
from sensors.alerting import LOOKBACK, AlertCursor, collect_alerts
from sensors.clock import Clock, utc_now

LOGGED, DELIVERED = "logged", "delivered"
"""What became of an alert in the local log; anything else says why it is still to be delivered."""

_LONGEST_PAUSE = 600.0
"""Seconds between two tries of a webhook that has been out of reach for long."""


def alert_sensor(
    *,
    checks: Sequence[dg.AssetCheckKey],
    log: AlertLog,
    webhook: Webhook | None,
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
    interval_seconds : int
        Least time between two looks.
    clock : callable
        Returns the time, in UTC.
    """

    @dg.sensor(
        name="alert_on_failures",
        description="Tells people, once each, of failed runs, failed checks and decisions that need a person.",
        minimum_interval_seconds=interval_seconds,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def alert_on_failures(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        now = clock()
        cursor = AlertCursor.read(context.cursor) or _recover(log, now)
        pending = collect_alerts(context.instance, checks, cursor, now)
        resting = webhook is not None and now.timestamp() < cursor.not_before
        delivered, failure = ([], None) if resting else _deliver(pending, log, webhook)
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
    alerts: Sequence[Alert], log: AlertLog, webhook: Webhook | None
) -> tuple[list[Alert], NotDelivered | None]:
    """Return the alerts that were delivered, and what kept the webhook from taking the others."""
    if not alerts:
        return [], None
    delivered: list[Alert] = []
    known = log.outcomes()
    unreachable: NotDelivered | None = None
    for alert in alerts:
        outcome = LOGGED
        if webhook is not None and unreachable is None:
            try:
                webhook.deliver(alert)
                outcome = DELIVERED
            except NotDelivered as fault:
                outcome = f"waits: the webhook {fault}"
                unreachable = None if fault.refused else fault
        elif unreachable is not None:
            outcome = f"waits: the webhook {unreachable}"
        if outcome in (LOGGED, DELIVERED):
            delivered.append(alert)
        if known.get(alert.key) != outcome:
            try:
                log.write(alert, outcome)
            except OSError:
                if outcome != DELIVERED:  # what the webhook took must not be sent again because the disk is full
                    raise
    return delivered, unreachable


def _recover(log: AlertLog, now: datetime) -> AlertCursor:
    """Return a cursor that starts a day ago and knows what the local log knows."""
    taken = {key: now.timestamp() for key, outcome in log.outcomes().items() if outcome in (LOGGED, DELIVERED)}
    return AlertCursor(since=(now - LOOKBACK).timestamp(), delivered=taken)
