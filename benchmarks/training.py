"""``python -m benchmarks.training`` compares the platform with the usual way and writes the results down."""

import argparse
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.comparisons import COMPARISONS, named, run
from benchmarks.growth import measure_growth
from benchmarks.measure import child_environment, run_module, tell
from benchmarks.report import comparison_section, growth_section, write_section

README = Path(__file__).with_name("README.md")
GROWTH = "growth"


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.training",
        description="Compare the platform with the usual way, in fresh processes that take turns.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=20_000, help="synthetic listings, where no source is given")
    parser.add_argument("--source", help="real listings, as HOUSING_SOURCE; default: the synthetic sample")
    parser.add_argument("--label", help="what the section calls the listings, such as 'real Istanbul listings'")
    parser.add_argument("--repeats", type=int, default=7, help="pairs of runs of a short comparison")
    parser.add_argument("--long-repeats", type=int, default=2, help="pairs of runs of one that takes a minute")
    parser.add_argument(
        "--only",
        choices=[*(comparison.name for comparison in COMPARISONS), GROWTH],
        help="one comparison, or growth to 2,000,000 listings; only printed unless --out is given",
    )
    parser.add_argument("--out", type=Path, help="Markdown file for the results; default: README.md beside this module")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the section."""
    given = parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as folder:
        environment = child_environment(Path(folder))
        sections = dict([_compare(given, Path(folder), environment)] if given.only != GROWTH else [])
        if given.only == GROWTH or not (given.only or given.source):
            sections[GROWTH] = growth_section(measure_growth(environment))
    out = given.out or (None if given.only else README)
    for key, section in sections.items():
        print(section)
        if out:
            write_section(out, key, section)


def _compare(given: argparse.Namespace, folder: Path, environment: dict[str, str]) -> tuple[str, str]:
    source = [given.source] if given.source else []
    facts = run_module("benchmarks.inputs", folder, given.rows, *source, environment=environment)
    results = []
    for comparison in named(given.only or "all"):
        results.append(
            run(comparison, folder, environment, given.long_repeats if comparison.is_long else given.repeats)
        )
        usual, ours = results[-1].seconds()
        f1 = results[-1].macro_f1()
        judged = f", macro-F1 {f1[0]:.4f} and {f1[1]:.4f}" if f1 else ""
        tell(f"{comparison.name}: {usual:.3f} s the usual way, {ours:.3f} s ours{judged}")
    label = given.label or ("own listings" if given.source else "synthetic listings")
    return label, comparison_section(f"On {facts['ads']:,} {label}", results, facts["numba_seconds"])


if __name__ == "__main__":
    main()
