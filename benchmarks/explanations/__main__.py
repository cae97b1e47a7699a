"""``python -m benchmarks.explanations`` finds Shapley values beside the library shap and writes the results down."""

import argparse
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.explanations.files import OURS, PATH, PEER
from benchmarks.measure import Measurement, child_environment, run_child, run_module, tell
from benchmarks.peer_environment import peer_interpreter
from benchmarks.report import machine, seconds_text, spread, table, write_section

README = Path(__file__).with_name("README.md")
SHAP = "0.51.0"
SHARED = ("numpy", "scikit-learn", "scipy")

FURTHEST = 1e-6
"""How far both sides' contributions may differ, in probability: ours keep means and covers as float32."""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.explanations",
        description="Find Shapley values beside the library shap: agreement and time.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument("--listings", type=int, default=8_000, help="synthetic ads that the forest is grown on")
    parser.add_argument("--trees", type=int, default=200, help="of the forest")
    parser.add_argument("--rows", type=int, default=5, help="listings that are explained")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--out", type=Path, default=README, help="Markdown file for the results")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, print, and write the section."""
    given = parser().parse_args(argv)
    with tempfile.TemporaryDirectory() as name:
        section = measure(given, Path(name))
    print(section)
    write_section(given.out, "explanations", section)


def measure(given: argparse.Namespace, folder: Path) -> str:
    """Return the tables.

    Raises
    ------
    ValueError
        If both sides' contributions differ.
    """
    environment = child_environment(folder)
    tell("growing the forest")
    sizes = (given.listings, given.trees, given.rows)
    grown = run_module("benchmarks.explanations.inputs", folder, *sizes, environment=environment)
    python = peer_interpreter("shap", SHAP, SHARED, environment)
    runs: dict[str, list[Measurement]] = {"shap": [], "exact": [], "path": []}
    for number in range(given.rounds):
        for side in [*runs] if number % 2 else [*runs][::-1]:
            runs[side].append(_run(side, folder, environment, python))
            tell(f"{side}: {runs[side][-1].seconds / given.rows:.4f} s a listing")
    ours, peer, path = (np.load(folder / name) for name in (OURS, PEER, PATH))
    furthest = float(np.abs(ours - peer).max())
    if furthest > FURTHEST:
        raise ValueError(f"contributions differ by up to {furthest:.1e}: expected at most {FURTHEST:.0e}")
    rows = [_line(title, runs[side], runs["shap"], given.rows) for side, title in TITLES.items()]
    size = f"{given.trees} trees, {grown['nodes']:,} nodes, {grown['depth']} steps deep, {grown['columns']:,} columns"
    agreement = (
        f"Contributions of shap and ours differ by {furthest:.1e} at most; the largest is {np.abs(peer).max():.2f}. "
        f"Those of paths differ from the exact ones by {np.abs(path - ours).max():.2f} at most."
    )
    header = ("", "time of a listing", "shap ÷ this (least to most)")
    title = f"### {given.listings:,} listings: {size}"
    rounds = f"Medians of {given.rounds} rounds of {given.rows} listings (least to most). shap {SHAP}."
    return "\n\n".join([title, table(header, rows), agreement, rounds, machine()])


TITLES = {
    "shap": "shap: `TreeExplainer`, path-dependent",
    "exact": "ours, exact",
    "path": "ours, path contributions",
}


def _run(side: str, folder: Path, environment: Mapping[str, str], python: str) -> Measurement:
    if side == "shap":
        return run_child("benchmarks.explanations.peer:exact", folder, environment, python)
    return run_child(f"benchmarks.explanations.ours:{side}", folder, environment)


def _line(title: str, runs: Sequence[Measurement], peers: Sequence[Measurement], rows: int) -> tuple[str, ...]:
    ratios = [peer.seconds / run.seconds for peer, run in zip(peers, runs, strict=True)]
    return (
        title,
        spread([run.seconds / rows for run in runs], _time),
        "" if runs is peers else spread(ratios, lambda ratio: f"{ratio:,.1f}"),
    )


def _time(seconds: float) -> str:
    return f"{1e3 * seconds:.2f} ms" if seconds < 0.01 else seconds_text(seconds)


if __name__ == "__main__":
    main()
