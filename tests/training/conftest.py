"""Encoded synthetic listings, a balanced training set and a forest, for the tests of the training."""

import pandas as pd
import pytest
from sklearn.ensemble import RandomForestClassifier

from housing_assets.features.bands import PriceBands
from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.listings.cleaning import clean
from housing_assets.listings.sample import synthetic_listings
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.flat_forest import FlatForest
from housing_assets.training.forest import new_forest, splittable
from housing_assets.training.parameters import ForestParameters
from housing_assets.training.strategies import balance

SMALL = ForestParameters(n_trees=20, checkpoint_every=5, n_jobs=1)


def training_set(n_rows: int, seed: int) -> TrainingSet:
    crossed = cross_frame(clean(synthetic_listings(n_rows, seed=seed)).listings)
    encoded = EncodedListings.encode(crossed, PriceBands.learn(crossed), ListingEncoder(n_buckets=2**12))
    return balance(encoded.X_train, encoded.y_train, crossed, encoded.encoder, strategy="smote", min_rows=20, seed=0)


@pytest.fixture(scope="session")
def crossed() -> pd.DataFrame:
    return cross_frame(clean(synthetic_listings(1500, seed=5)).listings)


@pytest.fixture(scope="session")
def encoded(crossed: pd.DataFrame) -> EncodedListings:
    return EncodedListings.encode(crossed, PriceBands.learn(crossed), ListingEncoder(n_buckets=2**12))


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
    return FlatForest.from_sklearn(sklearn_forest, training.columns, training.n_columns)
