"""Encoding frames: each row as the listing alone, scores that training rows have not been seen by, and the tokens."""

from dataclasses import replace
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from sklearn.feature_extraction import FeatureHasher

from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.frame_encoding import encode_frame, encode_with_prices, levels_of, local_inputs
from housing_assets.features.split import group_keys, label_rows, learn_labels, log_prices
from housing_assets.features.token_counts import common_tokens
from housing_assets.inference.crossing import cross_listing
from housing_assets.inference.declaration import Column, PriceBands, Role, Value
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.hashing import hash_token, token
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Number, Text
from housing_assets.inference.scores import LOG_PRICE_SCALE
from housing_assets.listings.cleaning import clean, parse_frame
from housing_assets.markets.istanbul import MARKET
from tests.drawn_listings import frame_of, raw_ads, typed_listings
from tests.inference.test_price_index import INDEX
from tests.other_markets import LOCAL_PARCELS, PARCELS, THREE_GRADES, TWO_GRADES, drawn_sales


def encode_one(encoder: FittedEncoder, listing: dict[str, Any]) -> dict[int, float]:
    encoded = encoder.encode(cross_listing(encoder.market, listing))
    return dict(zip(encoded.columns.tolist(), encoded.cells.tolist(), strict=True))


def row_of(encoder: FittedEncoder, encoded: dict[int, float]) -> np.ndarray:
    row = np.zeros(encoder.n_columns, dtype=np.float32)
    row[[int(column) for column in encoded]] = list(encoded.values())
    return row


def assert_rows_equal(encoder: FittedEncoder, batch: csr_matrix, ones: list[dict[int, float]]) -> None:
    dense = batch.toarray()
    assert dense.dtype == np.float32
    assert dense.shape == (len(ones), encoder.n_columns)
    for row, encoded in zip(dense, ones, strict=True):
        assert np.array_equal(row, row_of(encoder, encoded))


def anew(encoder: ListingEncoder) -> ListingEncoder:
    return ListingEncoder.like(encoder.fitted_)


def bits(encoded: csr_matrix) -> tuple[bytes, ...]:
    return encoded.indptr.tobytes(), encoded.indices.tobytes(), encoded.data.tobytes()


def ads_of(raw: pd.DataFrame) -> list[dict[str, Any]]:
    texts = raw[[column.raw for column in MARKET.inputs]].astype(object)
    return texts.where(texts.notna(), None).to_dict("records")


def fitted(market: Market, raw: pd.DataFrame, **parameters: Any) -> FittedEncoder:
    listings = clean(market, raw).listings
    scheme = learn_labels(market, listings)
    labels, amounts = label_rows(market, scheme, listings), log_prices(market, scheme, listings)
    return ListingEncoder(market, **parameters).fit(cross_frame(market, listings), labels, amounts).fitted_


@pytest.fixture(scope="module")
def encoders(encoder: ListingEncoder) -> dict[str, FittedEncoder]:
    """Fitted encoders by their market's name, with so few buckets that most tokens share one."""
    others = {
        market.name: fitted(market, drawn_sales(market, 400), n_buckets=256, index=INDEX if market.has_price else None)
        for market in (PARCELS, LOCAL_PARCELS, THREE_GRADES)
    }
    return {MARKET.name: encoder.fitted_, **others}


over_markets = pytest.mark.parametrize("name", ["istanbul", "parcels", "local_parcels", "graded"])


@over_markets
@given(data=st.data())
def test_a_typed_listing_is_encoded_exactly_as_its_row_of_a_batch(
    encoders: dict[str, FittedEncoder], name: str, data: st.DataObject
) -> None:
    encoder, market = encoders[name], encoders[name].market
    drawn = data.draw(st.lists(typed_listings(market), min_size=1, max_size=8))
    batch = encode_frame(encoder, cross_frame(market, frame_of(market, drawn)))
    assert_rows_equal(encoder, batch, [encode_one(encoder, listing) for listing in drawn])


@over_markets
@given(data=st.data())
def test_a_raw_ad_is_encoded_exactly_as_its_row_of_a_batch(
    encoders: dict[str, FittedEncoder], name: str, data: st.DataObject
) -> None:
    encoder, market = encoders[name], encoders[name].market
    ads = data.draw(st.lists(raw_ads(market), min_size=1, max_size=8))
    cells = {column.raw: [ad.get(column.raw) for ad in ads] for column in market.columns}
    listings, _ = parse_frame(market, pd.DataFrame(cells, dtype=object), with_target=False)
    ones = [encode_one(encoder, market.parse_listing(ad, with_target=False)[0]) for ad in ads]
    assert_rows_equal(encoder, encode_frame(encoder, cross_frame(market, listings)), ones)


def test_every_synthetic_ad_is_encoded_exactly_as_its_row_of_a_batch(
    encoder: ListingEncoder, raw: pd.DataFrame
) -> None:
    listings, _ = parse_frame(MARKET, raw, with_target=False)
    ones = [encode_one(encoder.fitted_, MARKET.parse_listing(ad, with_target=False)[0]) for ad in ads_of(raw)]
    assert_rows_equal(encoder.fitted_, encoder.transform(cross_frame(MARKET, listings)), ones)


PRICE = Column("price", "$5", Number(("$",)), (Value("price", Role.PRICE, 1),), required=True)
BANDS = PriceBands(("low", "high"), (0.5,), "USD")


@pytest.mark.parametrize(
    "market",
    [
        Market("numbers", "", (Column("area", "5", Number(), (Value("area", Role.NUMERIC),)), PRICE), BANDS),
        Market("texts", "", (Column("area", "5", Text(), (Value("area", Role.CATEGORY),)), PRICE), BANDS),
    ],
    ids=lambda market: market.name,
)
def test_a_market_of_numbers_or_of_texts_alone_is_encoded(market: Market) -> None:
    raw = pd.DataFrame({"area": [str(row % 7) for row in range(80)], "price": [f"${row + 10}" for row in range(80)]})
    encoder = fitted(market, raw, n_buckets=16)
    listings = clean(market, raw).listings
    batch = encode_frame(encoder, cross_frame(market, listings))
    cells = raw.to_dict("records")
    ones = [encode_one(encoder, market.parse_listing(each, with_target=False)[0]) for each in cells]
    assert_rows_equal(encoder, batch, [ones[row] for row in listings["row"]])


def test_the_hashed_block_equals_feature_hasher_on_the_same_tokens(
    encoder: ListingEncoder, crossed: pd.DataFrame
) -> None:
    texts = crossed[list(MARKET.encoded_texts)].astype(object)
    tokens = [
        [token(name, text) for name, text in row.items() if isinstance(text, str)] for row in texts.to_dict("records")
    ]
    expected = FeatureHasher(encoder.n_buckets, input_type="string").transform(tokens)
    block = encoder.transform(crossed)[:, -encoder.n_buckets :]
    assert np.array_equal(block.toarray(), expected.toarray())


def test_training_rows_are_scored_without_having_been_seen(
    encoder: ListingEncoder, crossed: pd.DataFrame, labels: np.ndarray, amounts: np.ndarray
) -> None:
    groups = group_keys(MARKET, crossed)
    out_of_fold = anew(encoder).fit_transform(crossed, labels, amounts, groups)
    seen = anew(encoder).fit(crossed, labels, amounts).transform(crossed)
    changed = np.flatnonzero((out_of_fold != seen).sum(axis=0))
    asked = ("above_low", "above_medium", "price")
    names = [*(f"score_{each}" for each in asked), *(f"local_score_{each}" for each in asked)]
    scores = [encoder.fitted_.column_names.index(name) for name in names]
    assert changed.tolist() == scores
    assert (out_of_fold[:, scores].toarray() != seen[:, scores].toarray()).mean() > 0.99


@pytest.mark.parametrize("name", ["score_above_low", "score_price", "local_score_above_low", "local_score_price"])
def test_scores_of_training_rows_know_nothing_of_labels_drawn_by_lot(
    encoder: ListingEncoder, crossed: pd.DataFrame, name: str
) -> None:
    lot = np.random.default_rng(0).integers(0, 3, len(crossed)).astype(np.int8)
    score = encoder.fitted_.column_names.index(name)

    def agreement(encoded: csr_matrix) -> float:
        return float(np.corrcoef(encoded[:, score].toarray().ravel(), lot)[0, 1])

    one_group_each = np.arange(len(lot), dtype=np.uint64)
    assert agreement(anew(encoder).fit(crossed, lot, lot).transform(crossed)) > 0.35
    assert abs(agreement(anew(encoder).fit_transform(crossed, lot, lot, one_group_each))) < 0.15


def test_the_kernel_reads_frames_in_the_layout_of_one_listing() -> None:
    """Of which numba compiles its loop for each one that it meets."""
    kept = cross_frame(LOCAL_PARCELS, clean(LOCAL_PARCELS, drawn_sales(LOCAL_PARCELS, 20)).listings)
    assert all(part.flags.c_contiguous for part in local_inputs(LOCAL_PARCELS, kept))


def test_local_scores_are_columns_of_their_own_and_change_no_other(
    encoder: ListingEncoder, crossed: pd.DataFrame, labels: np.ndarray, amounts: np.ndarray
) -> None:
    groups = group_keys(MARKET, crossed)
    without = ListingEncoder(replace(MARKET, local=None), encoder.n_buckets)
    expected = without.fit_transform(crossed, labels, amounts, groups)
    found = anew(encoder).fit_transform(crossed, labels, amounts, groups)
    names = encoder.fitted_.column_names
    others = np.flatnonzero([not name.startswith("local_score") for name in names])
    assert [names[column] for column in others] == without.fitted_.column_names
    assert bits(found[:, others]) == bits(expected)
    assert without.log_prices_left_out_ is None


def test_amounts_are_expected_alone_as_in_a_batch_and_without_bounds(
    encoders: dict[str, FittedEncoder], crossed: pd.DataFrame, labels: np.ndarray, amounts: np.ndarray
) -> None:
    prices = np.log(crossed["price"].to_numpy())
    encoder = ListingEncoder(MARKET, n_buckets=64)
    encoded = encoder.fit_transform(crossed, labels, amounts, group_keys(MARKET, crossed), prices)
    left_out, expected = encoder.log_prices_left_out_, encode_with_prices(encoder.fitted_, crossed)[1]
    assert left_out is not None
    assert expected is not None
    column = encoder.fitted_.column_names.index("local_score_amount")
    assert np.array_equal(encoded[:, column].toarray().ravel(), left_out.astype(np.float32))
    assert np.array_equal(encoder.transform(crossed)[:, column].toarray().ravel(), expected.astype(np.float32))
    again = FittedEncoder.from_json(encoder.fitted_.to_json(), MARKET)
    texts = crossed.astype(object)
    listings = texts.where(texts.notna(), None).to_dict("records")[:50]
    assert [again.encode(listing).log_price for listing in listings] == expected[:50].tolist()
    assert np.corrcoef(left_out, prices)[0, 1] > 0.85
    assert left_out.max() > np.log(crossed["price"].quantile(0.9))
    assert np.std(prices - expected) < np.std(prices - left_out) < np.std(prices)
    unlearned = encoders["istanbul"]
    assert unlearned.encode(listings[0]).log_price is None
    assert encode_with_prices(unlearned, crossed)[1] is None


def sales_of(market: Market) -> tuple[pd.DataFrame, np.ndarray, np.ndarray, np.ndarray]:
    listings = clean(market, drawn_sales(market, 600)).listings
    scheme = learn_labels(market, listings)
    of_rows = label_rows(market, scheme, listings), log_prices(market, scheme, listings)
    return cross_frame(market, listings), *of_rows, np.log(listings["price"].to_numpy())


def test_what_prices_are_learned_from_is_brought_to_one_month_and_answers_to_theirs() -> None:
    """Prices that moved with the index teach what they would have without it, and are answered as they moved."""
    crossed, labels, clipped, prices = sales_of(LOCAL_PARCELS)
    groups, levels = group_keys(LOCAL_PARCELS, crossed), levels_of(INDEX, crossed)
    assert levels is not None
    assert np.ptp(levels) > 0.2
    still, moved = ListingEncoder(LOCAL_PARCELS, n_buckets=64), ListingEncoder(LOCAL_PARCELS, n_buckets=64, index=INDEX)
    encoded = still.fit_transform(crossed, labels, clipped, groups, prices)
    carried = moved.fit_transform(crossed, labels, clipped + levels, groups, prices + levels)
    assert moved.fitted_.local is not None
    assert still.fitted_.local is not None
    assert moved.fitted_.local.weights == pytest.approx(still.fitted_.local.weights, rel=1e-4, abs=50)
    names = still.fitted_.column_names
    for name, rise in (
        ("local_score_above_lowest", 0),
        ("local_score_price", 1 / LOG_PRICE_SCALE),
        ("local_score_amount", 1),
    ):
        column = names.index(name)
        before, after = (each[:, column].toarray().ravel() for each in (encoded, carried))
        assert after == pytest.approx(before + rise * levels, abs=1e-5)
    assert still.log_prices_left_out_ is not None
    assert moved.log_prices_left_out_ == pytest.approx(still.log_prices_left_out_ + levels)
    expected, before_then = (encode_with_prices(each.fitted_, crossed)[1] for each in (moved, still))
    assert expected == pytest.approx(before_then + levels)


def test_without_a_kernel_what_is_known_of_a_price_is_the_level_of_its_month() -> None:
    crossed, labels, clipped, prices = sales_of(PARCELS)
    encoder = ListingEncoder(PARCELS, n_buckets=64, index=INDEX)
    encoder.fit_transform(crossed, labels, clipped, group_keys(PARCELS, crossed), prices)
    levels = levels_of(INDEX, crossed)
    assert np.array_equal(encoder.log_prices_left_out_, levels)
    assert np.array_equal(encode_with_prices(encoder.fitted_, crossed)[1], levels)
    listing = {"zip_code": "98001", "sold_on": date(2014, 5, 20)}
    assert encoder.fitted_.encode(cross_listing(PARCELS, listing)).log_price == np.log(0.8)
    assert encoder.fitted_.encode(cross_listing(PARCELS, {"zip_code": "98001"})).log_price == 0.0


def test_copies_of_one_ad_are_scored_from_the_same_fold(encoder: ListingEncoder, crossed: pd.DataFrame) -> None:
    twice = crossed.iloc[np.repeat(np.arange(300), 2)]
    labels = np.arange(600).astype(np.int8) % 3
    encoded = anew(encoder).fit_transform(twice, labels, labels, group_keys(MARKET, twice)).toarray()
    assert np.array_equal(encoded[::2], encoded[1::2])


def test_fitting_twice_gives_the_same_bits(encoder: ListingEncoder, crossed: pd.DataFrame, labels: np.ndarray) -> None:
    groups = group_keys(MARKET, crossed)
    first, second = (anew(encoder) for _ in range(2))
    assert bits(first.fit_transform(crossed, labels, labels, groups)) == bits(
        second.fit_transform(crossed, labels, labels, groups)
    )
    assert first.fitted_.to_json() == second.fitted_.to_json()


def test_the_seed_draws_the_folds(encoder: ListingEncoder, crossed: pd.DataFrame, labels: np.ndarray) -> None:
    groups = group_keys(MARKET, crossed)
    other = ListingEncoder(MARKET, encoder.n_buckets, seed=1)
    assert bits(anew(encoder).fit_transform(crossed, labels, labels, groups)) != bits(
        other.fit_transform(crossed, labels, labels, groups)
    )


def test_a_text_of_a_left_out_row_is_not_known(crossed: pd.DataFrame) -> None:
    left_out = crossed["district"] == crossed["district"].iloc[0]
    labels = np.arange(len(crossed)) % 3
    encoder = ListingEncoder(MARKET, n_buckets=64).fit(crossed[~left_out], labels[~left_out], labels[~left_out])
    assert hash_token(f"district={crossed['district'].iloc[0]}") not in encoder.fitted_.known
    assert hash_token(f"district={crossed['district'][~left_out].iloc[0]}") in encoder.fitted_.known


def test_a_quotient_by_next_to_nothing_is_finite(encoder: ListingEncoder) -> None:
    listing = {"gross_m2": 90.0, "rooms": 1e-320}
    encoded = encode_one(encoder.fitted_, listing)
    assert encoded[encoder.fitted_.column_names.index("m2_per_room")] == 1e10
    batch = encoder.transform(cross_frame(MARKET, frame_of(MARKET, [listing])))
    assert np.isfinite(batch.data).all()


def test_the_price_is_not_encoded(encoder: ListingEncoder, crossed: pd.DataFrame) -> None:
    dearer = crossed.assign(price=crossed["price"] * 10)
    assert bits(encoder.transform(dearer)) == bits(encoder.transform(crossed))


def test_the_class_is_not_encoded(encoders: dict[str, FittedEncoder]) -> None:
    crossed = cross_frame(THREE_GRADES, clean(THREE_GRADES, drawn_sales(THREE_GRADES, 60)).listings)
    other = crossed.assign(grade=pd.Categorical(["A"] * 60))
    assert bits(encode_frame(encoders["graded"], other)) == bits(encode_frame(encoders["graded"], crossed))


def test_the_key_of_a_home_is_not_encoded(encoders: dict[str, FittedEncoder]) -> None:
    crossed = cross_frame(PARCELS, clean(PARCELS, drawn_sales(PARCELS, 60)).listings)
    other = crossed.assign(parcel=pd.Categorical(["1"] * 60))
    assert bits(encode_frame(encoders["parcels"], other)) == bits(encode_frame(encoders["parcels"], crossed))


def test_an_encoder_read_from_json_gives_the_same_bits(encoder: ListingEncoder, crossed: pd.DataFrame) -> None:
    again = FittedEncoder.from_json(encoder.fitted_.to_json(), MARKET)
    assert bits(encode_frame(again, crossed)) == bits(encoder.transform(crossed))


def test_an_encoder_like_a_fitted_one_has_its_parameters() -> None:
    encoder = fitted(TWO_GRADES, drawn_sales(TWO_GRADES, 100), n_buckets=64, n_folds=3, inverse_penalty=0.25, seed=9)
    again = ListingEncoder.like(FittedEncoder.from_json(encoder.to_json(), TWO_GRADES))
    assert again.parameters() == {"n_buckets": 64, "n_folds": 3, "inverse_penalty": 0.25, "seed": 9}
    assert again.market is TWO_GRADES
    assert not hasattr(again, "fitted_")


def test_a_bucket_is_named_by_its_commonest_token() -> None:
    frame = cross_frame(MARKET, frame_of(MARKET, [{"district": "b"}] * 3 + [{"district": "a", "swap": "Var"}]))
    encoder = ListingEncoder(MARKET, n_buckets=1).fit(frame, np.arange(4) % 3, np.arange(4.0)).fitted_
    assert common_tokens(encoder, frame) == {encoder.n_columns - 1: "district=b"}


def test_a_bucket_does_not_tell_a_personal_value() -> None:
    frame = cross_frame(MARKET, frame_of(MARKET, [{"district": "a", "address": "Home > Secret Street"}] * 4))
    encoder = ListingEncoder(MARKET, n_buckets=2**12).fit(frame, np.arange(4) % 3, np.arange(4.0)).fitted_
    told = common_tokens(encoder, frame).values()
    assert "address=***" in told
    assert not any("Secret" in each for each in told)
