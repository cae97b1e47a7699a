"""Encoded listings: the stored split decides the sides, and a folder gives back all of it."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.split import HELD_OUT, group_keys, label_rows
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from tests.conftest import crossed_listings
from tests.other_markets import PARCELS, THREE_GRADES, drawn_sales

MARKETS = {"istanbul": MARKET, "parcels": PARCELS, "graded": THREE_GRADES}


def crossed_of(market: Market, n_rows: int = 400) -> pd.DataFrame:
    drawn = synthetic_listings(n_rows, seed=5) if market is MARKET else drawn_sales(market, n_rows, seed=5)
    return crossed_listings(market, RawListings.of_sample(market, drawn).frame)


def encode(market: Market, crossed: pd.DataFrame) -> EncodedListings:
    return EncodedListings.encode(crossed, crossed.attrs["labels"], ListingEncoder(market, n_buckets=2**10))


@pytest.fixture(scope="module", params=MARKETS)
def both(request: pytest.FixtureRequest) -> tuple[pd.DataFrame, EncodedListings]:
    market = MARKETS[request.param]
    crossed = crossed_of(market)
    return crossed, encode(market, crossed)


def same(first: csr_matrix, second: csr_matrix) -> bool:
    return first.shape == second.shape and (first != second).nnz == 0


def test_the_stored_split_decides_which_rows_are_learned_from(both: tuple[pd.DataFrame, EncodedListings]) -> None:
    crossed, encoded = both
    market, holdout = encoded.encoder.market, crossed[HELD_OUT].to_numpy()
    indices = label_rows(market, encoded.labels, crossed)
    assert encoded.y_train.tolist() == indices[~holdout].tolist()
    assert encoded.y_holdout.tolist() == indices[holdout].tolist()
    assert encoded.groups_train.tolist() == group_keys(market, crossed)[~holdout].tolist()
    assert len(encoded.y_train) == encoded.X_train.shape[0] > encoded.X_holdout.shape[0] == len(encoded.y_holdout) > 0
    assert encoded.X_train.shape[1] == encoded.X_holdout.shape[1] == encoded.encoder.n_columns


def test_held_out_rows_change_nothing_that_is_learned() -> None:
    crossed = crossed_of(PARCELS)
    fewer = crossed[~crossed[HELD_OUT] | (np.arange(len(crossed)) % 2 == 0)]
    encoded, other = encode(PARCELS, crossed), encode(PARCELS, fewer)
    assert same(other.X_train, encoded.X_train)
    assert other.encoder.to_json() == encoded.encoder.to_json()
    assert other.X_holdout.shape[0] < encoded.X_holdout.shape[0]


def test_encoded_listings_survive_a_folder(both: tuple[pd.DataFrame, EncodedListings], tmp_path: Path) -> None:
    _, encoded = both
    encoded.save(tmp_path)
    again = EncodedListings.load(tmp_path)
    assert same(again.X_train, encoded.X_train)
    assert same(again.X_holdout, encoded.X_holdout)
    names = ["y_train", "y_holdout", "groups_train"]
    local = ["known_log_prices_train", "known_log_prices_holdout"]
    assert [getattr(again, name) is None for name in local] == [encoded.encoder.market.local is None] * 2
    for name in names if encoded.encoder.market.local is None else names + local:
        found, expected = getattr(again, name), getattr(encoded, name)
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert again.labels == encoded.labels
    assert again.encoder.to_json() == encoded.encoder.to_json()
    assert again.encoder.market.to_json() == encoded.encoder.market.to_json()
    assert again.columns_fingerprint() == encoded.columns_fingerprint()


def test_the_fingerprint_of_the_columns_is_that_of_their_names(both: tuple[pd.DataFrame, EncodedListings]) -> None:
    crossed, encoded = both
    market = encoded.encoder.market
    other = EncodedListings.encode(crossed, encoded.labels, ListingEncoder(market, n_buckets=2**9))
    assert other.columns_fingerprint() != encoded.columns_fingerprint()


def with_parcels(crossed: pd.DataFrame, parcels: list[str]) -> pd.DataFrame:
    changed = crossed.assign(parcel=pd.Categorical(parcels))
    changed.attrs["labels"] = crossed.attrs["labels"]
    return changed


@pytest.mark.parametrize("kind", ["rows", "homes"])
def test_a_category_with_too_few_homes_for_the_folds_is_refused_by_name(kind: str) -> None:
    crossed = crossed_of(THREE_GRADES)
    labels: LabelScheme = crossed.attrs["labels"]
    of_class = (crossed["grade"] == "A") & ~crossed[HELD_OUT]
    if kind == "rows":
        few = crossed.drop(index=of_class[of_class].index[4:])
    else:  # many sales, of four homes
        few = with_parcels(
            crossed,
            [str(row % 4 if is_one else 1_000 + row) for row, is_one in enumerate(of_class)],
        )
    with pytest.raises(ValueError, match="'A' has 4 homes among the training listings: at least 5 are needed"):
        EncodedListings.encode(few, labels, ListingEncoder(THREE_GRADES, n_buckets=2**10))


def test_a_category_without_held_out_listings_is_refused_by_name() -> None:
    crossed = crossed_of(THREE_GRADES)
    few = crossed[~crossed[HELD_OUT] | (crossed["grade"] != "A")]
    with pytest.raises(ValueError, match="'A' has no held-out listings to judge a forest by"):
        EncodedListings.encode(few, crossed.attrs["labels"], ListingEncoder(THREE_GRADES, n_buckets=2**10))


def test_listings_that_were_read_by_an_older_declaration_are_refused_with_what_mends_it() -> None:
    crossed = crossed_of(THREE_GRADES)
    older = crossed.drop(columns=["view", "sqft_per_bedroom"])
    with pytest.raises(ValueError, match=r"have no .*view.*materialize raw_listings and all below it") as refused:
        EncodedListings.encode(older, crossed.attrs["labels"], ListingEncoder(THREE_GRADES, n_buckets=2**10))
    assert "sqft_per_bedroom" in str(refused.value)
