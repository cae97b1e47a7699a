"""Moments as requests write them and records keep them."""

from datetime import UTC, datetime, timedelta
from typing import Any

CLOCK_TOLERANCE = timedelta(seconds=60)
"""How far ahead a client's clock may be: more than those drift that nobody sets, less than a wrong offset from UTC."""


def read_past_moment(text: Any, now: datetime) -> datetime:
    """Return a moment in the past, in UTC; one that is ahead by no more than ``CLOCK_TOLERANCE`` is now.

    Raises
    ------
    ValueError
        If the text is not such a moment; the message says what was expected.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or moment - CLOCK_TOLERANCE > now:
            raise ValueError
        return min(moment.astimezone(UTC), now)
    except (TypeError, ValueError, OverflowError):  # the first year has no UTC everywhere
        raise ValueError("a moment in the past, as ISO 8601 with its UTC offset: 2026-03-01T12:00:00+03:00") from None


def format_moment(moment: datetime) -> str:
    """Return a moment in UTC as records keep it: ISO 8601 with microseconds."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
