"""The shipper: moves records from the journal to the prediction store in batches, in a process of its own.

``shipping_process.py`` starts that process, and it ends when the worker that has started it is gone. Nothing is lost on
the way: a record is removed from the journal after the store has it, and the store recognises it by its id, so that
shipping it again changes nothing. While the store is locked, full or unreachable the journal grows.
"""

import logging
import os
import random
import select
import signal
import sys
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
from sqlalchemy import Connection, make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, SQLAlchemyError

from bento_service.memory import freeze_loaded_objects
from bento_service.records.journal import Journal
from bento_service.records.segments import Chunk, Damaged, Segment
from bento_service.records.shipping_state import ShippingState, write_state
from resources.predictions.records import RecordRefused, insert, oldest_moment, prune
from resources.predictions.tables import migrate, open_store

logger = logging.getLogger("housing.shipping")

BATCH = 500
"""Records in a transaction: more would save little, and keep other writers waiting for longer."""

ADOPTION_SECONDS = 0.2
"""Seconds between two searches for segments that were handed over or left."""

TELL_SECONDS = 0.1
"""Seconds between two looks at whether there is something to tell the workers."""

NICENESS = 10
"""The workers come first: where they take all processors, about a tenth of one is left for shipping."""

RETENTION_SECONDS = 3600.0
"""Seconds between two deletions of old rows."""

PRUNED_DAYS = timedelta(days=1)
"""What a round deletes at most, counted from the oldest row: a host that starts with its clock in the future loses no
more an hour, and what was to be deleted next. A shorter retention is made up for at 24 days a day."""

STEP = timedelta(hours=1)
"""By how much the clock may run ahead of the time that has passed, where it is set right, before that is logged."""

PRUNED_AT_ONCE = 1_000
"""Old rows deleted in one transaction, between two batches: a few milliseconds in which other writers wait."""

_REFUSALS = (RecordRefused, orjson.JSONDecodeError, DataError, IntegrityError, OverflowError)
"""Errors that a record itself causes, on every attempt; all others are the store's."""


class Shipper:
    """A background thread between a journal and the prediction store.

    Parameters
    ----------
    journal : Journal
        Its segments are shipped; no other shipper may use the same object.
    store_url : str
        See ``resources.predictions.tables.open_store``.
    retention_days : int
        Days after which predictions and feedback are deleted from the store.
    batch : int
        Records in one transaction.
    interval : float
        Seconds between two reads of a journal in which all is shipped.
    max_backoff : float
        Longest pause, in seconds, between two attempts while the store is unreachable.

    Raises
    ------
    ValueError
        If the URL is not that of a store.
    """

    def __init__(
        self,
        journal: Journal,
        store_url: str,
        *,
        retention_days: int,
        batch: int = BATCH,
        interval: float = 0.2,
        max_backoff: float = 30.0,
    ):
        self._journal = journal
        self._engine = open_store(store_url)
        self._password = make_url(store_url).password
        self._retention = timedelta(days=retention_days)
        self._batch = batch
        self._interval = interval
        self._max_backoff = max_backoff
        self._migrated = False
        self._adopt_at = self._prune_at = 0.0
        self._prune_before: datetime | None = None
        self._started, self._started_at = datetime.now(UTC), time.monotonic()
        self._clock_trusted = True
        self._deadline = 0.0
        self._failures = 0
        self._last_error: str | None = None
        self._last_shipped_at: datetime | None = None
        self._shipped = self._damaged = 0
        self._stopping = threading.Event()
        self._tried = threading.Event()
        self._thread = threading.Thread(target=self._run, name="prediction-shipper", daemon=True)

    def start(self, wait: float = 0.0) -> None:
        """Start the thread, and wait at most so many seconds until it has migrated the store, or could not."""
        self._thread.start()
        self._tried.wait(wait)

    def stop(self, timeout: float) -> bool:
        """Ship what the journal still holds for at most ``timeout`` seconds; return whether all is in the store."""
        self._deadline = time.monotonic() + timeout
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout)
        return not self._thread.is_alive() and not self._pending_bytes()

    def state(self) -> ShippingState:
        """Return whether the store is migrated, what became of the records since the start, and the last error."""
        shipped_at = self._last_shipped_at
        return ShippingState(
            tried=self._tried.is_set(),
            last_shipped_at=None if shipped_at is None else shipped_at.isoformat(timespec="milliseconds"),
            last_error=self._last_error,
            shipped=self._shipped,
            damaged=self._damaged,
        )

    def _run(self) -> None:
        pause = self._work()
        self._tried.set()
        while not self._stopping.wait(pause):
            pause = self._work()
        self._journal.seal()
        self._adopt_at = 0.0
        while self._has_more() and time.monotonic() < self._deadline:
            time.sleep(min(self._work(), 0.1))
        self._engine.dispose()

    def _work(self) -> float:
        """Ship a chunk, delete old rows; return the seconds to wait before the next call."""
        try:
            self._adopt()
            found = self._find_chunk()
            self._migrate()
            if found is not None:
                self._ship(*found)
            pruned = self._prune()
        except Exception as fault:  # whatever it is, the thread must live: the records are safe in the journal
            self._note_failure(fault)
            longest = min(self._max_backoff, self._interval * 2**self._failures)
            return longest * random.uniform(0.5, 1)  # noqa: S311  # nosec B311
        if self._last_error is not None:
            logger.info("the prediction store can be written to again")
            self._last_error, self._failures = None, 0
        return 0.0 if found or pruned else self._interval

    def _adopt(self) -> None:
        if time.monotonic() >= self._adopt_at:
            self._journal.adopt()
            self._adopt_at = time.monotonic() + ADOPTION_SECONDS

    def _find_chunk(self) -> tuple[Segment, Chunk] | None:
        """Read the next chunk, and remove the segments before it."""
        for segment in self._journal.segments():
            sealed = segment.sealed  # before the size is read, which is then final
            chunk = segment.read(self._batch)
            if chunk.end > segment.shipped_to:
                return segment, chunk
            if sealed and not segment.pending_bytes:
                self._journal.remove(segment)
        return None

    def _ship(self, segment: Segment, chunk: Chunk) -> None:
        refused = self._insert(chunk.records)
        aside = chunk.damaged + refused
        if aside:
            segment.set_aside(aside)
            logger.error("%d records are damaged and were set aside beside %s", len(aside), segment.path)
        segment.mark_shipped(chunk)
        self._damaged += len(aside)
        self._shipped += len(chunk.records) - len(refused)
        self._last_shipped_at = datetime.now(UTC)

    def _insert(self, records: Sequence[bytes]) -> list[Damaged]:
        """Write records, and return those that the store refuses; they do not block the others."""
        if not records:
            return []
        try:
            parsed = [orjson.loads(record) for record in records]
            with self._engine.begin() as connection:
                insert(connection, parsed)
        except _REFUSALS as fault:
            if len(records) == 1:
                return [Damaged(records[0], self._describe(fault))]
            middle = len(records) // 2
            return self._insert(records[:middle]) + self._insert(records[middle:])
        return []

    def _migrate(self) -> None:
        if not self._migrated:
            migrate(self._engine)
            self._migrated = True

    def _prune(self) -> bool:
        """Delete some old rows; return whether there may be more."""
        if time.monotonic() < self._prune_at:
            return False
        with self._engine.begin() as connection:
            if self._prune_before is None:
                self._prune_before = self._choose_prune_before(connection)
            deleted = prune(connection, self._prune_before, PRUNED_AT_ONCE)
        if deleted:
            return True
        self._prune_at, self._prune_before = time.monotonic() + RETENTION_SECONDS, None
        return False

    def _choose_prune_before(self, connection: Connection) -> datetime:
        """Return the moment before which rows are deleted in this round: a clock that has jumped deletes few.

        Time passes no faster than the steady clock says, which nobody sets.
        """
        now = datetime.now(UTC)
        passed = self._started + timedelta(seconds=time.monotonic() - self._started_at)
        if now - passed > STEP and self._clock_trusted:
            self._clock_trusted = False
            hours = (now - passed) / timedelta(hours=1)
            logger.warning(
                "the clock was set forward by %.0f hours: no row is deleted for that, until the next start", hours
            )
        before, oldest = min(now, passed) - self._retention, oldest_moment(connection)
        return before if oldest is None else min(before, oldest + PRUNED_DAYS)

    def _has_more(self) -> bool:
        return any(segment.sealed or segment.pending_bytes for segment in self._journal.segments())

    def _pending_bytes(self) -> int:
        return sum(segment.pending_bytes for segment in self._journal.segments())

    def _note_failure(self, fault: Exception) -> None:
        """Count a failure, and log it unless the last one was the same."""
        self._failures = min(self._failures + 1, 10)  # 2**10 intervals exceed any backoff
        reason = self._describe(fault)
        if reason != self._last_error:
            known = isinstance(fault, SQLAlchemyError | OSError)
            logger.warning(
                "the prediction store cannot be written to, records wait in the journal: %s",
                reason,
                exc_info=None if known else fault,
            )
        self._last_error = reason

    def _describe(self, fault: Exception) -> str:
        """Return what happened, without the statement, its values and the store's password."""
        cause = fault.orig if isinstance(fault, DBAPIError) and fault.orig is not None else fault
        described = f"{type(cause).__name__}: {' '.join(str(cause).split())}"
        return described.replace(self._password, "***") if self._password else described


def main() -> None:
    """Ship what is handed over or left in a folder, until the standard input ends; its first line says which one."""
    for each in (signal.SIGTERM, signal.SIGINT):  # of the group: the workers still have records to hand over
        signal.signal(each, signal.SIG_IGN)
    os.nice(NICENESS)
    logging.basicConfig(format="%(asctime)s %(levelname)s [%(name)s] %(message)s")
    logging.getLogger("housing").setLevel(logging.INFO)
    given = orjson.loads(sys.stdin.buffer.readline())
    journal = Journal(Path(given["folder"]), max_bytes=given["max_bytes"])
    shipper = Shipper(journal, given["store_url"], retention_days=given["retention_days"])
    shipper.start()
    told = ShippingState()
    ending = False
    while not ending:
        ending = bool(select.select([sys.stdin], [], [], TELL_SECONDS)[0])
        if ending:
            shipper.stop(given["drain_seconds"])
        if (state := shipper.state()) != told:
            if not told.tried:
                freeze_loaded_objects()  # with what migrating has loaded
            told = state
            write_state(given["descriptor"], state)
    journal.close()
    os._exit(0)  # a store that hangs must not hold up the end


if __name__ == "__main__":
    main()
