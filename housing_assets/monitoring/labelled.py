"""Labelled predictions: what production was answered, where the price is known by now."""

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.bands import PriceBands
from housing_assets.monitoring.performance import Outcomes
from housing_assets.monitoring.prediction_profile import PREDICTED, PROBABILITIES
from housing_assets.monitoring.production import version_numbers

if TYPE_CHECKING:
    import pandas as pd

KEPT = (
    "prediction_id",
    "predicted_at",
    "tier",
    "model_version",
    PREDICTED,
    *PROBABILITIES,
    "price",
    "received_at",
    "listing",
)
"""Columns of the store that labelled predictions keep; the listing as it was sent, for other versions to answer."""

SUMMARIZED = ("received_at", "tier", "model_version", PREDICTED, *PROBABILITIES, "price")

OutcomesByDay = Mapping[int, Mapping[date, Outcomes]]
"""Outcomes by version, and by the day on which the price came in."""


def summarize_labels(
    frames: "Iterable[pd.DataFrame]", bands_of: Callable[[int], PriceBands | None]
) -> dict[int, dict[date, Outcomes]]:
    """Summarize labelled predictions by version and day, one frame at a time.

    Parameters
    ----------
    frames : iterable of DataFrame
        With the columns of ``SUMMARIZED``.
    bands_of : callable
        Returns the price bands of a version, None where it has none: its rows are left out.
    """
    found: dict[int, dict[date, Outcomes]] = {}
    for frame in frames:
        days = frame["received_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]")
        versions = version_numbers(frame)
        for version in np.unique(versions[versions > 0]).tolist():
            bands = bands_of(version)
            if bands is None:
                continue
            of_version = found.setdefault(version, {})
            for day in np.unique(days[versions == version]):
                rows = frame[(versions == version) & (days == day)]
                outcomes = Outcomes.of(bands.labels(rows["price"].to_numpy()), rows)
                key = day.item()
                of_version[key] = of_version[key].merge(outcomes) if key in of_version else outcomes
    return found


def newest_outcomes(by_day: Mapping[date, Outcomes], rows: int) -> Outcomes:
    """Return the outcomes of the newest days alone, as many as together have at least so many rows.

    What went wrong yesterday would drown in a month that went well.
    """
    chosen: dict[date, Outcomes] = {}
    for day in sorted(by_day, reverse=True):
        chosen[day] = by_day[day]
        if sum(one.rows for one in chosen.values()) >= rows:
            break
    return merge_outcomes(chosen)


def merge_outcomes(by_day: Mapping[date, Outcomes]) -> Outcomes:
    """Return the outcomes of all days as one; empty ones of no days."""
    import pandas as pd

    none = Outcomes.of(np.zeros(0), pd.DataFrame({name: [] for name in (PREDICTED, *PROBABILITIES)}))
    return reduce(Outcomes.merge, by_day.values(), none)


def newest_of(frames: "Iterable[pd.DataFrame]", version: int, rows: int) -> "pd.DataFrame":
    """Return the rows of a version whose price came last, at most so many."""
    import pandas as pd

    kept: list[pd.DataFrame] = []
    for frame in frames:
        of_version = frame[version_numbers(frame) == version]
        kept = [pd.concat([*kept, of_version.astype({"listing": object})], ignore_index=True).tail(rows)]
    return kept[0]
