"""scikit-learn's grown trees as plain arrays, and back: what a checkpoint keeps of them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier


def to_arrays(trees: "Sequence[DecisionTreeClassifier]") -> dict[str, Any]:
    """Return ``node_count`` and ``max_depth`` of each tree, and ``nodes`` and ``values`` of all, one after another."""
    states = [tree.tree_.__getstate__() for tree in trees]
    return {
        "node_count": np.array([state["node_count"] for state in states], dtype=np.int64),
        "max_depth": np.array([state["max_depth"] for state in states], dtype=np.int64),
        "nodes": np.concatenate([state["nodes"] for state in states]),
        "values": np.concatenate([state["values"] for state in states]),
    }


def from_arrays(arrays: Mapping[str, np.ndarray], n_features: int, n_classes: int) -> "list[DecisionTreeClassifier]":
    """Return the trees that ``to_arrays`` was given, fit to predict and to grow a forest on from.

    Raises
    ------
    ValueError
        If the arrays disagree, or a child or a feature is out of bounds: scikit-learn would follow it.
    """
    nodes, values = arrays["nodes"], arrays["values"]
    ends = np.cumsum(arrays["node_count"])
    if len(ends) == 0 or ends[-1] != len(nodes) or values.shape != (len(nodes), 1, n_classes):
        raise ValueError("node counts and arrays disagree")
    return [
        _tree(nodes[end - count : end], values[end - count : end], int(depth), n_features, n_classes)
        for end, count, depth in zip(ends, arrays["node_count"], arrays["max_depth"], strict=True)
    ]


def _tree(
    nodes: np.ndarray, values: np.ndarray, depth: int, n_features: int, n_classes: int
) -> "DecisionTreeClassifier":
    from sklearn.tree import DecisionTreeClassifier
    from sklearn.tree._tree import Tree

    inner = nodes["left_child"] >= 0
    position = np.arange(len(nodes))[inner]
    children = np.stack([nodes["left_child"][inner], nodes["right_child"][inner]])
    features = nodes["feature"][inner]
    if (children <= position).any() or (children >= len(nodes)).any():
        raise ValueError("a tree's child is out of bounds")
    if (features < 0).any() or (features >= n_features).any():
        raise ValueError("a tree's feature is out of bounds")
    tree = Tree(n_features, np.array([n_classes], dtype=np.intp), 1)
    state = {"max_depth": depth, "node_count": len(nodes), "nodes": nodes.copy(), "values": values.copy()}
    tree.__setstate__(state)
    estimator = DecisionTreeClassifier()
    estimator.tree_ = tree
    estimator.n_features_in_, estimator.n_outputs_ = n_features, 1
    estimator.n_classes_ = n_classes
    estimator.classes_ = np.arange(n_classes)
    return estimator
