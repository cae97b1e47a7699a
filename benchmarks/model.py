"""The platform's way to a model, as its assets go it with their defaults."""

import pandas as pd

from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import HELD_OUT, held_out, learn_labels
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.origins import ORIGIN, SYNTHETIC
from housing_assets.markets.istanbul import MARKET
from housing_assets.packaging.assembly import assemble
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.forest import grow_at_once
from housing_assets.training.parameters import Balancing, ForestParameters
from housing_assets.training.strategies import balance


def balanced(encoded: EncodedListings) -> TrainingSet:
    """Return the balanced training rows of encoded listings."""
    nothing = pd.DataFrame()  # only another strategy reads the rows before encoding
    return balance(encoded.X_train, encoded.y_train, nothing, encoded.encoder, Balancing())


def train(listings: pd.DataFrame, raw: pd.DataFrame) -> ModelArtifact:
    """Return a model of typed listings and the raw rows that they were read from."""
    labels = learn_labels(MARKET, listings, synthetic=True)
    kept_out = held_out(MARKET, labels, listings)
    crossed = cross_frame(MARKET, listings).assign(**{HELD_OUT: kept_out, ORIGIN: SYNTHETIC})
    encoded = EncodedListings.encode(crossed, labels, ListingEncoder(MARKET))
    forest = grow_at_once(balanced(encoded), ForestParameters())
    return assemble(encoded, forest, {}, {"forest_digest": forest.digest()}, crossed, raw)
