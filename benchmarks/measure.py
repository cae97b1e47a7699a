"""Runs a piece of work in a fresh process and measures it: seconds, and the memory it took beyond its inputs.

``python -m benchmarks.measure MODULE:FUNCTION FOLDER`` is the child: it calls the function, which reads its inputs from
the folder and returns a :class:`Work`, times ``Work.run`` and prints the measurement as JSON.
"""

import gc
import importlib
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent

FOREIGN = ("HOUSING_", "DAGSTER_", "MLFLOW_", "BENTOML_")
"""Prefixes of settings that must not reach what is measured."""

_RSS_UNIT = 1 if sys.platform == "darwin" else 1024
"""``ru_maxrss`` is in bytes on macOS, in KiB elsewhere."""


@dataclass(frozen=True)
class Work:
    """What a child measures.

    Attributes
    ----------
    run : callable
        The work itself; inputs are read and libraries imported before it.
    outcome : callable
        Turns what ``run`` returns into JSON types that both sides are compared by; not measured.
    """

    run: Callable[[], Any]
    outcome: Callable[[Any], dict[str, Any]]


@dataclass(frozen=True)
class Measurement:
    """One run: wall-clock seconds, peak bytes beyond the process before the work, and what came out."""

    seconds: float
    peak_bytes: int
    outcome: dict[str, Any]


class ChildFailed(RuntimeError):
    """A measured process ended with an error; the message ends with what it wrote."""


def child_environment(folder: Path) -> dict[str, str]:
    """Return the environment of both sides: the same threads, a numba cache of its own, and none of our settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    threads = str(os.cpu_count())
    return {
        **kept,
        "PYTHONPATH": str(ROOT),
        "NUMBA_CACHE_DIR": str(folder / "numba"),
        "OPENBLAS_NUM_THREADS": threads,
        "OMP_NUM_THREADS": threads,
    }


def tell(message: str) -> None:
    """Say what is being done, beside what is printed as the result."""
    print(message, file=sys.stderr, flush=True)


def run_child(function: str, folder: Path, environment: Mapping[str, str], python: str = sys.executable) -> Measurement:
    """Measure ``MODULE:FUNCTION`` in a fresh process, of another interpreter if one is given."""
    command = [python, "-m", "benchmarks.measure", function, str(folder)]
    return Measurement(**_last_line(run_process(command, environment)))


def run_module(module: str, *arguments: object, environment: Mapping[str, str], python: str = sys.executable) -> Any:
    """Run a module in a fresh process, and return what its last line is as JSON."""
    return _last_line(run_process([python, "-m", module, *map(str, arguments)], environment))


def run_process(command: Sequence[str], environment: Mapping[str, str]) -> str:
    """Run a command in the repository and return its standard output.

    Raises
    ------
    ChildFailed
        If it exits with an error.
    """
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    _require_success(command, done.returncode, done.stdout + done.stderr)
    return done.stdout


def _last_line(printed: str) -> Any:
    return json.loads(printed.splitlines()[-1])


def _require_success(command: Sequence[str], code: int, printed: str) -> None:
    if code:
        raise ChildFailed(f"{' '.join(command)} exited with {code}:\n{printed[-3000:]}")


def time_processes(commands: Sequence[Sequence[str]], environment: Mapping[str, str]) -> Measurement:
    """Measure commands that run one after the other: start-up included, and the whole memory of the largest.

    Raises
    ------
    ChildFailed
        If one exits with an error.
    """
    seconds, peak = 0.0, 0
    for command in commands:
        with tempfile.TemporaryFile() as printed:
            started = time.perf_counter()
            process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=printed, stderr=subprocess.STDOUT)
            _, status, usage = os.wait4(process.pid, 0)
            seconds += time.perf_counter() - started
            process.returncode = os.waitstatus_to_exitcode(status)
            printed.seek(0)
            _require_success(command, process.returncode, printed.read().decode(errors="replace"))
        peak = max(peak, usage.ru_maxrss * _RSS_UNIT)
    return Measurement(seconds, peak, {})


def reset_peak() -> int:
    """Forget the memory peak so far where the kernel can (Linux), and return the bytes that the peak now stands at."""
    gc.collect()
    clear = Path("/proc/self/clear_refs")
    if clear.exists() and os.access(clear, os.W_OK):
        clear.write_text("5")
    return peak_bytes()


def peak_bytes() -> int:
    """Return the most bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _RSS_UNIT


def _measure(work: Work) -> Measurement:
    before = reset_peak()
    started = time.perf_counter()
    result = work.run()
    seconds = time.perf_counter() - started
    return Measurement(seconds, peak_bytes() - before, work.outcome(result))


def main(function: str, folder: str) -> None:
    """Measure in this process, and print the measurement."""
    module, _, name = function.partition(":")
    work = getattr(importlib.import_module(module), name)(Path(folder))
    print(json.dumps(asdict(_measure(work))))


if __name__ == "__main__":
    main(*sys.argv[1:])
