"""Has both sides judge the same windows, and counts what they said."""

import os
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.drift.files import WINDOWS
from benchmarks.drift.scenarios import NULLS, SHIFTS, Scenario
from benchmarks.measure import run_module


@dataclass(frozen=True)
class Judged:
    """What both sides said of the windows of a scenario, in the same order."""

    scenario: Scenario
    ours: Sequence[Mapping[str, Any]]
    peer: Sequence[Mapping[str, Any]]


def judge_windows(
    folder: Path, environment: Mapping[str, str], peer_python: str, n_nulls: int, n_shifted: int
) -> list[Judged]:
    """Draw the windows, and judge them on both sides; Evidently's take as many processes as there are cores."""
    ours = run_module("benchmarks.drift.windows", folder, n_nulls, n_shifted, environment=environment)
    n_processes = os.cpu_count() or 1

    def judge_peer(first: int) -> Any:
        given = (folder / WINDOWS, first, n_processes)
        return run_module("benchmarks.drift.peer", *given, environment=environment, python=peer_python)

    with ThreadPoolExecutor(n_processes) as executor:
        peer = {name: said for judged in executor.map(judge_peer, range(n_processes)) for name, said in judged.items()}
    return [
        Judged(
            scenario,
            [said for name, said in ours.items() if name.rpartition("-")[0] == scenario.name],
            [peer[name] for name in ours if name.rpartition("-")[0] == scenario.name],
        )
        for scenario in (*NULLS, *SHIFTS)
    ]
