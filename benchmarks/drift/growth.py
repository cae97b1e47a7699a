"""How time and memory grow with the rows of production: profiled day by day, as the asset ``production_profile`` does.

``python -m benchmarks.drift.growth FOLDER DAYS`` profiles the first so many days of a folder in this process and prints
what that took as JSON.
"""

import json
import math
import shutil
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.drift.files import DAYS, PROFILES, REFERENCE
from benchmarks.measure import peak_bytes, run_module


@dataclass(frozen=True)
class Size:
    """So many rows; ``peak_bytes`` is the whole process."""

    rows: int
    days: int
    seconds: float
    peak_bytes: int


def measure_growth(folder: Path, environment: Mapping[str, str], days: Sequence[int]) -> list[Size]:
    """Measure each number of days in a fresh process."""
    return [Size(**run_module("benchmarks.drift.growth", folder, each, environment=environment)) for each in days]


def slope(sizes: Sequence[Size]) -> float:
    """Return by which power of the rows the time grows, from smallest to largest."""
    first, last = sizes[0], sizes[-1]
    return math.log(last.seconds / first.seconds) / math.log(last.rows / first.rows)


def profile_days(folder: Path, n_days: int) -> Size:
    """Read and profile each day, and write its profile."""
    from housing_assets.markets.istanbul import MARKET
    from housing_assets.monitoring.production.days import group_day, profile_day
    from housing_assets.monitoring.production.frames import Frames
    from housing_assets.monitoring.production.predictions import REQUEST_KEY, profiled_columns
    from housing_assets.monitoring.profiles.reference import Reference

    reference = Reference.from_json((folder / REFERENCE).read_text()).profile
    shutil.rmtree(folder / PROFILES, ignore_errors=True)
    rows = 0
    started = time.perf_counter()
    for day in sorted((folder / DAYS).iterdir())[:n_days]:
        frames = Frames.load(day)
        groups = group_day(frames.read([REQUEST_KEY]))
        profiles = profile_day(MARKET, frames.read(profiled_columns(MARKET)), lambda _: reference, groups)
        (folder / PROFILES / day.name).mkdir(parents=True)
        profiles.save(folder / PROFILES / day.name)
        rows += sum(profiles.rows.values())
    return Size(rows, n_days, time.perf_counter() - started, peak_bytes())


if __name__ == "__main__":
    print(json.dumps(asdict(profile_days(Path(sys.argv[1]), int(sys.argv[2])))))
