"""The flat forest predicts as scikit-learn does, and a damaged one is never walked."""

import io
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.ensemble import RandomForestClassifier

from housing_assets.training.balancing import TrainingSet
from housing_assets.training.flat_forest import FILE, FlatForest, ForestDamaged, _round_down

Arrays = dict[str, np.ndarray]
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
    flat = FlatForest.from_sklearn(grown, training.columns, training.n_columns)
    rows = rows_at_thresholds(grown, training, 1000)
    assert np.abs(flat.predict_proba(encoded_rows(rows, training)) - grown.predict_proba(rows)).max() <= 1e-12


def test_the_order_of_a_rows_cells_and_unused_columns_do_not_matter(forest: FlatForest, training: TrainingSet) -> None:
    rows = encoded_rows(training.X.toarray()[:50], training)
    expected = forest.predict_proba(rows)
    unused = np.setdiff1d(np.arange(training.n_columns), forest.columns)[:5]
    noisy = rows.tolil()
    noisy[:, unused] = 9.0
    noisy = noisy.tocsr()
    for row in range(50):
        cells = slice(noisy.indptr[row], noisy.indptr[row + 1])
        noisy.indices[cells] = noisy.indices[cells][::-1].copy()
        noisy.data[cells] = noisy.data[cells][::-1].copy()
    noisy.has_sorted_indices = False
    assert np.array_equal(forest.predict_proba(noisy), expected)


def test_a_row_does_not_see_the_row_before(forest: FlatForest, training: TrainingSet) -> None:
    rows = encoded_rows(training.X.toarray()[:50], training)
    alone = np.vstack([forest.predict_proba(rows[row]) for row in range(50)])
    assert np.array_equal(forest.predict_proba(rows), alone)


def test_no_rows_have_no_probabilities(forest: FlatForest) -> None:
    assert forest.predict_proba(csr_matrix((0, forest.n_columns), dtype=np.float32)).shape == (0, 3)


def test_a_matrix_with_other_columns_is_refused(forest: FlatForest) -> None:
    with pytest.raises(ValueError, match=f"has 7 columns, the forest was grown on {forest.n_columns}"):
        forest.predict_proba(csr_matrix((1, 7), dtype=np.float32))


@settings(max_examples=500, deadline=None)
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


def test_a_forest_survives_a_file_with_its_digest_and_predictions(
    forest: FlatForest, training: TrainingSet, tmp_path: Path
) -> None:
    forest.save(tmp_path)
    again = FlatForest.load(tmp_path)
    rows = encoded_rows(training.X.toarray(), training)
    assert again.digest() == forest.digest()
    assert np.array_equal(again.predict_proba(rows), forest.predict_proba(rows))


def test_a_forest_without_a_split_survives_a_file_and_predicts(tmp_path: Path) -> None:
    y = np.array([0, 0, 1, 2])
    grown = RandomForestClassifier(3, random_state=0, bootstrap=False).fit(np.zeros((4, 2)), y)
    FlatForest.from_sklearn(grown, np.array([1, 4], dtype=np.int32), 6).save(tmp_path)
    again = FlatForest.load(tmp_path)
    assert again.predict_proba(csr_matrix((2, 6), dtype=np.float32)).tolist() == [[0.5, 0.25, 0.25]] * 2


@pytest.mark.parametrize(
    "name", ["roots", "feature", "threshold", "left", "right", "distributions", "columns", "importance"]
)
def test_the_digest_changes_with_every_array(forest: FlatForest, name: str) -> None:
    arrays = {each: array.copy() for each, array in forest.arrays().items()}
    arrays[name].flat[1] += 1
    assert FlatForest.from_arrays(arrays).digest() != forest.digest()


def first_inner(arrays: Arrays, after: int = 0) -> int:
    return int(np.flatnonzero(arrays["feature"] >= 0)[after])


def first_leaf(arrays: Arrays) -> int:
    return int(np.flatnonzero(arrays["feature"] < 0)[0])


def set_cell(name: str, where: Callable[[Arrays], int], value: Callable[[Arrays], float]) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name].flat[where(arrays)] = value(arrays)

    return change


def replace(name: str, make: Callable[[np.ndarray], object]) -> Callable[[Arrays], None]:
    def change(arrays: Arrays) -> None:
        arrays[name] = make(arrays[name])  # type: ignore[assignment]

    return change


def wrapped_roots(roots: np.ndarray) -> np.ndarray:
    """Return roots whose int32 differences overflow to positive numbers: out of bounds, and yet «ascending»."""
    return np.array([0, 2**31 - 1, -(2**31), -1, 5], dtype=np.int32)


DAMAGES = {
    "child beyond the nodes": (set_cell("left", first_inner, lambda a: len(a["feature"])), "child is out of its tree"),
    "child in another tree": (set_cell("right", first_inner, lambda a: a["roots"][1]), "child is out of its tree"),
    "child before its parent": (set_cell("left", lambda a: first_inner(a, 3), lambda a: 0), "before its parent"),
    "child is its parent": (set_cell("right", first_inner, first_inner), "before its parent"),
    "negative child": (set_cell("left", first_inner, lambda a: -5), "before its parent"),
    "feature beyond the columns": (set_cell("feature", first_inner, lambda a: len(a["columns"])), "feature is out"),
    "feature below a leaf's": (set_cell("feature", first_inner, lambda a: -2), "feature is out of bounds"),
    "leaf beyond the distributions": (
        set_cell("left", first_leaf, lambda a: len(a["distributions"])), "distribution is out of bounds"),
    "leaf before the distributions": (set_cell("left", first_leaf, lambda a: -1), "distribution is out of bounds"),
    "threshold is no number": (set_cell("threshold", first_inner, lambda a: np.nan), "threshold is not finite"),
    "threshold is infinite": (set_cell("threshold", first_inner, lambda a: np.inf), "threshold is not finite"),
    "shares above 1 in all": (set_cell("distributions", lambda a: 0, lambda a: 0.5), "do not sum to 1"),
    "negative share": (replace("distributions", lambda d: d * [[-1.0, 1, 1]] - [[1.0, 0, 0]]), "not within 0 to 1"),
    "share is no number": (set_cell("distributions", lambda a: 0, lambda a: np.nan), "not within 0 to 1"),
    "shares of other classes": (replace("distributions", lambda d: np.ones((len(d), 1))), "leaves have 1 classes"),
    "column beyond the matrix": (set_cell("columns", lambda a: -1, lambda a: a["n_columns"]), "column is out of"),
    "negative column": (set_cell("columns", lambda a: 0, lambda a: -1), "column is out of bounds"),
    "columns twice": (set_cell("columns", lambda a: 1, lambda a: a["columns"][0]), "columns are not ascending"),
    "root beyond the nodes": (set_cell("roots", lambda a: -1, lambda a: len(a["feature"])), "root is out of bounds"),
    "first root is not the first node": (set_cell("roots", lambda a: 0, lambda a: 1), "root is out of bounds"),
    "roots twice": (set_cell("roots", lambda a: 1, lambda a: 0), "root is out of bounds"),
    "roots that overflow": (replace("roots", wrapped_roots), "root is out of bounds"),
    "no trees": (replace("roots", lambda a: a[:0]), "no trees"),
    "fewer thresholds": (replace("threshold", lambda a: a[:-1]), "arrays differ in length"),
    "fewer importances": (replace("importance", lambda a: a[:-1]), "another length than columns"),
    "64 bit thresholds": (replace("threshold", lambda a: a.astype(np.float64)), "threshold has another type"),
    "64 bit children": (replace("left", lambda a: a.astype(np.int64)), "left has another type"),
    "children in two dimensions": (replace("right", lambda a: a[None]), "right has another type"),
    "columns as a list": (replace("n_columns", lambda a: a[None]), "n_columns has another type"),
}  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_forest_that_could_lead_astray_is_refused_by_name(forest: FlatForest, tmp_path: Path, damage: str) -> None:
    change, message = DAMAGES[damage]
    arrays = {name: array.copy() for name, array in forest.arrays().items()}
    change(arrays)
    np.savez(tmp_path / FILE, **arrays)
    with pytest.raises(ForestDamaged, match=rf"forest.npz: .*{message}"):
        FlatForest.load(tmp_path)


@pytest.mark.parametrize("name", ["roots", "n_columns", "distributions"])
def test_a_missing_array_is_refused(forest: FlatForest, tmp_path: Path, name: str) -> None:
    np.savez(tmp_path / FILE, **{each: array for each, array in forest.arrays().items() if each != name})
    with pytest.raises(ForestDamaged, match=f"not a stored forest: .*{name}"):
        FlatForest.load(tmp_path)


class Trap:
    """Fails the test when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return pytest.fail, ("a pickle was loaded",)


def npy_file() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


def test_pickled_objects_are_never_loaded(forest: FlatForest, tmp_path: Path) -> None:
    np.savez(tmp_path / FILE, **{**forest.arrays(), "roots": np.array([Trap()], dtype=object)})
    with pytest.raises(ForestDamaged, match=r"not a stored forest: .*allow_pickle"):
        FlatForest.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive", pickle.dumps(Trap()), npy_file()])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(ForestDamaged, match="not a stored forest"):
        FlatForest.load(tmp_path)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ForestDamaged, match="not a stored forest"):
        FlatForest.load(tmp_path)


@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(forest: FlatForest, tmp_path: Path, share: float) -> None:
    forest.save(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ForestDamaged, match="not a stored forest"):
        FlatForest.load(tmp_path)


def test_a_flipped_bit_is_refused_or_changes_nothing(forest: FlatForest, tmp_path: Path) -> None:
    forest.save(tmp_path)
    content = (tmp_path / FILE).read_bytes()
    rng, n_refused = np.random.default_rng(0), 0
    anywhere = rng.integers(0, len(content), 150)
    in_headers = np.concatenate([np.arange(0, 150, 2), len(content) - 1 - np.arange(0, 650, 4)])
    for position in np.concatenate([anywhere, in_headers]).tolist():
        flipped = bytearray(content)
        flipped[position] ^= 1 << int(rng.integers(0, 8))
        (tmp_path / FILE).write_bytes(flipped)
        try:
            assert FlatForest.load(tmp_path).digest() == forest.digest()
        except ForestDamaged:
            n_refused += 1
    assert n_refused > 120
