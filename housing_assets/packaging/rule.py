"""The fallback rule: the usual price band of a district and size, for when no forest can be loaded."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.features.bands import CATEGORIES, PriceBands
from housing_assets.features.crossing import cross_listing
from housing_assets.listings.columns import RULE
from housing_assets.packaging.prediction import Prediction, parse_usable

if TYPE_CHECKING:
    import pandas as pd

FILE = "rule.json"
FORMAT = 1

MIN_LISTINGS = 5
"""Training listings of a district and size whose shares are trusted; where there are fewer, those of the district."""

_ROUNDING = 1e-9
"""How far sums of shares may be off."""


@dataclass(frozen=True)
class PriceRule:
    """Class shares of the training listings by the values that ``RULE`` names.

    Attributes
    ----------
    shares : mapping of tuple of str to tuple of float
        Shares of the categories, by the first values of ``RULE``: by all of them, by fewer, and by none.
    bands : PriceBands
    """

    shares: Mapping[tuple[str, ...], tuple[float, ...]]
    bands: PriceBands

    @classmethod
    def learn(cls, crossed: "pd.DataFrame", bands: PriceBands, labels: np.ndarray) -> Self:
        """Count the categories of training listings.

        Parameters
        ----------
        crossed : DataFrame of shape (n_rows, n_values)
        bands : PriceBands
        labels : ndarray of shape (n_rows,)
            Index into ``CATEGORIES``.
        """
        import pandas as pd

        counts = pd.DataFrame(np.eye(len(CATEGORIES))[labels])
        texts = [crossed[name].astype(object).to_numpy() for name in RULE]
        shares: dict[tuple[str, ...], tuple[float, ...]] = {(): tuple(counts.mean().tolist())}
        for length in range(1, len(RULE) + 1):
            found = counts.groupby(texts[:length]).sum()
            found = found[found.sum(axis=1) >= MIN_LISTINGS]
            keys = found.index.tolist() if length > 1 else [(text,) for text in found.index]
            rows = found.div(found.sum(axis=1), axis=0).to_numpy().tolist()
            shares.update(zip(keys, map(tuple, rows), strict=True))
        return cls(shares, bands)

    def predict_one(self, cells: Mapping[str, Any]) -> Prediction:
        """Classify one raw listing: the median category of the training listings that are most like it.

        Raises
        ------
        UnusableListing
            If a cell cannot be used.
        """
        crossed = cross_listing(parse_usable(cells))
        values = tuple(crossed[name] for name in RULE)
        length = next(length for length in range(len(RULE), -1, -1) if values[:length] in self.shares)
        shares = self.shares[values[:length]]
        median = int(np.searchsorted(np.cumsum(shares), 0.5 - _ROUNDING))
        return Prediction(median, shares, () if values[:1] in self.shares else RULE[:1])

    def save(self, folder: Path) -> None:
        """Write ``rule.json`` to a folder."""
        stored = {
            "format": FORMAT,
            "bands": self.bands.to_dict(),
            "shares": [[list(values), list(shares)] for values, shares in self.shares.items()],
        }
        (folder / FILE).write_text(json.dumps(stored, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        ValueError
            If it holds what cannot be.
        """
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise ValueError(f"the rule's format is {stored['format']}, this version reads {FORMAT}")
        shares = {tuple(map(str, values)): tuple(map(float, found)) for values, found in stored["shares"]}
        if () not in shares:
            raise ValueError("the rule has no shares of all listings")
        for values, found in shares.items():
            if len(found) != len(CATEGORIES) or min(found) < 0 or not abs(sum(found) - 1) < _ROUNDING:
                raise ValueError(f"the rule's shares of {values} are no shares: {found}")
        return cls(shares, PriceBands.from_dict(stored["bands"]))
