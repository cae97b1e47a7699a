"""Trains the model whose reference windows are held against, as the assets do."""

import pandas as pd

from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import HELD_OUT, held_out, learn_labels
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.origins import ORIGIN, SYNTHETIC
from housing_assets.markets.istanbul import MARKET
from housing_assets.packaging.assembly import assemble
from housing_assets.training.flattening import flatten
from housing_assets.training.forest import new_forest, splittable
from housing_assets.training.parameters import ForestParameters
from housing_assets.training.strategies import balance

SEED = 0

MIN_ROWS = 100
"""Training rows that must fill a column for the trees to be offered it: the platform's default."""


def train(listings: pd.DataFrame, raw: pd.DataFrame) -> ModelArtifact:
    """Return a model of typed listings and the raw rows that they were read from."""
    labels = learn_labels(MARKET, listings, synthetic=True)
    kept_out = held_out(MARKET, labels, listings)
    crossed = cross_frame(MARKET, listings).assign(**{HELD_OUT: kept_out, ORIGIN: SYNTHETIC})
    encoded = EncodedListings.encode(crossed, labels, ListingEncoder(MARKET))
    training = balance(
        encoded.X_train,
        encoded.y_train,
        crossed[~kept_out],
        encoded.encoder,
        strategy="smote",
        min_rows=MIN_ROWS,
        seed=SEED,
    )
    grown = new_forest(ForestParameters()).fit(splittable(training.X), training.y)
    forest = flatten(grown, training.columns, training.n_columns)
    return assemble(encoded, forest, {}, {"forest_digest": forest.digest()}, crossed, raw)
