"""Credit: what an encoded column adds is told of the declared columns that it was made of."""

from dataclasses import replace
from datetime import date

import numpy as np
import pytest

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.credit import CreditRules, parts_of, proportions
from housing_assets.inference.crossing import cross_listing
from housing_assets.inference.hashing import bucket, hash_token, token
from housing_assets.inference.market import Market
from housing_assets.inference.prediction import parse_usable
from housing_assets.inference.token_sources import TokenSources
from tests.conftest import small_model
from tests.inference.test_price_index import INDEX
from tests.other_markets import LOCAL_PARCELS, PARCELS, drawn_sales

INPUTS = [column.raw for column in PARCELS.inputs]


def told(shares: np.ndarray) -> dict[str, float]:
    return {name: float(share) for name, share in zip(INPUTS, shares, strict=True) if share}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("living_sqft", {"sqft_living": 1}),
        ("bedroom_count", {"bedrooms": 1}),
        ("cell", {"lat": 0.5, "long": 0.5}),
        ("zip_code × bedroom_count", {"bedrooms": 0.5, "zipcode": 0.5}),
        ("cell × living_250", {"sqft_living": 0.5, "lat": 0.25, "long": 0.25}),
        ("sqft_per_bedroom", {"bedrooms": 0.5, "sqft_living": 0.5}),
    ],
)
def test_what_is_made_of_columns_is_theirs_in_equal_parts(name: str, expected: dict[str, float]) -> None:
    assert told(parts_of(PARCELS)[name]) == expected


def test_every_encoded_number_and_text_is_somebodys() -> None:
    parts = parts_of(PARCELS)
    for name in (*(name for name, _, _ in PARCELS.encoded_numbers), *PARCELS.encoded_texts):
        assert parts[name].sum() == pytest.approx(1)


def test_proportions_of_one_sign_are_those_of_the_sum() -> None:
    assert proportions(np.array([3.0, 1.0, 0.0])) == pytest.approx([0.75, 0.25, 0])
    assert proportions(np.array([-3.0, -1.0])) == pytest.approx([0.75, 0.25])


def test_proportions_stay_bounded_where_what_is_added_cancels_out() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        added = rng.normal(size=6)
        added[0] -= added.sum() * (1 - 1e-9 * rng.integers(0, 2))
        shares = proportions(added)
        assert shares.sum() == pytest.approx(1)
        assert (np.abs(shares) <= 2 * np.abs(added) / np.abs(added).sum() + 1e-12).all()
    assert proportions(np.zeros(4)) == pytest.approx([0.25] * 4)


@pytest.fixture(scope="module")
def crossed(artifact: ModelArtifact) -> dict[str, object]:
    cells = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1", "BuildingAge": "5-10"}
    return cross_listing(artifact.market, parse_usable(artifact.market, cells))


def credited(artifact: ModelArtifact, crossed: dict[str, object], column: int) -> dict[str, float]:
    assert artifact.sources is not None
    columns = np.array([column], dtype=np.int32)
    found = CreditRules(artifact.encoder, artifact.sources, columns).declare(crossed, np.ones((1, 1)))[:, 0]
    return {each.raw: share for each, share in zip(artifact.market.inputs, found, strict=True) if share}


def test_a_bucket_is_that_of_the_listings_texts_in_it(artifact: ModelArtifact, crossed: dict[str, object]) -> None:
    hashed = hash_token(token("district", "kadikoy"))
    column = artifact.encoder.first_bucket + bucket(hashed, artifact.encoder.n_buckets)[0]
    assert credited(artifact, crossed, column)["district"] > 0.3  # another text may share it


def test_a_bucket_that_a_listing_does_not_fill_is_that_of_the_texts_that_fill_it_in_training(
    artifact: ModelArtifact, crossed: dict[str, object]
) -> None:
    encoder, texts = artifact.encoder, artifact.market.encoded_texts
    sources = TokenSources(
        np.array([7, 7], np.int32),
        np.array([texts.index("district"), texts.index("property_kind")], np.int16),
        np.array([0.75, 0.25], np.float32),
    )
    columns = np.array([encoder.first_bucket + 7, encoder.first_bucket + 8], dtype=np.int32)
    found = CreditRules(encoder, sources, columns).declare({}, np.eye(2))
    by_name = dict(zip((each.raw for each in artifact.market.inputs), found, strict=True))
    assert by_name["district"][0] == pytest.approx(0.75)
    assert found.sum(axis=0) == pytest.approx([1, 1])  # the second, which nothing fills any more, is everybody's


def test_a_score_is_that_of_what_is_added_to_it(artifact: ModelArtifact, crossed: dict[str, object]) -> None:
    score = len(artifact.market.encoded_numbers) + 2
    shares = credited(artifact, crossed, score)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) <= {"district", "GrossSquareMeters", "NumberOfRooms", "BuildingAge"}
    assert shares["district"] != 0


def test_a_local_score_is_that_of_the_columns_of_its_kernel(
    artifact: ModelArtifact, crossed: dict[str, object]
) -> None:
    kernel = artifact.market.local
    assert kernel is not None
    parts, encoder = parts_of(artifact.market), artifact.encoder
    names = (kernel.block, *(number.of for number in kernel.numbers), *kernel.texts)
    of_kernel = sum(parts[name] for name in names)
    allowed = {each.raw for each, part in zip(artifact.market.inputs, of_kernel, strict=True) if part}
    for column in range(encoder.first_bucket - len(encoder.local_names), encoder.first_bucket):
        shares = credited(artifact, crossed, column)
        assert sum(shares.values()) == pytest.approx(1)
        assert set(shares) <= allowed


def test_what_an_estimate_begins_with_is_somebodys(artifact: ModelArtifact, crossed: dict[str, object]) -> None:
    assert artifact.sources is not None
    added, base = CreditRules(artifact.encoder, artifact.sources, artifact.forest.columns).declare_known(crossed)
    known = artifact.encoder.encode(crossed).log_price
    assert known is not None
    assert base + added.sum() == pytest.approx(known)


@pytest.mark.parametrize("market", [PARCELS, LOCAL_PARCELS], ids=lambda market: market.name)
def test_the_level_of_the_month_is_the_dates(market: Market) -> None:
    model = small_model(market, drawn_sales(market, 600), n_trees=2)
    assert model.sources is not None
    encoder = replace(model.encoder, index=INDEX)
    credits_ = CreditRules(encoder, model.sources, model.forest.columns)
    then, undated = (
        {**cross_listing(market, {"zip_code": "98001", "living_sqft": 1_500.0}), **dated}
        for dated in ({"sold_on": date(2014, 5, 1)}, {})
    )
    added, base = credits_.declare_known(then)
    position = [column.raw for column in market.inputs].index("date")
    assert added[position] == pytest.approx(np.log(0.8), abs=0.005)
    assert base + added.sum() == pytest.approx(encoder.encode(then).log_price)
    added[position] = 0.0
    assert credits_.declare_known(undated)[0] == pytest.approx(added, abs=0.005)


def test_nothing_is_lost_between_encoded_and_declared_columns(
    artifact: ModelArtifact, crossed: dict[str, object]
) -> None:
    assert artifact.sources is not None
    columns = artifact.forest.columns
    given = np.random.default_rng(0).normal(size=(len(columns), 3))
    declared = CreditRules(artifact.encoder, artifact.sources, columns).declare(crossed, given)
    assert declared.sum(axis=0) == pytest.approx(given.sum(axis=0))
