"""The model artifact: predicts from raw ads, and is refused by name when a byte of it is not what was saved."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.bands import CATEGORIES
from housing_assets.features.encoder import ListingEncoder
from housing_assets.listings.cleaning import clean
from housing_assets.listings.sample import synthetic_listings
from housing_assets.packaging.artifact import FILES, MANIFEST, ArtifactRefused, ModelArtifact, sha256
from housing_assets.packaging.assembly import N_GOLDEN
from housing_assets.packaging.prediction import UnusableListing

PROBABILITIES = [f"probability_{name}" for name in CATEGORIES]
ANSWERS = ["price_category", *PROBABILITIES, "reason"]


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "artifact"))


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return synthetic_listings(400, seed=6)


def home(**cells: Any) -> dict[str, Any]:
    flat = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1", "BuildingAge": "5-10"}
    return flat | cells


def change_json(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
    stored = json.loads(path.read_text())
    change(stored)
    path.write_text(json.dumps(stored))


def make_checksum_fit(folder: Path, name: str) -> None:
    change_json(folder / MANIFEST, lambda manifest: manifest["sha256"].update({name: sha256(folder / name)}))


def test_answers_before_and_after_a_file_are_equal(artifact: ModelArtifact, saved: Path, raw: pd.DataFrame) -> None:
    again = ModelArtifact.load(saved)
    pd.testing.assert_frame_equal(again.predict(raw), artifact.predict(raw), check_exact=True)
    assert again.encoder.to_json() == artifact.encoder.to_json()
    assert again.forest.digest() == artifact.forest.digest()
    assert again.bands == artifact.bands
    assert dict(again.metrics) == dict(artifact.metrics)
    assert dict(again.provenance) == dict(artifact.provenance)


def test_saving_what_was_loaded_writes_the_same_files(saved: Path, tmp_path: Path) -> None:
    ModelArtifact.load(saved).save(tmp_path)
    for name in (*FILES, MANIFEST):
        if name != "forest.npz":  # a zip carries the time
            assert (tmp_path / name).read_bytes() == (saved / name).read_bytes()


def test_an_artifact_is_plain_files_without_a_pickle(saved: Path) -> None:
    assert {path.name for path in saved.iterdir()} == {*FILES, MANIFEST}
    with np.load(saved / "forest.npz", allow_pickle=False) as arrays:
        assert not any(arrays[name].dtype.hasobject for name in arrays)


def test_every_ad_has_one_answer_under_stable_names(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    answers = artifact.predict(raw)
    assert answers.columns.tolist() == ANSWERS
    assert len(answers) == len(raw)
    usable = answers["reason"].isna()
    assert usable.mean() > 0.9
    probabilities = answers.loc[usable, PROBABILITIES].to_numpy()
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert answers.loc[usable, "price_category"].tolist() == [CATEGORIES[each] for each in probabilities.argmax(axis=1)]


def test_answers_are_right_more_often_than_not(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    cleaned = clean(raw).listings
    answers = artifact.predict(raw).iloc[cleaned["row"]]["price_category"].to_numpy()
    truth = np.array(CATEGORIES)[artifact.bands.labels(cleaned["price"].to_numpy())]
    assert (answers == truth).mean() > 0.65


def test_raw_ads_are_answered_like_the_listings_they_hold(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    cleaned = clean(raw).listings
    expected = artifact.probabilities(cleaned)
    found = artifact.predict(raw).iloc[cleaned["row"]][PROBABILITIES].to_numpy()
    assert np.array_equal(found, expected)


def test_the_price_is_not_read(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    without, unreadable = raw.drop(columns="price"), raw.assign(price="not a price")
    pd.testing.assert_frame_equal(artifact.predict(without), artifact.predict(raw))
    pd.testing.assert_frame_equal(artifact.predict(unreadable), artifact.predict(raw))


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"district": None}, "district: missing"),
        ({"district": "-"}, "district: missing"),
        ({"GrossSquareMeters": float("inf")}, "GrossSquareMeters: not a finite number"),
        ({"GrossSquareMeters": "spacious"}, "GrossSquareMeters: not a number of square metres"),
        ({"GrossSquareMeters": "3 m2"}, "GrossSquareMeters: 3 is not within 5 to 200000"),
        ({"AdCreationDate": "31 Şubat 2022"}, "AdCreationDate: not a day"),
        ({"district": None, "GrossSquareMeters": "spacious"}, "district: missing"),
    ],
)
def test_an_ad_that_cannot_be_used_has_a_null_answer_with_its_reason(
    artifact: ModelArtifact, cells: dict[str, Any], reason: str
) -> None:
    answers = artifact.predict(pd.DataFrame([home(), home(**cells), home()]))
    assert answers["reason"].iloc[1].startswith(reason)
    assert answers[["price_category", *PROBABILITIES]].iloc[1].isna().all()
    assert answers["reason"].isna().tolist() == [True, False, True]
    assert answers[PROBABILITIES].iloc[[0, 2]].notna().all(axis=None)
    assert answers["price_category"].iloc[0] == answers["price_category"].iloc[2] in CATEGORIES


def test_columns_that_are_absent_are_empty(artifact: ModelArtifact) -> None:
    few = artifact.predict(pd.DataFrame([home()]))
    many = artifact.predict(pd.DataFrame([home(HeatingType=None, Swap="", Subscription=np.nan)]))
    pd.testing.assert_frame_equal(few, many)
    without_district = artifact.predict(pd.DataFrame([home()]).drop(columns="district"))
    assert without_district["reason"].tolist() == ["district: missing"]


@pytest.mark.parametrize("columns", [[], ["district"], ["district", "GrossSquareMeters", "price"]])
def test_no_ads_have_no_answers(artifact: ModelArtifact, columns: list[str]) -> None:
    answers = artifact.predict(pd.DataFrame(columns=columns))
    assert answers.columns.tolist() == ANSWERS
    assert answers.empty


def test_answers_keep_the_index_of_the_ads(artifact: ModelArtifact) -> None:
    index = pd.Index(["second", "first", "second"], name="ad")
    answers = artifact.predict(pd.DataFrame([home(), home(district=None), home()], index=index))
    pd.testing.assert_index_equal(answers.index, index)
    assert answers["reason"].isna().tolist() == [True, False, True]


def test_an_ad_is_answered_the_same_alone_and_among_others(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    together = artifact.predict(raw)
    for row in range(0, len(raw), 40):
        alone = artifact.predict(raw.iloc[[row]])
        pd.testing.assert_frame_equal(alone, together.iloc[[row]], check_exact=True)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_refused_by_name(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(ArtifactRefused, match=f"{name} is missing"):
        ModelArtifact.load(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_truncated_file_is_refused_by_name(folder: Path, name: str, share: float) -> None:
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ArtifactRefused, match=f"{name} is damaged"):
        ModelArtifact.load(folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.37, 0.999])
def test_one_flipped_bit_is_refused_by_name(folder: Path, name: str, share: float) -> None:
    content = bytearray((folder / name).read_bytes())
    content[int(len(content) * share)] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactRefused, match=f"{name} is damaged"):
        ModelArtifact.load(folder)


def test_an_edge_edited_by_hand_is_refused_by_name(folder: Path) -> None:
    change_json(folder / "bands.json", lambda bands: bands.update(edges=[1.0, 2.0]))
    with pytest.raises(ArtifactRefused, match=r"bands.json is damaged"):
        ModelArtifact.load(folder)


def test_a_file_of_another_model_is_refused_by_name(folder: Path, artifact: ModelArtifact) -> None:
    other = ListingEncoder(n_buckets=2**12)
    other.scores_ = type(artifact.encoder.scores_)(
        artifact.encoder.scores_.coefficients * 2, np.zeros(2, dtype=np.int64)
    )
    other.known_ = frozenset()
    (folder / "encoder.json").write_text(other.to_json())
    with pytest.raises(ArtifactRefused, match=r"encoder.json is damaged"):
        ModelArtifact.load(folder)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("encoder.json", b"{}", "format"),
        ("encoder.json", b"no json", "Expecting value"),
        ("encoder.json", b'{"format": 3, "columns": []}', "fitted on other columns"),
        ("forest.npz", b"PK", "forest.npz: not a stored forest"),
        ("bands.json", b'{"lineage": "x", "edges": [1]}', "index out of range"),
        ("bands.json", b"[]", "list indices"),
        ("metrics.json", b"{", "Expecting"),
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
    with pytest.raises(ArtifactRefused, match="its format is 99, this version reads 3"):
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


def test_one_ad_is_answered_as_it_is_in_a_frame(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    answers = artifact.predict(raw)
    for cells, row in zip(raw.astype(object).to_dict("records"), answers.itertuples(index=False), strict=True):
        if row.reason is not None:
            with pytest.raises(UnusableListing):
                artifact.predict_one(cells)
        else:
            found = artifact.predict_one(cells)
            assert CATEGORIES[found.category] == row.price_category
            assert found.probabilities == (row.probability_low, row.probability_medium, row.probability_high)


def test_texts_that_no_training_listing_had_are_named(artifact: ModelArtifact) -> None:
    unseen = artifact.predict_one(home(district="Atlantis", HeatingType="Kuantum")).unseen
    assert {"district", "heating_type"} <= set(unseen)
    assert "district" not in artifact.predict_one(home()).unseen
