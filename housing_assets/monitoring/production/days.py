"""A day of production in a small file: a mergeable profile for each version that answered."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.inference.market import Market
from housing_assets.monitoring.production.predictions import REQUEST_KEY, read_answers, version_numbers
from housing_assets.monitoring.profiles.blocks import BlockCounts, group_requests
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.refused import ProfileRefused

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class DayProfiles:
    """The profiles of a day, or of several merged, one for each version: each in the bins of its own reference.

    Attributes
    ----------
    by_version : mapping of int to Profile
    unattributed : int
        Rows that no version with a reference answered.
    """

    by_version: Mapping[int, Profile]
    unattributed: int

    def save(self, folder: Path) -> None:
        """Write a file for each version to a folder."""
        (folder / "unattributed.txt").write_text(str(self.unattributed))
        for version, profile in self.by_version.items():
            (folder / f"{version}.json").write_text(profile.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        ProfileRefused
            If a profile is damaged, or of another schema.
        """
        stored = {int(path.stem): path.read_text(encoding="utf-8") for path in folder.glob("*.json")}
        by_version = {version: Profile.from_json(stored[version]) for version in sorted(stored)}
        return cls(by_version, int((folder / "unattributed.txt").read_text()))

    @property
    def rows(self) -> dict[int, int]:
        """Rows by version."""
        return {version: profile.rows for version, profile in self.by_version.items()}


def profile_day(
    market: Market,
    frames: "Iterable[pd.DataFrame]",
    reference_of: Callable[[int], Profile | None],
    groups: np.ndarray | None = None,
) -> DayProfiles:
    """Profile typed predictions, one frame at a time.

    Parameters
    ----------
    market : Market
    frames : iterable of DataFrame
        With the columns of ``profiled_columns``.
    reference_of : callable
        Returns the profile of a version's reference, None if it has none. Columns, bins and categories are its own.
    groups : ndarray of shape (n_rows,), int64, optional
        Group of each row, as ``group_requests`` returns them; without it each row stands for itself.
    """
    by_version: dict[int, Profile] = {}
    unattributed, done = 0, 0
    for frame in frames:
        versions = version_numbers(frame)
        of_frame = None if groups is None else groups[done : done + len(frame)]
        done += len(frame)
        for version in np.unique(versions).tolist():
            answered = versions == version
            rows = frame[answered]
            reference = reference_of(version) if version else None
            if reference is None:
                unattributed += len(rows)
                continue
            profile = _profile(market, rows, reference, None if of_frame is None else of_frame[answered])
            by_version[version] = by_version[version].merge(profile) if version in by_version else profile
    return DayProfiles(by_version, unattributed)


def merge_days(days: Iterable[DayProfiles]) -> DayProfiles:
    """Return the profiles of several days as those of one window.

    Raises
    ------
    ProfileRefused
        If the days of a version are of other columns.
    """
    return reduce(_merge, days, DayProfiles({}, 0))


def merge_alike(days: Mapping[str, DayProfiles]) -> tuple[DayProfiles, dict[str, str]]:
    """Return the profiles of the newest day, and of those before it that can be put together with it.

    Parameters
    ----------
    days : mapping of str to DayProfiles
        By day, as ISO 8601.

    Returns
    -------
    window : DayProfiles
    left_out : dict of str to str
        Why a day is not in it: since it was profiled, the market's declaration has changed.
    """
    window, left_out = DayProfiles({}, 0), {}
    for day in sorted(days, reverse=True):
        try:
            window = _merge(window, days[day])
        except ProfileRefused as refusal:
            left_out[day] = str(refusal)
    return window, left_out


def _merge(one: DayProfiles, other: DayProfiles) -> DayProfiles:
    by_version = dict(one.by_version)
    for version, profile in other.by_version.items():
        by_version[version] = by_version[version].merge(profile) if version in by_version else profile
    return DayProfiles(by_version, one.unattributed + other.unattributed)


def group_day(frames: "Iterable[pd.DataFrame]") -> np.ndarray:
    """Return the group of each of a day's rows, as ``group_requests`` does.

    Raises
    ------
    ProfileRefused
        If the day was stored before it kept the keys of the requests.
    """
    return group_requests(_keys(frames))


def _keys(frames: "Iterable[pd.DataFrame]") -> "Iterator[pd.Series]":
    for frame in frames:
        if REQUEST_KEY not in frame:
            raise ProfileRefused("the day was stored without the keys of its requests")
        yield frame[REQUEST_KEY]


def _profile(market: Market, rows: "pd.DataFrame", reference: Profile, groups: np.ndarray | None) -> Profile:
    categories = reference.predictions.categories
    predicted, probabilities = read_answers(rows, categories)
    listings = rows[[name for name in reference.missing if name in rows]]
    edges = {name: number.edges for name, number in reference.numbers.items()}
    return Profile.of(
        market,
        listings,
        PredictionProfile.of(categories, predicted, probabilities),
        edges,
        as_of=rows["predicted_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]"),
        blocks=None if groups is None else BlockCounts.of(market, listings, predicted, len(categories), groups, edges),
    )
