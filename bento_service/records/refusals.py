"""Refused requests as they are recorded: counted by second, field and reason, without anything that was sent.

A count takes the place of a record for each refusal, so that a flood of them does not fill the journal.
"""

import logging
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple, Protocol

import orjson
import uuid_utils

from bento_service.errors import Reason
from bento_service.moments import format_moment
from bento_service.records.journal import JournalFull

FLUSH_SECONDS = 1.0
"""Seconds of refusals that are counted before they are in the journal: what a process that dies leaves unrecorded."""

MAX_WAITING = 10_000
"""Counts that wait while the journal is full, about 2 MB; refusals of further kinds are lost then, which is logged."""

logger = logging.getLogger("housing.refusals")


class Journal(Protocol):
    """Where records are kept."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Write records."""


class Refused(NamedTuple):
    """What refusals have in common that are counted together.

    Attributes
    ----------
    second : datetime
        In UTC.
    endpoint : str
    protocol : str
        ``http`` or ``grpc``.
    field : str or None
        The first one that could not be used, where the market or the feedback has it; never a name that was made up.
    reason : Reason
    """

    second: datetime
    endpoint: str
    protocol: str
    field: str | None
    reason: Reason


class RefusalCounts:
    """Counts refusals, and records the counts.

    Parameters
    ----------
    journal : Journal
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._counts: Counter[Refused] = Counter()
        self._lost = 0

    def count(self, at: datetime, endpoint: str, protocol: str, field: str | None, reason: Reason) -> None:
        """Count a refusal."""
        refused = Refused(at.replace(microsecond=0), endpoint, protocol, field, reason)
        if refused not in self._counts and len(self._counts) >= MAX_WAITING:
            self._lost += 1
            return
        self._counts[refused] += 1

    def flush(self) -> None:
        """Record what was counted; while the journal is full it waits."""
        if not self._counts:
            return
        try:
            self._journal.append([_record(refused, requests) for refused, requests in self._counts.items()])
        except JournalFull:
            return
        if self._lost:
            logger.warning("%d refusals were not recorded while the journal was full", self._lost)
        self._counts.clear()
        self._lost = 0


def _record(refused: Refused, requests: int) -> bytes:
    return orjson.dumps(
        {
            "kind": "refusal",
            "refusal_id": str(uuid_utils.uuid7()),
            "refused_at": format_moment(refused.second),
            "endpoint": refused.endpoint,
            "protocol": refused.protocol,
            "field": refused.field,
            "reason": refused.reason,
            "requests": requests,
        }
    )
