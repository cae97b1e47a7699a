"""What the monitoring checks said, as Dagster's event log has it: read whole once, and then what has come since."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import dagster as dg

from resources.judgements import Judgement, as_judgement, recent_records

OVERLAP = timedelta(days=1)
"""How long a check may take from when its row is planned to when the same row has its evaluation."""

_MANY, _FEW = 200, 10
"""Rows of a page at first, and where few are new: each has to be read whole."""


class CheckHistory:
    """The evaluations of some checks.

    Parameters
    ----------
    instance : DagsterInstance
    checks : sequence of AssetCheckKey
    longest : timedelta
        Age of the oldest ones.
    """

    def __init__(self, instance: dg.DagsterInstance, checks: Sequence[dg.AssetCheckKey], longest: timedelta) -> None:
        self._instance = instance
        self._checks = tuple(checks)
        self._longest = longest
        self._found: dict[int, Judgement] = {}
        self._last_event: int | None = None
        self._settled = False
        self._read_at: datetime | None = None

    def read(self, now: datetime) -> tuple[Judgement, ...]:
        """Return all evaluations that have a verdict, in no order."""
        last = self._instance.event_log_storage.get_maximum_record_id()
        if self._read_at is None or last != self._last_event or not self._settled:
            oldest = now - self._longest
            since = oldest if self._read_at is None else self._read_at - OVERLAP
            page = _MANY if self._read_at is None else _FEW
            for check in self._checks:
                for record in recent_records(self._instance, check, since.timestamp(), page=page):
                    if judgement := as_judgement(record):
                        self._found[record.id] = judgement
            self._found = {key: one for key, one in self._found.items() if one.at >= oldest.timestamp()}
            # An evaluation's row is stored a moment after its event: what was not there yet is there at the next look.
            self._settled = last == self._last_event
            self._last_event, self._read_at = last, now
        return tuple(self._found.values())
