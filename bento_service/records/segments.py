"""A segment, one file of the journal: lines with checksums that one process appends, ships and removes.

A file lock shows that a running process has the segment; the kernel releases it however the process ends.
"""

import errno
import fcntl
import json
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, Self
from zlib import crc32

import uuid_utils

SUFFIX = ".journal"
DAMAGED_SUFFIX = ".damaged"

READ_BYTES = 1 << 20
"""Bytes read at once, some five hundred records: a backlog of any size takes no more memory than this."""

_CHECKSUM_LENGTH = 8


class Damaged(NamedTuple):
    """A line that cannot be stored, and why."""

    line: bytes
    reason: str


class Chunk(NamedTuple):
    """What was read: the records, the damaged lines, and where the next read starts."""

    records: list[bytes]
    damaged: list[Damaged]
    end: int


class Segment:
    """A file of the journal, locked by this process.

    Attributes
    ----------
    path : Path
    size : int
        Bytes that were written completely; what follows them was never acknowledged.
    sealed : bool
        Whether nothing more will be appended.
    shipped_to : int
        Bytes from the start that are in the store or set aside.
    """

    def __init__(self, path: Path, descriptor: int, *, sealed: bool):
        self.path = path
        self.size = os.fstat(descriptor).st_size
        self.sealed = sealed
        self.shipped_to = 0
        self._descriptor = descriptor

    @classmethod
    def create(cls, folder: Path) -> Self:
        """Start a new segment."""
        while True:
            path = folder / f"{uuid_utils.uuid7()}{SUFFIX}"
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            if _lock(descriptor):
                return cls(path, descriptor, sealed=False)
            os.close(descriptor)  # another process took it for the segment of a dead one

    @classmethod
    def adopt(cls, path: Path) -> Self | None:
        """Take over a segment; None if a running process has it."""
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        if not _lock(descriptor):
            os.close(descriptor)
            return None
        segment = cls(path, descriptor, sealed=True)
        try:
            segment._require_readable()
        except OSError:
            segment.release()  # or this very process would keep it locked
            raise
        return segment

    @property
    def pending_bytes(self) -> int:
        """Bytes that are not in the store yet."""
        return self.size - self.shipped_to

    def append(self, data: bytes) -> None:
        """Write framed lines.

        Raises
        ------
        OSError
            If not all of it could be written; then none of it counts, and the next call overwrites it.
        """
        written = 0
        try:
            while written < len(data):
                written += os.pwrite(self._descriptor, data[written:], self.size + written)
        except OSError:
            with suppress(OSError):
                os.ftruncate(self._descriptor, self.size)
            raise
        self.size += len(data)

    def read(self, max_records: int) -> Chunk:
        """Read what follows the chunks that were marked as shipped.

        The last line of a segment is cut off if its process died while writing it. What was written and is no longer
        there, because the file was made shorter, counts as one damaged line.

        Raises
        ------
        OSError
            If the file cannot be read.
        """
        start, sealed, size = self.shipped_to, self.sealed, self.size
        length = READ_BYTES
        while True:
            data = self._read_bytes(min(length, size - start), start)
            if b"\n" in data or len(data) < length:
                break
            length *= 2
        *lines, rest = data.split(b"\n", max_records)
        end = start + len(data) - len(rest)
        chunk = Chunk([], [], end)
        for line in lines:
            if _is_sound(line):
                chunk.records.append(line[_CHECKSUM_LENGTH + 1 :])
            else:
                chunk.damaged.append(Damaged(line, "its checksum does not match"))
        if not lines and len(data) < min(length, size - start):
            if os.fstat(self._descriptor).st_size >= size:
                raise OSError(errno.EIO, "the segment could not be read to its end")
            chunk.damaged.append(
                Damaged(rest, f"{size - start - len(data):,} bytes after it are gone from the segment")
            )
            return chunk._replace(end=size)
        if rest and sealed and end + len(rest) == size and b"\n" not in rest:
            chunk.damaged.append(Damaged(rest, "cut off at the end of its segment"))
            return chunk._replace(end=size)
        return chunk

    def mark_shipped(self, chunk: Chunk) -> None:
        """Continue after a chunk whose records are all stored or set aside."""
        self.shipped_to = chunk.end

    def set_aside(self, damaged: Iterable[Damaged]) -> None:
        """Keep lines that cannot be stored in a file beside the segment: JSON lines with the reason of each."""
        entries = (
            # Bytes that are not UTF-8 become lone surrogates, of which JSON's escapes keep each one.
            json.dumps({"reason": each.reason, "line": each.line.decode("utf-8", "surrogateescape")})
            for each in damaged
        )
        path = self.path.with_suffix(DAMAGED_SUFFIX)
        path.touch(mode=0o600)
        with path.open("a", encoding="ascii") as file:
            file.writelines(entry + "\n" for entry in entries)
            file.flush()
            os.fsync(file.fileno())

    def duplicate_descriptor(self) -> int:
        """Return a descriptor of the file that the caller must close."""
        return os.dup(self._descriptor)

    def release(self) -> None:
        """Release the lock, so that another process can adopt the segment."""
        os.close(self._descriptor)
        self._descriptor = -1  # the number will soon be another file's

    def remove(self) -> None:
        """Delete the file."""
        self.path.unlink(missing_ok=True)  # before the lock is released, so that no other process adopts it
        self.release()

    def _read_bytes(self, length: int, start: int) -> bytes:
        """Read as many bytes as there are, up to ``length``: the system may read fewer than it is asked for."""
        parts: list[bytes] = []
        while length > 0 and (data := os.pread(self._descriptor, length, start)):
            parts.append(data)
            start += len(data)
            length -= len(data)
        return b"".join(parts)

    def _require_readable(self) -> None:
        """Read the file through: of one that a disk does not give back, the records behind it would wait for it."""
        offset = 0
        while data := os.pread(self._descriptor, READ_BYTES, offset):
            offset += len(data)


def frame(lines: Sequence[bytes]) -> bytes:
    """Return lines as they are written, each with its checksum.

    Raises
    ------
    ValueError
        If one of them has a line break.
    """
    data = b"".join([b"%08x %b\n" % (crc32(line), line) for line in lines])
    if data.count(b"\n") != len(lines):
        raise ValueError("a record must be one line")
    return data


def _is_sound(line: bytes) -> bool:
    return line[: _CHECKSUM_LENGTH + 1] == b"%08x " % crc32(line[_CHECKSUM_LENGTH + 1 :])


def _lock(descriptor: int) -> bool:
    """Lock a file; return False if another process has it, or has just deleted it."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return os.fstat(descriptor).st_nlink > 0
