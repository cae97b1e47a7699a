"""Measures what a row costs outside of the mapped steps: in the process that holds all rows, and in a forest."""

import pickle
import time

from benchmarks.model import balanced
from benchmarks.scale.pipeline import MARKET, draw
from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import HELD_OUT, held_out, learn_labels
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.cleaning import clean
from housing_assets.listings.origins import ORIGIN, SYNTHETIC
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.packaging.assembly import assemble
from housing_assets.training.flattening import flatten
from housing_assets.training.forest import new_forest, splittable
from housing_assets.training.parameters import ForestParameters

TREES = 10


def measure_units(rows: int) -> tuple[ModelArtifact, dict[str, float]]:
    """Train a model of synthetic ads; return it with bytes and CPU seconds a row."""
    raw = draw(10**6, rows)
    cleaned = clean(MARKET, raw)
    labels = learn_labels(MARKET, cleaned.listings, synthetic=True)
    kept_out = held_out(MARKET, labels, cleaned.listings)
    crossed = cross_frame(MARKET, cleaned.listings).assign(**{HELD_OUT: kept_out, ORIGIN: SYNTHETIC})
    started = time.process_time()
    encoded = EncodedListings.encode(crossed, labels, ListingEncoder(MARKET))
    learning = time.process_time() - started
    training = balanced(encoded)
    dense = splittable(training.X)
    started = time.process_time()
    grown = new_forest(ForestParameters(n_trees=TREES, n_jobs=1)).fit(dense, training.y)
    growing = time.process_time() - started
    forest = flatten(grown, training.columns, training.n_columns)
    shares = forest.predict_proba(encoded.X_holdout)
    reference = Reference.of(MARKET, crossed, encoded.y_holdout, shares).to_json()
    model = assemble(encoded, forest, {}, {"forest_digest": forest.digest()}, crossed, raw, reference)
    held = sum(frame.memory_usage(deep=True).sum() for frame in (raw, crossed))
    X = encoded.X_train
    return model, {
        "held_bytes": float(held) / rows,
        "encoded_bytes": (X.data.nbytes + X.indices.nbytes + X.indptr.nbytes) / X.shape[0],
        "shipped_bytes": len(pickle.dumps(raw, protocol=5)) / rows,
        "learn_scores_cpu": learning / rows,
        "balanced_rows": len(training.y) / rows,
        "offered_columns": float(len(training.columns)),
        "tree_rows": float(len(training.y)),
        "tree_cpu": growing / TREES,
    }
