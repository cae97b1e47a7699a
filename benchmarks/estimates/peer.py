"""The library quantile-forest on the same trees, in the environment that ``peer_environment`` makes.

Its own ``fit`` grows trees of its own; here it is given the platform's, and all training listings for their leaves.
"""

from pathlib import Path
from typing import Any

import joblib
import numpy as np
from quantile_forest import RandomForestQuantileRegressor
from quantile_forest._quantile_forest_fast import QuantileForest

from benchmarks.estimates.files import AT_ONCE, GROWN, JUDGED, LEVELS, ONE_BY_ONE, PEER, TAUGHT
from benchmarks.measure import Work

MAX_MEMBERS = 8
"""Listings of a leaf that ours keep."""


def single(folder: Path) -> Work:
    """Estimate listing by listing."""
    return _one_by_one(folder, None)


def single_capped(folder: Path) -> Work:
    """The same with as many listings of a leaf as ours keep."""
    return _one_by_one(folder, MAX_MEMBERS)


def batch(folder: Path) -> Work:
    """Estimate a batch."""
    return _at_once(folder, None)


def batch_capped(folder: Path) -> Work:
    """The same with as many listings of a leaf as ours keep."""
    return _at_once(folder, MAX_MEMBERS)


def write(folder: Path) -> Work:
    """Write the quantiles of all judged listings, of all listings of a leaf and of as many as ours keep; and sizes."""

    def run() -> dict[str, int]:
        found, sizes = {}, {}
        for name, most in (("all", None), ("capped", MAX_MEMBERS)):
            model = _model(folder, most)
            found[name] = _quantiles(model, _rows(folder))
            stored = folder / f"{name}.joblib"
            joblib.dump(model, stored)
            sizes[name] = stored.stat().st_size
        np.savez(folder / PEER, **found)
        return sizes

    return Work(run, lambda sizes: sizes)


def _one_by_one(folder: Path, max_members: int | None) -> Work:
    model, rows = _model(folder, max_members), _rows(folder)

    def run() -> list[np.ndarray]:
        return [_quantiles(model, rows[row : row + 1]) for row in range(ONE_BY_ONE)]

    run()
    return Work(run, lambda found: {"rows": len(found)})


def _at_once(folder: Path, max_members: int | None) -> Work:
    model, rows = _model(folder, max_members), _rows(folder)[:AT_ONCE]
    _quantiles(model, rows)
    return Work(lambda: _quantiles(model, rows), lambda found: {"rows": len(found)})


def _rows(folder: Path) -> np.ndarray:
    return np.load(folder / JUDGED)["X"]


def _quantiles(model: Any, rows: np.ndarray) -> np.ndarray:
    return np.atleast_2d(model.predict(rows, quantiles=list(LEVELS), weighted_leaves=True))


def _model(folder: Path, max_members: int | None) -> Any:
    grown, taught = joblib.load(folder / GROWN), np.load(folder / TAUGHT)
    X, y = taught["X"], taught["values"][:, None]
    model = RandomForestQuantileRegressor(len(grown.estimators_), bootstrap=False, max_samples_leaf=max_members)
    model.estimators_, model.n_features_in_, model.n_outputs_ = grown.estimators_, X.shape[1], 1
    model.sample_weight_ = None
    order = np.argsort(y, axis=0)
    leaves = model._get_y_train_leaves(X, y[order[:, 0]], sorter=order)
    bounds = model._get_y_bound_leaves(y[order[:, 0]], leaves)
    model.forest_ = QuantileForest(np.ascontiguousarray(y[order[:, 0]].T), leaves, bounds, sparse_pickle=True)
    model.sorter_, model.n_train_samples_, model.unsampled_indices_ = order, len(y), None
    model.X_train_hash_ = ""
    return model
