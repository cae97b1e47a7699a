"""Trains on real sales what all sides stand on: ``python -m benchmarks.estimates.inputs FOLDER SOURCE TREES``.

The market is King County: sales up to October teach, and of these the held-out fifth calibrates; later ones are judged.
"""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

import numpy as np

from benchmarks.estimates.files import GROWN, INTERVALS, JUDGED, OTHER_SEED, REDRAWN, TAUGHT, WHOLE

if TYPE_CHECKING:
    from housing_assets.inference.estimate import PriceEstimator
    from housing_assets.inference.forest import FlatForest
    from housing_assets.training.estimate_learning import Priced

LAST_MONTH = 10
"""The newest month that teaches."""


def write_inputs(folder: Path, source: str, n_trees: int) -> dict[str, float]:
    """Write forests, estimators and the listings of both sides; return how many there are."""
    import joblib

    from benchmarks.model import balanced
    from housing_assets.features.crossing import cross_frame
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.encoder import ListingEncoder
    from housing_assets.features.frame_encoding import encode_with_prices
    from housing_assets.features.price_index_learning import learn_price_index
    from housing_assets.features.split import HELD_OUT, held_out, learn_labels
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.source import read_listings
    from housing_assets.market_loading import load_market
    from housing_assets.training import estimate_learning
    from housing_assets.training.estimate_learning import Priced, calibrate, calibration_key, estimate_all, fill_leaves
    from housing_assets.training.flattening import flatten
    from housing_assets.training.forest import new_forest, splittable
    from housing_assets.training.parameters import ForestParameters

    market = load_market("king_county")
    listings = clean(market, read_listings(market, source).frame).listings
    crossed = cross_frame(market, listings)
    old = (crossed["sold_on"].dt.month <= LAST_MONTH).to_numpy()
    labels = learn_labels(market, listings[old].reset_index(drop=True))
    frame = crossed[old].reset_index(drop=True)
    frame = frame.assign(**{HELD_OUT: held_out(market, labels, frame)})
    index = learn_price_index(market, frame[~frame[HELD_OUT]]).index
    encoded = EncodedListings.encode(frame, labels, ListingEncoder(market, index=index))
    training = balanced(encoded)
    taught = Priced.of(market, encoded.X_train, frame[~frame[HELD_OUT]], encoded.known_log_prices_train)
    holdout = Priced.of(market, encoded.X_holdout, frame[frame[HELD_OUT]], encoded.known_log_prices_holdout)
    new = crossed[~old]
    X_new, known_new = encode_with_prices(encoded.encoder, new)
    judged = Priced.of(market, X_new, new, known_new)
    leaves_alone = replace(taught, known=np.zeros(len(taught)))
    for place, seed in ((folder, 0), (folder / OTHER_SEED, 1)):
        grown = new_forest(ForestParameters(n_trees=n_trees, seed=seed)).fit(
            splittable(training.X), training.y, sample_weight=training.weights
        )
        forest = flatten(grown, training.columns, training.n_columns)
        _save(place, forest, fill_leaves(forest, leaves_alone))
        if place == folder:
            joblib.dump(grown, folder / GROWN)
            _save(folder / REDRAWN, forest, fill_leaves(forest, leaves_alone, seed=1))
            with patch.object(estimate_learning, "MAX_MEMBERS", len(taught)):
                _save(folder / WHOLE, forest, fill_leaves(forest, leaves_alone))
            filled = fill_leaves(forest, taught)
            calibrate(filled, forest, holdout, calibration_key(market))  # compiles
            started = time.perf_counter()
            estimator = calibrate(filled, forest, holdout, calibration_key(market))
            calibrated_seconds = time.perf_counter() - started
            ends = {
                f"{name}_{kind}": np.log(estimate_all(which, forest, rows)[:, :-1])
                for name, rows in (("calibrate", holdout), ("judge", judged))
                for kind, which in (("plain", filled), ("local", estimator))
            }
    parts = {name: getattr(judged.X, name) for name in ("data", "indices", "indptr")}
    np.savez(folder / TAUGHT, X=_dense(taught, training.columns), values=np.log(taught.prices))
    np.savez(folder / JUDGED, X=_dense(judged, training.columns), **parts)
    about = {
        f"{name}_{what}": found
        for name, rows in (("calibrate", holdout), ("judge", judged))
        for what, found in (("price", np.log(rows.prices)), ("zip", np.array([text or "" for text in rows.texts])))
    }
    np.savez(folder / INTERVALS, **ends, **about)
    return {
        "taught": len(taught),
        "calibrating": len(holdout),
        "judged": len(judged),
        "columns": len(training.columns),
        "leaves": forest.n_leaves,
        "calibrate_seconds": calibrated_seconds,
    }


def _save(place: Path, forest: "FlatForest", estimator: "PriceEstimator") -> None:
    place.mkdir(exist_ok=True)
    forest.save(place)
    estimator.save(place)


def _dense(rows: "Priced", columns: np.ndarray) -> np.ndarray:
    return rows.X[:, columns].toarray().astype(np.float32)


if __name__ == "__main__":
    target, source, trees = sys.argv[1:]
    print(json.dumps(write_inputs(Path(target), source, int(trees))))
