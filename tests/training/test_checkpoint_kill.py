"""A training process killed at random moments: the next one ends in the same forest and loses at most one interval.

The forest is grown in a process of its own, forked from a server that has imported the libraries, and SIGKILL is
sent to that process. ``HOUSING_KILL_SEED`` repeats a run.
"""

import multiprocessing
import os
import random
import signal
import time
from pathlib import Path
from typing import NamedTuple

import pytest

from housing_assets.training.balancing import TrainingSet
from housing_assets.training.flattening import flatten
from housing_assets.training.forest import grow_forest
from housing_assets.training.parameters import ForestParameters
from tests.training.conftest import training_set

N_KILLS = 20
INTERVAL = 5
PARAMETERS = ForestParameters(n_trees=100, checkpoint_every=INTERVAL, n_jobs=1)
LOADED = "loaded"


class Stop(NamedTuple):
    """What was there when the process was killed, and what the next one took over."""

    after_seconds: float
    reported: int
    resumed: int


def grow_and_report(data: Path, folder: Path, reports: Path) -> None:
    """Grow a forest, with a line for the loaded data and one for every checkpoint; this is what is killed."""
    training = TrainingSet.load(data)
    with reports.open("w", buffering=1) as lines:
        lines.write(f"{LOADED}\n")
        grow_forest(training, PARAMETERS, folder, report=lambda progress: lines.write(f"{progress.n_done}\n"))


class Trainer:
    """Starts processes that grow the forest."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.context = multiprocessing.get_context("forkserver")
        self.context.set_forkserver_preload([__name__, "sklearn.ensemble", "scipy.sparse"])

    def start(self, folder: Path, reports: Path) -> multiprocessing.process.BaseProcess:
        """Return a running process that has just begun to grow."""
        process = self.context.Process(target=grow_and_report, args=(self.data, folder, reports))
        process.start()
        deadline = time.monotonic() + 60
        while not (reports.exists() and reports.read_text().startswith(LOADED)):
            assert process.is_alive(), f"the training process ended with {process.exitcode}"
            assert time.monotonic() < deadline
            time.sleep(0.001)
        return process


def last_reported(reports: Path) -> int:
    lines = reports.read_text().split("\n")[1:-1]
    return int(lines[-1]) if lines else 0


@pytest.fixture(scope="module")
def training() -> TrainingSet:
    return training_set(3000, seed=5)


@pytest.fixture(scope="module")
def trainer(training: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Trainer:
    data = tmp_path_factory.mktemp("data")
    training.save(data)
    return Trainer(data)


def digest_of(forest: object, training: TrainingSet) -> str:
    return flatten(forest, training.columns, training.n_columns).digest()  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def uninterrupted(training: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> str:
    return digest_of(grow_forest(training, PARAMETERS, tmp_path_factory.mktemp("whole")).forest, training)


@pytest.fixture(scope="module")
def seconds(trainer: Trainer, tmp_path_factory: pytest.TempPathFactory) -> float:
    """How long an uninterrupted process grows."""
    folder = tmp_path_factory.mktemp("timed")
    process = trainer.start(folder / "checkpoints", folder / "reports")
    started = time.monotonic()
    process.join()
    assert process.exitcode == 0
    return time.monotonic() - started


def drawn(capsys: pytest.CaptureFixture[str]) -> random.Random:
    seed = int(os.environ.get("HOUSING_KILL_SEED", time.time_ns() % 2**32))
    with capsys.disabled():
        print(f"\nHOUSING_KILL_SEED={seed}")
    return random.Random(seed)


def kill_after(process: multiprocessing.process.BaseProcess, delay: float) -> bool:
    """Send SIGKILL to the process that grows; return whether it was still growing."""
    time.sleep(delay)
    process.kill()
    process.join()
    return process.exitcode == -signal.SIGKILL


def kill_after_checkpoints(process: multiprocessing.process.BaseProcess, reports: Path, n_checkpoints: int) -> bool:
    """Send SIGKILL once the process has reported so many checkpoints; return whether it was still growing."""
    while process.is_alive() and reports.read_text().count("\n") <= n_checkpoints:
        time.sleep(0.001)
    return kill_after(process, 0)


@pytest.mark.trial
def test_a_forest_killed_at_a_random_moment_is_finished_to_the_same_bits_and_loses_at_most_one_interval(
    training: TrainingSet,
    trainer: Trainer,
    uninterrupted: str,
    seconds: float,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    random_moments = drawn(capsys)
    stops: list[Stop] = []
    attempts = 0
    while len(stops) < N_KILLS:
        attempts += 1
        assert attempts < 3 * N_KILLS, "most processes were done before they were killed"
        delay = random_moments.uniform(0, seconds)
        folder, reports = tmp_path / f"{attempts}", tmp_path / f"{attempts}.txt"
        if not kill_after(trainer.start(folder, reports), delay):
            continue
        new_trees: list[int] = []
        grown = grow_forest(
            training, PARAMETERS, folder, report=lambda progress, into=new_trees: into.append(progress.n_grown)
        )
        stops.append(Stop(delay, last_reported(reports), grown.n_resumed))
        assert grown.refusals == []
        assert digest_of(grown.forest, training) == uninterrupted
        assert (new_trees[-1] if new_trees else 0) == PARAMETERS.n_trees - grown.n_resumed
    with capsys.disabled():
        print(f"killed {N_KILLS} of {attempts} processes; an uninterrupted one grows for {seconds:.2f} s")
        print("  ".join(f"{stop.after_seconds:.2f}s: {stop.reported}->{stop.resumed}" for stop in stops))
    # The killed process had begun no tree beyond reported + INTERVAL: it writes, and reports, before it goes on.
    assert all(stop.reported <= stop.resumed <= stop.reported + INTERVAL for stop in stops)
    assert all(stop.resumed % INTERVAL == 0 for stop in stops)
    assert len({stop.resumed for stop in stops}) >= 5


@pytest.mark.trial
def test_a_forest_killed_again_and_again_never_loses_what_was_written(
    training: TrainingSet,
    trainer: Trainer,
    uninterrupted: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    random_moments = drawn(capsys)
    folder, written, history = tmp_path / "checkpoints", 0, []
    for attempt in range(40):
        reports = tmp_path / f"{attempt}.txt"
        killed = kill_after_checkpoints(trainer.start(folder, reports), reports, random_moments.randint(0, 3))
        history.append(last_reported(reports))
        assert history[-1] == 0 or history[-1] >= written + INTERVAL
        written = max(written, history[-1])
        if not killed:
            break
    with capsys.disabled():
        print(f"reported before each kill: {history}")
    grown = grow_forest(training, PARAMETERS, folder)
    assert len(history) > 2
    assert grown.n_resumed >= written
    assert digest_of(grown.forest, training) == uninterrupted
