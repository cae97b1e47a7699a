"""The model artifact: predicts one raw listing, and is refused by name when a byte of it is not what was saved."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from housing_assets.inference.artifact import (
    FILES,
    FORMAT,
    MANIFEST,
    OPTIONAL,
    ArtifactRefused,
    ModelArtifact,
    sha256,
)
from housing_assets.inference.prediction import UnusableListing
from housing_assets.packaging.assembly import N_GOLDEN
from tests.other_markets import PARCELS

ALL_FILES = (*FILES, *(name for group in OPTIONAL for name in group))
ROOT = Path(__file__).parents[2]
IMPORTED = """
import sys
before = set(sys.modules)
for taken_by_numba_where_it_is_there in ("scipy", "yaml"):
    sys.modules[taken_by_numba_where_it_is_there] = None
from housing_assets.inference import artifact, walk
print(*{name.partition(".")[0] for name, module in sys.modules.items() if module is not None and name not in before})
"""
"""Imports what one listing is answered by, and prints the packages that this imports."""

ALLOWED = {"housing_assets", "numpy", "numba", "mmh3", "llvmlite", "cython_runtime"}


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "artifact"))


def home(**cells: Any) -> dict[str, Any]:
    flat = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1", "BuildingAge": "5-10"}
    return flat | cells


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))


def make_checksum_fit(folder: Path, name: str) -> None:
    change_json(folder / MANIFEST, lambda manifest: manifest["sha256"].update({name: sha256(folder / name)}))


def test_an_artifact_read_back_is_the_same(artifact: ModelArtifact, saved: Path) -> None:
    again = ModelArtifact.load(saved)
    assert [again.predict_one(row.cells) for row in artifact.golden] == [
        artifact.predict_one(row.cells) for row in artifact.golden
    ]
    assert again.market.to_json() == artifact.market.to_json()
    assert again.encoder.to_json() == artifact.encoder.to_json()
    assert again.forest.digest() == artifact.forest.digest()
    assert again.labels == artifact.labels
    assert again.rule.shares == artifact.rule.shares
    assert again.golden == list(artifact.golden)
    assert again.reference == artifact.reference
    assert dict(again.metrics) == dict(artifact.metrics)
    assert dict(again.provenance) == dict(artifact.provenance)


def test_saving_what_was_loaded_writes_the_same_files(saved: Path, tmp_path: Path) -> None:
    ModelArtifact.load(saved).save(tmp_path)
    for name in (*ALL_FILES, MANIFEST):
        if name != "forest.npz":  # a zip carries the time
            assert (tmp_path / name).read_bytes() == (saved / name).read_bytes()


def test_an_artifact_is_plain_files_without_a_pickle(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {*ALL_FILES, MANIFEST}
    with np.load(saved / "forest.npz", allow_pickle=False) as arrays:
        assert not any(arrays[name].dtype.hasobject for name in arrays)


@pytest.mark.parametrize("name", ALL_FILES)
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactRefused, match=f"{name} is missing"):
        ModelArtifact.load(folder)


@pytest.mark.parametrize("name", ALL_FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused_by_name(folder: Path, name: str, share: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ArtifactRefused, match=f"{name} is damaged"):
        ModelArtifact.load(folder)


@pytest.mark.parametrize("name", ALL_FILES)
@pytest.mark.parametrize("share", [0.0, 0.37, 0.999])
def test_one_flipped_bit_is_refused_by_name(folder: Path, name: str, share: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[int(len(content) * share)] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactRefused, match=f"{name} is damaged"):
        ModelArtifact.load(folder)


def test_an_edge_edited_by_hand_is_refused_by_name(folder: Path) -> None:
    change_json(folder / "labels.json", lambda labels: labels.update(edges=[1.0, 2.0]))
    with pytest.raises(ArtifactRefused, match=r"labels.json is damaged"):
        ModelArtifact.load(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("encoder.json", b"{}", "format"),
        ("encoder.json", b"no json", "Expecting value"),
        ("encoder.json", b'{"format": 4, "market": "another"}', "fitted for another declaration"),
        ("forest.npz", b"PK", "forest.npz: not a stored forest"),
        ("labels.json", b'{"lineage": "x", "edges": [1]}', "stored before they named their categories"),
        ("labels.json", b"[]", "stored before they named their categories"),
        ("metrics.json", b"{", "Expecting"),
        ("market.json", b"{", "the declaration is no JSON"),
        ("market.json", b'{"format": 99}', "the declaration's format is 99"),
        ("market.json", PARCELS.to_json().encode(), "its labels are low, medium, high, the market's categories lowest"),
        ("rule.json", b'{"format": 1}', "the rule's format is 1"),
        ("golden.json", b'[{"cells": {}}]', "probabilities"),
        ("golden.json", b'[{"cells": {}, "probabilities": [1, 0, 0]}]', "district: missing"),
    ],
)
def test_a_foreign_file_whose_checksum_was_made_to_fit_is_still_refused(
    folder: Path, name: str, content: bytes, message: str
) -> None:
    (folder / name).write_bytes(content)
    make_checksum_fit(folder, name)
    with pytest.raises(ArtifactRefused, match=message):
        ModelArtifact.load(folder)


def test_a_forest_that_could_lead_astray_is_refused_though_its_checksum_fits(
    folder: Path, artifact: ModelArtifact
) -> None:
    arrays = artifact.forest.arrays()
    np.savez(folder / "forest.npz", **{**arrays, "left": np.full_like(arrays["left"], 2**30)})
    make_checksum_fit(folder, "forest.npz")
    with pytest.raises(ArtifactRefused, match=r"forest.npz: .* is out of"):
        ModelArtifact.load(folder)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b"{}",
        b"null",
        b'{"format": 1}',
        b"\xff",
        b'{"format": 1, "sha256": 3}',
        b'{"format": 1, "sha256": [], "provenance": {}}',
    ],
)
def test_a_manifest_that_is_none_is_refused(folder: Path, content: bytes) -> None:
    (folder / MANIFEST).write_bytes(content)
    with pytest.raises(ArtifactRefused, match=r"no readable manifest.json"):
        ModelArtifact.load(folder)


def test_an_empty_or_absent_folder_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "absent"):
        with pytest.raises(ArtifactRefused, match=r"no readable manifest.json"):
            ModelArtifact.load(place)


def test_an_artifact_of_another_format_is_refused(folder: Path) -> None:
    change_json(folder / MANIFEST, lambda manifest: manifest.update(format=99))
    with pytest.raises(ArtifactRefused, match=f"its format is 99, this version reads {FORMAT}"):
        ModelArtifact.load(folder)


def test_an_artifact_without_its_markets_declaration_tells_what_upgrades_it(folder: Path) -> None:
    change_json(folder / MANIFEST, lambda manifest: manifest.update(format=3))
    with pytest.raises(ArtifactRefused, match=r"its format is 3, .*`housing versions upgrade`"):
        ModelArtifact.load(folder)


def test_a_manifest_that_names_other_files_is_refused(folder: Path) -> None:
    change_json(folder / MANIFEST, lambda manifest: manifest["sha256"].pop("forest.npz"))
    with pytest.raises(ArtifactRefused, match=r"its manifest names .*expected .*forest.npz"):
        ModelArtifact.load(folder)


def test_a_forest_that_was_grown_on_another_encoders_columns_is_refused(folder: Path, artifact: ModelArtifact) -> None:
    arrays = artifact.forest.arrays()
    np.savez(folder / "forest.npz", **{**arrays, "n_columns": arrays["n_columns"] + 1})
    make_checksum_fit(folder, "forest.npz")
    with pytest.raises(ArtifactRefused, match=r"the forest was grown on \d+ columns, the encoder makes \d+"):
        ModelArtifact.load(folder)


def test_golden_rows_are_replayed_where_the_model_is_loaded(folder: Path) -> None:
    golden = json.loads((folder / "golden.json").read_text())
    assert len(golden) == N_GOLDEN
    golden[7]["probabilities"][0] += 1e-5
    (folder / "golden.json").write_text(json.dumps(golden))
    make_checksum_fit(folder, "golden.json")
    with pytest.raises(ArtifactRefused, match="golden row 7 has the probabilities"):
        ModelArtifact.load(folder)


def test_a_forest_that_predicts_otherwise_than_evaluated_is_refused(folder: Path, artifact: ModelArtifact) -> None:
    arrays = artifact.forest.arrays()
    np.savez(folder / "forest.npz", **{**arrays, "distributions": arrays["distributions"][:, ::-1]})
    make_checksum_fit(folder, "forest.npz")
    with pytest.raises(ArtifactRefused, match="golden row 0 has the probabilities"):
        ModelArtifact.load(folder)


def test_texts_that_no_training_listing_had_are_named(artifact: ModelArtifact) -> None:
    unseen = artifact.predict_one(home(district="Atlantis", HeatingType="Kuantum")).unseen
    assert {"district", "heating_type"} <= set(unseen)
    assert "district" not in artifact.predict_one(home()).unseen


def test_a_listing_that_cannot_be_used_is_refused_with_every_reason(artifact: ModelArtifact) -> None:
    with pytest.raises(UnusableListing) as refused:
        artifact.predict_one(home(district="-", GrossSquareMeters="spacious"))
    assert refused.value.reasons == {
        "district": "missing",
        "GrossSquareMeters": "not a number of square metres (m2)",
    }


def test_the_category_is_the_most_probable_one(artifact: ModelArtifact) -> None:
    for row in artifact.golden:
        found = artifact.predict_one(row.cells)
        assert found.probabilities[found.category] == max(found.probabilities)
        assert sum(found.probabilities) == pytest.approx(1)
        assert len(found.probabilities) == 3


def test_the_target_is_not_read(artifact: ModelArtifact) -> None:
    assert artifact.predict_one(home(price="not a price")) == artifact.predict_one(home())


def test_answering_imports_numpy_numba_mmh3_and_the_standard_library_alone() -> None:
    finished = subprocess.run([sys.executable, "-c", IMPORTED], capture_output=True, text=True, cwd=ROOT, check=True)
    imported = {name for name in finished.stdout.split() if name not in sys.stdlib_module_names}
    assert {name for name in imported if not name.startswith("_")} <= ALLOWED
