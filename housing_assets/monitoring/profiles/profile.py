"""The profile of typed listings and their predictions: all that a drift report needs of them, in a small file.

A reference is one profile; a window is its days' profiles merged. Rows are never scanned twice.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.inference.declaration import FEATURE_NUMBERS, TEXTS, Role, Value
from housing_assets.inference.market import Market
from housing_assets.monitoring.profiles.blocks import BlockCounts, require_blocks
from housing_assets.monitoring.profiles.numbers import NumberProfile, learn_edges
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.refused import ProfileRefused, require_same_categories
from housing_assets.monitoring.profiles.rows import RowProfile
from housing_assets.monitoring.profiles.texts import TextProfile

if TYPE_CHECKING:
    import pandas as pd

SCHEMA = 4
"""Schema 1 did not name the predicted categories, schema 2 did not know which requests came together, schema 3 had
neither magnitudes nor whole rows."""

OF_REFERENCES = 2
"""Oldest schema in which a reference can still be read: its rows are listings, and no requests, and its magnitudes
follow from its bins. Those of a day do not, for they end where the reference does."""

PROFILED = (*FEATURE_NUMBERS, *TEXTS, Role.CLOCK)
"""Roles of the values that are summarized: not keys, which are no features, and not what is predicted."""

LAG_EDGES = np.concatenate([[0.0], 2.0 ** np.arange(14)])
"""Lags of clocks in days by powers of two, up to 22 years."""

_HEAD, _TAIL = '{{"schema":{schema},"sha256":"{sha256}","profile":', "}"


@dataclass(frozen=True, eq=False)
class Profile:
    """A mergeable summary of listings and of predictions.

    The target is left out: production does not know it until it is reported. Clocks are no features that may drift:
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
    listings : RowProfile
        How many different listings there are; of a reference of an older schema, none.
    blocks : BlockCounts or None
        None where each row stands for itself, as the listings of a reference do.
    """

    rows: int
    numbers: Mapping[str, NumberProfile]
    texts: Mapping[str, TextProfile]
    lags: Mapping[str, NumberProfile]
    predictions: PredictionProfile
    listings: RowProfile
    blocks: BlockCounts | None = None

    @classmethod
    def of(
        cls,
        market: Market,
        listings: "pd.DataFrame",
        predictions: PredictionProfile,
        edges: Mapping[str, np.ndarray],
        *,
        as_of: date | np.ndarray,
        blocks: BlockCounts | None = None,
    ) -> Self:
        """Summarize rows; of none, the neutral element of ``merge``.

        Parameters
        ----------
        market : Market
        listings : DataFrame of shape (n_rows, n_values)
            Typed; declared values that it has no column for are left out.
        predictions : PredictionProfile
        edges : mapping of str to ndarray
            Where the bins of each number begin, as ``reference_edges`` returns them.
        as_of : date or ndarray of shape (n_rows,), datetime64
            The day that each row was asked about or scraped on, which lags are counted to.
        blocks : BlockCounts, optional
            Which of the rows came together.
        """
        days = np.asarray(as_of, dtype="datetime64[D]")
        return cls(
            rows=len(listings),
            numbers={
                value.name: NumberProfile.of(listings[value.name].to_numpy(np.float64), edges[value.name])
                for value in _in(listings, market, *FEATURE_NUMBERS)
            },
            texts={value.name: TextProfile.of(listings[value.name], value) for value in _in(listings, market, *TEXTS)},
            lags={
                value.name: NumberProfile.of(_lag_days(listings[value.name], days), LAG_EDGES)
                for value in _in(listings, market, Role.CLOCK)
            },
            predictions=predictions,
            listings=RowProfile.of(listings[[value.name for value in _in(listings, market, *PROFILED)]]),
            blocks=blocks,
        )

    def merge(self, other: Self) -> Self:
        """Return the summary of both: the same, to the last digit, as that of all their rows.

        Raises
        ------
        ProfileRefused
            If they are of other columns, other bins, or other categories.
        """
        require_comparable(self, other)
        require_blocks(self.blocks, other.blocks)
        return type(self)(
            rows=self.rows + other.rows,
            numbers={name: one.merge(other.numbers[name]) for name, one in self.numbers.items()},
            texts={name: one.merge(other.texts[name]) for name, one in self.texts.items()},
            lags={name: one.merge(other.lags[name]) for name, one in self.lags.items()},
            predictions=self.predictions.merge(other.predictions),
            listings=self.listings.merge(other.listings),
            blocks=self.blocks.merge(other.blocks) if self.blocks and other.blocks else None,
        )

    def to_json(self) -> str:
        """Return the profile as JSON with its schema version and checksum; equal profiles give equal texts."""
        profile = {
            "rows": self.rows,
            "numbers": {name: one.to_dict() for name, one in self.numbers.items()},
            "texts": {name: one.to_dict() for name, one in self.texts.items()},
            "lags": {name: one.to_dict() for name, one in self.lags.items()},
            "predictions": self.predictions.to_dict(),
            "listings": self.listings.to_list(),
            "blocks": self.blocks and self.blocks.to_dict(),
        }
        body = json.dumps(profile, separators=(",", ":"), sort_keys=True, allow_nan=False)
        return _HEAD.format(schema=SCHEMA, sha256=_sha256(body)) + body + _TAIL

    @classmethod
    def from_json(cls, text: str, *, oldest: int = SCHEMA) -> Self:
        """Read back what ``to_json`` returned.

        Parameters
        ----------
        text : str
        oldest : int
            Schema, ``OF_REFERENCES`` for the profile of a reference.

        Raises
        ------
        ProfileRefused
            If it is damaged, or of another schema.
        """
        schema, sha256, profile = _open(text)
        if not oldest <= schema <= SCHEMA:
            raise ProfileRefused(f"the profile's schema is {schema}, this version reads {SCHEMA}")
        _require_checksum(text, schema, sha256)
        return cls._from_dict(profile, PredictionProfile.from_dict(profile["predictions"]))

    @classmethod
    def from_schema_1(cls, text: str, categories: tuple[str, ...]) -> Self:
        """Read a profile of schema 1, which did not name the categories that its predictions are of.

        Parameters
        ----------
        text : str
        categories : tuple of str
            In the order in which that release predicted them.

        Raises
        ------
        ProfileRefused
            If it is damaged, of another schema, or of another number of categories.
        """
        schema, sha256, profile = _open(text)
        if schema != 1:
            raise ProfileRefused(f"the profile's schema is {schema}: expected 1")
        _require_checksum(text, schema, sha256)
        found = profile["predictions"]
        if len(found["totals"]) != len(categories):
            raise ProfileRefused(f"the profile is of {len(found['totals'])} categories: expected {len(categories)}")
        return cls._from_dict(profile, PredictionProfile.from_dict({**found, "categories": categories}))

    @classmethod
    def _from_dict(cls, profile: Mapping[str, Any], predictions: PredictionProfile) -> Self:
        return cls(
            rows=int(profile["rows"]),
            numbers={name: NumberProfile.from_dict(one) for name, one in profile["numbers"].items()},
            texts={name: TextProfile.from_dict(one) for name, one in profile["texts"].items()},
            lags={name: NumberProfile.from_dict(one) for name, one in profile["lags"].items()},
            predictions=predictions,
            listings=RowProfile.from_list(profile.get("listings", [])),
            blocks=BlockCounts.from_dict(profile["blocks"]) if profile.get("blocks") else None,
        )

    def design_effect(self, name: str) -> float:
        """Return how many rows of a column, or of the predictions, tell as much as one independent row."""
        return self.blocks.design_effect(name) if self.blocks else 1.0

    def independent_rows(self, name: str) -> float:
        """Return how many independent rows would tell as much of a column, or of the predictions."""
        return self.rows / self.design_effect(name)

    def shortage(self, min_rows: int, min_clients: float, min_independent: float) -> str:
        """Return in a sentence why there is too little to be judged; empty if there is enough.

        Parameters
        ----------
        min_rows : int
        min_clients : float
            As many equally large ones.
        min_independent : float
            Independent rows that each text must tell as much as. The one in which rows are most alike, as those of a
            client are that sends the ads of its own area, tells how many clients there are where none is named.
        """
        if self.rows < min_rows:
            return f"Not judged: {self.rows:,} rows, at least {min_rows:,} are needed."
        if self.blocks and self.blocks.effective_groups < min_clients:
            come = f"{self.rows:,} rows that come from as good as {self.blocks.effective_groups:.1f} clients"
            return f"Not judged: {come}, at least {min_clients:g} are needed to tell a shift from their ways."
        alike = min(self.texts, key=self.independent_rows, default=None)
        if alike is not None and (told := self.independent_rows(alike)) < min_independent:
            come = f"{self.rows:,} rows that come together by {alike}, and tell as much of it as {told:.1f} would"
            return (
                f"Not judged: {come}, at least {min_independent:g} are needed to tell a shift from a few clients' ways."
            )
        return ""

    @property
    def missing(self) -> dict[str, int]:
        """Rows without a value, by column."""
        return {name: one.missing for part in (self.numbers, self.texts, self.lags) for name, one in part.items()}


def reference_edges(market: Market, listings: "pd.DataFrame") -> dict[str, np.ndarray]:
    """Choose the bins of every number that the listings have, in which the version's production will be counted.

    Parameters
    ----------
    market : Market
    listings : DataFrame of shape (n_rows, n_values)
        Typed rows of the reference.
    """
    return {
        value.name: learn_edges(listings[value.name].to_numpy(np.float64))
        for value in _in(listings, market, *FEATURE_NUMBERS)
    }


def require_comparable(one: Profile, other: Profile) -> None:
    """Refuse profiles of other columns, of other categories, or whose numbers are counted in other bins.

    Raises
    ------
    ProfileRefused
        Naming what differs.
    """
    differing = set(one.missing) ^ set(other.missing)
    if differing:
        raise ProfileRefused(f"profiles of other columns: only one of them has {sorted(differing)}")
    require_same_categories(one.predictions.categories, other.predictions.categories)
    rebinned = [name for name in one.numbers if not np.array_equal(one.numbers[name].edges, other.numbers[name].edges)]
    if rebinned:
        raise ProfileRefused(f"profiles with other bins of {rebinned}: profile the rows with the reference's edges")


def _in(listings: "pd.DataFrame", market: Market, *roles: Role) -> Iterator[Value]:
    return (value for value in market.values(*roles) if value.name in listings)


def _lag_days(clock: "pd.Series", days: np.ndarray) -> np.ndarray:
    found = clock.to_numpy().astype("datetime64[D]")
    return np.where(np.isnat(found), np.nan, (days - found).astype(np.float64))


def _open(text: str) -> tuple[int, str, dict[str, Any]]:
    try:
        stored = json.loads(text)
        return stored["schema"], stored["sha256"], stored["profile"]
    except (ValueError, KeyError, TypeError) as fault:
        raise ProfileRefused(f"no profile, or a damaged one: {fault!r}") from None


def _require_checksum(text: str, schema: int, sha256: str) -> None:
    if sha256 != _sha256(text[len(_HEAD.format(schema=schema, sha256=sha256)) : -len(_TAIL)]):
        raise ProfileRefused("the profile is damaged: its checksum differs")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
