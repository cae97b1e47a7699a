"""``python -m benchmarks.drift`` measures drift reports beside Evidently's and writes the results down."""

import argparse
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from benchmarks.drift.files import PROFILES
from benchmarks.drift.growth import measure_growth
from benchmarks.drift.peer_environment import peer_python
from benchmarks.drift.rates import judge_windows
from benchmarks.drift.report import FROM_DISK, IN_MEMORY, growth_section, rates_section, speed_section
from benchmarks.drift.speed import measure_speed
from benchmarks.measure import child_environment, run_child, run_module, run_process, tell
from benchmarks.report import write_section

README = Path(__file__).with_name("README.md")
PARTS = ("speed", "rates", "growth")

LISTINGS = 25_000
"""That the model is trained and tried on."""

SIZES = (25_000, 250_000)
DAY_ROWS = 25_000
DAYS = (40, 120, 400)
"""1, 3 and 10 million rows."""

YEAR = 365
QUICK_LISTINGS, QUICK_SIZES, QUICK_DAYS = 5_000, (5_000,), (2, 8)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.drift",
        description="Measure drift reports beside Evidently's: time, memory, false alarms, detection, growth.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--only", choices=PARTS, help="one part, only printed unless --out is given")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each report in 'speed'")
    parser.add_argument("--nulls", type=int, default=50, help="undrifted windows of each size in 'rates'")
    parser.add_argument("--shifted", type=int, default=10, help="windows of each shift in 'rates'")
    parser.add_argument("--merges", type=int, default=7, help="times that a year is merged in 'growth'")
    parser.add_argument("--quick", action="store_true", help="a look at small frames, once each; only printed")
    parser.add_argument("--out", type=Path, help="Markdown file for the results; default: README.md beside this module")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the sections."""
    given = parser().parse_args(argv)
    if given.quick:
        given.rounds, given.nulls, given.shifted, given.merges = 1, 2, 1, 1
    out = given.out or (None if given.only or given.quick else README)
    with tempfile.TemporaryDirectory() as folder:
        for key, section in measure(given, Path(folder)):
            print(f"{section}\n", flush=True)
            if out:
                write_section(out, key, section)


def measure(given: argparse.Namespace, folder: Path) -> Iterator[tuple[str, str]]:
    """Make the inputs, measure the parts that are asked for, and yield the name and the tables of each."""
    environment = {**child_environment(folder), "EVIDENTLY_DISABLE_TELEMETRY": "1"}
    parts = (given.only,) if given.only else PARTS
    sizes = (QUICK_SIZES if given.quick else SIZES) if "speed" in parts else ()
    tell("making the inputs")
    listings = QUICK_LISTINGS if given.quick else LISTINGS
    run_module("benchmarks.drift.inputs", folder, listings, *sizes, environment=environment)
    if "speed" in parts:
        python = peer_python(environment)
        rounds = [measure_speed(folder, environment, python, rows, given.rounds, tell) for rows in sizes]
        yield "speed", speed_section(rounds)
    if "rates" in parts:
        tell("judging the same windows")
        judged = judge_windows(folder, environment, peer_python(environment), given.nulls, given.shifted)
        yield "rates", rates_section(judged)
    if "growth" in parts:
        yield "growth", _grow(folder, environment, QUICK_DAYS if given.quick else DAYS, given.merges)


def _grow(folder: Path, environment: Mapping[str, str], days: Sequence[int], merges: int) -> str:
    tell(f"writing {max(days):,} days")
    written = [sys.executable, "-m", "benchmarks.drift.days", str(folder), str(max(days)), str(DAY_ROWS)]
    run_process(written, environment)
    sizes = measure_growth(folder, environment, days)
    for more in sorted((folder / PROFILES).iterdir())[YEAR:]:
        more.rename(folder / more.name)
    merged = {
        name: [run_child(f"benchmarks.drift.ours:{name}", folder, environment) for _ in range(merges)]
        for name in (IN_MEMORY, FROM_DISK)
    }
    return growth_section(sizes, merged)


if __name__ == "__main__":
    main()
