"""Checkpoints: what fits is continued to the same forest, everything else is refused by name."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from housing_assets.inference.forest import FlatForest
from housing_assets.training import checkpoint
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.checkpoint import MANIFEST, PREVIOUS_MANIFEST, CheckpointFolder, CheckpointRefused
from housing_assets.training.forest import Grown, grow_forest, training_identity
from housing_assets.training.parameters import ForestParameters
from tests.training.conftest import SMALL, training_set

COLUMNS = "fingerprint of the encoded columns"
BANDS = "terms of the price bands"


class Killed(BaseException):
    """Stands for a process that ends at once; nothing catches it."""


def grow(
    training: TrainingSet, folder: Path, parameters: ForestParameters = SMALL, *, fine_tune: bool = False
) -> Grown:
    return grow_forest(
        training, parameters, folder, columns_fingerprint=COLUMNS, price_bands=BANDS, fine_tune=fine_tune
    )


def with_trees(n_trees: int) -> ForestParameters:
    return SMALL.model_copy(update={"n_trees": n_trees})


def digest(grown: Grown, training: TrainingSet) -> str:
    assert np.array_equal(grown.training.columns, training.columns)
    return grown.flatten().digest()


def parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("trees-*.npz"))


def flip_bit(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1 << position % 8
    path.write_bytes(content)


def rewrite_manifest(folder: Path, change: Callable[[dict], None], name: str = MANIFEST) -> None:
    """Change a manifest and give it the checksum that fits, as somebody would who means it."""
    manifest = json.loads((folder / name).read_text())["manifest"]
    change(manifest)
    body = json.dumps(manifest, indent=1, sort_keys=True).encode()
    (folder / name).write_text(json.dumps({"sha256": checkpoint._sha256(body), "manifest": manifest}))


@pytest.fixture(scope="module")
def finished(training: TrainingSet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    grow(training, folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "copied"))


def test_a_forest_goes_on_from_its_checkpoint_to_the_same_forest(
    training: TrainingSet, forest: FlatForest, tmp_path: Path
) -> None:
    grow(training, tmp_path, with_trees(10))
    grown = grow(training, tmp_path)
    assert (grown.n_resumed, grown.refusals) == (10, [])
    assert digest(grown, training) == forest.digest()


def test_a_finished_forest_is_taken_as_it_is(training: TrainingSet, forest: FlatForest, folder: Path) -> None:
    before = {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}
    grown = grow(training, folder)
    assert grown.n_resumed == SMALL.n_trees
    assert digest(grown, training) == forest.digest()
    assert {path.name: path.stat().st_mtime_ns for path in folder.iterdir()} == before


def test_a_resumed_forest_predicts_as_the_uninterrupted_one(
    training: TrainingSet, sklearn_forest: object, folder: Path
) -> None:
    rows = training.X.toarray()
    predicted = grow(training, folder).forest.predict_proba(rows)
    assert np.array_equal(predicted, sklearn_forest.predict_proba(rows))  # type: ignore[attr-defined]


def test_every_part_holds_only_the_trees_grown_since_the_one_before(training: TrainingSet, tmp_path: Path) -> None:
    grow(training, tmp_path, with_trees(17))
    names = [path.name.split("-")[1:3] for path in parts(tmp_path)]
    assert names == [["00000", "00005"], ["00005", "00010"], ["00010", "00015"], ["00015", "00017"]]
    counts = [len(np.load(path, allow_pickle=False)["node_count"]) for path in parts(tmp_path)]
    assert counts == [5, 5, 5, 2]


def test_a_checkpoint_is_npz_and_json_without_a_pickled_object(folder: Path) -> None:
    assert {path.suffix for path in folder.iterdir()} == {".npz", ".json"}
    for path in parts(folder):
        with np.load(path, allow_pickle=False) as arrays:
            assert sorted(arrays) == ["max_depth", "node_count", "nodes", "values"]
            assert not any(arrays[name].dtype.hasobject for name in arrays)
        assert b"sklearn" not in path.read_bytes()


def test_the_manifest_before_the_newest_is_kept(training: TrainingSet, folder: Path) -> None:
    stored = {name: json.loads((folder / name).read_text())["manifest"] for name in (MANIFEST, PREVIOUS_MANIFEST)}
    assert {name: manifest["n_trees"] for name, manifest in stored.items()} == {MANIFEST: 20, PREVIOUS_MANIFEST: 15}


@pytest.mark.parametrize("kept", [0, 1, 100, -1])
def test_a_truncated_part_is_refused_by_name_and_the_previous_checkpoint_goes_on(
    training: TrainingSet, forest: FlatForest, folder: Path, kept: int
) -> None:
    last = parts(folder)[-1]
    last.write_bytes(last.read_bytes()[:kept])
    grown = grow(training, folder)
    assert grown.n_resumed == 15
    assert grown.refusals == [f"{MANIFEST}: {last.name} is damaged: its checksum differs"]
    assert grown.warnings == [f"checkpoint refused, going on from the one before it, of 15 trees: {grown.refusals[0]}"]
    assert digest(grown, training) == forest.digest()


@pytest.mark.parametrize("position", [0, 31, 200, 1001, 5003, -1, -30])
def test_a_flipped_bit_in_a_part_is_refused_by_name(training: TrainingSet, folder: Path, position: int) -> None:
    flip_bit(parts(folder)[-1], position)
    grown = grow(training, folder)
    assert grown.n_resumed == 15
    assert parts(folder)[-1].name.split("-")[1] == "00015"
    assert "is damaged: its checksum differs" in grown.refusals[0]


def test_damage_in_the_oldest_part_refuses_both_checkpoints_and_grows_clean(
    training: TrainingSet, forest: FlatForest, folder: Path
) -> None:
    first = parts(folder)[0]
    flip_bit(first, 777)
    grown = grow(training, folder)
    assert grown.n_resumed == 0
    assert [refusal.split(":")[0] for refusal in grown.refusals] == [MANIFEST, PREVIOUS_MANIFEST]
    assert all(first.name in refusal for refusal in grown.refusals)
    assert grown.warnings == [f"checkpoint refused, growing clean: {refusal}" for refusal in grown.refusals]
    assert digest(grown, training) == forest.digest()
    assert grow(training, folder).n_resumed == SMALL.n_trees


def test_a_missing_part_is_refused_by_name(training: TrainingSet, forest: FlatForest, folder: Path) -> None:
    last = parts(folder)[-1]
    last.unlink()
    grown = grow(training, folder)
    assert grown.n_resumed == 15
    assert grown.refusals == [f"{MANIFEST}: {last.name} is missing"]
    assert digest(grown, training) == forest.digest()


def test_a_flipped_bit_anywhere_in_the_manifest_never_changes_what_is_continued(
    training: TrainingSet, folder: Path
) -> None:
    identity = training_identity(training, SMALL, COLUMNS, BANDS)
    content, n_refused = (folder / MANIFEST).read_bytes(), 0
    for position in range(0, len(content), 11):
        (folder / MANIFEST).write_bytes(content)
        flip_bit(folder / MANIFEST, position)
        trees, refusals = CheckpointFolder(folder, identity, training.columns).resume(20)
        n_refused += len(refusals)
        assert len(trees) == (15 if refusals else 20)
        assert all(refusal.startswith(f"{MANIFEST}: the manifest is damaged") for refusal in refusals)
    assert n_refused > 0.9 * len(content) / 11


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"null", b'{"manifest": 3, "sha256": ""}', b"\xff\xfe", b"{"])
def test_a_manifest_that_is_none_is_refused(training: TrainingSet, folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    grown = grow(training, folder)
    assert grown.n_resumed == 15
    assert "the manifest is damaged" in grown.refusals[0]


def test_a_damaged_newest_manifest_does_not_replace_the_previous_whole_one(
    training: TrainingSet, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / MANIFEST).write_bytes(b"torn")
    replace = os.replace

    def die_before_the_new_manifest(source: Path, target: Path) -> None:
        if Path(target).name == MANIFEST:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", die_before_the_new_manifest)
        with pytest.raises(Killed):
            grow(training, folder)
    assert grow(training, folder).n_resumed == 15


def test_other_data_of_the_same_shape_is_refused(training: TrainingSet, folder: Path) -> None:
    encoded = training.encoded.copy()
    encoded.data[0] += 1
    changed = replace(training, encoded=encoded)
    grown = grow(changed, folder)
    assert grown.n_resumed == 0
    assert "trained on other data: fingerprint is" in grown.refusals[0]
    fresh = grow(changed, folder / "fresh")
    assert digest(grown, changed) == digest(fresh, changed)


def test_a_finished_forest_of_other_rows_does_not_pass_for_one_of_these(
    training: TrainingSet, other_training: TrainingSet, folder: Path
) -> None:
    grown = grow(other_training, folder)
    assert grown.n_resumed == 0
    assert all("trained on other data" in refusal for refusal in grown.refusals)
    assert digest(grown, other_training) == digest(grow(other_training, folder / "fresh"), other_training)


def test_other_weights_are_other_data(training: TrainingSet, folder: Path) -> None:
    changed = replace(training, weights=training.weights * 2)
    assert "trained on other data" in grow(changed, folder).refusals[0]


def test_other_encoded_columns_are_refused(training: TrainingSet, folder: Path) -> None:
    grown = grow_forest(training, SMALL, folder, columns_fingerprint="others", price_bands=BANDS)
    assert grown.n_resumed == 0
    assert "trained on other features: columns is" in grown.refusals[0]


def columns_like(training: TrainingSet, kind: str) -> np.ndarray:
    fewer, unused = training.columns[1:], np.setdiff1d(np.arange(training.n_columns), training.columns)[:1]
    return {"fewer": fewer, "more": np.sort(np.append(training.columns, unused)), "others": np.append(fewer, unused)}[
        kind
    ].astype(np.int32)


@pytest.mark.parametrize("kind", ["fewer", "more", "others"])
def test_other_offered_columns_are_refused_though_the_rows_are_the_same(
    training: TrainingSet, folder: Path, kind: str
) -> None:
    changed = training.offering(columns_like(training, kind))
    assert changed.fingerprint() == training.fingerprint()
    grown = grow(changed, folder)
    assert grown.n_resumed == 0
    assert "trained on other features: columns is" in grown.refusals[0]


def test_other_price_bands_are_refused(training: TrainingSet, folder: Path) -> None:
    grown = grow_forest(training, SMALL, folder, columns_fingerprint=COLUMNS, price_bands="others")
    assert grown.n_resumed == 0
    assert f"trained for other price bands: price_bands is {BANDS}, expected others" in grown.refusals[0]


@pytest.mark.parametrize("changed", [{"seed": 1}, {"max_depth": 3}, {"min_samples_leaf": 2}, {"max_features": "log2"}])
def test_other_parameters_are_refused(training: TrainingSet, folder: Path, changed: dict[str, object]) -> None:
    grown = grow(training, folder, SMALL.model_copy(update=changed))
    assert grown.n_resumed == 0
    assert "grown with other parameters: parameters is" in grown.refusals[0]
    assert next(iter(changed)) in grown.refusals[0]


def test_threads_and_interval_are_no_other_parameters(training: TrainingSet, folder: Path) -> None:
    parameters = SMALL.model_copy(update={"n_jobs": 2, "checkpoint_every": 3, "n_trees": 23})
    grown = grow(training, folder, parameters)
    assert (grown.n_resumed, grown.refusals) == (20, [])


def test_other_library_versions_are_refused(
    training: TrainingSet, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sklearn.__version__", "1.0.0")
    grown = grow(training, folder)
    assert grown.n_resumed == 0
    assert "grown by other library versions: versions is" in grown.refusals[0]
    assert "1.0.0" in grown.refusals[0]


def test_more_trees_than_wanted_are_refused_and_the_fewer_of_the_previous_checkpoint_are_taken(
    training: TrainingSet, folder: Path
) -> None:
    grown = grow(training, folder, with_trees(17))
    assert grown.refusals == [f"{MANIFEST}: it has 20 trees, the forest is to have 17"]
    assert grown.n_resumed == 15
    assert len(grown.forest.estimators_) == 17
    assert digest(grown, training) == digest(grow(training, folder / "fresh", with_trees(17)), training)


def test_a_foreign_npz_in_place_of_a_part_is_refused(training: TrainingSet, folder: Path) -> None:
    last = parts(folder)[-1]
    np.savez(last, anything=np.arange(3))
    assert f"{last.name} is damaged" in grow(training, folder).refusals[0]


def _foreign_arrays(nodes: np.ndarray, values: np.ndarray, node_count: np.ndarray) -> dict[str, dict[str, np.ndarray]]:
    depth = np.full(len(node_count), 3)
    good = {"nodes": nodes, "values": values, "node_count": node_count, "max_depth": depth}
    beyond, backwards, feature = nodes.copy(), nodes.copy(), nodes.copy()
    beyond["left_child"][0] = len(nodes)
    backwards["right_child"][0] = 0
    feature["feature"][0] = 10_000
    return {
        "other arrays": {"anything": np.arange(3)},
        "plain numbers as nodes": {**good, "nodes": np.zeros(len(nodes))},
        "objects": {**good, "values": np.array([object()], dtype=object)},
        "fewer values": {**good, "values": values[1:]},
        "other classes": {**good, "values": values[:, :, :2]},
        "no trees": {**good, "node_count": node_count[:0]},
        "child beyond the tree": {**good, "nodes": beyond},
        "child before its parent": {**good, "nodes": backwards},
        "feature out of bounds": {**good, "nodes": feature},
    }


@pytest.mark.parametrize(
    "kind",
    [
        "other arrays", "plain numbers as nodes", "objects", "fewer values", "other classes", "no trees",
        "child beyond the tree", "child before its parent", "feature out of bounds",
    ],
)  # fmt: skip
def test_a_part_whose_checksum_was_made_to_fit_is_still_looked_at(
    training: TrainingSet, folder: Path, kind: str
) -> None:
    last = parts(folder)[-1]
    with np.load(last, allow_pickle=False) as arrays:
        foreign = _foreign_arrays(arrays["nodes"], arrays["values"], arrays["node_count"])[kind]
    np.savez(last, **foreign, allow_pickle=True)
    rewrite_manifest(
        folder, lambda manifest: manifest["parts"][-1].update(sha256=checkpoint._sha256(last.read_bytes()))
    )
    grown = grow(training, folder)
    assert grown.n_resumed == 15
    assert grown.refusals[0].startswith(f"{MANIFEST}: {last.name} is damaged: ")


def test_a_manifest_of_another_format_is_refused(training: TrainingSet, folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.update(format=99))
    assert grow(training, folder).refusals == [f"{MANIFEST}: its format is 99, this version reads {checkpoint.FORMAT}"]


def test_a_manifest_that_counts_other_trees_than_its_parts_hold_is_refused(training: TrainingSet, folder: Path) -> None:
    rewrite_manifest(folder, lambda manifest: manifest.update(n_trees=19))
    assert "its parts hold 20 trees, its manifest says 19" in grow(training, folder).refusals[0]


def test_a_process_killed_at_any_write_leaves_a_checkpoint_that_ends_in_the_same_forest(
    training: TrainingSet, forest: FlatForest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, fsync = os.replace, os.fsync
    for last in range(1, 30):
        folder, calls = tmp_path / str(last), 0

        def count(function: Callable[..., None], *arguments: object) -> None:
            nonlocal calls
            calls += 1
            if calls == last:  # noqa: B023
                raise Killed
            function(*arguments)

        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", lambda source, target: count(replace, source, target))
            patched.setattr(os, "fsync", lambda file: count(fsync, file))
            try:
                grow(training, folder)
            except Killed:
                pass
            else:
                break
        n_written = len(parts(folder)) * SMALL.checkpoint_every
        grown = grow(training, folder)
        assert grown.refusals == []
        assert n_written - SMALL.checkpoint_every <= grown.n_resumed <= n_written
        assert digest(grown, training) == forest.digest()
        assert len(list(folder.iterdir())) == 4 + 2
    assert last > 4 * 4


def test_what_a_killed_process_left_half_written_is_removed_and_what_another_training_writes_is_not(
    training: TrainingSet, tmp_path: Path
) -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()

    def unfinished_of(pid: int) -> list[Path]:
        return [tmp_path / f".trees-00000-00005-0badc0de.npz.{pid}", tmp_path / f".checkpoint.json.{pid}"]

    for path in (*unfinished_of(ended.pid), *unfinished_of(os.getppid())):
        path.write_bytes(b"half")
    grow(training, tmp_path)
    assert not any(path.exists() for path in unfinished_of(ended.pid))
    assert all(path.exists() for path in unfinished_of(os.getppid()))


def test_fine_tuning_keeps_the_trees_and_adds_new_ones_of_the_new_rows(
    training: TrainingSet, narrowed: TrainingSet, folder: Path
) -> None:
    old = grow(training, folder)
    tuned = grow(narrowed, folder, with_trees(12), fine_tune=True)
    assert tuned.n_resumed == 20
    assert len(tuned.forest.estimators_) == 32
    for before, after in zip(old.forest.estimators_, tuned.forest.estimators_, strict=False):
        assert np.array_equal(before.tree_.threshold, after.tree_.threshold)
    fresh = grow(narrowed, folder / "fresh", with_trees(32))
    for expected, added in zip(fresh.forest.estimators_[20:], tuned.forest.estimators_[20:], strict=True):
        assert np.array_equal(expected.tree_.threshold, added.tree_.threshold)


@pytest.fixture(scope="module")
def narrowed(training: TrainingSet) -> TrainingSet:
    """Newer rows on the same columns."""
    return rows_of(training, np.arange(0, len(training.y), 2))


def rows_of(training: TrainingSet, rows: np.ndarray) -> TrainingSet:
    return replace(training, encoded=training.encoded[rows], y=training.y[rows], weights=training.weights[rows])


def test_trees_of_other_settings_are_not_added_to_a_forest(narrowed: TrainingSet, folder: Path) -> None:
    other = with_trees(20).model_copy(update={"kind": "extra_trees"})
    with pytest.raises(CheckpointRefused, match=r"grown with other parameters: .* expected {'kind': 'extra_trees'"):
        grow(narrowed, folder, other, fine_tune=True)


@pytest.mark.parametrize("n_before", [1, 2, 3, 5, 8, 11])
def test_an_interrupted_fine_tuning_goes_on_to_the_same_forest(
    training: TrainingSet, narrowed: TrainingSet, folder: Path, monkeypatch: pytest.MonkeyPatch, n_before: int
) -> None:
    uninterrupted = digest(
        grow(narrowed, Path(shutil.copytree(folder, folder / "whole")), with_trees(20), fine_tune=True), training
    )
    replace, calls = os.replace, 0

    def die_later(source: Path, target: Path) -> None:
        nonlocal calls
        calls += 1
        if calls > n_before:
            raise Killed
        replace(source, target)

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", die_later)
        with pytest.raises(Killed):
            grow(narrowed, folder, with_trees(20), fine_tune=True)
    grown = grow(narrowed, folder, with_trees(20), fine_tune=True)
    assert len(grown.forest.estimators_) == 40
    assert digest(grown, training) == uninterrupted


def test_a_finished_fine_tuning_is_taken_as_it_is(narrowed: TrainingSet, folder: Path) -> None:
    first = grow(narrowed, folder, with_trees(20), fine_tune=True)
    again = grow(narrowed, folder, with_trees(20), fine_tune=True)
    assert again.n_resumed == 40
    assert digest(again, narrowed) == digest(first, narrowed)


def test_a_fine_tuned_forest_does_not_pass_for_one_grown_on_the_new_rows_alone(
    narrowed: TrainingSet, folder: Path
) -> None:
    grow(narrowed, folder, with_trees(5), fine_tune=True)
    clean = grow(narrowed, folder, with_trees(25))
    assert clean.n_resumed == 0
    assert "not grown from the same start: fine_tuned is True, expected False" in clean.refusals[0]
    assert digest(clean, narrowed) == digest(grow(narrowed, folder / "fresh", with_trees(25)), narrowed)


def test_a_forest_can_be_fine_tuned_again(training: TrainingSet, narrowed: TrainingSet, folder: Path) -> None:
    grow(narrowed, folder, with_trees(5), fine_tune=True)
    twice = grow(training, folder, with_trees(5), fine_tune=True)
    assert (twice.n_resumed, len(twice.forest.estimators_)) == (25, 30)
    assert [len(np.load(path)["node_count"]) for path in parts(folder)] == [5] * 6


@pytest.mark.parametrize(("n_rows", "seed"), [(590, 5), (610, 5), (600, 6)])
def test_a_forest_is_fine_tuned_on_new_listings_that_fill_other_columns(
    training: TrainingSet, folder: Path, n_rows: int, seed: int
) -> None:
    new = training_set(n_rows, seed=seed)
    assert not np.array_equal(new.columns, training.columns)
    kept = grow(training, folder).forest.estimators_
    tuned = grow(new, folder, with_trees(10), fine_tune=True)
    assert tuned.refusals == []
    assert np.array_equal(tuned.training.columns, training.columns)
    assert len(tuned.forest.estimators_) == 30
    for before, after in zip(kept, tuned.forest.estimators_, strict=False):
        old, now = before.tree_.__getstate__(), after.tree_.__getstate__()
        assert np.array_equal(old["nodes"], now["nodes"])
        assert np.array_equal(old["values"], now["values"])
    again = grow(new, folder, with_trees(10), fine_tune=True)
    assert again.n_resumed == 30
    assert again.flatten().digest() == tuned.flatten().digest()


def test_a_fine_tuning_on_new_listings_goes_on_where_it_was_interrupted(training: TrainingSet, folder: Path) -> None:
    new = training_set(590, seed=5)
    whole = Path(shutil.copytree(folder, folder / "whole"))
    uninterrupted = grow(new, whole, with_trees(10), fine_tune=True)
    stopped = grow(new, folder, with_trees(5), fine_tune=True)
    tuned = grow(new, folder, with_trees(10), fine_tune=True)
    assert (tuned.n_resumed, tuned.refusals) == (25, [])
    assert tuned.flatten().digest() == uninterrupted.flatten().digest()
    assert tuned.ancestors == stopped.ancestors == uninterrupted.ancestors
    assert tuned.line == stopped.line == uninterrupted.line


def test_a_fine_tuned_forest_names_the_forests_that_it_goes_back_to(
    training: TrainingSet, narrowed: TrainingSet, folder: Path
) -> None:
    clean = grow(training, folder)
    once = grow(narrowed, folder, with_trees(5), fine_tune=True)
    twice = grow(training, folder, with_trees(5), fine_tune=True)
    assert clean.ancestors == ()
    assert once.ancestors == (digest(clean, training),)
    assert twice.ancestors == (digest(clean, training), digest(once, narrowed))
    assert len({clean.line, once.line, twice.line}) == 3
    assert grow(training, folder / "fresh", with_trees(5)).line == clean.line


def test_the_forest_that_is_fine_tuned_is_the_last_one_though_a_larger_one_was_there(
    training: TrainingSet, narrowed: TrainingSet, folder: Path
) -> None:
    last = grow(training, folder, with_trees(15))
    assert last.n_resumed == 15
    tuned = grow(narrowed, folder, with_trees(5), fine_tune=True)
    assert len(tuned.forest.estimators_) == 20
    assert tuned.ancestors == (digest(last, training),)


def test_labels_by_other_price_bands_are_not_fine_tuned_on(
    training: TrainingSet, narrowed: TrainingSet, folder: Path
) -> None:
    with pytest.raises(CheckpointRefused, match=f"trained for other price bands: price_bands is {BANDS}, expected new"):
        grow_forest(narrowed, SMALL, folder, columns_fingerprint=COLUMNS, price_bands="new", fine_tune=True)
    assert grow(training, folder).n_resumed == 20


def test_a_fine_tuning_whose_newest_manifest_is_damaged_goes_on_from_the_one_before(
    narrowed: TrainingSet, folder: Path
) -> None:
    first = grow(narrowed, folder, with_trees(10), fine_tune=True)
    (folder / MANIFEST).write_bytes(b"torn")
    again = grow(narrowed, folder, with_trees(10), fine_tune=True)
    assert again.n_resumed == 25
    assert (digest(again, narrowed), again.ancestors) == (digest(first, narrowed), first.ancestors)


def test_a_forest_whose_training_was_broken_off_is_not_fine_tuned(
    training: TrainingSet, narrowed: TrainingSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save = CheckpointFolder.save

    def save_once(self: CheckpointFolder, trees: list) -> None:
        save(self, trees)
        raise Killed

    monkeypatch.setattr(CheckpointFolder, "save", save_once)
    with pytest.raises(Killed):
        grow(training, tmp_path)
    monkeypatch.undo()
    with pytest.raises(CheckpointRefused, match=r"broken off at \d+ of 20 trees"):
        grow(narrowed, tmp_path, fine_tune=True)


def test_fine_tuning_without_a_forest_is_refused(training: TrainingSet, tmp_path: Path) -> None:
    with pytest.raises(CheckpointRefused, match=r"no checkpoint in .* to fine-tune"):
        grow(training, tmp_path, fine_tune=True)


def test_fine_tuning_on_other_columns_or_with_other_parameters_is_refused(
    training: TrainingSet, narrowed: TrainingSet, folder: Path
) -> None:
    with pytest.raises(CheckpointRefused, match="trained on other features"):
        grow_forest(narrowed, SMALL, folder, columns_fingerprint="others", price_bands=BANDS, fine_tune=True)
    with pytest.raises(CheckpointRefused, match=r"grown with other parameters"):
        grow(narrowed, folder, SMALL.model_copy(update={"max_depth": 3}), fine_tune=True)
    assert grow(training, folder).n_resumed == 20


def test_a_damaged_forest_is_not_fine_tuned(narrowed: TrainingSet, folder: Path) -> None:
    flip_bit(parts(folder)[2], 99)
    with pytest.raises(CheckpointRefused, match=f"{parts(folder)[2].name} is damaged"):
        grow(narrowed, folder, fine_tune=True)
