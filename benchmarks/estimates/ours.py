"""The platform's quantiles of log prices, from encoded listings: the walk down the trees is part of it."""

from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.estimates.files import AT_ONCE, JUDGED, ONE_BY_ONE, OTHER_SEED, QUANTILES, REDRAWN, WHOLE
from benchmarks.measure import Work
from housing_assets.inference.estimate import CALIBRATION, FILE, PriceEstimator
from housing_assets.inference.forest import COVERS, FlatForest
from housing_assets.inference.forest import FILE as FOREST

COLUMNS = [5, 1, 0, 2, 6]
"""Where the quantiles of ``files.LEVELS`` are among the columns of an estimate."""


def single(folder: Path) -> Work:
    """Estimate listing by listing."""
    forest, estimator = FlatForest.load(folder), PriceEstimator.load(folder)
    X, nothing = _rows(folder, forest), np.zeros(1)

    def run() -> list[np.ndarray]:
        found = []
        for row in range(ONE_BY_ONE):
            filled = slice(X.indptr[row], X.indptr[row + 1])
            _, leaves = forest.walk_one(X.indices[filled], X.data[filled])
            found.append(estimator.estimate(leaves[None, :], nothing, ("",)))
        return found

    run()
    return Work(run, lambda found: {"rows": len(found)})


def batch(folder: Path) -> Work:
    """Estimate a batch."""
    forest, estimator = FlatForest.load(folder), PriceEstimator.load(folder)
    rows = _rows(folder, forest)[:AT_ONCE]
    _estimate(forest, estimator, rows)
    return Work(lambda: _estimate(forest, estimator, rows), lambda found: {"rows": len(found)})


def write(folder: Path) -> Work:
    """Write the quantiles of all judged listings by each forest and draw; tell the size on disk."""

    def run() -> None:
        for place in (folder, folder / OTHER_SEED, folder / REDRAWN, folder / WHOLE):
            forest = FlatForest.load(place)
            found = _estimate(forest, PriceEstimator.load(place), _rows(folder, forest))
            np.savez(place / QUANTILES, found=np.log(found[:, COLUMNS]))

    stored = sum((folder / name).stat().st_size for name in (FOREST, COVERS, FILE, CALIBRATION))
    return Work(run, lambda _: {"bytes": stored})


def _estimate(forest: FlatForest, estimator: PriceEstimator, rows: Any) -> np.ndarray:
    return estimator.estimate(forest.walk(rows)[1], np.zeros(rows.shape[0]), [""] * rows.shape[0])


def _rows(folder: Path, forest: FlatForest) -> Any:
    from scipy.sparse import csr_matrix

    judged = np.load(folder / JUDGED)
    shape = len(judged["X"]), forest.n_columns
    return csr_matrix((judged["data"].astype(np.float32), judged["indices"], judged["indptr"]), shape=shape)
