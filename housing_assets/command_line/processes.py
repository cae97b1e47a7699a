"""Programs of this environment that a command runs, and leaves nothing of."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

GRACE_SECONDS = 15
"""From the polite signal to the other one: a service drains what it recorded."""

STOPPED = 130
"""Exit code of a command that was asked to stop."""


def program(command: Sequence[str]) -> list[str]:
    """Return a command with its program from this environment."""
    return [str(Path(sys.executable).parent / command[0]), *command[1:]]


def run(command: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run a command to its end and return its exit code."""
    return run_known(command, environment)[0]


def run_known(command: Sequence[str], environment: Mapping[str, str]) -> tuple[int, int]:
    """Run a command to its end and return its exit code, and the id that its process had."""
    with subprocess.Popen(program(command), env=dict(environment)) as process:  # noqa: S603 - no shell
        try:
            return process.wait(), process.pid
        except BaseException:
            process.kill()
            raise


def start(command: Sequence[str], environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    """Start a command in a process group of its own, so that it can be ended with all that it starts."""
    return subprocess.Popen(program(command), env=dict(environment), start_new_session=True)  # noqa: S603 - no shell


@contextmanager
def stopping() -> Iterator[None]:
    """Raise ``KeyboardInterrupt`` where this process is asked to stop, however it is asked, once.

    Also where whoever started it had the signals ignored, as a shell does for what runs in the background: programs
    that are started inherit that, and then heed no signal.
    """

    def interrupt(number: int, frame: FrameType | None) -> None:
        for each in asked:
            signal.signal(each, signal.SIG_IGN)  # a second one would cut short what ends the programs
        raise KeyboardInterrupt

    asked = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, interrupt) for each in asked}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no second Ctrl-C keep processes from being ended."""
    before = {each: signal.signal(each, signal.SIG_IGN) for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


def end(process: "subprocess.Popen[bytes]") -> None:
    """End a process of ``start`` and what it has started, even if it is gone itself."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, sent)
        except ProcessLookupError:
            break
        deadline = time.monotonic() + GRACE_SECONDS
        while _group_lives(process) and time.monotonic() < deadline:
            time.sleep(0.05)
    process.wait()


def wait_for_any(processes: Sequence["subprocess.Popen[bytes]"]) -> "subprocess.Popen[bytes]":
    """Wait until one of several processes has ended, and return it."""
    while True:
        for process in processes:
            if process.poll() is not None:
                return process
        time.sleep(0.2)


def _group_lives(process: "subprocess.Popen[bytes]") -> bool:
    process.poll()  # what has ended counts as living until somebody has asked how
    try:
        os.killpg(process.pid, 0)
    except ProcessLookupError:
        return False
    return True
