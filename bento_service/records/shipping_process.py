"""The process that ships records, one a host: beside the workers, it takes none of their time and memory.

Each worker hands over what it has written, twice a second, and sees to it that there is such a process. A lock, which
the process holds as long as it lives, keeps a second one from being started; it ends when the worker that has started
it is gone, and another worker starts the next.
"""

import fcntl
import json
import logging
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from bento_service.answers import StoreState
from bento_service.records.journal import Journal
from bento_service.records.segments import SUFFIX
from bento_service.records.shipping_state import BYTES, ShippingState, read_state, write_state

logger = logging.getLogger("housing.shipping")

HAND_OVER_SECONDS = 0.5

RESTART_SECONDS = 5.0
"""Seconds between two starts: a process that cannot run must not take the processors."""

KILL_SECONDS = 0.5
"""How long the process may take to end beyond the time for its last records."""

_POLL_SECONDS = 0.02

MODULE = "bento_service.records.shipping"


class ShippingProcess:
    """Hands over what a journal has, and sees to it that there is a process that ships it.

    Parameters
    ----------
    journal : Journal
    file : Path
        The lock, which holds what the process tells.
    store_url : str
        See ``resources.predictions.tables.open_store``.
    max_bytes : int
        Disk space that the journal may take.
    retention_days : int
        Days after which predictions and feedback are deleted from the store.
    drain_seconds : float
        Time for the last records when the worker ends.
    """

    def __init__(
        self,
        journal: Journal,
        file: Path,
        store_url: str,
        *,
        max_bytes: int,
        retention_days: int,
        drain_seconds: float,
    ) -> None:
        self._journal = journal
        self._file = file
        self._given = {
            "folder": str(journal.folder),
            "store_url": store_url,
            "max_bytes": max_bytes,
            "retention_days": retention_days,
            "drain_seconds": drain_seconds,
        }
        self._drain_seconds = drain_seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._start_at = 0.0
        self._last_fault = ""
        self._told = ShippingState()
        self._waiting: dict[str, float] = {}
        """When each segment that has records was first there, by the monotonic clock."""
        self._pending_bytes = 0
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="hand-over", daemon=True)

    def start(self) -> None:
        """Start the process, and to hand over."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        self._see_that_it_runs()
        self._thread.start()

    def wait_until_tried(self, seconds: float) -> None:
        """Wait at most so many seconds until the store is migrated, or could not be."""
        deadline = time.monotonic() + seconds
        while not self._state().tried and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Close the journal, and let its last records be shipped; what is left in time waits for the next start."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()
        self._journal.close()
        if self._process is None:
            self._wait_for_others()
        if self._process is None or self._process.stdin is None:
            return
        self._process.stdin.close()
        try:
            self._process.wait(self._drain_seconds + KILL_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def lag(self) -> float:
        """Return the seconds that the oldest record has waited; 0 if none waits."""
        return max((time.monotonic() - since for since in self._waiting.copy().values()), default=0.0)

    def state(self) -> StoreState:
        """Return how much waits in the journal, when records were last shipped, and the last error if it persists."""
        self._look()
        told = self._state()
        return {
            "pending_bytes": self._pending_bytes,
            "oldest_pending_seconds": self.lag() if self._waiting else None,
            "last_shipped_at": told.last_shipped_at,
            "last_error": told.last_error or self._last_fault or None,
            "shipped": told.shipped,
            "damaged": told.damaged,
        }

    def _run(self) -> None:
        while not self._stopping.wait(HAND_OVER_SECONDS):
            try:
                self._journal.hand_over()
                self._see_that_it_runs()
                self._look()
            except Exception as fault:  # whatever it is, the thread must live: the records are safe in the journal
                self._note(f"records cannot be handed over: {fault}")

    def _wait_for_others(self) -> None:
        """Wait until the process of another worker has shipped all; it may end meanwhile, with its worker."""
        deadline = time.monotonic() + self._drain_seconds
        while self._process is None and time.monotonic() < deadline:
            self._look()
            if not self._pending_bytes:
                return
            self._see_that_it_runs()
            time.sleep(_POLL_SECONDS)

    def _see_that_it_runs(self) -> None:
        """Start the process where this host has none."""
        if self._process is not None:
            ended = self._process.poll()
            if ended is None:
                return
            self._note(f"the process that ships records has ended with {ended}")
            self._process = None
        if time.monotonic() < self._start_at:
            return
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                self._process = self._launch(descriptor)
            finally:
                os.close(descriptor)
            self._last_fault = ""
        except BlockingIOError:  # that of another worker runs
            self._last_fault = ""
        except OSError as fault:
            self._note(f"the process that ships records cannot be started: {fault}")

    def _launch(self, descriptor: int) -> "subprocess.Popen[bytes]":
        self._start_at = time.monotonic() + RESTART_SECONDS
        os.posix_fallocate(descriptor, 0, BYTES)
        write_state(descriptor, ShippingState())
        process = subprocess.Popen(  # noqa: S603
            [sys.executable, "-m", MODULE],
            stdin=subprocess.PIPE,
            pass_fds=[descriptor],  # with the lock
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},  # a bento's code is there alone
        )
        if process.stdin is not None:
            # Not as an argument, which every user of the machine may read: the URL may have a password.
            process.stdin.write(json.dumps({**self._given, "descriptor": descriptor}).encode() + b"\n")
            process.stdin.flush()
        return process

    def _note(self, fault: str) -> None:
        if fault != self._last_fault:
            logger.error("%s; records wait in the journal", fault)
        self._last_fault = fault

    def _state(self) -> ShippingState:
        self._told = read_state(self._file) or self._told
        return self._told

    def _look(self) -> None:
        """Find out which segments have records, and since when."""
        found: dict[str, float] = {}
        pending = 0
        now, clock = time.monotonic(), time.time()
        with os.scandir(self._journal.folder) as entries:
            for entry in entries:
                if not entry.name.endswith(SUFFIX):
                    continue
                try:
                    held = entry.stat()
                except FileNotFoundError:  # it was shipped just now
                    continue
                if held.st_size:
                    pending += held.st_size
                    # How long ago a process last wrote is the wall clock's word, which may have been set back since.
                    found[entry.name] = self._waiting.get(entry.name, now - max(0.0, clock - held.st_mtime))
        self._waiting, self._pending_bytes = found, pending
