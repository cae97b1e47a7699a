"""Days as people write them on a command line."""

from datetime import UTC, date, datetime, timedelta

from housing_assets.command_line.faults import CommandError


def read_day(text: str) -> date:
    """Return a day: ``2026-03-01``, or ``yesterday`` (UTC).

    Raises
    ------
    CommandError
        If it is neither.
    """
    if text == "yesterday":
        return datetime.now(UTC).date() - timedelta(days=1)
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise CommandError(f"the day is {text!r}: expected one such as 2026-03-01, or yesterday") from None
