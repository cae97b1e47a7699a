"""What production is held against: one for each registered version, stored with its model."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.confusion import count_confusion
from housing_assets.features.split import HELD_OUT
from housing_assets.inference.declaration import Role
from housing_assets.inference.market import Market
from housing_assets.monitoring.profiles.numbers import NumberProfile, learn_edges
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import OF_REFERENCES, PROFILED, Profile, reference_edges
from housing_assets.monitoring.profiles.refused import ProfileRefused
from housing_assets.shards import split_frame
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd

FILE = "reference_profile.json"

Segments = Mapping[str, Mapping[str, np.ndarray]]
"""Confusion of held-out listings by segment and its value: int64 of shape (n_categories, n_categories)."""

MIN_SEGMENT_ROWS = 20
"""Held-out listings that a value of a segment needs to be kept: production is held against all of them otherwise."""

MAX_SEGMENT_VALUES = 500
"""Values of a segment that are kept, those with the most listings: the reference stays a small file."""


@dataclass(frozen=True, eq=False)
class Reference:
    """A model's listings and how it did on those that it was not trained on.

    Attributes
    ----------
    profile : Profile
        Of all listings, those trained on and those held out, with the predictions for the latter. Its bins are those
        in which the version's production is counted.
    holdout : Outcomes
    prices : NumberProfile or None
        Of all listings, where the target is a price; None of a version that was registered before it was kept.
    segments : Segments
        Of the holdout; empty of a version that was registered before it was kept.
    """

    profile: Profile
    holdout: Outcomes
    prices: NumberProfile | None = None
    segments: Segments = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        market: Market,
        listings: "pd.DataFrame",
        truth: np.ndarray,
        probabilities: np.ndarray,
        engine: Engine = LOCAL,
    ) -> Self:
        """Summarize what a model was made from.

        Parameters
        ----------
        market : Market
        listings : DataFrame of shape (n_rows, n_columns)
            All typed listings. Where they are crossed, with the side of the split that each is on, the segments of
            those held out are summarized, too.
        truth : ndarray of shape (n_holdout,), int
            Category of each listing held out, as an index.
        probabilities : ndarray of shape (n_holdout, n_categories), float64
            What the model says of them, in the same order.
        engine : Engine
            What listings are profiled on, in bins that are learned of all of them.
        """
        predicted = probabilities.argmax(axis=1)
        predictions = PredictionProfile.of(market.categories, predicted, probabilities)
        edges, as_of = reference_edges(market, listings), newest_day(market, listings)
        named = listings[[value.name for value in market.values(*PROFILED) if value.name in listings]]
        profiles = engine.map_shards(partial(_profile_shard, market, edges, as_of), split_frame(named, engine))
        return cls(
            replace(reduce(Profile.merge, profiles), predictions=predictions),
            Outcomes.of(market.categories, truth, predicted, probabilities),
            _prices(listings[market.target_value.name].to_numpy(np.float64)) if market.has_price else None,
            _segments(market, listings[listings[HELD_OUT]], truth, predicted) if HELD_OUT in listings else {},
        )

    def to_json(self) -> str:
        """Return the reference as JSON."""
        stored = {"profile": self.profile.to_json(), "holdout": self.holdout.to_dict()}
        if self.prices is not None:
            stored["prices"] = self.prices.to_dict()
        if self.segments:
            stored["segments"] = {
                name: {value: counts.tolist() for value, counts in values.items()}
                for name, values in self.segments.items()
            }
        return json.dumps(stored, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what ``to_json`` returned.

        Raises
        ------
        ProfileRefused
            If it is damaged, or of another schema: then the message names the command that rewrites it.
        """
        with _damage_refused():
            stored = json.loads(text)
            if "categories" not in stored["holdout"]:
                raise ProfileRefused(
                    "the reference was stored before it named the predicted categories: "
                    "housing versions upgrade rewrites it"
                )
            return cls(
                Profile.from_json(stored["profile"], oldest=OF_REFERENCES),
                Outcomes.from_dict(stored["holdout"]),
                NumberProfile.from_dict(stored["prices"]) if "prices" in stored else None,
                {
                    name: {value: np.array(counts, dtype=np.int64) for value, counts in values.items()}
                    for name, values in stored.get("segments", {}).items()
                },
            )

    @classmethod
    def from_old_json(cls, text: str, categories: tuple[str, ...]) -> Self:
        """Read a reference from before it named the predicted categories: its profile has schema 1.

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
        with _damage_refused():
            stored = json.loads(text)
            profile = Profile.from_schema_1(stored["profile"], categories)
            return cls(profile, Outcomes.from_dict({**stored["holdout"], "categories": categories}))

    def save(self, folder: Path) -> None:
        """Write ``reference_profile.json`` to a folder."""
        (folder / FILE).write_text(self.to_json(), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls.from_json((folder / FILE).read_text(encoding="utf-8"))


def _profile_shard(
    market: Market, edges: Mapping[str, np.ndarray], as_of: np.ndarray, listings: "pd.DataFrame"
) -> Profile:
    return Profile.of(market, listings, PredictionProfile.none(market.categories), edges, as_of=as_of)


@contextmanager
def _damage_refused() -> Iterator[None]:
    try:
        yield
    except ProfileRefused:
        raise
    except (ValueError, KeyError, TypeError) as fault:
        raise ProfileRefused(f"no reference, or a damaged one: {fault!r}") from None


def _prices(prices: np.ndarray) -> NumberProfile:
    return NumberProfile.of(prices, learn_edges(prices))


def _segments(market: Market, held_out: "pd.DataFrame", truth: np.ndarray, predicted: np.ndarray) -> Segments:
    n_categories = len(market.categories)
    found: dict[str, dict[str, np.ndarray]] = {}
    for name in market.segments:
        texts, codes = held_out[name].cat.categories, held_out[name].cat.codes.to_numpy()
        rows = held_out[name].value_counts().head(MAX_SEGMENT_VALUES)
        found[name] = {}
        for value in rows.index[rows >= MIN_SEGMENT_ROWS]:
            own = codes == texts.get_loc(value)
            found[name][str(value)] = count_confusion(truth[own], predicted[own], n_categories)
    return found


def newest_day(market: Market, listings: "pd.DataFrame") -> np.ndarray:
    """Return the newest day that the listings name, not a time if none: they were scraped then, or soon after."""
    named = [value.name for value in market.values(Role.CLOCK) if value.name in listings]
    days = [np.zeros(0, "datetime64[D]"), *(listings[name].to_numpy().astype("datetime64[D]") for name in named)]
    return np.fmax.reduce(np.concatenate(days), initial=np.datetime64("NaT", "D"))
