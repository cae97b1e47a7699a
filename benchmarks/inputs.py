"""Makes the inputs of all comparisons once, so that each measured process reads them and does one thing.

``python -m benchmarks.inputs FOLDER ROWS [SOURCE]`` draws a synthetic sample, or reads real listings, and prints facts
about them as JSON.
"""

import json
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import usual

if TYPE_CHECKING:
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.training.balancing import TrainingSet

ADS = "ads.csv"
LISTINGS = "listings.pickle"
CROSSED = "crossed.pickle"
ENCODED = "encoded"
BALANCED = "balanced"
USUAL_ROWS = "usual_rows.npz"
USUAL_LABELS = "usual_labels.npz"
USUAL_BALANCED = "usual_balanced.npz"
USUAL_BALANCED_LABELS = "usual_balanced_labels.npz"


def write_inputs(folder: Path, rows: int, source: str | None) -> dict[str, float]:
    """Write the inputs of both sides; return the number of ads and the seconds numba takes to compile, once."""
    from imblearn.over_sampling import SMOTE
    from scipy.sparse import save_npz

    from benchmarks.model import balanced
    from housing_assets.features.crossing import cross_frame
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.features.encoder import ListingEncoder
    from housing_assets.features.split import HELD_OUT, held_out, label_rows, learn_labels
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.files import write_listings
    from housing_assets.listings.source import read_listings
    from housing_assets.markets.istanbul import MARKET
    from housing_assets.markets.istanbul_sample import synthetic_listings
    from housing_assets.training.balancing import target_counts

    if source is None:
        write_listings(synthetic_listings(rows), folder / ADS)
    else:
        raw = read_listings(MARKET, source).frame
        raw[[column.raw for column in MARKET.columns]].to_csv(folder / ADS, index=False)
    ads = read_listings(MARKET, str(folder / ADS)).frame
    listings = clean(MARKET, ads).listings
    labels = learn_labels(MARKET, listings)
    kept_out = held_out(MARKET, labels, listings)
    crossed = cross_frame(MARKET, listings).assign(**{HELD_OUT: kept_out})
    listings.to_pickle(folder / LISTINGS)
    crossed.to_pickle(folder / CROSSED)

    encoded = EncodedListings.encode(crossed, labels, ListingEncoder(MARKET))
    (folder / ENCODED).mkdir()
    encoded.save(folder / ENCODED)
    training = balanced(encoded)
    (folder / BALANCED).mkdir()
    training.save(folder / BALANCED)

    X, y = usual.encode(usual.cross_listings(listings), ~kept_out), label_rows(MARKET, labels, listings)
    save_npz(folder / USUAL_ROWS, X, compressed=False)
    np.savez(folder / USUAL_LABELS, y=y, held_out=kept_out)
    # What the usual way's SMOTE makes of the dense matrix, in a tenth of the time; here only the rows are wanted.
    counts = target_counts(y[~kept_out], len(labels.categories))
    smote = SMOTE(sampling_strategy=counts, k_neighbors=usual.SMOTE_NEIGHBOURS, random_state=0)
    balanced_X, balanced_y = smote.fit_resample(X[~kept_out], y[~kept_out])
    save_npz(folder / USUAL_BALANCED, balanced_X.tocsr(), compressed=False)
    np.savez(folder / USUAL_BALANCED_LABELS, y=balanced_y)
    return {"ads": len(ads), "numba_seconds": _compile(folder, encoded, training)}


def _compile(folder: Path, encoded: "EncodedListings", training: "TrainingSet") -> float:
    """Have numba compile the walk down the trees into its cache; return the seconds that took."""
    from housing_assets.inference.forest import FlatForest
    from housing_assets.training.forest import grow_at_once
    from housing_assets.training.parameters import ForestParameters

    grow_at_once(training, ForestParameters(n_trees=1)).save(folder)
    started = time.perf_counter()
    FlatForest.load(folder).predict_proba(encoded.X_holdout)
    return time.perf_counter() - started


if __name__ == "__main__":
    target, n_rows, *given = sys.argv[1:]
    print(json.dumps(write_inputs(Path(target), int(n_rows), given[0] if given else None)))
