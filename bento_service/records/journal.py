"""The journal, the service's write-ahead file: a record in it survives a crash of the process.

Records are in segments, files of a folder that several processes may share. Each segment belongs to one running
process, which alone reads and removes it; those that a process has handed over, or left when it died, are adopted by
another. What a record holds is not known here.
"""

import logging
import os
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from bento_service.records.segments import SUFFIX, Segment, frame

logger = logging.getLogger("housing.journal")

SEGMENT_BYTES = 8 << 20
"""Size of a segment: what is read again, at most, when its process dies after shipping it."""

RECHECK_SECONDS = 0.1
"""Seconds between two checks of a full journal for room: refusals must cost less than answers."""


class JournalFull(Exception):  # not an OSError: the reason may be our own limit
    """Records could not be written; none of those given is in the journal."""


class Journal:
    """An append-only journal.

    Parameters
    ----------
    folder : Path
        Of the segments, on a local disk; created if there is none.
    max_bytes : int
        Disk space that all files of the folder may take. Each other process that shares the folder may exceed it by
        the rest of its current segment.
    segment_bytes : int
        Size at which a new segment is started; smaller where the limit is low, so that room is freed in small steps.

    Raises
    ------
    OSError
        If the folder cannot be written to.
    """

    def __init__(self, folder: Path, max_bytes: int, segment_bytes: int = SEGMENT_BYTES):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._max_bytes = max_bytes
        self._segment_bytes = min(segment_bytes, max_bytes // 8)
        self._full_until = 0.0
        self._full_reason = ""
        self._lock = threading.Lock()
        self._unsynced: set[Segment] = set()
        self._not_adopted: dict[Path, str] = {}
        self._current: Segment | None = Segment.create(folder)
        self._segments = [self._current]
        self._closed = False

    def append(self, lines: Sequence[bytes]) -> None:
        """Write records so that they outlive this process.

        Parameters
        ----------
        lines : sequence of bytes
            One record each, without line breaks. All of them are written, or none.

        Raises
        ------
        JournalFull
            If the limit is reached, the disk is full or fails, or the journal is closed.
        """
        data = frame(lines)
        with self._lock:
            try:
                segment = self._segment_for(len(data))
                segment.append(data)
            except OSError as fault:
                raise JournalFull(f"the journal cannot be written: {fault.strerror}") from fault
            self._unsynced.add(segment)

    def segments(self) -> list[Segment]:
        """Return the segments of this process, oldest first."""
        with self._lock:
            return list(self._segments)

    def adopt(self) -> None:
        """Take over the segments that no process has any more; one that cannot be adopted is tried again later."""
        known = {segment.path for segment in self.segments()}
        adopted = []
        for path in sorted(set(self.folder.glob(f"*{SUFFIX}")) - known):
            try:
                segment = Segment.adopt(path)
            except OSError as fault:  # another user's, say: it must not block the others
                if self._not_adopted.get(path) != str(fault):
                    logger.error("%s cannot be adopted yet, its records stay in it: %s", path, fault)
                self._not_adopted[path] = str(fault)
                continue
            self._not_adopted.pop(path, None)
            if segment is not None:
                adopted.append(segment)
        with self._lock:
            self._segments[:0] = adopted

    def remove(self, segment: Segment) -> None:
        """Delete a segment whose records are all in the store."""
        with self._lock:
            self._segments.remove(segment)
            self._unsynced.discard(segment)
            segment.remove()

    def seal(self) -> None:
        """Close the current segment for new records, so that it can be removed when it is shipped."""
        with self._lock:
            if self._current is not None:
                self._current.sealed = True
                self._current = None

    def hand_over(self) -> None:
        """Flush what was written until now to the disk, leave it to whoever adopts it, and go on with a new segment.

        ``append`` does not wait for it: on a file that is being flushed it would. What it writes meanwhile is left with
        the next call, also where it has filled the new segment.
        """
        with self._lock:
            current = self._current
        if current is not None and current.size:
            self._go_on_after(current)
        self.sync()
        with self._lock:
            for segment in [
                each for each in self._segments if each is not self._current and each not in self._unsynced
            ]:
                self._segments.remove(segment)
                segment.release()

    def sync(self) -> None:
        """Flush what was written to the disk, so that it survives a power failure."""
        with ExitStack() as opened:
            with self._lock:
                descriptors = [_closed_with(opened, segment.duplicate_descriptor()) for segment in self._unsynced]
                if descriptors:  # the name of a new segment is kept in the folder
                    descriptors.append(_closed_with(opened, os.open(self.folder, os.O_RDONLY)))
                self._unsynced.clear()
            for descriptor in descriptors:
                try:
                    os.fsync(descriptor)
                except OSError as fault:
                    logger.warning(
                        "the journal cannot be flushed to the disk, a power failure may lose records: %s", fault
                    )

    def close(self) -> None:
        """Flush to the disk and refuse further records; what is not shipped waits for the next process."""
        if self._closed:
            return
        self._closed = True
        self.seal()
        self.sync()
        with self._lock:
            for segment in self._segments:
                if segment.size:
                    segment.release()
                else:
                    segment.remove()
            self._segments.clear()

    def _go_on_after(self, current: Segment) -> None:
        """Put a new segment in the place of the current one; where there can be none, ``append`` says why."""
        fresh = None
        try:
            with self._lock:
                self._require_room(self._segment_bytes)
            fresh = Segment.create(self.folder)
        except (OSError, JournalFull):
            pass  # the next record is refused for it, unless there is room by then
        with self._lock:
            if self._current is not current:  # it was full meanwhile
                if fresh is not None:
                    fresh.remove()
                return
            current.sealed = True
            self._current = fresh
            if fresh is not None:
                self._segments.append(fresh)

    def _segment_for(self, size: int) -> Segment:
        """Return the segment that records of this size are appended to."""
        current = self._current
        if current is not None and 0 < current.size <= self._segment_bytes - size:
            return current
        if self._closed:
            raise JournalFull("the journal is closed: the service is shutting down")
        self._require_room(max(size, self._segment_bytes))
        if current is None or current.size:
            self._current = Segment.create(self.folder)
            self._segments.append(self._current)
            if current is not None:
                current.sealed = True
            return self._current
        return current

    def _require_room(self, size: int) -> None:
        """Refuse to start a segment that the limit leaves no room for."""
        now = time.monotonic()
        if now >= self._full_until:
            with os.scandir(self.folder) as entries:
                used = sum(entry.stat().st_size for entry in entries)
            if used + size <= self._max_bytes:
                return
            self._full_until = now + RECHECK_SECONDS
            self._full_reason = f"{used:,} bytes wait for the prediction store, at most {self._max_bytes:,} are allowed"
        raise JournalFull(self._full_reason)


def _closed_with(opened: ExitStack, descriptor: int) -> int:
    opened.callback(os.close, descriptor)
    return descriptor
