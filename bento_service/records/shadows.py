"""The challenger in the shadow: it predicts what was answered, in a thread of its own, after the answer."""

import logging
import queue
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import orjson

from bento_service.models.snapshot import ServedModel
from bento_service.records.journal import JournalFull
from bento_service.records.predictions import Record, shadow_record

MOST_WAITING = 1_000
"""Answers that wait for the challenger, about 2 MB; where it is slower than the traffic the rest is left out."""

SAY_SECONDS = 60.0
"""Seconds between two messages about what was left out."""

logger = logging.getLogger("housing.shadows")


class Journal(Protocol):
    """Where records are kept."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Write records."""


class Answered(NamedTuple):
    """An answer that the challenger shall predict, too: its model, the listing as it was sent, and the record."""

    shadow: ServedModel
    cells: Mapping[str, Any]
    record: Record


class Shadows:
    """Lets a challenger predict what was answered, without keeping any answer waiting.

    Parameters
    ----------
    journal : Journal
        What the challenger predicted is recorded in it.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._waiting: queue.Queue[Answered | None] = queue.Queue(MOST_WAITING)
        self._thread: threading.Thread | None = None
        self._left_out = 0
        self._say_at = 0.0

    def put(self, answered: Answered) -> None:
        """Let the challenger predict an answered listing, or leave it out where too many wait."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="shadows", daemon=True)
            self._thread.start()
        try:
            self._waiting.put_nowait(answered)
        except queue.Full:
            self._leave_out()

    def stop(self, timeout: float) -> None:
        """Predict what still waits for at most ``timeout`` seconds."""
        if self._thread is None:
            return
        try:
            self._waiting.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)
        self._thread = None

    def _run(self) -> None:
        while (answered := self._waiting.get()) is not None:
            record = shadow_record(*answered)
            if record is None:
                continue
            try:
                self._journal.append([orjson.dumps(record)])
            except JournalFull:
                self._leave_out()

    def _leave_out(self) -> None:
        self._left_out += 1
        if time.monotonic() >= self._say_at:
            self._say_at = time.monotonic() + SAY_SECONDS
            logger.warning("%d answers were not predicted in the shadow so far: too many wait", self._left_out)
