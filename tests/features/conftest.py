"""Synthetic listings, clean, crossed and encoded, for the tests of the features."""

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.bands import PriceBands
from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoder import ListingEncoder
from housing_assets.listings.cleaning import clean
from housing_assets.listings.columns import TARGET
from housing_assets.listings.sample import synthetic_listings

FEW_BUCKETS = 512
"""So few that most tokens share a bucket."""


@pytest.fixture(scope="session")
def raw() -> pd.DataFrame:
    return synthetic_listings(900, seed=3)


@pytest.fixture(scope="session")
def listings(raw: pd.DataFrame) -> pd.DataFrame:
    return clean(raw).listings


@pytest.fixture(scope="session")
def crossed(listings: pd.DataFrame) -> pd.DataFrame:
    return cross_frame(listings)


@pytest.fixture(scope="session")
def bands(listings: pd.DataFrame) -> PriceBands:
    return PriceBands.learn(listings)


@pytest.fixture(scope="session")
def labels(listings: pd.DataFrame, bands: PriceBands) -> np.ndarray:
    return bands.labels(listings[TARGET].to_numpy())


@pytest.fixture(scope="session")
def log_prices(listings: pd.DataFrame, bands: PriceBands) -> np.ndarray:
    return bands.log_prices(listings[TARGET].to_numpy())


@pytest.fixture(scope="session")
def encoder(crossed: pd.DataFrame, labels: np.ndarray, log_prices: np.ndarray) -> ListingEncoder:
    return ListingEncoder(n_buckets=FEW_BUCKETS).fit(crossed, labels, log_prices)
