"""Hashing equals scikit-learn's FeatureHasher, token by token."""

import mmh3
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction import FeatureHasher

from housing_assets.inference.crossing import cross_texts
from housing_assets.inference.hashing import (
    N_BUCKETS,
    NO_TEXT,
    bucket,
    bucket_keys,
    hash_texts,
    hash_token,
    token,
)
from housing_assets.inference.market import Market
from housing_assets.inference.token_hashing import TokenHasher
from housing_assets.markets.istanbul import MARKET as ISTANBUL
from tests.other_markets import PARCELS, THREE_GRADES

LOWEST_HASH_TOKENS = ("bea=LqJX", "cbk=CXCj", "eky=BESQ")
"""Texts whose MurmurHash3 is -2**31, found by running the hash backwards."""


def hashed_by_sklearn(tokens: list[str], n_buckets: int) -> dict[int, float]:
    row = FeatureHasher(n_buckets, input_type="string").transform([tokens])
    return dict(zip(row.indices.tolist(), row.data.tolist(), strict=True))


@pytest.mark.parametrize("n_buckets", [1, 2, 7, 1000, 2**10, N_BUCKETS, 2**31 - 1])
def test_thousands_of_tokens_fall_into_the_buckets_of_feature_hasher(n_buckets: int) -> None:
    tokens = [f"{column}={value}" for column in ("district", "ısıtma × kat", "") for value in range(1500)]
    rows = FeatureHasher(n_buckets, input_type="string").transform([[each] for each in tokens])
    ours = [bucket(hash_token(each), n_buckets) for each in tokens]
    assert [index for index, _ in ours] == rows.indices.tolist()
    assert [sign for _, sign in ours] == rows.data.tolist()


@given(st.text(), st.sampled_from([3, 64, 1000, N_BUCKETS]))
def test_any_unicode_text_falls_into_the_bucket_of_feature_hasher(text: str, n_buckets: int) -> None:
    assert dict([bucket(hash_token(text), n_buckets)]) == hashed_by_sklearn([text], n_buckets)


@pytest.mark.parametrize("lowest", LOWEST_HASH_TOKENS)
@pytest.mark.parametrize("n_buckets", [1, 3, 1000, N_BUCKETS, 2**31 - 1])
def test_a_hash_without_positive_counterpart_falls_into_the_bucket_of_feature_hasher(
    lowest: str, n_buckets: int
) -> None:
    assert mmh3.hash(lowest) == -(2**31)
    assert dict([bucket(hash_token(lowest), n_buckets)]) == hashed_by_sklearn([lowest], n_buckets)


@given(st.text(st.characters(categories=["Cs"]), min_size=1))
def test_halves_of_surrogate_pairs_are_hashed_like_any_text(text: str) -> None:
    index, sign = bucket(hash_token(text))
    assert 0 <= index < N_BUCKETS
    assert sign in (1.0, -1.0)


def test_an_empty_token_has_a_bucket() -> None:
    assert bucket(hash_token("")) == (0, 1.0)


def test_one_value_in_two_columns_is_two_tokens() -> None:
    found = np.array([bucket(hash_token(token(column, "unknown")))[0] for column in ("district", "swap", "balcony")])
    assert len(set(found)) == 3


@given(texts=st.lists(st.text(max_size=30), max_size=30), n_buckets=st.sampled_from([7, 2**10, 2**16]))
def test_distinct_texts_are_hashed_as_their_tokens_one_by_one(texts: list[str], n_buckets: int) -> None:
    keys = bucket_keys(hash_texts("column", texts), n_buckets)
    one_by_one = [bucket(hash_token(token("column", text)), n_buckets) for text in texts]
    assert [(int(key) // 2, -1.0 if key % 2 else 1.0) for key in keys] == one_by_one


@pytest.mark.parametrize("market", [ISTANBUL, PARCELS, THREE_GRADES], ids=lambda market: market.name)
@given(data=st.data())
def test_all_tokens_of_a_listing_are_hashed_as_they_are_one_by_one(market: Market, data: st.DataObject) -> None:
    crosses = dict(market.named_crosses)
    alone = [name for name in market.encoded_texts if name not in crosses]
    any_text = st.text(st.characters(), max_size=12)  # halves of surrogate pairs, too
    listing = {name: data.draw(st.none() | any_text) for name in alone}
    made = {name: cross_texts([listing[part] for part in parts]) for name, parts in crosses.items()}
    texts = [(listing | made)[name] for name in market.encoded_texts]
    assert TokenHasher(market).hash(listing).tolist() == [
        NO_TEXT if text is None else hash_token(token(name, text))
        for name, text in zip(market.encoded_texts, texts, strict=True)
    ]


@pytest.mark.parametrize("more", range(5))
def test_long_texts_are_hashed_alike(more: int) -> None:
    text = 10_000 * "ş" + more * "x"
    found = TokenHasher(ISTANBUL).hash({"district": text})
    assert found[ISTANBUL.encoded_texts.index("district")] == hash_token(token("district", text))


def test_a_listing_that_says_nothing_has_no_token() -> None:
    assert set(TokenHasher(ISTANBUL).hash({}).tolist()) == {NO_TEXT}
