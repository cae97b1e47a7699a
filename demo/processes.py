"""Processes that the demonstration runs and leaves nothing of."""

import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from housing_assets.command_line.processes import end, program, undisturbed

T = TypeVar("T")

PROJECT = Path(__file__).parents[1]

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
        with undisturbed():
            for _, process in reversed(self._running):
                end(process)

    def start(self, name: str, command: Sequence[str], **more: str) -> None:
        """Start a command that goes on in the background; ``more`` is environment of its own."""
        with self._log(name).open("ab") as log:
            process = subprocess.Popen(  # noqa: S603 - commands of this module's callers, no shell
                program(command),
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

    def wait_until(
        self, condition: Callable[[], T | None], what: str, seconds: float, progress: Callable[[], object] | None = None
    ) -> T:
        """Wait for something that the running processes bring about, and return it once it is truthy.

        Parameters
        ----------
        condition : callable
        what : str
            Names it.
        seconds : float
            How long at most; with ``progress``, how long at most without any.
        progress : callable, optional
            Returns another value than before whenever they have got further.

        Raises
        ------
        ProcessError
            If one of them ends, or time is up.
        """
        deadline, reached = time.monotonic() + seconds, None
        while not (found := condition()):
            if progress and (now := progress()) != reached:
                deadline, reached = time.monotonic() + seconds, now
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
