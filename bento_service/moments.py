"""Moments as requests write them and records keep them."""

from datetime import UTC, datetime
from typing import Any


def read_past_moment(text: Any, now: datetime) -> datetime:
    """Return a moment in the past, in UTC.

    Raises
    ------
    ValueError
        If the text is not such a moment; the message says what was expected.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or moment > now:
            raise ValueError
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # the first year has no UTC everywhere
        raise ValueError("a moment in the past, as ISO 8601 with its UTC offset: 2026-03-01T12:00:00+03:00") from None


def format_moment(moment: datetime) -> str:
    """Return a moment in UTC as records keep it: ISO 8601 with microseconds."""
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
