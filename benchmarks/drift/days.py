"""Writes days of production as the asset ``production_predictions`` does: not measured.

``python -m benchmarks.drift.days FOLDER DAYS ROWS`` writes so many days of so many rows, each of other listings.
"""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.drift.files import DAYS, ROWS_AT_ONCE
from benchmarks.drift.inputs import draw_predictions, listings_of
from benchmarks.drift.ours import VERSION
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.production.frames import Frames
from housing_assets.monitoring.production.predictions import REQUEST_KEY, profiled_columns

FIRST_SEED = 1_000_000
FIRST_DAY = pd.Timestamp("2026-01-01", tz="UTC")


def write_days(folder: Path, n_days: int, rows: int) -> None:
    """Write each day to a folder of its own."""
    for number in range(n_days):
        day = folder / DAYS / f"{number:05}"
        day.mkdir(parents=True)
        Frames.write(_pages(_day(folder, number, rows)), day)


def _day(folder: Path, number: int, rows: int) -> pd.DataFrame:
    answered: dict[str, Any] = {
        "predicted_at": FIRST_DAY + pd.Timedelta(days=number),
        "tier": "production",
        "model_version": str(VERSION),
        REQUEST_KEY: None,
    }
    listings = listings_of(rows, FIRST_SEED + number).reset_index(drop=True)
    predictions = draw_predictions(folder, rows, FIRST_SEED + number)
    return pd.concat([listings, predictions], axis="columns").assign(**answered)[
        [*profiled_columns(MARKET), REQUEST_KEY]
    ]


def _pages(day: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for start in range(0, len(day), ROWS_AT_ONCE):
        yield day[start : start + ROWS_AT_ONCE]


if __name__ == "__main__":
    write_days(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
