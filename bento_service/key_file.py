"""The file of API keys: one entry a line, read again when it changes, so that a key is revoked without a restart."""

import asyncio
import logging
import os
from collections.abc import Sequence
from pathlib import Path

from bento_service.auth import ApiKeys, read_entries

CHECK_SECONDS = 1.0
"""Within which a change is noticed."""

logger = logging.getLogger("housing.service")


def read_file(path: Path) -> list[str]:
    """Return the entries of a file; of none, if there is no file. Empty lines and those that begin with # are left out.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    try:
        lines = path.read_text().splitlines()
    except FileNotFoundError:
        return []
    return [entry for line in lines if (entry := line.strip()) and not entry.startswith("#")]


def add_entry(path: Path, entry: str) -> None:
    """Add an entry to a file, which is made if there is none.

    Raises
    ------
    ValueError
        If it has an entry of that name.
    """
    entries = [*read_file(path), entry]
    read_entries(entries)
    lines = path.read_text().splitlines() if path.exists() else []
    _write(path, [*lines, entry])


def remove_entry(path: Path, name: str) -> None:
    """Take the entry of a name out of a file.

    Raises
    ------
    ValueError
        If there is none.
    """
    lines = path.read_text().splitlines() if path.exists() else []
    kept = [line for line in lines if line.strip().partition(":")[0] != name]
    if kept == lines:
        raise ValueError(f"{path} has no key {name!r}")
    _write(path, kept)


def _write(path: Path, lines: Sequence[str]) -> None:
    """Switch to other contents at once: a service that reads in between sees the old or the new ones."""
    path.parent.mkdir(parents=True, exist_ok=True)
    written = path.with_name(f"{path.name}.{os.getpid()}")
    written.touch(mode=0o600)
    written.write_text("".join(f"{line}\n" for line in lines))
    written.replace(path)


class KeyFile:
    """Keeps the valid keys as a file says.

    Parameters
    ----------
    keys : ApiKeys
    entries : sequence of str
        Keys that are valid whatever the file says.
    path : Path

    Raises
    ------
    ValueError
        If an entry is wrong, or two have one name.
    """

    def __init__(self, keys: ApiKeys, entries: Sequence[str], path: Path) -> None:
        self._keys = keys
        self._entries = entries
        self._path = path
        self._seen = _state(path)
        self._handle: asyncio.TimerHandle | None = None
        self._read()

    def start(self) -> None:
        """Look at the file from now on, in the running loop."""
        self._handle = asyncio.get_running_loop().call_later(CHECK_SECONDS, self._look)

    def stop(self) -> None:
        """Look no more."""
        if self._handle is not None:
            self._handle.cancel()

    def _look(self) -> None:
        self.start()
        state = _state(self._path)
        if state == self._seen:
            return
        self._seen = state
        try:
            self._read()
        except (OSError, ValueError) as fault:
            logger.error("%s is not read, and the keys stay as they were: %s", self._path, fault)
            return
        logger.info("%s has changed: %d keys are valid", self._path, len(self._keys))

    def _read(self) -> None:
        self._keys.replace(read_entries([*self._entries, *read_file(self._path)]))


def _state(path: Path) -> tuple[int, int, int] | None:
    """Return what changes when a file is written or replaced; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
