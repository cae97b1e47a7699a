"""The folds of listings: what they follow from, and what is older than the newest of them."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import group_keys
from housing_assets.inference.price_index import PriceIndex
from housing_assets.selection.judged_folds import fingerprint, older_homes
from housing_assets.training.parameters import Balancing
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


def test_settings_are_searched_for_on_homes_that_are_not_among_the_newest(crossed: pd.DataFrame) -> None:
    older = older_homes(crossed, MARKET, 0.15)
    days, homes = crossed["updated_on"], group_keys(MARKET, crossed)
    newer = days > older["updated_on"].max()
    assert newer.mean() >= 0.15
    assert older["updated_on"].notna().all()
    assert 0.4 < len(older) / len(crossed) < 1
    assert not set(homes[newer.to_numpy()]) & set(group_keys(MARKET, older))
    assert older_homes(crossed, MARKET, 0) is crossed
