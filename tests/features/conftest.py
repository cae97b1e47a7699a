"""Synthetic listings, clean, crossed and encoded, for the tests of the features."""

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import label_rows, learn_labels, log_prices
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import clean
from housing_assets.markets.istanbul_sample import synthetic_listings

FEW_BUCKETS = 512
"""So few that most tokens share a bucket."""


@pytest.fixture(scope="session")
def raw() -> pd.DataFrame:
    return synthetic_listings(900, seed=3)


@pytest.fixture(scope="session")
def listings(market: Market, raw: pd.DataFrame) -> pd.DataFrame:
    return clean(market, raw).listings


@pytest.fixture(scope="session")
def crossed(market: Market, listings: pd.DataFrame) -> pd.DataFrame:
    return cross_frame(market, listings)


@pytest.fixture(scope="session")
def scheme(market: Market, listings: pd.DataFrame) -> LabelScheme:
    return learn_labels(market, listings)


@pytest.fixture(scope="session")
def labels(market: Market, scheme: LabelScheme, listings: pd.DataFrame) -> np.ndarray:
    return label_rows(market, scheme, listings)


@pytest.fixture(scope="session")
def amounts(market: Market, scheme: LabelScheme, listings: pd.DataFrame) -> np.ndarray | None:
    return log_prices(market, scheme, listings)


@pytest.fixture(scope="session")
def encoder(market: Market, crossed: pd.DataFrame, labels: np.ndarray, amounts: np.ndarray | None) -> ListingEncoder:
    return ListingEncoder(market, n_buckets=FEW_BUCKETS).fit(crossed, labels, amounts)
