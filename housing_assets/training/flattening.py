"""scikit-learn's grown forest as flat arrays.

Predictions equal scikit-learn's: a node sends a value left when ``value <= threshold``, where scikit-learn compares the
float32 value with a float64 threshold; the same holds for the largest float32 that is not above the threshold.
"""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from housing_assets.inference.forest import FlatForest

if TYPE_CHECKING:
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    AnyForest: TypeAlias = RandomForestClassifier | ExtraTreesClassifier


def flatten(forest: "AnyForest", columns: np.ndarray, n_columns: int) -> FlatForest:
    """Flatten a fitted forest.

    Parameters
    ----------
    forest : RandomForestClassifier or ExtraTreesClassifier
        Fitted on the columns ``columns`` of the encoded matrix.
    columns : ndarray of shape (n_fitted_columns,), int32
    n_columns : int
        Of the encoded matrix.
    """
    trees = [estimator.tree_ for estimator in forest.estimators_]
    roots = np.concatenate([[0], np.cumsum([tree.node_count for tree in trees])[:-1]]).astype(np.int32)
    feature = np.concatenate([tree.feature for tree in trees])
    is_leaf = feature < 0
    left = np.concatenate([tree.children_left + root for tree, root in zip(trees, roots, strict=True)])
    right = np.concatenate([tree.children_right + root for tree, root in zip(trees, roots, strict=True)])
    leaves = np.concatenate([tree.value[:, 0, :] for tree in trees])[is_leaf]
    distributions, leaf = np.unique(leaves, axis=0, return_inverse=True)
    left[is_leaf], right[is_leaf] = leaf, 0
    used, compact = np.unique(feature[~is_leaf], return_inverse=True)
    feature[~is_leaf], feature[is_leaf] = compact, -1
    threshold = np.where(is_leaf, 0.0, np.concatenate([tree.threshold for tree in trees]))
    return FlatForest.from_arrays(
        {
            "roots": roots,
            "feature": feature,
            "threshold": _round_down(threshold),
            "left": left,
            "right": right,
            "distributions": distributions,
            "columns": np.asarray(columns, dtype=np.int32)[used],
            "importance": forest.feature_importances_[used],
            "n_columns": n_columns,
        },
        np.concatenate([tree.weighted_n_node_samples for tree in trees])[is_leaf].astype(np.float32),
    )


def _round_down(thresholds: np.ndarray) -> np.ndarray:
    rounded = thresholds.astype(np.float32)
    return np.where(rounded > thresholds, np.nextafter(rounded, np.float32(-np.inf)), rounded).astype(np.float32)
