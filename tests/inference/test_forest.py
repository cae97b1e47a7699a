"""The flat forest: rows do not disturb each other, and a damaged one is never walked."""

import copy
import io
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from housing_assets.features.crossing import cross_frame
from housing_assets.features.frame_encoding import encode_frame
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.forest import FILE, FlatForest, ForestDamaged
from housing_assets.inference.walk import LANES
from housing_assets.listings.cleaning import clean
from housing_assets.markets.istanbul_sample import synthetic_listings

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def forest(artifact: ModelArtifact) -> FlatForest:
    return artifact.forest


@pytest.fixture(scope="module")
def encoded(artifact: ModelArtifact) -> csr_matrix:
    market = artifact.market
    return encode_frame(artifact.encoder, cross_frame(market, clean(market, synthetic_listings(60, seed=6)).listings))


def test_the_order_of_a_rows_cells_and_unused_columns_do_not_matter(forest: FlatForest, encoded: csr_matrix) -> None:
    rows = encoded[:50]
    expected = forest.predict_proba(rows)
    unused = np.setdiff1d(np.arange(forest.n_columns), forest.columns)[:5]
    noisy = rows.tolil()
    noisy[:, unused] = 9.0
    noisy = noisy.tocsr()
    for row in range(50):
        cells = slice(noisy.indptr[row], noisy.indptr[row + 1])
        noisy.indices[cells] = noisy.indices[cells][::-1].copy()
        noisy.data[cells] = noisy.data[cells][::-1].copy()
    noisy.has_sorted_indices = False
    assert np.array_equal(forest.predict_proba(noisy), expected)


def test_a_row_does_not_see_the_row_before(forest: FlatForest, encoded: csr_matrix) -> None:
    rows = encoded[:50]
    alone = np.vstack([forest.predict_proba(rows[row]) for row in range(50)])
    assert np.array_equal(forest.predict_proba(rows), alone)


def test_one_row_alone_has_the_probabilities_that_it_has_in_a_matrix(forest: FlatForest, encoded: csr_matrix) -> None:
    together = forest.predict_proba(encoded)
    for row in range(encoded.shape[0]):
        alone = encoded[row]
        assert np.array_equal(forest.walk_one(alone.indices, alone.data)[0], together[row])


@pytest.mark.parametrize("n_trees", [1, LANES - 1, LANES, LANES + 1, 3 * LANES])
def test_the_probabilities_are_the_mean_of_the_trees_however_many_are_walked_side_by_side(n_trees: int) -> None:
    shares = np.random.default_rng(0).dirichlet([1, 1], n_trees + 1)
    leaf = {"feature": -1, "threshold": 0.0, "right": 0}
    arrays = {
        "roots": np.arange(n_trees, dtype=np.int32),
        "left": np.arange(n_trees, dtype=np.int32),
        "distributions": shares,
        "columns": np.array([0], dtype=np.int32),
        "importance": np.array([1.0]),
        "n_columns": np.int32(3),
        **{name: np.full(n_trees, value) for name, value in leaf.items()},
    }
    found = FlatForest.from_arrays(arrays).predict_proba(csr_matrix((2, 3), dtype=np.float32))
    assert found == pytest.approx(np.tile(shares[:n_trees].mean(axis=0), (2, 1)))


def test_no_rows_have_no_probabilities(forest: FlatForest) -> None:
    assert forest.predict_proba(csr_matrix((0, forest.n_columns), dtype=np.float32)).shape == (0, 3)


def test_a_matrix_with_other_columns_is_refused(forest: FlatForest) -> None:
    with pytest.raises(ValueError, match=f"has 7 columns, the forest was grown on {forest.n_columns}"):
        forest.predict_proba(csr_matrix((1, 7), dtype=np.float32))


def test_a_forest_survives_a_file_with_its_digest_and_predictions(
    forest: FlatForest, encoded: csr_matrix, tmp_path: Path
) -> None:
    forest.save(tmp_path)
    again = FlatForest.load(tmp_path)
    assert again.digest() == forest.digest()
    assert np.array_equal(again.predict_proba(encoded), forest.predict_proba(encoded))


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
    """Return roots whose int32 differences overflow to positive numbers: out of bounds, and yet "ascending"."""
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


def test_an_archive_that_unpacks_to_more_than_itself_is_refused_before_it_is_unpacked(
    forest: FlatForest, tmp_path: Path
) -> None:
    bomb = {**forest.arrays(), "importance": np.zeros(2**23)}  # 64 MB
    np.savez_compressed(tmp_path / FILE, **bomb)
    assert (tmp_path / FILE).stat().st_size < 2**22
    del bomb
    tracemalloc.start()
    try:
        with pytest.raises(ForestDamaged, match=r"not a stored forest: .*\.npy is compressed"):
            FlatForest.load(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


def test_an_archive_whose_entries_share_their_bytes_is_refused(forest: FlatForest, tmp_path: Path) -> None:
    forest.save(tmp_path)
    with ZipFile(tmp_path / FILE, "a") as archive:
        largest = max(archive.infolist(), key=lambda entry: entry.file_size)
        for number in range(20):
            again = copy.copy(largest)
            again.filename = f"again{number}.npy"
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
        archive.writestr("last.npy", b"")
    with pytest.raises(ForestDamaged, match="would unpack to"):
        FlatForest.load(tmp_path)


def test_an_array_that_says_it_is_huge_is_refused(forest: FlatForest, tmp_path: Path) -> None:
    forest.save(tmp_path)
    with np.load(tmp_path / FILE) as stored:
        arrays = dict(stored)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<f8", "fortran_order": False, "shape": (2**50,)})
    with ZipFile(tmp_path / FILE, "w") as archive:
        for name, array in arrays.items():
            plain = io.BytesIO()
            np.save(plain, array)
            archive.writestr(f"{name}.npy", header.getvalue() if name == "importance" else plain.getvalue())
    with pytest.raises(ForestDamaged, match=r"not a stored forest: importance\.npy has 128 bytes and says"):
        FlatForest.load(tmp_path)
