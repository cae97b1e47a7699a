"""Has both sides judge the same windows, and counts what they said."""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.drift.files import WINDOWS
from benchmarks.drift.scenarios import NULLS, SHIFTS, Scenario
from benchmarks.measure import run_process


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
    drawn = [sys.executable, "-m", "benchmarks.drift.windows", str(folder), str(n_nulls), str(n_shifted)]
    ours = json.loads(run_process(drawn, environment).splitlines()[-1])
    n_processes = os.cpu_count() or 1
    judge = [peer_python, "-m", "benchmarks.drift.peer", str(folder / WINDOWS)]
    commands = [[*judge, str(first), str(n_processes)] for first in range(n_processes)]
    with ThreadPoolExecutor(n_processes) as executor:
        printed = executor.map(lambda command: run_process(command, environment), commands)
        peer = {name: said for text in printed for name, said in json.loads(text.splitlines()[-1]).items()}
    return [
        Judged(
            scenario,
            [said for name, said in ours.items() if name.rpartition("-")[0] == scenario.name],
            [peer[name] for name in ours if name.rpartition("-")[0] == scenario.name],
        )
        for scenario in (*NULLS, *SHIFTS)
    ]
