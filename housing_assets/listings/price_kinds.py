"""Kinds of prices: which of those that came back are of the kind that is predicted, and teach and judge.

A price that was paid is no measure for one that an ad asks. What is of the other kind is kept, counted, and left out.
So is, where amounts are learned or judged, a price that only stands for its band.
"""

import numpy as np
import pandas as pd

from housing_assets.inference.cells import Unusable
from housing_assets.inference.declaration import PRICE_KINDS, Column
from housing_assets.inference.market import Market

REPORTED_KIND = "price_kind"
"""Column of labelled predictions: the kind of the price that came back."""


def teach(market: Market, labelled: pd.DataFrame) -> np.ndarray:
    """Return which labelled predictions may be learned from: a boolean mask.

    Where a column says of each row which kind its price is, both kinds may.

    Parameters
    ----------
    market : Market
    labelled : DataFrame of shape (n_rows, n_columns)
        As the prediction store reads it for the market's common kind of price.
    """
    if not market.has_price:
        return np.ones(len(labelled), dtype=bool)
    learned = PRICE_KINDS if market.price_kind_column is not None else (market.common_price_kind,)
    return np.array([kind in learned for kind in labelled[REPORTED_KIND].astype(object)], dtype=bool)


def judge(market: Market, labelled: pd.DataFrame, raw: pd.DataFrame | None) -> np.ndarray:
    """Return which labelled predictions were of the kind of price that came back: a boolean mask.

    Parameters
    ----------
    market : Market
    labelled : DataFrame of shape (n_rows, n_columns)
        As the prediction store reads it for the market's common kind of price.
    raw : DataFrame of shape (n_rows, n_raw_columns), optional
        The listings as they were sent; needed where a column says which kind was asked about.
    """
    column = market.price_kind_column
    if column is None or raw is None:
        return teach(market, labelled)
    asked = _kinds_of(column, raw[column.raw])
    pairs = zip(labelled[REPORTED_KIND].astype(object), asked, strict=True)
    return np.array([kind is not None and kind == of_request for kind, of_request in pairs], dtype=bool)


def has_exact_price(market: Market, listings: pd.DataFrame) -> np.ndarray:
    """Return which listings have a price that is an amount, not a stand-in for its band: a boolean mask.

    Parameters
    ----------
    market : Market
        With a price.
    listings : DataFrame of shape (n_listings, n_values)
        Typed; prices that came back later are exact.
    """
    if market.exact_value is None or market.exact_value.name not in listings:
        return np.ones(len(listings), dtype=bool)
    return listings[market.exact_value.name].to_numpy(np.float64) != 0  # missing, NaN, counts as exact


def count_kinds(market: Market, listings: pd.DataFrame) -> dict[str, int]:
    """Return how many listings have a price of each kind; nothing where rows have classes."""
    column = market.price_kind_column
    if column is not None:
        counted = listings[column.values[0].name].value_counts()
        return {kind: int(counted.get(kind, 0)) for kind in PRICE_KINDS}
    return {market.common_price_kind: len(listings)} if market.common_price_kind else {}


def _kinds_of(column: Column, cells: pd.Series) -> list[str | None]:
    """Return the kind that each cell says; None where the column's rule refuses it, as it may after it has changed."""
    kinds: list[str | None] = []
    for cell in cells:
        try:
            kinds.append(column.parse(cell)[0])
        except Unusable:
            kinds.append(None)
    return kinds
