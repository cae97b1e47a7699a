"""What declared columns add to the answers on the whole: mean absolute contributions over held-out listings."""

from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT
from housing_assets.features.token_counts import count_token_sources
from housing_assets.inference.estimate import PriceEstimator
from housing_assets.inference.explanation import Explainer
from housing_assets.inference.forest import FlatForest

if TYPE_CHECKING:
    import pandas as pd

N_ROWS = 50
"""Held-out listings that are explained: some six seconds on 200 trees, and means that differ by a tenth from draw to
draw."""

COLUMN, PRICE, ANY = "column", "log_price", "mean_probability"
"""Columns of the table: the declared column, its mean absolute contribution to the log price, and the same to the
probabilities, the mean over the categories; those of each category stand between them."""


def mean_contributions(
    forest: FlatForest,
    encoded: EncodedListings,
    crossed: "pd.DataFrame",
    estimator: PriceEstimator,
    n_rows: int = N_ROWS,
) -> "pd.DataFrame":
    """Return the mean absolute Shapley values of the declared columns, the largest first.

    Parameters
    ----------
    forest : FlatForest
        Without covers, nothing is returned.
    encoded : EncodedListings
    crossed : DataFrame of shape (n_rows, n_values)
        All crossed listings, with ``held_out``.
    estimator : PriceEstimator
        May be empty.
    n_rows : int
        Held-out listings that are drawn, always the same.

    Returns
    -------
    contributions : DataFrame of shape (n_inputs, 1 + n_classes + 1 or 2)
    """
    import pandas as pd

    categories = encoded.labels.categories
    if forest.covers is None:
        return pd.DataFrame({COLUMN: []}, dtype=str)
    sources = count_token_sources(encoded.encoder, crossed[~crossed[HELD_OUT]], forest.columns)
    explainer = Explainer(forest, encoded.encoder, sources, estimator)
    held_out = crossed[crossed[HELD_OUT]]
    drawn = np.sort(np.random.default_rng(0).permutation(len(held_out))[:n_rows])
    shares: list[np.ndarray] = []
    prices: list[np.ndarray] = []
    for cells in held_out.iloc[drawn].to_dict("records"):
        listing = {str(name): None if pd.isna(value) else value for name, value in cells.items()}
        found = explainer.explain(listing, encoded.encoder.encode(listing), np.inf)
        shares.append(np.abs(found.probabilities))
        if found.log_price is not None:
            prices.append(np.abs(found.log_price))
    means = np.mean(shares, axis=0)
    names = [column.raw for column in encoded.encoder.market.inputs]
    table = pd.DataFrame({COLUMN: names, **dict(zip(categories, means.T, strict=True)), ANY: means.mean(axis=1)})
    if prices:
        table[PRICE] = np.mean(prices, axis=0)
    return table.sort_values(PRICE if prices else ANY, ascending=False, ignore_index=True)
