"""Price bands and the holdout: what every version of a lineage shares, so that versions can be compared.

The first version learns the band edges from its training rows, and a holdout threshold for each band; retraining keeps
both. «High» then means the same amount of money from version to version, and a listing that one version was judged on
is never trained on by the next.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from uuid import uuid4

import numpy as np

from housing_assets.listings.columns import TARGET, Role, values

if TYPE_CHECKING:
    import pandas as pd

CATEGORIES = ("low", "medium", "high")
EDGE_QUANTILES = (0.4, 0.8)
"""Price quantiles of the two band edges."""

HOLDOUT_SHARE = 0.2
_STRATIFIED_ROUNDS = 5
_MAX_ROUNDS = 20


@dataclass(frozen=True)
class PriceBands:
    """The contract of a lineage of models.

    Attributes
    ----------
    lineage : str
        Identifies it; versions of another lineage have other bands and cannot be compared with these.
    edges : tuple of float
        Highest price of «low» and of «medium», in ``currency``.
    holdout_below : tuple of int
        For each band, the uint64 group key below which a listing is held out.
    currency : str
        ISO 4217.
    """

    lineage: str
    edges: tuple[float, float]
    holdout_below: tuple[int, int, int]
    currency: str = "TRY"

    @classmethod
    def learn(cls, listings: "pd.DataFrame") -> Self:
        """Learn the edges from the training rows and the holdout thresholds that separate those.

        The edges depend on the training rows, and the stratified split on the edges: both are computed in turn until
        they agree, which takes two or three rounds. Where they go round in circles, the thresholds are kept after
        ``_STRATIFIED_ROUNDS`` and only the edges follow; where even that does not settle (few listings), the edges are
        those of the round before, a listing or two off.

        Raises
        ------
        ValueError
            If the prices have too few distinct values for three bands.
        """
        prices, groups = listings[TARGET].to_numpy(), group_keys(listings)
        edges = _quantiles(prices)
        for number in range(_MAX_ROUNDS):
            if not prices.min() <= edges[0] < edges[1] < prices.max():
                raise ValueError(f"three price bands need more distinct prices than these {len(prices)} listings have")
            if number < _STRATIFIED_ROUNDS:
                thresholds = _thresholds(prices, groups, edges)
            bands = cls(uuid4().hex[:12], edges, thresholds)
            agreed, edges = edges, _quantiles(prices[~bands.held_out(listings)])
            if edges == agreed:
                break
        return bands

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read back what ``to_dict`` wrote."""
        return cls(
            lineage=str(stored["lineage"]),
            edges=(float(stored["edges"][0]), float(stored["edges"][1])),
            holdout_below=(
                int(stored["holdout_below"][0]),
                int(stored["holdout_below"][1]),
                int(stored["holdout_below"][2]),
            ),
            currency=str(stored["currency"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON types."""
        return asdict(self)

    def save(self, folder: Path) -> None:
        """Write ``bands.json`` to a folder."""
        (folder / "bands.json").write_text(json.dumps(self.to_dict(), indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls.from_dict(json.loads((folder / "bands.json").read_text()))

    def labels(self, prices: np.ndarray) -> np.ndarray:
        """Return the index of each price's category in ``CATEGORIES``, int8; an edge belongs to the lower band."""
        return np.searchsorted(self.edges, prices, side="left").astype(np.int8)

    def held_out(self, listings: "pd.DataFrame") -> np.ndarray:
        """Return which listings are kept for evaluation: a boolean mask, the same for all copies of one ad."""
        groups = group_keys(listings)
        first_price = _lowest_price_of_group(listings[TARGET].to_numpy(), groups)
        return groups < np.array(self.holdout_below, dtype=np.uint64)[self.labels(first_price)]


def group_keys(listings: "pd.DataFrame") -> np.ndarray:
    """Return a uint64 key that copies of one ad share: a hash of all values but the price and the dates."""
    import pandas as pd

    described = [value.name for value in values() if value.role not in (Role.TARGET, Role.CLOCK)]
    return pd.util.hash_pandas_object(listings[described], index=False).to_numpy()


def _quantiles(prices: np.ndarray) -> tuple[float, float]:
    low, medium = np.quantile(prices, EDGE_QUANTILES, method="lower")
    return float(low), float(medium)


def _thresholds(prices: np.ndarray, groups: np.ndarray, edges: tuple[float, float]) -> tuple[int, int, int]:
    distinct, first = np.unique(groups, return_index=True)
    bands = np.searchsorted(edges, _lowest_price_of_group(prices, groups)[first], side="left")
    low, medium, high = (int(np.quantile(distinct[bands == band], HOLDOUT_SHARE, method="lower")) for band in range(3))
    return low, medium, high


def _lowest_price_of_group(prices: np.ndarray, groups: np.ndarray) -> np.ndarray:
    distinct, position = np.unique(groups, return_inverse=True)
    lowest = np.full(len(distinct), np.inf)
    np.minimum.at(lowest, position, prices)
    return lowest[position]
