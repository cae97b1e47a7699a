"""A flattened forest predicts as scikit-learn's does, at thresholds too."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

from housing_assets.inference.forest import FlatForest
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.flattening import _round_down, flatten
from housing_assets.training.forest import grow_forest, new_forest, splittable
from housing_assets.training.parameters import ForestParameters

LARGEST = 2.0**120
FLOAT32 = st.floats(-LARGEST, LARGEST, width=32)


def encoded_rows(rows: np.ndarray, training: TrainingSet) -> csr_matrix:
    """Put rows of the offered columns into rows of the encoded matrix."""
    encoded = np.zeros((len(rows), training.n_columns), dtype=np.float32)
    encoded[:, training.columns] = rows
    return csr_matrix(encoded)


def rows_at_thresholds(forest: RandomForestClassifier, training: TrainingSet, n_rows: int) -> np.ndarray:
    """Return rows of which a third of the cells are at, just below or just above a threshold of their column."""
    rng = np.random.default_rng(0)
    rows = training.X.toarray()[rng.integers(0, len(training.y), n_rows)]
    for tree in forest.estimators_:
        inner = np.flatnonzero(tree.tree_.feature >= 0)
        for node in rng.choice(inner, min(len(inner), 60), replace=False):
            nearest = np.float32(tree.tree_.threshold[node])
            towards = rng.choice(np.array([-np.inf, np.inf, nearest], dtype=np.float32), n_rows // 20)
            rows[rng.integers(0, n_rows, n_rows // 20), tree.tree_.feature[node]] = np.nextafter(nearest, towards)
    return rows


def test_probabilities_equal_scikit_learns_at_thresholds_too(
    forest: FlatForest, sklearn_forest: RandomForestClassifier, training: TrainingSet
) -> None:
    rows = rows_at_thresholds(sklearn_forest, training, 4000)
    ours, theirs = forest.predict_proba(encoded_rows(rows, training)), sklearn_forest.predict_proba(rows)
    assert np.abs(ours - theirs).max() <= 1e-12
    assert np.array_equal(ours.argmax(axis=1), theirs.argmax(axis=1))
    assert len(np.unique(theirs, axis=0)) > 100


def test_a_weighted_forest_predicts_as_scikit_learn_too(training: TrainingSet) -> None:
    weights = np.where(training.y == 2, 3.7, 0.4)
    grown = RandomForestClassifier(10, min_samples_leaf=7, random_state=0).fit(training.X, training.y, weights)
    flat = flatten(grown, training.columns, training.n_columns)
    rows = rows_at_thresholds(grown, training, 1000)
    assert np.abs(flat.predict_proba(encoded_rows(rows, training)) - grown.predict_proba(rows)).max() <= 1e-12


def test_extremely_randomized_trees_predict_as_scikit_learns_and_go_on_from_a_checkpoint(
    training: TrainingSet, tmp_path: Path
) -> None:
    parameters = ForestParameters(kind="extra_trees", column_share=0.2, n_trees=10, checkpoint_every=5, n_jobs=1)
    whole = new_forest(parameters).fit(splittable(training.X), training.y, training.weights)
    flat = flatten(whole, training.columns, training.n_columns)
    rows = rows_at_thresholds(whole, training, 1000)
    assert isinstance(whole, ExtraTreesClassifier)
    assert np.abs(flat.predict_proba(encoded_rows(rows, training)) - whole.predict_proba(rows)).max() <= 1e-12

    grow_forest(training, parameters.model_copy(update={"n_trees": 5}), tmp_path)
    resumed = grow_forest(training, parameters, tmp_path)
    assert resumed.n_resumed == 5
    assert resumed.flatten().digest() == flat.digest()
    other = grow_forest(training, parameters.model_copy(update={"kind": "random_forest"}), tmp_path)
    assert other.n_resumed == 0
    assert other.refusals


@given(st.floats(-LARGEST, LARGEST), FLOAT32)
def test_a_threshold_rounded_down_sends_every_value_the_same_way(threshold: float, value: float) -> None:
    rounded = _round_down(np.array([threshold]))[0]
    assert rounded.dtype == np.float32
    near = [rounded, np.nextafter(rounded, np.float32(np.inf)), np.nextafter(rounded, np.float32(-np.inf))]
    for each in [np.float32(value), *near]:
        assert (each <= rounded) == (float(each) <= threshold)


def test_importances_are_scikit_learns_of_the_used_columns(
    forest: FlatForest, sklearn_forest: RandomForestClassifier, training: TrainingSet
) -> None:
    expected = dict(zip(training.columns.tolist(), sklearn_forest.feature_importances_.tolist(), strict=True))
    found = dict(zip(forest.columns.tolist(), forest.importance.tolist(), strict=True))
    assert found == {column: expected[column] for column in found}
    assert sum(found.values()) == pytest.approx(1.0)
    assert all(share == 0 for column, share in expected.items() if column not in found)


def test_a_forest_without_a_split_survives_a_file_and_predicts(tmp_path: Path) -> None:
    y = np.array([0, 0, 1, 2])
    grown = RandomForestClassifier(3, random_state=0, bootstrap=False).fit(np.zeros((4, 2)), y)
    flatten(grown, np.array([1, 4], dtype=np.int32), 6).save(tmp_path)
    again = FlatForest.load(tmp_path)
    assert again.predict_proba(csr_matrix((2, 6), dtype=np.float32)).tolist() == [[0.5, 0.25, 0.25]] * 2


@pytest.mark.parametrize("n_classes", [2, 5])
def test_a_forest_of_any_number_of_classes_predicts_as_scikit_learn(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 4)).astype(np.float32)
    y = rng.integers(0, n_classes, 300)
    grown = RandomForestClassifier(9, random_state=0).fit(rows, y)
    flat = flatten(grown, np.array([0, 2, 3, 6], dtype=np.int32), 8)
    wide = np.zeros((300, 8), dtype=np.float32)
    wide[:, [0, 2, 3, 6]] = rows
    found = flat.predict_proba(csr_matrix(wide))
    assert flat.n_classes == found.shape[1] == n_classes
    assert np.abs(found - grown.predict_proba(rows)).max() <= 1e-12
