"""The fallback rule: the usual category of the listings most like one, for when no forest can be loaded.

``training/fallback_learning.py`` learns it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from housing_assets.inference.crossing import cross_listing
from housing_assets.inference.estimate import NoEstimate
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.prediction import Prediction, parse_usable

FILE = "rule.json"
FORMAT = 2

_NO_ESTIMATES = NoEstimate("the fallback rule estimates no prices")

_ROUNDING = 1e-9
"""How far sums of shares may be off."""


@dataclass(frozen=True)
class FallbackRule:
    """Shares of the categories among training listings, by the values that the market's ``fallback`` names.

    Attributes
    ----------
    market : Market
    labels : LabelScheme
    shares : mapping of tuple of str to tuple of float
        By the first values of ``fallback``: by all of them, by fewer, and by none.
    """

    market: Market
    labels: LabelScheme
    shares: Mapping[tuple[str, ...], tuple[float, ...]]

    def predict_one(self, cells: Mapping[str, Any]) -> Prediction:
        """Classify one raw listing by the training listings that are most like it.

        Bands are in an order, so that the median band is told; of classes the commonest one.

        Raises
        ------
        UnusableListing
            If a cell cannot be used.
        """
        names = self.market.fallback
        crossed = cross_listing(self.market, parse_usable(self.market, cells))
        values = tuple(crossed[name] for name in names)
        length = next(length for length in range(len(names), -1, -1) if values[:length] in self.shares)
        shares = self.shares[values[:length]]
        if self.labels.has_bands:
            chosen = int(np.searchsorted(np.cumsum(shares), 0.5 - _ROUNDING))
        else:
            chosen = int(np.argmax(shares))
        unseen = () if values[:1] in self.shares or values[0] is None else names[:1]
        return Prediction(chosen, shares, unseen, _NO_ESTIMATES)

    def save(self, folder: Path) -> None:
        """Write ``rule.json`` to a folder."""
        stored = {
            "format": FORMAT,
            "market": self.market.fingerprint,
            "shares": [[list(values), list(shares)] for values, shares in self.shares.items()],
        }
        (folder / FILE).write_text(json.dumps(stored, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, market: Market, labels: LabelScheme) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        ValueError
            If it holds what cannot be.
        """
        stored = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if stored["format"] != FORMAT:
            raise ValueError(f"the rule's format is {stored['format']}, this version reads {FORMAT}")
        if stored["market"] != market.fingerprint:
            raise ValueError(f"the rule was learned for another declaration than that of {market.name}")
        shares = {tuple(map(str, values)): tuple(map(float, found)) for values, found in stored["shares"]}
        if () not in shares:
            raise ValueError("the rule has no shares of all listings")
        for values, found in shares.items():
            if len(found) != len(labels.categories) or min(found) < 0 or not abs(sum(found) - 1) < _ROUNDING:
                raise ValueError(f"the rule's shares of {values} are no shares: {found}")
        return cls(market, labels, shares)
