"""The loops behind explanations: Shapley values as the definition has them, whatever the tree repeats or leaves out."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier

from housing_assets.inference.forest import FlatForest
from housing_assets.inference.shapley import (
    add_path_contributions,
    add_shapley_values,
    find_depth,
    find_node_values,
)
from housing_assets.training.flattening import flatten

N_COLUMNS, N_TREES = 5, 4


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(300, N_COLUMNS)).astype(np.float32)


@pytest.fixture(scope="module")
def forest(rows: np.ndarray) -> FlatForest:
    """Give a forest whose deep trees compare each column many times, some leaves of which have a larger weight."""
    y = (rows[:, 0] * rows[:, 1] + rows[:, 2] > 0).astype(int) + (rows[:, 3] > 1)
    weights = np.where(y == 2, 5.0, 1.0)
    grown = RandomForestClassifier(N_TREES, random_state=0).fit(rows, y, sample_weight=weights)
    return flatten(grown, np.arange(N_COLUMNS, dtype=np.int32), N_COLUMNS)


@pytest.fixture(scope="module")
def filled(forest: FlatForest) -> tuple[np.ndarray, np.ndarray]:
    """Give the covers and the mean class shares of all nodes."""
    is_leaf = forest.nodes["feature"] < 0
    covers = np.empty(len(forest.nodes), dtype=np.float32)
    values = np.empty((len(forest.nodes), forest.n_classes), dtype=np.float32)
    shares = forest.distributions[forest.nodes["left"][is_leaf]]
    find_node_values(forest.nodes, forest.covers, shares, covers, values)
    return covers, values


def expected(
    forest: FlatForest, covers: np.ndarray, values: np.ndarray, row: np.ndarray, known: set[int], node: int
) -> np.ndarray:
    """Return what a subtree answers where some columns are known: the mean of both children where it is not."""
    found = forest.nodes[node]
    if found["feature"] < 0:
        return values[node].astype(np.float64)
    children = [int(found["left"]), int(found["right"])]
    if int(found["feature"]) in known:
        child = children[0] if row[found["feature"]] <= found["threshold"] else children[1]
        return expected(forest, covers, values, row, known, child)
    return sum(
        float(covers[child]) / float(covers[node]) * expected(forest, covers, values, row, known, child)
        for child in children
    )


def by_definition(forest: FlatForest, covers: np.ndarray, values: np.ndarray, row: np.ndarray) -> np.ndarray:
    def answer(known: tuple[int, ...]) -> np.ndarray:
        return sum(expected(forest, covers, values, row, set(known), int(root)) for root in forest.roots)

    shapley = np.zeros((N_COLUMNS, forest.n_classes))
    for column in range(N_COLUMNS):
        others = [each for each in range(N_COLUMNS) if each != column]
        for size in range(N_COLUMNS):
            weight = factorial(size) * factorial(N_COLUMNS - size - 1) / factorial(N_COLUMNS)
            for known in combinations(others, size):
                shapley[column] += weight * (answer((*known, column)) - answer(known))
    return shapley


def test_contributions_are_the_shapley_values_of_the_definition(
    forest: FlatForest, filled: tuple[np.ndarray, np.ndarray], rows: np.ndarray
) -> None:
    depth = find_depth(forest.nodes)
    assert depth > N_COLUMNS  # so that columns are compared again and again
    for row in rows[:3]:
        found = np.zeros((N_COLUMNS, forest.n_classes))
        add_shapley_values(row, forest.roots, forest.nodes, *filled, depth, found)
        assert found == pytest.approx(by_definition(forest, *filled, row), abs=1e-6)


def test_both_kinds_of_contributions_sum_to_the_answer(
    forest: FlatForest, filled: tuple[np.ndarray, np.ndarray], rows: np.ndarray
) -> None:
    covers, values = filled
    depth = find_depth(forest.nodes)
    for row in rows[:20]:
        exact, path = np.zeros((2, N_COLUMNS, forest.n_classes))
        add_shapley_values(row, forest.roots, forest.nodes, covers, values, depth, exact)
        add_path_contributions(row, forest.roots, forest.nodes, values, path)
        answer, _ = forest.walk_one(np.arange(N_COLUMNS, dtype=np.int32), row)
        for found in (exact, path):
            told = (values[forest.roots].sum(axis=0) + found.sum(axis=0)) / N_TREES
            assert told == pytest.approx(answer, abs=1e-6)


def test_covers_are_the_weights_of_the_rows_that_a_tree_has_seen(
    forest: FlatForest, filled: tuple[np.ndarray, np.ndarray], rows: np.ndarray
) -> None:
    y = (rows[:, 0] * rows[:, 1] + rows[:, 2] > 0).astype(int) + (rows[:, 3] > 1)
    tree = RandomForestClassifier(N_TREES, random_state=0).fit(rows, y, sample_weight=np.where(y == 2, 5.0, 1.0))
    found = [each.tree_.weighted_n_node_samples for each in tree.estimators_]
    assert filled[0] == pytest.approx(np.concatenate(found), rel=1e-5)


def test_a_leaf_without_a_value_takes_that_of_the_smallest_subtree_around_it(forest: FlatForest) -> None:
    n_leaves, n_nodes = forest.n_leaves, len(forest.nodes)
    of_leaves = np.linspace(0, 1, n_leaves)[:, None].copy()
    of_leaves[0] = np.nan
    covers, values = np.empty(n_nodes, np.float32), np.empty((n_nodes, 1), np.float32)
    find_node_values(forest.nodes, forest.covers, of_leaves, covers, values)
    first = int(np.flatnonzero(forest.nodes["feature"] < 0)[0])
    parent = int(np.flatnonzero((forest.nodes["left"] == first) & (forest.nodes["feature"] >= 0))[0])
    sibling = int(forest.nodes["right"][parent])
    assert values[first] == pytest.approx(values[sibling])
    assert not np.isnan(values).any()
