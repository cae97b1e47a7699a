"""Grows the forest that both sides explain: ``python -m benchmarks.explanations.inputs FOLDER LISTINGS TREES ROWS``."""

import json
import sys
from pathlib import Path

import numpy as np

from benchmarks.explanations.files import COLUMNS, GROWN, ROWS


def write_inputs(folder: Path, n_listings: int, n_trees: int, n_rows: int) -> dict[str, int]:
    """Write a forest in both forms, and held-out listings; return its size."""
    import joblib

    from benchmarks.model import balanced
    from housing_assets.features.crossing import cross_frame
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.encoder import ListingEncoder
    from housing_assets.features.split import HELD_OUT, held_out, learn_labels
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.source import RawListings
    from housing_assets.markets.istanbul import MARKET
    from housing_assets.markets.istanbul_sample import synthetic_listings
    from housing_assets.training.flattening import flatten
    from housing_assets.training.forest import new_forest, splittable
    from housing_assets.training.parameters import ForestParameters

    listings = clean(MARKET, RawListings.of_sample(MARKET, synthetic_listings(n_listings)).frame).listings
    labels = learn_labels(MARKET, listings)
    crossed = cross_frame(MARKET, listings).assign(**{HELD_OUT: held_out(MARKET, labels, listings)})
    encoded = EncodedListings.encode(crossed, labels, ListingEncoder(MARKET))
    training = balanced(encoded)
    grown = new_forest(ForestParameters(n_trees=n_trees)).fit(splittable(training.X), training.y)
    forest = flatten(grown, training.columns, training.n_columns)
    forest.save(folder)
    joblib.dump(grown, folder / GROWN)
    np.save(folder / ROWS, encoded.X_holdout[:n_rows, training.columns].toarray().astype(np.float32))
    np.save(folder / COLUMNS, training.columns)
    deepest = max(tree.tree_.max_depth for tree in grown.estimators_)
    return {"nodes": len(forest.nodes), "columns": len(training.columns), "depth": deepest}


if __name__ == "__main__":
    target, *sizes = sys.argv[1:]
    print(json.dumps(write_inputs(Path(target), *map(int, sizes))))
