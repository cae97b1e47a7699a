"""Synthetic ads as clients send them."""

from typing import Any

import pandas as pd

from housing_assets.inference.market import Market
from housing_assets.listings.samples import load_sample


def sample_rows(market: Market, rows: int) -> pd.DataFrame:
    """Return raw rows with the declared columns."""
    drawn = load_sample(market).draw(rows, seed=3)
    return drawn[[column.raw for column in market.columns if column.raw in drawn]]


def as_ads(raw: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the texts of each row by raw column, without empty cells."""
    return [{str(name): cell for name, cell in row.items() if isinstance(cell, str)} for row in raw.to_dict("records")]


def sample_ads(market: Market, rows: int) -> list[dict[str, Any]]:
    """Return ads, most of which can be used."""
    return as_ads(sample_rows(market, rows))
