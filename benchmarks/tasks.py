"""The work of each comparison, as it runs in a measured process: a ``usual_`` and an ``our_`` function for each.

Every function imports what it needs and reads its inputs before it returns the work.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks import usual
from benchmarks.inputs import (
    ADS,
    BALANCED,
    CROSSED,
    ENCODED,
    USUAL_BALANCED,
    USUAL_BALANCED_LABELS,
    USUAL_LABELS,
    USUAL_ROWS,
)
from benchmarks.measure import Work
from housing_assets.features.frame_encoding import hash_frame
from housing_assets.inference.hashing import N_BUCKETS
from housing_assets.markets.istanbul import MARKET


def usual_cleaning(folder: Path) -> Work:
    """Clean ads cell by cell."""
    ads = usual.read_ads(folder / ADS)
    return Work(lambda: usual.clean_ads(ads), lambda cleaned: _cleaning_outcome(*cleaned))


def our_cleaning(folder: Path) -> Work:
    """Clean ads by distinct cell."""
    from housing_assets.listings.cleaning import clean
    from housing_assets.listings.source import read_listings

    ads = read_listings(MARKET, str(folder / ADS)).frame
    return Work(lambda: clean(MARKET, ads), lambda cleaned: _cleaning_outcome(cleaned.listings, cleaned.quarantined))


def usual_hashing(folder: Path) -> Work:
    """Hash lists of tokens row by row, into as many buckets as the platform has."""
    import sklearn.feature_extraction  # noqa: F401

    crossed = pd.read_pickle(folder / CROSSED)
    names = list(MARKET.encoded_texts)
    crossed[names] = crossed[names].astype(object)
    return Work(lambda: usual.hash_tokens(crossed, N_BUCKETS), _matrix_outcome)


def our_hashing(folder: Path) -> Work:
    """Hash distinct tokens and take them by code."""
    import scipy.sparse  # noqa: F401

    crossed = pd.read_pickle(folder / CROSSED)
    return Work(lambda: hash_frame(MARKET, crossed, N_BUCKETS), _matrix_outcome)


def usual_balancing(folder: Path) -> Work:
    """SMOTE on the dense matrix."""
    import imblearn.over_sampling  # noqa: F401
    from scipy.sparse import load_npz

    from housing_assets.training.balancing import target_counts

    with np.load(folder / USUAL_LABELS) as labels:
        training = ~labels["held_out"]
        y = labels["y"][training]
    X = load_npz(folder / USUAL_ROWS)[training]
    targets = target_counts(y, len(MARKET.categories))
    return Work(lambda: usual.balance(X, y, targets), lambda balanced: _counts_outcome(balanced[1]))


def our_balancing(folder: Path) -> Work:
    """SMOTE on the sparse matrix, whose neighbours are sought by the offered columns."""
    import imblearn.over_sampling  # noqa: F401

    from benchmarks.model import balanced
    from housing_assets.features.encoded import EncodedListings

    encoded = EncodedListings.load(folder / ENCODED)
    return Work(lambda: balanced(encoded), lambda training: _counts_outcome(training.y))


def usual_forest(folder: Path) -> Work:
    """Grow a forest on the sparse matrix."""
    import joblib  # noqa: F401
    import sklearn.ensemble  # noqa: F401
    from scipy.sparse import load_npz

    with np.load(folder / USUAL_LABELS) as labels:
        held_out, y = labels["held_out"], labels["y"]
    with np.load(folder / USUAL_BALANCED_LABELS) as labels:
        balanced_y = labels["y"]
    balanced_X, holdout = load_npz(folder / USUAL_BALANCED), load_npz(folder / USUAL_ROWS)[held_out]

    def outcome(forest: Any) -> dict[str, Any]:
        return _forest_outcome(y[held_out], forest.predict_proba(holdout))

    return Work(lambda: usual.grow_forest(balanced_X, balanced_y, folder), outcome)


def our_forest(folder: Path) -> Work:
    """Grow a forest as the asset ``price_forest`` does."""
    import shutil

    import sklearn.ensemble  # noqa: F401

    from housing_assets.features.encoded import EncodedListings
    from housing_assets.training.balancing import TrainingSet
    from housing_assets.training.forest import grow_forest
    from housing_assets.training.parameters import ForestParameters

    training, encoded = TrainingSet.load(folder / BALANCED), EncodedListings.load(folder / ENCODED)
    parameters = ForestParameters(n_trees=usual.N_TREES, checkpoint_every=usual.CHECKPOINT_EVERY, seed=usual.SEED)
    checkpoints = folder / "checkpoints"
    shutil.rmtree(checkpoints, ignore_errors=True)

    def outcome(grown: Any) -> dict[str, Any]:
        return _forest_outcome(encoded.y_holdout, grown.flatten().predict_proba(encoded.X_holdout))

    return Work(lambda: grow_forest(training, parameters, checkpoints), outcome)


def _cleaning_outcome(listings: pd.DataFrame, quarantined: pd.DataFrame) -> dict[str, Any]:
    reasons = quarantined[["row", "column", "reason"]].astype(str)
    return {"listings": _digest(listings), "quarantined": _digest(reasons)}


def _digest(frame: pd.DataFrame) -> str:
    """Return a SHA-256 of the names, types and values of a frame."""
    digest = hashlib.sha256(repr([(name, str(dtype)) for name, dtype in frame.dtypes.items()]).encode())
    digest.update(pd.util.hash_pandas_object(frame, index=False).to_numpy().tobytes())
    return digest.hexdigest()


def _matrix_outcome(matrix: Any) -> dict[str, Any]:
    matrix = matrix.tocsr().astype(np.float32)
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    digest = hashlib.sha256(repr(matrix.shape).encode())
    for array, dtype in ((matrix.indptr, np.int64), (matrix.indices, np.int64), (matrix.data, np.float32)):
        digest.update(array.astype(dtype).tobytes())
    return {"matrix": digest.hexdigest()}


def _counts_outcome(y: np.ndarray) -> dict[str, Any]:
    return {"rows_by_class": np.bincount(y).tolist()}


def _forest_outcome(y: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    from sklearn.metrics import f1_score

    return {
        "held_out_by_class": np.bincount(y).tolist(),
        "macro_f1": float(f1_score(y, probabilities.argmax(axis=1), average="macro")),
    }
