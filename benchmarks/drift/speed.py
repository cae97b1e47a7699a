"""Times both sides in turn, each report in a fresh process."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import Measurement, run_child

PAGED, WHOLE, PROFILED = "paged_window", "whole_window", "profiled_reference"
OBJECTS, CATEGORIES = "as_objects", "as_categories"
OURS, PEERS = (PAGED, WHOLE, PROFILED), (OBJECTS, CATEGORIES)


@dataclass(frozen=True)
class Rounds:
    """Alternating runs at one size: measurements by side, the rounds in order."""

    rows: int
    runs: Mapping[str, Sequence[Measurement]]

    def speedups(self, ours: str) -> list[float]:
        """Return, of each round, the time of Evidently's quicker run divided by that of ours."""
        return self._ratios(ours, lambda run: run.seconds)

    def savings(self, ours: str) -> list[float]:
        """Return, of each round, the memory of Evidently's smaller run divided by that of ours."""
        return self._ratios(ours, lambda run: run.peak_bytes)

    def _ratios(self, ours: str, figure: Callable[[Measurement], float]) -> list[float]:
        peers = zip(*(self.runs[side] for side in PEERS), strict=True)
        return [
            min(map(figure, pair)) / max(figure(run), 1e-9) for pair, run in zip(peers, self.runs[ours], strict=True)
        ]


def measure_speed(
    folder: Path,
    environment: Mapping[str, str],
    peer_python: str,
    rows: int,
    rounds: int,
    report: Callable[[str], None],
) -> Rounds:
    """Let all sides take turns at one size, in reversed order every other round."""
    runs: dict[str, list[Measurement]] = {side: [] for side in (*OURS, *PEERS)}
    for number in range(rounds):
        for side in [*runs] if number % 2 else [*runs][::-1]:
            if side in OURS:
                run = run_child(f"benchmarks.drift.ours:{side}", folder / str(rows), environment)
            else:
                run = run_child(f"benchmarks.drift.peer:{side}", folder / str(rows), environment, peer_python)
            runs[side].append(run)
            report(f"{rows:,} rows, {side}: {run.seconds:.2f} s, {run.peak_bytes / 1e6:.0f} MB")
    return Rounds(rows, runs)
