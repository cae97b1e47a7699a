from datetime import UTC, datetime, timedelta

import pytest

from bento_service.moments import CLOCK_TOLERANCE, read_past_moment

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize("ahead", [timedelta(seconds=1), CLOCK_TOLERANCE])
def test_a_clock_that_is_a_little_ahead_tells_the_moment_that_it_is(ahead: timedelta) -> None:
    assert read_past_moment((NOW + ahead).isoformat(), NOW) == NOW


def test_a_moment_in_the_past_is_read_in_utc() -> None:
    assert read_past_moment("2026-03-01T12:00:00+03:00", NOW) == NOW - timedelta(hours=3)


@pytest.mark.parametrize(
    "text", [(NOW + CLOCK_TOLERANCE + timedelta(microseconds=1)).isoformat(), "9999-12-31T23:59:59-12:00", "2026-03-01"]
)
def test_a_moment_that_is_none_of_the_past_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="a moment in the past"):
        read_past_moment(text, NOW)
