"""Learns the fallback rule (``inference/fallback.py``)."""

from typing import TYPE_CHECKING

import numpy as np

from housing_assets.inference.fallback import FallbackRule
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market

if TYPE_CHECKING:
    import pandas as pd

MIN_LISTINGS = 5
"""Training listings that are alike whose shares are trusted; where there are fewer, those of the wider group."""


def learn_fallback(market: Market, labels: LabelScheme, crossed: "pd.DataFrame", indices: np.ndarray) -> FallbackRule:
    """Count the categories of training listings by the values that the market's ``fallback`` names.

    Parameters
    ----------
    market : Market
    labels : LabelScheme
    crossed : DataFrame of shape (n_rows, n_values)
    indices : ndarray of shape (n_rows,)
        Of each row's category.
    """
    import pandas as pd

    counts = pd.DataFrame(np.eye(len(labels.categories))[indices])
    texts = [crossed[name].astype(object).to_numpy() for name in market.fallback]
    shares: dict[tuple[str, ...], tuple[float, ...]] = {(): tuple(counts.mean().tolist())}
    for length in range(1, len(texts) + 1):
        found = counts.groupby(texts[:length]).sum()
        found = found[found.sum(axis=1) >= MIN_LISTINGS]
        keys = found.index.tolist() if length > 1 else [(text,) for text in found.index]
        rows = found.div(found.sum(axis=1), axis=0).to_numpy().tolist()
        shares.update(zip(keys, map(tuple, rows), strict=True))
    return FallbackRule(market, labels, shares)
