"""A day of production in a small file: a mergeable profile for each version that answered."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np

from housing_assets.inference.market import Market
from housing_assets.monitoring.production.predictions import REQUEST_KEY, read_answers, version_numbers
from housing_assets.monitoring.profiles.blocks import BlockCounts, group_requests
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.refused import ProfileRefused
from resources.compute.engines import LOCAL, Engine

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
    engine: Engine = LOCAL,
) -> DayProfiles:
    """Profile typed predictions; each frame is a shard.

    Parameters
    ----------
    market : Market
    frames : iterable of DataFrame
        With the columns of ``profiled_columns``.
    reference_of : callable
        Returns the profile of a version's reference, None if it has none. Columns, bins and categories are its own.
    groups : ndarray of shape (n_rows,), int64, optional
        Group of each row, as ``group_requests`` returns them; without it each row stands for itself.
    engine : Engine
    """
    return merge_days(engine.map_shards(partial(_profile_shard, market), _split_day(frames, reference_of, groups)))


class _Layout(NamedTuple):
    """How the answers of a version are profiled: as its reference is."""

    categories: tuple[str, ...]
    columns: tuple[str, ...]
    edges: Mapping[str, np.ndarray]


class _DayShard(NamedTuple):
    """Answers of a day, the group of each, and the layout of each version among them that has a reference."""

    frame: "pd.DataFrame"
    groups: np.ndarray | None
    layouts: Mapping[int, _Layout]


def _split_day(
    frames: "Iterable[pd.DataFrame]", reference_of: Callable[[int], Profile | None], groups: np.ndarray | None
) -> Iterator[_DayShard]:
    done = 0
    for frame in frames:
        found = {version: reference_of(version) for version in np.unique(version_numbers(frame)).tolist() if version}
        layouts = {
            version: _Layout(
                reference.predictions.categories,
                tuple(reference.missing),
                {name: number.edges for name, number in reference.numbers.items()},
            )
            for version, reference in found.items()
            if reference
        }
        yield _DayShard(frame, None if groups is None else groups[done : done + len(frame)], layouts)
        done += len(frame)


def _profile_shard(market: Market, shard: _DayShard) -> DayProfiles:
    versions = version_numbers(shard.frame)
    by_version = {}
    for version, layout in shard.layouts.items():
        answered = versions == version
        groups = None if shard.groups is None else shard.groups[answered]
        by_version[version] = _profile(market, shard.frame[answered], layout, groups)
    return DayProfiles(by_version, int((~np.isin(versions, list(by_version))).sum()))


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


def _profile(market: Market, rows: "pd.DataFrame", layout: _Layout, groups: np.ndarray | None) -> Profile:
    categories, columns, edges = layout
    predicted, probabilities = read_answers(rows, categories)
    listings = rows[[name for name in columns if name in rows]]
    return Profile.of(
        market,
        listings,
        PredictionProfile.of(categories, predicted, probabilities),
        edges,
        as_of=rows["predicted_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]"),
        blocks=None if groups is None else BlockCounts.of(market, listings, predicted, len(categories), groups, edges),
    )
