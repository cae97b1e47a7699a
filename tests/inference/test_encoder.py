"""The fitted encoder: one listing without pandas, texts that it has not seen, and what it refuses to be read from."""

import json
import subprocess
import sys
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.crossing import cross_frame
from housing_assets.features.frame_encoding import encode_frame
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.crossing import cross_listing
from housing_assets.inference.encoder import FORMAT, FittedEncoder
from housing_assets.inference.hashing import hash_token
from housing_assets.inference.scores import LinearScores
from housing_assets.listings.cleaning import parse_frame
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from tests.inference.test_price_index import INDEX
from tests.other_markets import PARCELS

ROOT = Path(__file__).parents[2]
FRESH_PROCESS = """
import json, sys
for heavy in ("pandas", "sklearn", "scipy", "dagster", "mlflow"):
    sys.modules[heavy] = None
from housing_assets.inference.crossing import cross_listing
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.market import Market
declared, stored, ads = json.load(sys.stdin)
market = Market.from_json(declared)
encoder = FittedEncoder.from_json(stored, market)
ones = [encoder.encode(cross_listing(market, market.parse_listing(ad, with_target=False)[0])) for ad in ads]
print(json.dumps([dict(zip(one.columns.tolist(), one.cells.tolist(), strict=True)) for one in ones]))
"""


@pytest.fixture(scope="module")
def encoder(artifact: ModelArtifact) -> FittedEncoder:
    return artifact.encoder


def encode_one(encoder: FittedEncoder, listing: dict[str, Any]) -> dict[int, float]:
    encoded = encoder.encode(cross_listing(encoder.market, listing))
    return dict(zip(encoded.columns.tolist(), encoded.cells.tolist(), strict=True))


def unfilled(known: frozenset[int] = frozenset()) -> FittedEncoder:
    """Return an encoder that has learned nothing but some tokens."""
    return FittedEncoder(MARKET, {}, LinearScores(np.zeros((2**16, 3), np.int64), np.zeros(3, np.int64)), known)


def test_one_listing_is_encoded_in_a_process_without_the_training_stack(encoder: FittedEncoder) -> None:
    raw = synthetic_listings(40, seed=3)
    texts = raw[[column.raw for column in MARKET.inputs]].astype(object)
    ads = texts.where(texts.notna(), None).to_dict("records")
    finished = subprocess.run(
        [sys.executable, "-c", FRESH_PROCESS],
        input=json.dumps([MARKET.to_json(), encoder.to_json(), ads]),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert finished.returncode == 0, finished.stderr
    listings, _ = parse_frame(MARKET, raw, with_target=False)
    batch = encode_frame(encoder, cross_frame(MARKET, listings)).toarray()
    for row, encoded in zip(batch, json.loads(finished.stdout), strict=True):
        expected = np.zeros_like(row)
        expected[[int(column) for column in encoded]] = list(encoded.values())
        assert np.array_equal(row, expected)


def test_an_encoder_read_from_json_is_the_same(encoder: FittedEncoder) -> None:
    again = FittedEncoder.from_json(encoder.to_json(), MARKET)
    assert again.to_json() == encoder.to_json()
    assert (again.known, dict(again.parameters)) == (encoder.known, dict(encoder.parameters))
    assert (again.n_columns, again.column_names) == (encoder.n_columns, encoder.column_names)


def test_columns_are_numbers_then_scores_then_buckets(encoder: FittedEncoder) -> None:
    names = encoder.column_names
    assert len(names) == len(set(names)) == encoder.n_columns
    assert names[: len(MARKET.encoded_numbers)] == [name for name, _, _ in MARKET.encoded_numbers]
    assert names[encoder.first_bucket - 7 : encoder.first_bucket] == [
        "score_above_low",
        "score_above_medium",
        "score_price",
        "local_score_above_low",
        "local_score_above_medium",
        "local_score_price",
        "local_score_amount",
    ]
    assert names[encoder.first_bucket] == "bucket 0"


def test_values_never_seen_in_training_are_encoded_and_fill_their_own_buckets() -> None:
    encoder = unfilled(frozenset([hash_token("district=kadikoy")]))
    known, unknown = ({"district": district, "gross_m2": 90.0} for district in ("kadikoy", "a district never seen"))
    known_row, unknown_row = (encode_one(encoder, listing) for listing in (known, unknown))
    assert len(unknown_row) == len(known_row)
    assert set(unknown_row) != set(known_row)
    assert np.isfinite(list(unknown_row.values())).all()
    assert encoder.encode(cross_listing(MARKET, known)).unseen == ()
    assert encoder.encode(cross_listing(MARKET, unknown)).unseen == ("district",)


def test_texts_that_are_made_of_others_are_never_unseen() -> None:
    listing = {"district": "a", "heating_type": "b", "building_age": 4.0}
    assert unfilled().encode(cross_listing(MARKET, listing)).unseen == ("district", "heating_type")


def test_an_empty_listing_has_scores_alone() -> None:
    encoder = unfilled()
    assert {encoder.column_names[column] for column in encode_one(encoder, {})} == {
        "score_above_low",
        "score_above_medium",
        "score_price",
    }


def test_a_missing_number_is_zero_and_the_lowest_is_one() -> None:
    encoder = unfilled()
    gross = encoder.column_names.index("gross_m2")
    assert gross not in encode_one(encoder, {})
    assert encode_one(encoder, {"gross_m2": 5.0})[gross] == 1.0
    assert encode_one(encoder, {"gross_m2": 55.0})[gross] == 2.0


def test_a_clock_is_encoded_as_years_since_2000() -> None:
    encoder = unfilled()
    column = encoder.column_names.index("created_on")
    days = pd.to_datetime(["2000-01-31", "2001-01-01", "2022-07-15", "1990-01-01"]).date
    assert [encode_one(encoder, {"created_on": day})[column] for day in days] == [1.0, 2.0, 23.5, 1.0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 99}, f"the encoder's format is 99, this version reads 4, 5 and {FORMAT}"),
        ({"market": PARCELS.fingerprint}, "the encoder was fitted for another declaration than that of istanbul"),
        ({"local_scores": {"told_missing": [99]}}, "told_missing are not all within 0 and 6"),
        (
            {"scores": {"n_buckets": 8, "buckets": [], "coefficients": [], "intercepts": [0, 0]}},
            "the encoder has 2 scores, not 3",
        ),
    ],
)
def test_an_encoder_that_does_not_belong_is_refused(
    encoder: FittedEncoder, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        FittedEncoder.from_json(json.dumps({**json.loads(encoder.to_json()), **change}), MARKET)


def test_an_encoder_without_the_local_scores_that_its_market_declares_is_refused(encoder: FittedEncoder) -> None:
    stored = json.loads(encoder.to_json())
    del stored["local_scores"]
    with pytest.raises(ValueError, match="the encoder has no local scores, and istanbul declares a kernel"):
        FittedEncoder.from_json(json.dumps(stored), MARKET)


def test_an_encoder_from_before_there_were_local_scores_is_read() -> None:
    nothing = LinearScores(np.zeros((2**8, 3), np.int64), np.zeros(3, np.int64))
    former = replace(MARKET, local=None)
    stored = json.loads(FittedEncoder(former, {}, nothing, frozenset()).to_json())
    assert FittedEncoder.from_json(json.dumps({**stored, "format": 4}), former).to_json() == json.dumps(
        stored, ensure_ascii=False
    )


def test_the_price_index_is_kept_with_the_encoder_and_a_former_one_has_none() -> None:
    nothing = LinearScores(np.zeros((2**8, 5), np.int64), np.zeros(5, np.int64))
    encoder = FittedEncoder(replace(PARCELS, linear=()), {}, nothing, frozenset(), index=INDEX)
    stored = json.loads(encoder.to_json())
    again = FittedEncoder.from_json(json.dumps(stored), encoder.market)
    assert again.index.to_dict() == INDEX.to_dict()
    listing = {"sold_on": date(2014, 6, 1)}
    assert again.encode(listing).log_price == encoder.encode(listing).log_price == np.log(0.9)
    stored["price_index"]["clock"] = "built_on"
    with pytest.raises(ValueError, match="goes by 'built_on', which is no clock of parcels"):
        FittedEncoder.from_json(json.dumps(stored), encoder.market)
    del stored["price_index"]
    former = FittedEncoder.from_json(json.dumps({**stored, "format": 5}), encoder.market)
    assert not former.index.exists
    assert former.encode(listing).log_price is None


def test_an_encoder_is_refused_by_a_market_that_declares_its_columns_in_another_order(encoder: FittedEncoder) -> None:
    reordered = replace(MARKET, columns=MARKET.columns[::-1])
    with pytest.raises(ValueError, match="another declaration"):
        FittedEncoder.from_json(encoder.to_json(), reordered)


def test_an_encoder_that_weighs_other_numbers_than_are_declared_is_refused() -> None:
    nothing = LinearScores(np.zeros((8, 5), np.int64), np.zeros(5, np.int64))
    stored = FittedEncoder(PARCELS, {}, nothing, frozenset()).to_json()
    with pytest.raises(ValueError, match="the encoder weighs 0 numbers, the market declares 3"):
        FittedEncoder.from_json(stored, PARCELS)
