"""Copies of an object store's values on the local disk."""

import hashlib
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from resources.processes import is_another_living

IN_USE = timedelta(hours=1)
"""A copy that was opened so lately is not removed to make room: another process may read it."""

UNUSED = timedelta(days=7)
"""A copy that nobody has opened for so long goes, whatever room there is."""


class ValueCache:
    """Copies of values by the key that all values of a name lie below, and their id; bounded in size and age.

    Parameters
    ----------
    folder : Path
    max_bytes : int
        What copies may take up, beside those in use: the longest unused go first.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    @contextmanager
    def draft(self) -> Iterator[Path]:
        """Give an empty folder, which is gone at the end of the block unless it was kept."""
        folder = self._folder / f".{uuid4().hex}-{os.getpid()}"
        folder.mkdir(parents=True)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def keep(self, draft: Path, base: str, value_id: str) -> Path:
        """Make a draft the copy of a value, remove what is too much, and return the copy's folder."""
        copy = self._place(base) / value_id
        copy.parent.mkdir(parents=True, exist_ok=True)
        try:
            draft.rename(copy)
        except OSError:  # another process has made the same one meanwhile
            if not copy.is_dir():
                raise
        os.utime(copy)
        self._trim()
        return copy

    def find(self, base: str, value_id: str) -> Path | None:
        """Return the folder of a copy, which counts as used; None where there is none."""
        copy = self._place(base) / value_id
        try:
            os.utime(copy)
        except FileNotFoundError:
            return None
        return copy

    def forget(self, base: str, value_id: str = "") -> None:
        """Remove the copy of a value, or those of all values of a name."""
        shutil.rmtree(self._place(base) / value_id, ignore_errors=True)

    def _place(self, base: str) -> Path:
        return self._folder / hashlib.sha256(base.encode()).hexdigest()[:32]  # of a length that every disk takes

    def _trim(self) -> None:
        for draft in self._folder.glob(".*-*"):
            pid = draft.name.rpartition("-")[2]
            if pid != str(os.getpid()) and not is_another_living(pid):
                shutil.rmtree(draft, ignore_errors=True)
        now, total = time.time(), 0
        copies = sorted(((copy.stat().st_mtime, copy) for copy in self._folder.glob("[!.]*/*")), reverse=True)
        for used, copy in copies:
            total += sum(file.stat().st_size for file in copy.rglob("*") if file.is_file())
            idle = timedelta(seconds=now - used)
            if idle > UNUSED or (total > self._max_bytes and idle > IN_USE):
                shutil.rmtree(copy, ignore_errors=True)
