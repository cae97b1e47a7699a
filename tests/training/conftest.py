"""Encoded synthetic listings, a balanced training set and a forest, for the tests of the training."""

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import HELD_OUT
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.market import Market
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.flattening import flatten
from housing_assets.training.forest import new_forest, splittable
from housing_assets.training.parameters import Balancing, ForestParameters
from housing_assets.training.strategies import balance
from tests.conftest import crossed_listings

SMALL = ForestParameters(n_trees=20, checkpoint_every=5, n_jobs=1)


def crossed_sample(n_rows: int, seed: int) -> pd.DataFrame:
    drawn = synthetic_listings(n_rows, seed=seed)
    return crossed_listings(MARKET, RawListings.of_sample(MARKET, drawn).frame)


def encode(market: Market, crossed: pd.DataFrame) -> EncodedListings:
    return EncodedListings.encode(crossed, crossed.attrs["labels"], ListingEncoder(market, n_buckets=2**12))


def training_set(n_rows: int, seed: int) -> TrainingSet:
    crossed = crossed_sample(n_rows, seed)
    encoded = encode(MARKET, crossed)
    return balance(
        encoded.X_train,
        encoded.y_train,
        crossed[~crossed[HELD_OUT]],
        encoded.encoder,
        Balancing("smote", 20, 0),
    )


@pytest.fixture(scope="session")
def crossed() -> pd.DataFrame:
    return crossed_sample(1500, seed=5)


@pytest.fixture(scope="session")
def encoded(crossed: pd.DataFrame) -> EncodedListings:
    return encode(MARKET, crossed)


@pytest.fixture(scope="session")
def training() -> TrainingSet:
    return training_set(600, seed=5)


@pytest.fixture(scope="session")
def other_training() -> TrainingSet:
    return training_set(600, seed=6)


@pytest.fixture(scope="session")
def sklearn_forest(training: TrainingSet) -> RandomForestClassifier:
    return new_forest(SMALL).fit(splittable(training.X), training.y, sample_weight=training.weights)


@pytest.fixture(scope="session")
def forest(sklearn_forest: RandomForestClassifier, training: TrainingSet) -> FlatForest:
    return flatten(sklearn_forest, training.columns, training.n_columns)
