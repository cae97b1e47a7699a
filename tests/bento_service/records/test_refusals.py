import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest

from bento_service.errors import Reason
from bento_service.records import refusals
from bento_service.records.journal import JournalFull
from bento_service.records.refusals import RefusalCounts

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Kept(list[bytes]):
    """A journal in memory that may be full."""

    full = False

    def append(self, lines: Sequence[bytes]) -> None:  # type: ignore[override]
        if self.full:
            raise JournalFull("no room")
        self.extend(lines)


def test_refusals_are_counted_by_second_field_and_reason() -> None:
    journal = Kept()
    counts = RefusalCounts(journal)
    for tenth in range(20):
        counts.count(NOON + timedelta(seconds=tenth / 10), "predict", "http", "district", Reason.MISSING)
    counts.count(NOON, "predict", "http", None, Reason.MALFORMED)
    counts.flush()
    counts.flush()
    found = [json.loads(line) for line in journal]
    assert [(each["refused_at"], each["field"], each["requests"]) for each in found] == [
        ("2026-03-01T12:00:00.000000Z", "district", 10),
        ("2026-03-01T12:00:01.000000Z", "district", 10),
        ("2026-03-01T12:00:00.000000Z", None, 1),
    ]


def test_while_the_journal_is_full_counts_wait_and_are_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(refusals, "MAX_WAITING", 5)
    journal = Kept()
    counts = RefusalCounts(journal)
    journal.full = True
    for second in range(8):
        counts.count(NOON + timedelta(seconds=second), "predict", "http", "district", Reason.MISSING)
        counts.count(NOON, "predict", "http", "district", Reason.MISSING)
        counts.flush()
    assert journal == []
    journal.full = False
    counts.flush()
    assert [json.loads(line)["requests"] for line in journal] == [9, 1, 1, 1, 1]
    assert "3 refusals were not recorded" in caplog.text
