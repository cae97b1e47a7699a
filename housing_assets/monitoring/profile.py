"""The profile of typed listings and their predictions: all that a drift report needs of them, in a small file.

A reference is one profile; a window is its days' profiles merged. Rows are never scanned twice.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import reduce
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.listings.columns import NUMBERS, TARGET, TEXTS, Role, Value, values
from housing_assets.monitoring.number_profile import NumberProfile, learn_edges
from housing_assets.monitoring.prediction_profile import PredictionProfile
from housing_assets.monitoring.text_profile import TextProfile

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 1

LAG_EDGES = np.concatenate([[0.0], 2.0 ** np.arange(14)])
"""Lags of clocks in days by powers of two, up to 22 years."""

_HEAD, _TAIL = '{{"schema":{schema},"sha256":"{sha256}","profile":', "}"


class ProfileRefused(ValueError):
    """A stored profile is damaged or of another schema, or two profiles cannot be put together."""


@dataclass(frozen=True, eq=False)
class Profile:
    """A mergeable summary of listings and of predictions.

    The target is left out: production has no prices until they are observed. Clocks are no features that may drift:
    their lag behind the day of the row is summarized.

    Attributes
    ----------
    rows : int
        Listings; the predictions may be others (those of the holdout, in a reference).
    numbers : mapping of str to NumberProfile
    texts : mapping of str to TextProfile
    lags : mapping of str to NumberProfile
        Days from each clock to ``as_of``.
    predictions : PredictionProfile
    """

    rows: int
    numbers: Mapping[str, NumberProfile]
    texts: Mapping[str, TextProfile]
    lags: Mapping[str, NumberProfile]
    predictions: PredictionProfile

    @classmethod
    def of(
        cls,
        listings: "pd.DataFrame",
        predictions: "pd.DataFrame",
        edges: Mapping[str, np.ndarray],
        *,
        as_of: date | np.ndarray,
    ) -> Self:
        """Summarize rows; of none, the neutral element of ``merge``.

        Parameters
        ----------
        listings : DataFrame of shape (n_rows, n_values)
            Typed; declared values that it has no column for are left out.
        predictions : DataFrame of shape (n_predictions, n_columns)
            As the model and the prediction store name their columns.
        edges : mapping of str to ndarray
            Where the bins of each number begin, as ``reference_edges`` returns them.
        as_of : date or ndarray of shape (n_rows,), datetime64
            The day that each row was asked about or scraped on, which lags are counted to.
        """
        days = np.asarray(as_of, dtype="datetime64[D]")
        return cls(
            rows=len(listings),
            numbers={
                value.name: NumberProfile.of(listings[value.name].to_numpy(np.float64), edges[value.name])
                for value in _profiled(listings, *NUMBERS)
            },
            texts={value.name: TextProfile.of(listings[value.name], value) for value in _profiled(listings, *TEXTS)},
            lags={
                value.name: NumberProfile.of(_lag_days(listings[value.name], days), LAG_EDGES)
                for value in _profiled(listings, Role.CLOCK)
            },
            predictions=PredictionProfile.of(predictions),
        )

    def merge(self, other: Self) -> Self:
        """Return the summary of both: the same, to the last digit, as that of all their rows.

        Raises
        ------
        ProfileRefused
            If they are of other columns, or of other bins.
        """
        require_same_bins(self, other)
        return type(self)(
            rows=self.rows + other.rows,
            numbers={name: one.merge(other.numbers[name]) for name, one in self.numbers.items()},
            texts={name: one.merge(other.texts[name]) for name, one in self.texts.items()},
            lags={name: one.merge(other.lags[name]) for name, one in self.lags.items()},
            predictions=self.predictions.merge(other.predictions),
        )

    def to_json(self) -> str:
        """Return the profile as JSON with its schema version and checksum; equal profiles give equal texts."""
        profile = {
            "rows": self.rows,
            "numbers": {name: one.to_dict() for name, one in self.numbers.items()},
            "texts": {name: one.to_dict() for name, one in self.texts.items()},
            "lags": {name: one.to_dict() for name, one in self.lags.items()},
            "predictions": self.predictions.to_dict(),
        }
        body = json.dumps(profile, separators=(",", ":"), sort_keys=True, allow_nan=False)
        return _HEAD.format(schema=SCHEMA, sha256=_sha256(body)) + body + _TAIL

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what ``to_json`` returned.

        Raises
        ------
        ProfileRefused
            If it is damaged, or of another schema.
        """
        try:
            stored = json.loads(text)
            schema, sha256, profile = stored["schema"], stored["sha256"], stored["profile"]
        except (ValueError, KeyError, TypeError) as fault:
            raise ProfileRefused(f"no profile, or a damaged one: {fault!r}") from None
        if schema != SCHEMA:
            raise ProfileRefused(
                f"the profile's schema is {schema}, this version reads {SCHEMA}: profile the rows anew"
            )
        if sha256 != _sha256(text[len(_HEAD.format(schema=SCHEMA, sha256=sha256)) : -len(_TAIL)]):
            raise ProfileRefused("the profile is damaged: its checksum differs: profile the rows anew")
        return cls(
            rows=int(profile["rows"]),
            numbers={name: NumberProfile.from_dict(one) for name, one in profile["numbers"].items()},
            texts={name: TextProfile.from_dict(one) for name, one in profile["texts"].items()},
            lags={name: NumberProfile.from_dict(one) for name, one in profile["lags"].items()},
            predictions=PredictionProfile.from_dict(profile["predictions"]),
        )

    @property
    def missing(self) -> dict[str, int]:
        """Rows without a value, by column."""
        return {name: one.missing for part in (self.numbers, self.texts, self.lags) for name, one in part.items()}


def merge_profiles(profiles: Iterable[Profile]) -> Profile:
    """Return the summary of at least one profile, taken one at a time: a generator of chunks is never held at once.

    Raises
    ------
    ProfileRefused
        If two are of other columns, or of other bins.
    """
    return reduce(Profile.merge, profiles)


def reference_edges(listings: "pd.DataFrame") -> dict[str, np.ndarray]:
    """Choose the bins of every number that the listings have, to be shared by all profiles of a lineage of models.

    Parameters
    ----------
    listings : DataFrame of shape (n_rows, n_values)
        Typed rows of the reference.
    """
    return {
        value.name: learn_edges(listings[value.name].to_numpy(np.float64)) for value in _profiled(listings, *NUMBERS)
    }


def require_same_bins(one: Profile, other: Profile) -> None:
    """Refuse profiles of other columns, or whose numbers are counted in other bins.

    Raises
    ------
    ProfileRefused
        Naming the columns.
    """
    differing = set(one.missing) ^ set(other.missing)
    if differing:
        raise ProfileRefused(f"profiles of other columns: only one of them has {sorted(differing)}")
    rebinned = [name for name in one.numbers if not np.array_equal(one.numbers[name].edges, other.numbers[name].edges)]
    if rebinned:
        raise ProfileRefused(f"profiles with other bins of {rebinned}: profile the rows with the reference's edges")


def _profiled(listings: "pd.DataFrame", *roles: Role) -> list[Value]:
    return [value for value in values(*roles) if value.name != TARGET and value.name in listings]


def _lag_days(clock: "pd.Series", days: np.ndarray) -> np.ndarray:
    found = clock.to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(found), np.nan, (days - found).astype(np.float64))


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
