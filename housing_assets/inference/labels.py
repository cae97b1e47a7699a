"""What the categories of a model mean: a contract that all versions of a lineage share, so that they can be compared.

The first version learns the edges of the price bands from its training rows, and a salt that decides by hash which ads
are held out; retraining keeps both. "High" then means the same amount of money from version to version, and an ad that
one version was judged on is never trained on by the next, whatever ads come and whatever price it asks by then.
``features/split.py`` learns it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

FILE = "labels.json"


class Band(NamedTuple):
    """The prices that a category stands for; the lowest has no ``above``, the highest no ``up_to``."""

    above: float | None
    up_to: float | None
    currency: str


@dataclass(frozen=True)
class LabelScheme:
    """The contract of a lineage of models.

    Attributes
    ----------
    lineage : str
        Identifies it; versions of another lineage have other categories and cannot be compared with these.
    categories : tuple of str
        What may be predicted; a label is an index into it.
    edges : tuple of float
        Highest price of each category but the last, ascending; empty where the rows have classes.
    currency : str
        ISO 4217; empty where the rows have classes.
    holdout_salt : int
        Mixed into the hash by which ads are held out.
    identity : tuple of str
        The values that are hashed: those that a home was recognized by when the lineage began, so that a column that is
        declared later moves nobody to the other side. Empty in a contract from before it was kept: ``identity`` of the
        market.
    synthetic : bool
        Whether it was learned from generated ads, and so must not be kept for real ones.
    price_kind : str
        Kind of the prices (``asking``, ``paid``, or the value that says it of each row); empty where the rows have
        classes, and in a contract from before it was kept.
    """

    lineage: str
    categories: tuple[str, ...]
    edges: tuple[float, ...]
    currency: str
    holdout_salt: int
    identity: tuple[str, ...] = ()
    synthetic: bool = False
    price_kind: str = ""

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` wrote.

        Raises
        ------
        ValueError
            If it was written before it named its categories, or is damaged.
        """
        if "categories" not in stored:
            raise ValueError(
                "its price bands were stored before they named their categories: housing versions upgrade rewrites them"
            )
        scheme = cls(
            lineage=str(stored["lineage"]),
            categories=tuple(map(str, stored["categories"])),
            edges=tuple(map(float, stored["edges"])),
            currency=str(stored["currency"]),
            holdout_salt=int(stored["holdout_salt"]),
            identity=tuple(map(str, stored.get("identity", ()))),
            synthetic=bool(stored["synthetic"]),
            price_kind=str(stored.get("price_kind", "")),
        )
        if scheme.edges and (
            len(scheme.edges) != len(scheme.categories) - 1 or list(scheme.edges) != sorted(set(scheme.edges))
        ):
            raise ValueError(f"its price bands have the edges {scheme.edges} for {len(scheme.categories)} categories")
        return scheme

    def to_dict(self) -> dict[str, Any]:
        """Return the contract as JSON types."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    def terms(self) -> str:
        """Return what labels and the split follow from; two lineages may have the same."""
        return json.dumps(
            {
                "categories": self.categories,
                "edges": self.edges,
                "currency": self.currency,
                "holdout_salt": self.holdout_salt,
            }
        )

    def save(self, folder: Path) -> None:
        """Write ``labels.json`` to a folder."""
        (folder / FILE).write_text(json.dumps(self.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls.from_dict(json.loads((folder / FILE).read_text(encoding="utf-8")))

    @property
    def has_bands(self) -> bool:
        """Whether the categories are bands of a price."""
        return bool(self.edges)

    def labels(self, targets: np.ndarray) -> np.ndarray:
        """Return the index of each row's category, int8; an edge belongs to the lower band.

        Parameters
        ----------
        targets : ndarray of shape (n_rows,)
            Prices, or the names of classes; a class that is none of the categories is -1.
        """
        if self.has_bands:
            return np.searchsorted(self.edges, targets, side="left").astype(np.int8)
        known = {name: index for index, name in enumerate(self.categories)}
        return np.array([known.get(name, -1) for name in targets], dtype=np.int8)

    def log_prices(self, prices: np.ndarray) -> np.ndarray:
        """Return natural logs of prices over the lowest edge, float64, from -1 to the highest edge's.

        What lies beyond is cut off (winsorized): far from the edges an amount says nothing more of a category, and the
        dearest homes would rule a regression.
        """
        return np.clip(np.log(prices / self.edges[0]), -1.0, np.log(self.edges[-1] / self.edges[0]))

    def band(self, category: int) -> Band | None:
        """Return the prices that a category stands for, None where the rows have classes."""
        if not self.has_bands:
            return None
        limits = (None, *self.edges, None)
        return Band(limits[category], limits[category + 1], self.currency)
