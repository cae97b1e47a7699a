"""The clock of a market: which of its dates says when a price was asked or paid."""

from typing import TYPE_CHECKING

import numpy as np

from housing_assets.inference.declaration import Role
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import months_of

if TYPE_CHECKING:
    import pandas as pd


def market_clock(market: Market, listings: "pd.DataFrame") -> str:
    """Return the declared clock that most listings fill, of several the first; empty where none has a date."""
    filled = {value.name: int(listings[value.name].notna().sum()) for value in market.values(Role.CLOCK)}
    most = max(filled, key=filled.__getitem__, default="")
    return most if filled.get(most) else ""


def clock_months(listings: "pd.DataFrame", clock: str) -> np.ndarray:
    """Return the month of each listing from January 1970, float64 of shape (n_rows,), NaN where it has no date."""
    return months_of(listings[clock].to_numpy()) if clock else np.full(len(listings), np.nan)
