"""What is compared with what, what must be equal, and which factors are aimed at."""

import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.inputs import ADS
from benchmarks.measure import ROOT, Measurement, run_child, run_process, time_processes

Side = Callable[[Path, Mapping[str, str]], Measurement]
"""Runs one side once, given the folder of the inputs and the environment."""


@dataclass(frozen=True)
class Comparison:
    """Two ways to do one thing.

    Attributes
    ----------
    name : str
        What ``--only`` calls it.
    title : str
        What the table calls it.
    usual, ours : callable
    least_speedup : float
        Aim: time of the usual way divided by ours is at least this.
    target : str
        The aim in words.
    same : tuple of str
        Keys of the outcome that must be equal on both sides.
    least_saving : float
        Aim: memory of the usual way divided by ours is at least this; 0 for none.
    judged_by_f1 : bool
        Whether ours must reach the macro-F1 of the usual way, too.
    is_long : bool
        Whether it takes a minute, and is repeated less.
    measures_memory : bool
    """

    name: str
    title: str
    usual: Side
    ours: Side
    least_speedup: float
    target: str
    same: tuple[str, ...] = ()
    least_saving: float = 0.0
    judged_by_f1: bool = False
    is_long: bool = False
    measures_memory: bool = True


@dataclass(frozen=True)
class Result:
    """Alternating runs of a comparison, in pairs."""

    comparison: Comparison
    usual: tuple[Measurement, ...]
    ours: tuple[Measurement, ...]

    def seconds(self) -> tuple[float, float]:
        """Return the median time of the usual way and of ours."""
        return median(run.seconds for run in self.usual), median(run.seconds for run in self.ours)

    def peaks(self) -> tuple[float, float]:
        """Return the median peak memory, in bytes, of the usual way and of ours."""
        return median(run.peak_bytes for run in self.usual), median(run.peak_bytes for run in self.ours)

    def speedups(self) -> tuple[float, float, float]:
        """Return the median, least and greatest of the pairs' ratios of time."""
        ratios = [usual.seconds / ours.seconds for usual, ours in zip(self.usual, self.ours, strict=True)]
        return median(ratios), min(ratios), max(ratios)

    def saving(self) -> float:
        """Return how many times the memory of ours the usual way takes."""
        usual, ours = self.peaks()
        return usual / max(ours, 1)

    def macro_f1(self) -> tuple[float, float] | None:
        """Return the macro-F1 of both sides, where they have one."""
        if not self.comparison.judged_by_f1:
            return None
        return self.usual[0].outcome["macro_f1"], self.ours[0].outcome["macro_f1"]

    def is_met(self) -> bool:
        """Return whether every aim is reached."""
        f1 = self.macro_f1()
        return (
            self.speedups()[0] >= self.comparison.least_speedup
            and self.saving() >= self.comparison.least_saving
            and (f1 is None or f1[1] >= f1[0])
        )


class Unequal(AssertionError):
    """Both sides ran, and what had to be equal was not."""


def run(comparison: Comparison, folder: Path, environment: Mapping[str, str], repeats: int) -> Result:
    """Run both sides in turn.

    Raises
    ------
    Unequal
        If a result that must be the same on both sides differs.
    """
    pairs: list[tuple[Measurement, Measurement]] = []
    for _ in range(repeats):
        pairs.append((comparison.usual(folder, environment), comparison.ours(folder, environment)))
        for key in comparison.same:
            usual, ours = (side.outcome[key] for side in pairs[-1])
            if usual != ours:
                raise Unequal(f"{comparison.name}: {key} is {usual} the usual way and {ours} ours")
    return Result(comparison, *zip(*pairs, strict=True))


def _child(function: str) -> Side:
    return lambda folder, environment: run_child(f"benchmarks.tasks:{function}", folder, environment)


def _usual_scripts(folder: Path, environment: Mapping[str, str]) -> Measurement:
    with _new_folder() as output:
        script = [sys.executable, "-m", "benchmarks.usual"]
        commands = [
            [*script, "clean", str(folder / ADS), str(output)],
            [*script, "features", str(output)],
            [*script, "train", str(output)],
        ]
        return time_processes(commands, environment)


def _our_graph(folder: Path, environment: Mapping[str, str]) -> Measurement:
    with _new_folder() as output:
        home = output / "dagster"
        home.mkdir()
        shutil.copy(ROOT / "dagster.yaml", home)
        settings = {"HOUSING_SOURCE": str(folder / ADS), "HOUSING_STORAGE": str(output), "DAGSTER_HOME": str(home)}
        command = [
            sys.executable,
            "-m",
            "dagster",
            "asset",
            "materialize",
            "--select",
            'key:"raw_listings"+ or key:"labelled_listings"+',
        ]
        return time_processes([[*command, "-m", "housing_assets.definitions"]], {**environment, **settings})


def _import_of(module: str) -> Side:
    def measure(folder: Path, environment: Mapping[str, str]) -> Measurement:
        # Nothing but what an interpreter needs: no secrets, and storage that is empty.
        bare = {name: environment[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in environment}
        with _new_folder() as output:
            command = [sys.executable, "-m", "benchmarks.loading", module]
            printed = run_process(command, {**bare, "HOUSING_STORAGE": str(output)})
        return Measurement(float(printed.splitlines()[-1]), 0, {})

    return measure


@contextmanager
def _new_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


COMPARISONS = (
    Comparison(
        "cleaning",
        "Cleaning the raw columns",
        _child("usual_cleaning"),
        _child("our_cleaning"),
        least_speedup=10,
        target="10 × as fast",
        same=("listings", "quarantined"),
    ),
    Comparison(
        "hashing",
        "Hashing the same tokens",
        _child("usual_hashing"),
        _child("our_hashing"),
        least_speedup=10,
        target="10 × as fast",
        same=("matrix",),
    ),
    Comparison(
        "balancing",
        "Balancing by SMOTE",
        _child("usual_balancing"),
        _child("our_balancing"),
        least_speedup=10,
        target="10 × as fast, 1/5 of the memory",
        same=("rows_by_class",),
        least_saving=5,
        is_long=True,
    ),
    Comparison(
        "forest",
        "Growing the forest, with checkpoints",
        _child("usual_forest"),
        _child("our_forest"),
        least_speedup=3,
        target="3 × as fast, macro-F1 no worse",
        same=("held_out_by_class",),
        judged_by_f1=True,
        is_long=True,
    ),
    Comparison(
        "graph",
        "All of it, from the command line",
        _usual_scripts,
        _our_graph,
        least_speedup=2,
        target="half the time",
        is_long=True,
    ),
    Comparison(
        "loading",
        "Loading the code location, against `import dagster` alone",
        _import_of("dagster"),
        _import_of("housing_assets.definitions"),
        least_speedup=1 / 1.5,
        target="at most 1.5 × the time (0.67)",
        measures_memory=False,
    ),
)
"""In the order of the table."""


def named(name: str) -> Iterator[Comparison]:
    """Yield the comparison of a name, or all of them for ``all``."""
    yield from (comparison for comparison in COMPARISONS if name in ("all", comparison.name))
