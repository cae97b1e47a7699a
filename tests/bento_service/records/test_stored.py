import asyncio
import sqlite3
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bento_service.record_ids import repeatable_id
from bento_service.records.stored import LOOKUP_SECONDS, UNSHIPPED, StoredPredictions
from resources.predictions.records import insert
from resources.predictions.tables import migrate, open_store
from tests.databases import KINDS, new_sqlite, new_store
from tests.resources.prediction_records import prediction

NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=30)


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_store(request, tmp_path)


def id_of(moment: datetime) -> str:
    """Return a UUID of version 7 that was made at a moment."""
    milliseconds = int(moment.timestamp() * 1_000)
    return str(uuid.UUID(int=milliseconds << 80 | 7 << 76 | 0b10 << 62 | 12_345))


def is_unknown(url: str, prediction_id: str, lag: float = 0.0) -> bool:
    stored = StoredPredictions(url, lambda: lag)
    try:
        return asyncio.run(stored.is_unknown(prediction_id, NOW))
    finally:
        stored.close()


def store(url: str, *ids: str) -> None:
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, [prediction(prediction_id=each) for each in ids])
    engine.dispose()


def test_a_prediction_that_the_store_has_is_known_and_another_one_is_not(url: str) -> None:
    made = id_of(LONG_AGO)
    store(url, made)
    assert not is_unknown(url, made)
    assert is_unknown(url, id_of(LONG_AGO - timedelta(seconds=1)))


def test_a_prediction_that_may_be_on_its_way_is_not_unknown(url: str) -> None:
    store(url)
    young, older = id_of(NOW - UNSHIPPED / 2), id_of(NOW - UNSHIPPED - timedelta(minutes=1))
    assert not is_unknown(url, young)
    assert is_unknown(url, older)
    assert not is_unknown(url, older, lag=90)  # what waits here may be it
    assert not is_unknown(url, repeatable_id("key", {}))


def test_a_prediction_from_the_future_is_unknown_at_once(tmp_path: Path) -> None:
    away = f"postgresql://ada@/db?host={tmp_path}"
    assert is_unknown(away, id_of(NOW + timedelta(hours=1)))
    assert is_unknown(away, "ffffffff-ffff-7fff-bfff-ffffffffffff")
    assert not is_unknown(away, id_of(NOW + timedelta(seconds=1)))


def test_where_the_store_says_nothing_feedback_is_taken(tmp_path: Path) -> None:
    assert not is_unknown(f"postgresql://ada@/db?host={tmp_path}", id_of(LONG_AGO))
    assert not is_unknown(new_sqlite(tmp_path), id_of(LONG_AGO))  # nothing was migrated yet


def test_a_store_that_is_locked_holds_up_no_feedback(tmp_path: Path) -> None:
    url = new_sqlite(tmp_path)
    store(url)
    other = sqlite3.connect(tmp_path / "predictions.db", isolation_level=None)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("PRAGMA journal_mode = DELETE")
    other.execute("BEGIN EXCLUSIVE")
    stored = StoredPredictions(url, lambda: 0.0)

    async def ask() -> tuple[list[bool], float]:
        started = time.monotonic()
        unknown = await asyncio.gather(*(stored.is_unknown(id_of(LONG_AGO), NOW) for _ in range(100)))
        return unknown, time.monotonic() - started

    loop = asyncio.new_event_loop()
    unknown, seconds = loop.run_until_complete(ask())
    assert not any(unknown)
    assert seconds < 4 * LOOKUP_SECONDS
    other.execute("ROLLBACK")
    other.close()
    stored.close()
    loop.close()
