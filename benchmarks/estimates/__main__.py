"""``python -m benchmarks.estimates`` estimates prices beside quantile-forest and crepes and writes the results down."""

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.estimates.conformal import COVERAGES
from benchmarks.estimates.files import (
    AT_ONCE,
    CONFORMAL,
    INTERVALS,
    LEVELS,
    ONE_BY_ONE,
    OTHER_SEED,
    PEER,
    QUANTILES,
    REDRAWN,
    WHOLE,
)
from benchmarks.measure import Measurement, child_environment, run_child, run_module, tell
from benchmarks.peer_environment import peer_interpreter
from benchmarks.report import machine, spread, table, write_section

README = Path(__file__).with_name("README.md")
QUANTILE_FOREST, CREPES = "1.4.2", "0.9.1"
SHARED = ("numpy", "pandas", "scikit-learn", "scipy")

FURTHEST = 0.001
"""How far the medians of both sides' quantiles may lie apart where both take all listings of a leaf."""

FEWEST = 20
"""Judged sales of a zip code whose coverage counts."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.estimates",
        description="Estimate prices beside quantile-forest and crepes: agreement, time, size and coverage.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("source", type=Path, help="King County's sales, as HOUSING_SOURCE")
    parser.add_argument("--trees", type=int, default=50, help="of the forest; quantile-forest takes 35 MB a tree")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--out", type=Path, default=README, help="Markdown file for the results")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the section."""
    given = parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        section = measure(given, Path(name))
    print(section)
    write_section(given.out, "estimates", section)


def measure(given: argparse.Namespace, folder: Path) -> str:
    """Return the tables.

    Raises
    ------
    ValueError
        If both sides' quantiles differ.
    """
    environment = child_environment(folder)
    tell("training")
    facts = run_module("benchmarks.estimates.inputs", folder, given.source, given.trees, environment=environment)
    forests = peer_interpreter("quantile-forest", QUANTILE_FOREST, SHARED, environment)
    conformal = peer_interpreter("crepes", CREPES, SHARED, environment)
    size = run_child("benchmarks.estimates.ours:write", folder, environment).outcome["bytes"]
    peer_sizes = run_child("benchmarks.estimates.peer:write", folder, environment, forests).outcome
    runs: dict[str, list[Measurement]] = {name: [] for name in WORKS}
    for number in range(given.rounds):
        for name in [*runs] if number % 2 else [*runs][::-1]:
            python = forests if name.startswith("peer") else sys.executable
            runs[name].append(run_child(f"benchmarks.estimates.{name}", folder, environment, python))
            tell(f"{name}: {runs[name][-1].seconds:.3f} s")
    by_crepes = run_child("benchmarks.estimates.conformal:intervals", folder, environment, conformal)
    title = (
        f"### King County: {facts['taught']:,} sales teach, {facts['calibrating']:,} calibrate, "
        f"{facts['judged']:,} later ones are judged; {given.trees} trees, {facts['leaves']:,} leaves"
    )
    return "\n\n".join(
        [
            title,
            *_agreement(folder),
            _costs(runs, size, peer_sizes),
            _intervals(folder),
            f"Calibrating takes ours {1e3 * facts['calibrate_seconds']:.0f} ms, the estimates of the calibrating sales "
            f"and three coverages; crepes {1e3 * by_crepes.seconds:.0f} ms, two coverages of each kind from estimates.",
            f"Times are medians of {given.rounds} rounds (least to most). "
            f"quantile-forest {QUANTILE_FOREST}, crepes {CREPES}.",
            machine(),
        ]
    )


WORKS = ("ours:single", "ours:batch", "peer:single", "peer:batch", "peer:single_capped", "peer:batch_capped")


def _agreement(folder: Path) -> tuple[str, str]:
    ours = {name: np.load(folder / name / QUANTILES)["found"] for name in ("", REDRAWN, OTHER_SEED, WHOLE)}
    peer = np.load(folder / PEER)
    pairs = {
        "ours and quantile-forest, all listings of a leaf": (ours[WHOLE], peer["all"]),
        "ours and quantile-forest, 8 listings of a leaf": (ours[""], peer["capped"]),
        "ours, 8 listings and all": (ours[""], ours[WHOLE]),
        "ours, another draw of the 8": (ours[""], ours[REDRAWN]),
        "ours, a forest of another seed": (ours[""], ours[OTHER_SEED]),
    }
    apart = {title: np.abs(np.expm1(one - other)) for title, (one, other) in pairs.items()}
    furthest = float(np.median(apart[next(iter(pairs))], axis=0).max())
    if furthest > FURTHEST:
        raise ValueError(f"quantiles differ by {furthest:.2%}: expected at most {FURTHEST:.2%}")
    rows = []
    for title, (one, other) in pairs.items():
        cells = []
        for level in range(len(LEVELS)):
            correlation = np.corrcoef(one[:, level], other[:, level])[0, 1]
            cells.append(f"{np.median(apart[title][:, level]):.2%}, {correlation:.4f}")
        rows.append((title, *cells))
    noise = np.median(apart["ours, a forest of another seed"], axis=0)
    share = np.median(apart["ours and quantile-forest, 8 listings of a leaf"], axis=0) / noise
    header = ("median difference, correlation of logs", *(f"quantile {level:g}" for level in LEVELS))
    said = (
        "With 8 listings a leaf, each drawn by its own side, the two differ by "
        f"{share.min():.0%} to {share.max():.0%} of what another seed of the forest changes. Where both take all "
        f"listings, what is left is interpolation between two prices: at most {apart[next(iter(pairs))].max():.1%}."
    )
    return table(header, rows), said


def _costs(runs: Mapping[str, Sequence[Measurement]], size: int, peer_sizes: Mapping[str, int]) -> str:
    titles = {
        "ours": ("ours", size),
        "peer": ("quantile-forest, all listings of a leaf", peer_sizes["all"]),
        "capped": ("quantile-forest, 8 listings of a leaf", peer_sizes["capped"]),
    }
    rows = []
    for key, (title, stored) in titles.items():
        single, batch = (
            [run.seconds / (ONE_BY_ONE if kind == "single" else 1) for run in runs[_work(key, kind)]]
            for kind in ("single", "batch")
        )
        rows.append((title, spread(single, _time), spread(batch, _time), f"{stored / 1e6:.1f} MB"))
    return table(("", "one listing", f"{AT_ONCE:,} at once", "on disk"), rows)


def _work(key: str, kind: str) -> str:
    return f"peer:{kind}_capped" if key == "capped" else f"{key}:{kind}"


def _intervals(folder: Path) -> str:
    given, crepes = np.load(folder / INTERVALS), np.load(folder / CONFORMAL)
    centre = given["judge_plain"][:, 0]
    rows = []
    for coverage, (low, high) in COVERAGES.items():
        ends = {
            "leaves alone": given["judge_plain"][:, [low, high]],
            "ours: a factor of each zip code, drawn to that of all": given["judge_local"][:, [low, high]],
            "crepes: one factor": crepes[f"all_{coverage}"],
            "crepes: Mondrian by zip code": crepes[f"zip_{coverage}"],
        }
        for title, found in ends.items():
            rows.append((f"{coverage} %, {title}", *_coverage(given, centre, found, coverage / 100)))
    header = ("", "coverage", "mean width", "endless", "gap by zip code", "its worst tenth")
    return table(header, rows)


def _coverage(given: Any, centre: np.ndarray, ends: np.ndarray, share: float) -> tuple[str, ...]:
    price, codes = given["judge_price"], given["judge_zip"]
    inside = (ends[:, 0] <= price) & (price <= ends[:, 1])
    finite = np.isfinite(ends).all(axis=1)
    width = np.exp(ends[finite, 1] - centre[finite]) - np.exp(ends[finite, 0] - centre[finite])
    gaps = sorted(abs(inside[codes == code].mean() - share) for code in set(codes) if (codes == code).sum() >= FEWEST)
    worst = gaps[-max(len(gaps) // 10, 1) :]
    return (
        f"{inside.mean():.1%}",
        f"{width.mean():.1%}",
        f"{np.count_nonzero(~finite)}",
        f"{np.mean(gaps):.1%}",
        f"{np.mean(worst):.1%}",
    )


def _time(seconds: float) -> str:
    return f"{1e6 * seconds:.0f} µs" if seconds < 0.001 else f"{1e3 * seconds:.1f} ms"


if __name__ == "__main__":
    main()
