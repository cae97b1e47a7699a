"""What production asked and was answered: the rows of the prediction store, typed, and their profiles by day."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.listings.columns import TARGET, values
from housing_assets.monitoring.prediction_profile import PREDICTED, PROBABILITIES
from housing_assets.monitoring.profile import Profile

if TYPE_CHECKING:
    import pandas as pd

ANSWERED = ("prediction_id", "predicted_at", "tier", "model_version", PREDICTED, *PROBABILITIES)
"""Columns of the store that go with the typed listing."""

PROFILED = (
    *("predicted_at", "tier", "model_version", PREDICTED, *PROBABILITIES),
    *(value.name for value in values() if value.name != TARGET),
)
"""Columns of typed predictions that a profile is made of."""

RULE_TIER = "rule"
"""Where an answer comes from when no model could be loaded: it says nothing of any."""


def type_predictions(stored: "pd.DataFrame", raw: "pd.DataFrame") -> "pd.DataFrame":
    """Return the answers of a frame of the prediction store beside the typed values of their listings.

    Parameters
    ----------
    stored : DataFrame of shape (n_rows, n_columns)
        With the columns of ``ANSWERED``.
    raw : DataFrame of shape (n_rows, n_raw_columns)
        The listings as they were sent.
    """
    import pandas as pd

    from housing_assets.listings.cleaning import parse_frame

    listings, _ = parse_frame(raw, with_target=False)
    return pd.concat([stored[list(ANSWERED)].reset_index(drop=True), listings], axis="columns")


@dataclass(frozen=True, eq=False)
class DayProfiles:
    """The profiles of a day, one for each version that answered: each in the bins of its own reference.

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


def profile_day(frames: "Iterable[pd.DataFrame]", reference_of: Callable[[int], Profile | None]) -> DayProfiles:
    """Profile typed predictions, one frame at a time.

    Parameters
    ----------
    frames : iterable of DataFrame
        With the columns of ``PROFILED``.
    reference_of : callable
        Returns the profile of a version's reference, None if it has none. The columns and the bins are its own.
    """
    by_version: dict[int, Profile] = {}
    unattributed = 0
    for frame in frames:
        versions = version_numbers(frame)
        for version in np.unique(versions).tolist():
            rows = frame[versions == version]
            reference = reference_of(version) if version else None
            if reference is None:
                unattributed += len(rows)
                continue
            days = rows["predicted_at"].dt.tz_localize(None).to_numpy().astype("datetime64[D]")
            listings = rows[[name for name in reference.missing if name in rows]]
            edges = {name: number.edges for name, number in reference.numbers.items()}
            profile = Profile.of(listings, rows, edges, as_of=days)
            by_version[version] = by_version[version].merge(profile) if version in by_version else profile
    return DayProfiles(by_version, unattributed)


def version_numbers(predictions: "pd.DataFrame") -> np.ndarray:
    """Return the registered version that answered each row, 0 where none did: int64 of shape (n_rows,)."""
    import pandas as pd

    numbers = pd.to_numeric(predictions["model_version"].astype(object), errors="coerce").fillna(0).to_numpy(np.int64)
    return np.where(predictions["tier"].to_numpy() == RULE_TIER, 0, numbers)


def merge_days(days: Iterable[DayProfiles]) -> DayProfiles:
    """Return the profiles of several days as those of one window.

    Raises
    ------
    ProfileRefused
        If the days of a version are of other columns.
    """
    by_version: dict[int, Profile] = {}
    unattributed = 0
    for day in days:
        unattributed += day.unattributed
        for version, profile in day.by_version.items():
            by_version[version] = by_version[version].merge(profile) if version in by_version else profile
    return DayProfiles(by_version, unattributed)


def choose_version(rows: Mapping[int, int], production: int, min_rows: int) -> int:
    """Return the version whose answers are judged in a window.

    That is the one in production, as soon as it has answered enough; a window from before its promotion is that of the
    version which answered most of it. Rows of two versions are never judged together: what the older one stumbled over
    may be what the newer one was trained on.

    Parameters
    ----------
    rows : mapping of int to int
        Answers in the window by version.
    production, min_rows : int
    """
    if rows.get(production, 0) >= min_rows or not rows:
        return production
    return max(rows, key=lambda version: (rows[version], version))
