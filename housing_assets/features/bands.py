"""Price bands and the holdout: what every version of a lineage shares, so that versions can be compared.

The first version learns the band edges from its training rows, and a salt that decides by hash which ads are held out;
retraining keeps both. «High» then means the same amount of money from version to version, and an ad that one version
was judged on is never trained on by the next, whatever ads come and whatever price it asks by then.
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
STRATIFIED_WITHIN = 0.001
"""A salt is taken when no band's held-out share is further from ``HOLDOUT_SHARE``: a tenth of a percentage point is
less than a year of new ads will move it."""

_MAX_SALTS = 64


@dataclass(frozen=True)
class PriceBands:
    """The contract of a lineage of models.

    Attributes
    ----------
    lineage : str
        Identifies it; versions of another lineage have other bands and cannot be compared with these.
    edges : tuple of float
        Highest price of «low» and of «medium», in ``currency``.
    holdout_salt : int
        Mixed into the hash by which ads are held out.
    synthetic : bool
        Whether they were learned from generated ads, and so must not be kept for real ones.
    currency : str
        ISO 4217.
    """

    lineage: str
    edges: tuple[float, float]
    holdout_salt: int
    synthetic: bool = False
    currency: str = "TRY"

    @classmethod
    def learn(cls, listings: "pd.DataFrame", *, synthetic: bool = False) -> Self:
        """Choose the holdout and learn the edges from the other, the training rows.

        Salts are tried until one holds out a fifth of every band, to within ``STRATIFIED_WITHIN``; of ``_MAX_SALTS``
        the most even one is taken.

        Raises
        ------
        ValueError
            If the prices have too few distinct values for three bands.
        """
        prices, groups = listings[TARGET].to_numpy(), group_keys(listings)
        best, smallest = None, np.inf
        for salt in range(_MAX_SALTS):
            held_out = _is_held_out(groups, salt)
            edges = _quantiles(prices[~held_out])
            if not prices.min() <= edges[0] < edges[1] < prices.max():
                continue
            labels = np.searchsorted(edges, prices, side="left")
            shares = np.bincount(labels[held_out], minlength=len(CATEGORIES)) / np.bincount(labels)
            unevenness = np.abs(shares - HOLDOUT_SHARE).max()
            if unevenness < smallest:
                best, smallest = (edges, salt), unevenness
            if smallest <= STRATIFIED_WITHIN:
                break
        if best is None:
            raise ValueError(f"three price bands need more distinct prices than these {len(prices)} listings have")
        return cls(uuid4().hex[:12], *best, synthetic)

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Self:
        """Read back what ``to_dict`` wrote."""
        return cls(
            lineage=str(stored["lineage"]),
            edges=(float(stored["edges"][0]), float(stored["edges"][1])),
            holdout_salt=int(stored["holdout_salt"]),
            synthetic=bool(stored["synthetic"]),
            currency=str(stored["currency"]),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON types."""
        return asdict(self)

    def terms(self) -> str:
        """Return what labels and the split follow from; two lineages may have the same."""
        return json.dumps({"edges": self.edges, "currency": self.currency, "holdout_salt": self.holdout_salt})

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

    def log_prices(self, prices: np.ndarray) -> np.ndarray:
        """Return natural logs of prices over the lower edge, float64, from -1 to the upper edge's.

        What lies beyond is cut off (winsorized): far from the edges an amount says nothing more of a category, and the
        dearest homes would rule a regression.
        """
        return np.clip(np.log(prices / self.edges[0]), -1.0, np.log(self.edges[1] / self.edges[0]))

    def held_out(self, listings: "pd.DataFrame") -> np.ndarray:
        """Return which listings are kept for evaluation: a boolean mask, the same for all copies of one ad."""
        return _is_held_out(group_keys(listings), self.holdout_salt)


def group_keys(listings: "pd.DataFrame") -> np.ndarray:
    """Return a uint64 key that copies of one ad share: a hash of all values but the price and the dates."""
    import pandas as pd

    described = [value.name for value in values() if value.role not in (Role.TARGET, Role.CLOCK)]
    return pd.util.hash_pandas_object(listings[described], index=False).to_numpy()


def _quantiles(prices: np.ndarray) -> tuple[float, float]:
    low, medium = np.quantile(prices, EDGE_QUANTILES, method="lower")
    return float(low), float(medium)


def _is_held_out(groups: np.ndarray, salt: int) -> np.ndarray:
    """Return whether a group's salted hash (SplitMix64's finalizer, Steele et al. 2014) lies in the lowest fifth."""
    mixed = groups + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) < np.uint64(HOLDOUT_SHARE * 2**64)
