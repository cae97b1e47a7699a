"""The encoder: one listing equals its row of a batch, and what is stored equals what was fitted."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.feature_extraction import FeatureHasher

from housing_assets.features.bands import group_keys
from housing_assets.features.crossing import cross_frame, cross_listing
from housing_assets.features.encoder import ListingEncoder, declared_features, text_names
from housing_assets.features.hashing import hash_token, token
from housing_assets.features.linear import N_SCORES, LinearScores
from housing_assets.listings.cleaning import parse_frame
from housing_assets.listings.columns import COLUMNS, parse_listing
from tests.features.drawn_listings import frame_of, raw_ads, typed_listings

ROOT = Path(__file__).parents[2]
FRESH_PROCESS = """
import json, sys
for heavy in ("pandas", "sklearn", "scipy", "dagster", "mlflow"):
    sys.modules[heavy] = None
from housing_assets.features.crossing import cross_listing
from housing_assets.features.encoder import ListingEncoder
from housing_assets.listings.columns import parse_listing
stored, ads = json.load(sys.stdin)
encoder = ListingEncoder.from_json(stored)
ones = [encoder.transform_one(cross_listing(parse_listing(ad, with_target=False)[0])) for ad in ads]
print(json.dumps([dict(zip(one.columns.tolist(), one.cells.tolist(), strict=True)) for one in ones]))
"""


def encode_one(encoder: ListingEncoder, listing: dict[str, Any]) -> dict[int, float]:
    encoded = encoder.transform_one(cross_listing(listing))
    return dict(zip(encoded.columns.tolist(), encoded.cells.tolist(), strict=True))


def row_of(encoder: ListingEncoder, encoded: dict[int, float]) -> np.ndarray:
    row = np.zeros(encoder.n_columns, dtype=np.float32)
    row[[int(column) for column in encoded]] = list(encoded.values())
    return row


def assert_rows_equal(encoder: ListingEncoder, batch: csr_matrix, ones: list[dict[int, float]]) -> None:
    dense = batch.toarray()
    assert dense.dtype == np.float32
    assert dense.shape == (len(ones), encoder.n_columns)
    for row, encoded in zip(dense, ones, strict=True):
        assert np.array_equal(row, row_of(encoder, encoded))


def bits(encoded: csr_matrix) -> tuple[bytes, ...]:
    return encoded.indptr.tobytes(), encoded.indices.tobytes(), encoded.data.tobytes()


def ads_of(raw: pd.DataFrame) -> list[dict[str, Any]]:
    texts = raw[[column.raw for column in COLUMNS]].astype(object)
    return texts.where(texts.notna(), None).to_dict("records")


@settings(max_examples=60, deadline=None)
@given(drawn=st.lists(typed_listings(), min_size=1, max_size=8))
def test_a_typed_listing_is_encoded_exactly_as_its_row_of_a_batch(
    encoder: ListingEncoder, drawn: list[dict[str, Any]]
) -> None:
    batch = encoder.transform(cross_frame(frame_of(drawn)))
    assert_rows_equal(encoder, batch, [encode_one(encoder, listing) for listing in drawn])


@settings(max_examples=60, deadline=None)
@given(ads=st.lists(raw_ads(), min_size=1, max_size=8))
def test_a_raw_ad_is_encoded_exactly_as_its_row_of_a_batch(encoder: ListingEncoder, ads: list[dict[str, Any]]) -> None:
    cells = {column.raw: [ad.get(column.raw) for ad in ads] for column in COLUMNS}
    listings, _ = parse_frame(pd.DataFrame(cells, dtype=object), with_target=False)
    ones = [encode_one(encoder, parse_listing(ad, with_target=False)[0]) for ad in ads]
    assert_rows_equal(encoder, encoder.transform(cross_frame(listings)), ones)


def test_every_synthetic_ad_is_encoded_exactly_as_its_row_of_a_batch(
    encoder: ListingEncoder, raw: pd.DataFrame
) -> None:
    listings, _ = parse_frame(raw, with_target=False)
    ones = [encode_one(encoder, parse_listing(ad, with_target=False)[0]) for ad in ads_of(raw)]
    assert_rows_equal(encoder, encoder.transform(cross_frame(listings)), ones)


def test_an_encoder_read_from_json_gives_the_same_bits(encoder: ListingEncoder, crossed: pd.DataFrame) -> None:
    stored = encoder.to_json()
    again = ListingEncoder.from_json(stored)
    assert bits(again.transform(crossed)) == bits(encoder.transform(crossed))
    assert again.to_json() == stored
    assert vars(again.unfitted()) == vars(encoder.unfitted())


def test_one_listing_is_encoded_in_a_process_without_the_training_stack(
    encoder: ListingEncoder, raw: pd.DataFrame
) -> None:
    ads = ads_of(raw.iloc[:40])
    finished = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS],
        input=json.dumps([encoder.to_json(), ads]),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert finished.returncode == 0, finished.stderr
    listings, _ = parse_frame(raw.iloc[:40], with_target=False)
    assert_rows_equal(encoder, encoder.transform(cross_frame(listings)), json.loads(finished.stdout))


def test_the_hashed_block_equals_feature_hasher_on_the_same_tokens(
    encoder: ListingEncoder, crossed: pd.DataFrame
) -> None:
    texts = crossed[text_names()].astype(object)
    tokens = [
        [token(name, text) for name, text in row.items() if isinstance(text, str)] for row in texts.to_dict("records")
    ]
    expected = FeatureHasher(encoder.n_buckets, input_type="string").transform(tokens)
    block = encoder.transform(crossed)[:, -encoder.n_buckets :]
    assert np.array_equal(block.toarray(), expected.toarray())


def test_training_rows_are_scored_without_having_been_seen(
    encoder: ListingEncoder, crossed: pd.DataFrame, labels: np.ndarray, log_prices: np.ndarray
) -> None:
    groups = group_keys(crossed)
    out_of_fold = encoder.unfitted().fit_transform(crossed, labels, log_prices, groups)
    seen = encoder.unfitted().fit(crossed, labels, log_prices).transform(crossed)
    changed = np.flatnonzero((out_of_fold != seen).sum(axis=0))
    scores = [encoder.column_names.index(f"score_{name}") for name in ("above_low", "above_medium", "price")]
    assert changed.tolist() == scores
    assert (out_of_fold[:, scores].toarray() != seen[:, scores].toarray()).mean() > 0.99


@pytest.mark.parametrize("name", ["score_above_low", "score_price"])
def test_scores_of_training_rows_know_nothing_of_labels_drawn_by_lot(
    encoder: ListingEncoder, crossed: pd.DataFrame, name: str
) -> None:
    lot = np.random.default_rng(0).integers(0, 3, len(crossed)).astype(np.int8)
    score = encoder.column_names.index(name)

    def agreement(encoded: csr_matrix) -> float:
        return float(np.corrcoef(encoded[:, score].toarray().ravel(), lot)[0, 1])

    one_group_each = np.arange(len(lot), dtype=np.uint64)
    assert agreement(encoder.unfitted().fit(crossed, lot, lot).transform(crossed)) > 0.5
    assert abs(agreement(encoder.unfitted().fit_transform(crossed, lot, lot, one_group_each))) < 0.15


def test_copies_of_one_ad_are_scored_from_the_same_fold(encoder: ListingEncoder, crossed: pd.DataFrame) -> None:
    twice = crossed.iloc[np.repeat(np.arange(300), 2)]
    labels = np.arange(600).astype(np.int8) % 3
    encoded = encoder.unfitted().fit_transform(twice, labels, labels, group_keys(twice)).toarray()
    assert np.array_equal(encoded[::2], encoded[1::2])


def test_fitting_twice_gives_the_same_bits(encoder: ListingEncoder, crossed: pd.DataFrame, labels: np.ndarray) -> None:
    groups = group_keys(crossed)
    first, second = (encoder.unfitted() for _ in range(2))
    assert bits(first.fit_transform(crossed, labels, labels, groups)) == bits(
        second.fit_transform(crossed, labels, labels, groups)
    )
    assert first.to_json() == second.to_json()


def test_the_seed_draws_the_folds(encoder: ListingEncoder, crossed: pd.DataFrame, labels: np.ndarray) -> None:
    groups = group_keys(crossed)
    other = ListingEncoder(encoder.n_buckets, seed=1)
    assert bits(encoder.unfitted().fit_transform(crossed, labels, labels, groups)) != bits(
        other.fit_transform(crossed, labels, labels, groups)
    )


def test_values_never_seen_in_training_are_encoded_and_fill_their_own_buckets() -> None:
    encoder = ListingEncoder()
    encoder.scores_ = LinearScores(
        np.zeros((encoder.n_buckets, N_SCORES), dtype=np.int64), np.zeros(N_SCORES, dtype=np.int64)
    )
    encoder.known_ = frozenset([hash_token("district=kadikoy")])
    known, unknown = ({"district": district, "gross_m2": 90.0} for district in ("kadikoy", "a district never seen"))
    known_row, unknown_row = (encode_one(encoder, listing) for listing in (known, unknown))
    assert len(unknown_row) == len(known_row)
    assert set(unknown_row) != set(known_row)
    assert np.isfinite(list(unknown_row.values())).all()
    assert encoder.transform_one(cross_listing(known)).unseen == ()
    assert encoder.transform_one(cross_listing(unknown)).unseen == ("district",)


def test_texts_of_the_training_rows_are_known_and_others_are_marked_as_unseen(
    encoder: ListingEncoder, raw: pd.DataFrame
) -> None:
    again = ListingEncoder.from_json(encoder.to_json())
    for ad in ads_of(raw.iloc[:50]):
        listing = parse_listing(ad, with_target=False)[0]
        assert (
            again.transform_one(cross_listing(listing)).unseen == encoder.transform_one(cross_listing(listing)).unseen
        )
        moved = {**listing, "district": "Atlantis", "address": "Atlantis > Deep Street"}
        assert {"district", "address"} <= set(again.transform_one(cross_listing(moved)).unseen)


def test_a_text_of_a_left_out_row_is_not_known(crossed: pd.DataFrame) -> None:
    left_out = crossed["district"] == crossed["district"].iloc[0]
    labels = np.arange(len(crossed)) % 3
    fitted = ListingEncoder(n_buckets=64).fit(crossed[~left_out], labels[~left_out], labels[~left_out])
    assert hash_token(f"district={crossed['district'].iloc[0]}") not in fitted.known_
    assert hash_token(f"district={crossed['district'][~left_out].iloc[0]}") in fitted.known_


def test_an_empty_listing_has_scores_alone(encoder: ListingEncoder) -> None:
    assert {encoder.column_names[column] for column in encode_one(encoder, {})} == {
        "score_above_low",
        "score_above_medium",
        "score_price",
    }


def test_a_missing_number_is_zero_and_the_lowest_is_one(encoder: ListingEncoder) -> None:
    gross = encoder.column_names.index("gross_m2")
    assert gross not in encode_one(encoder, {})
    assert encode_one(encoder, {"gross_m2": 5.0})[gross] == 1.0
    assert encode_one(encoder, {"gross_m2": 55.0})[gross] == 2.0


def test_a_quotient_by_next_to_nothing_is_finite(encoder: ListingEncoder) -> None:
    encoded = encode_one(encoder, {"gross_m2": 90.0, "rooms": 1e-320})
    assert encoded[encoder.column_names.index("m2_per_room")] == 1e10
    batch = encoder.transform(cross_frame(frame_of([{"gross_m2": 90.0, "rooms": 1e-320}])))
    assert np.isfinite(batch.data).all()


def test_the_price_is_not_encoded(encoder: ListingEncoder, crossed: pd.DataFrame) -> None:
    dearer = crossed.assign(price=crossed["price"] * 10)
    assert bits(encoder.transform(dearer)) == bits(encoder.transform(crossed))
    assert "price" not in declared_features()


def test_an_encoder_of_other_columns_is_refused(encoder: ListingEncoder) -> None:
    stored = json.loads(encoder.to_json())
    stored["columns"] = stored["columns"][:-1]
    with pytest.raises(ValueError, match="fitted on other columns"):
        ListingEncoder.from_json(json.dumps(stored))


def test_columns_in_another_order_are_refused(encoder: ListingEncoder) -> None:
    stored = json.loads(encoder.to_json())
    stored["columns"] = stored["columns"][::-1]
    with pytest.raises(ValueError, match="fitted on other columns"):
        ListingEncoder.from_json(json.dumps(stored))


def test_an_encoder_of_another_format_is_refused(encoder: ListingEncoder) -> None:
    stored = json.loads(encoder.to_json())
    with pytest.raises(ValueError, match="format is 99, this version reads 3"):
        ListingEncoder.from_json(json.dumps({**stored, "format": 99}))


def test_a_bucket_is_named_by_its_commonest_token() -> None:
    encoder = ListingEncoder(n_buckets=1)
    frame = cross_frame(frame_of([{"district": "b"}] * 3 + [{"district": "a", "swap": "Var"}]))
    assert encoder.common_tokens(frame) == {encoder.n_columns - 1: "district=b"}
