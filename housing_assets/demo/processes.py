"""Processes that the demonstration runs and leaves nothing of."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

T = TypeVar("T")

PROJECT = Path(__file__).parents[2]

_GRACE_SECONDS = 15
"""From the polite signal to the other one: a service drains what it recorded."""

_TAIL = 3_000
"""Characters of a log that an error shows."""


class ProcessError(RuntimeError):
    """A process failed, or did not come up."""


class Processes:
    """Runs commands in process groups of their own, with a log each; all end where the ``with`` block ends.

    Parameters
    ----------
    logs : Path
        Folder of the logs.
    environment : mapping of str to str
    """

    def __init__(self, logs: Path, environment: Mapping[str, str]):
        self.logs = logs
        self._environment = dict(environment)
        self._running: list[tuple[str, subprocess.Popen[bytes]]] = []

    def __enter__(self) -> Self:
        self.logs.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _undisturbed():
            for _, process in reversed(self._running):
                _end(process)

    def start(self, name: str, command: Sequence[str], **more: str) -> None:
        """Start a command that goes on in the background; ``more`` is environment of its own."""
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - commands of this module's callers, no shell
                _found(command),
                cwd=PROJECT,
                env=self._environment | more,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._running.append((name, process))

    def run(self, name: str, command: Sequence[str]) -> None:
        """Run a command to its end.

        Raises
        ------
        ProcessError
            If it fails; with the end of its log.
        """
        self.start(name, command)
        _, process = self._running[-1]
        if process.wait():
            raise ProcessError(f"{' '.join(command)} ended with {process.returncode}{self._told(name)}")
        self._running.pop()

    def wait_until(self, condition: Callable[[], T | None], what: str, seconds: float) -> T:
        """Wait for something that the running processes bring about, and return it once it is truthy.

        Raises
        ------
        ProcessError
            If one of them ends, or time is up.
        """
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            for name, process in self._running:
                if process.poll() is not None:
                    raise ProcessError(f"{name} ended with {process.returncode}{self._told(name)}")
            if time.monotonic() > deadline:
                names = ", ".join(name for name, _ in self._running)
                raise ProcessError(f"{what}: not within {seconds:.0f} s; {names} are running, logs in {self.logs}")
            time.sleep(0.2)
        return found

    def _log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def _told(self, name: str) -> str:
        log = self._log(name)
        return f"; the end of {log}:\n{log.read_text(errors='replace')[-_TAIL:]}"


def answers(url: str) -> bool:
    """Return whether a server answers 200."""
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False


def _found(command: Sequence[str]) -> list[str]:
    """Return a command with its program from this environment."""
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End a process and what it has started, even if it is gone itself."""
    for sent, grace in ((signal.SIGTERM, _GRACE_SECONDS), (signal.SIGKILL, _GRACE_SECONDS)):
        try:
            os.killpg(process.pid, sent)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + grace
        while _group_lives(process) and time.monotonic() < deadline:
            time.sleep(0.05)
    process.wait()


def _group_lives(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()  # what has ended counts as living until somebody has asked how
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C keep processes from being ended."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
