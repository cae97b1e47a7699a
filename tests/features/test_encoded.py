"""Encoded listings know which listings they were made of."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.bands import PriceBands
from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoded import EncodedListings, digest_listings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.listings.cleaning import clean
from housing_assets.listings.sample import synthetic_listings

REFUSAL = "made of other listings than are stored now: materialize crossed_features and all below it"


@pytest.fixture(scope="module")
def listings() -> pd.DataFrame:
    return clean(synthetic_listings(300, seed=5)).listings


@pytest.fixture(scope="module")
def encoded(listings: pd.DataFrame) -> EncodedListings:
    crossed = cross_frame(listings)
    return EncodedListings.encode(crossed, PriceBands.learn(crossed), ListingEncoder(n_buckets=2**10))


def test_the_listings_and_their_crosses_are_those_that_were_encoded_and_still_are_after_a_folder(
    listings: pd.DataFrame, encoded: EncodedListings, tmp_path: Path
) -> None:
    encoded.save(tmp_path)
    again = EncodedListings.load(tmp_path)
    for each in (encoded, again):
        each.require_listings(listings)
        each.require_listings(cross_frame(listings))
    assert again.fit_digest() == encoded.fit_digest()


def test_where_a_row_stood_in_the_source_makes_no_other_listing(
    listings: pd.DataFrame, encoded: EncodedListings
) -> None:
    encoded.require_listings(listings.assign(row=listings["row"] + 7))


@pytest.mark.parametrize("kind", ["a row less", "another order", "another price of a row held out"])
def test_other_listings_are_refused_by_name(listings: pd.DataFrame, encoded: EncodedListings, kind: str) -> None:
    held_out = int(np.flatnonzero(encoded.bands.held_out(listings))[0])
    dearer = listings.copy()
    dearer.loc[held_out, "price"] += 1
    other = {
        "a row less": listings.iloc[1:],
        "another order": listings.iloc[::-1].reset_index(drop=True),
        "another price of a row held out": dearer,
    }[kind]
    with pytest.raises(ValueError, match=REFUSAL):
        encoded.require_listings(other)
    assert digest_listings(other) != encoded.listings_digest


def test_a_fit_on_the_same_training_rows_with_other_rows_held_out_is_another(
    listings: pd.DataFrame, encoded: EncodedListings
) -> None:
    held_out = np.flatnonzero(encoded.bands.held_out(listings))
    fewer = cross_frame(listings.drop(index=held_out[:3]).reset_index(drop=True))
    other = EncodedListings.encode(fewer, encoded.bands, ListingEncoder(n_buckets=2**10))
    assert (other.X_train != encoded.X_train).nnz == 0
    assert other.fit_digest() != encoded.fit_digest()
