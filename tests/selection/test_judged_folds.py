"""The folds of listings: what they follow from, and what is older than the newest of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.price_index_learning import PublishedIndex, learn_price_index
from housing_assets.features.split import group_keys
from housing_assets.inference.price_index import BOTH, LEARNED, PriceIndex, month_number
from housing_assets.listings.source import RawListings
from housing_assets.selection.judged_folds import fingerprint, grouped, older_homes
from housing_assets.training.parameters import Balancing
from tests.conftest import crossed_listings
from tests.other_markets import PARCELS, drawn_sales
from tests.training.conftest import MARKET, crossed_sample, encode

SMOTE = Balancing("smote", 20, 0)


@pytest.fixture(scope="module")
def crossed() -> pd.DataFrame:
    return crossed_sample(300, seed=5)


@pytest.fixture(scope="module")
def encoded(crossed: pd.DataFrame) -> EncodedListings:
    return encode(MARKET, crossed)


def test_a_fingerprint_is_of_what_folds_follow_from(crossed: pd.DataFrame, encoded: EncodedListings) -> None:
    labels, encoder = encoded.labels, encoded.encoder
    own = fingerprint(crossed, labels, encoder, SMOTE, 3)
    assert fingerprint(crossed.copy(), labels, replace(encoder), SMOTE, 3) == own

    dearer = crossed.assign(price=crossed["price"] + 1)
    other_labels = replace(labels, holdout_salt="another")
    other_encoder = replace(encoder, parameters={**encoder.parameters, "n_folds": 2})
    others = [
        fingerprint(dearer, labels, encoder, SMOTE, 3),
        fingerprint(crossed[1:], labels, encoder, SMOTE, 3),
        fingerprint(crossed, other_labels, encoder, SMOTE, 3),
        fingerprint(crossed, labels, other_encoder, SMOTE, 3),
        fingerprint(crossed, labels, encoder, SMOTE._replace(strategy="none"), 3),
        fingerprint(crossed, labels, encoder, SMOTE._replace(seed=1), 3),
        fingerprint(crossed, labels, encoder, SMOTE, 4),
    ]
    assert len({own, *others}) == 1 + len(others)


def test_the_last_bits_of_an_index_make_no_other_folds(crossed: pd.DataFrame, encoded: EncodedListings) -> None:
    def with_index(logs: list[float]) -> str:
        index = PriceIndex("updated_on", "listings", 600, 2, np.array(logs), np.zeros(2), np.ones(2, dtype=np.int64))
        return fingerprint(crossed, encoded.labels, replace(encoded.encoder, index=index), SMOTE, 3)

    assert with_index([-0.1, 0.0]) == with_index([float(np.nextafter(-0.1, 0)), -0.0])
    assert with_index([-0.1, 0.0]) != with_index([-0.11, 0.0])


@pytest.fixture(scope="module")
def published() -> PublishedIndex:
    months = np.arange(month_number("2013-01"), month_number("2014-12") + 1)
    return PublishedIndex(months, np.linspace(5, 5.3, len(months)))


@pytest.fixture(scope="module")
def sold(published: PublishedIndex) -> tuple[pd.DataFrame, EncodedListings]:
    """Give sales of a market whose index is learned together with a published one."""
    sales = crossed_listings(PARCELS, RawListings.of_sample(PARCELS, drawn_sales(PARCELS, 600, seed=7)).frame)
    encoded = encode(PARCELS, sales)
    index = learn_price_index(PARCELS, sales, published=published).index
    assert index.source == BOTH
    return sales, replace(encoded, encoder=replace(encoded.encoder, index=index))


def test_the_index_of_each_fold_is_learned_together_with_the_published_one(
    sold: tuple[pd.DataFrame, EncodedListings], published: PublishedIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    sales, encoded = sold
    learned: list[dict[str, object]] = []
    fit_transform = ListingEncoder.fit_transform

    def noting(encoder: ListingEncoder, rows: pd.DataFrame, *more: object) -> object:
        learned.append(encoder.index.to_dict())
        assert learned[-1] == learn_price_index(PARCELS, rows, published=published).index.to_dict()
        return fit_transform(encoder, rows, *more)

    monkeypatch.setattr(ListingEncoder, "fit_transform", noting)
    folds = list(grouped(sales, encoded.labels, encoded.encoder, SMOTE, 3, published))
    assert len(folds) == len(learned) == 3
    assert learned[0] != learned[1]


def test_a_fingerprint_is_of_the_published_index_that_folds_learn_with(
    sold: tuple[pd.DataFrame, EncodedListings], published: PublishedIndex
) -> None:
    sales, encoded = sold

    def with_published(index: PublishedIndex | None, source: str) -> str:
        own = replace(encoded.encoder, index=replace(encoded.encoder.index, source=source))
        return fingerprint(sales, encoded.labels, own, SMOTE, 3, index)

    other = replace(published, logs=published.logs * 1.01)
    assert with_published(published, BOTH) != with_published(other, BOTH)
    assert with_published(published, LEARNED) == with_published(other, LEARNED) == with_published(None, LEARNED)


def test_settings_are_searched_for_on_homes_that_are_not_among_the_newest(crossed: pd.DataFrame) -> None:
    older = older_homes(crossed, MARKET, 0.15)
    days, homes = crossed["updated_on"], group_keys(MARKET, crossed)
    newer = days > older["updated_on"].max()
    assert newer.mean() >= 0.15
    assert older["updated_on"].notna().all()
    assert 0.4 < len(older) / len(crossed) < 1
    assert not set(homes[newer.to_numpy()]) & set(group_keys(MARKET, older))
    assert older_homes(crossed, MARKET, 0) is crossed
