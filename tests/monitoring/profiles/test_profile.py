"""Profiles: exact merging, storage, and what they refuse."""

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.inference.declaration import TEXTS
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.profiles import texts
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile, reference_edges
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.small_platform import TODAY, Platform, ads, predictions_of

ROOT = Path(__file__).parents[3]
POOL = ads(300, seed=3)
for column, odd in {"gross_m2": 1e9, "net_m2": 1 / 3, "floor": -10.0, "dues": -0.0, "rental_income": 0.1}.items():
    POOL.loc[POOL.index % 7 == 0, column] = odd
EDGES = reference_edges(MARKET, ads(500, seed=4))
PROBABILITIES = np.random.default_rng(0).dirichlet([1, 2, 1], len(POOL))
PREDICTED = np.where(np.arange(len(POOL)) % 50, PROBABILITIES.argmax(axis=1), -1)
AS_OF = np.array([np.datetime64(TODAY)] * 150 + [np.datetime64("2022-04-01")] * 150)


def predictions(rows: np.ndarray) -> PredictionProfile:
    return PredictionProfile.of(MARKET.categories, PREDICTED[rows], PROBABILITIES[rows])


NO_PREDICTIONS = predictions(np.arange(0))


def profile(rows: np.ndarray) -> Profile:
    return Profile.of(MARKET, POOL.iloc[rows], predictions(rows), EDGES, as_of=AS_OF[rows])


def profile_of(listings: pd.DataFrame, as_of: date | np.ndarray = TODAY) -> Profile:
    """Profile listings without predictions."""
    return Profile.of(MARKET, listings, NO_PREDICTIONS, EDGES, as_of=as_of)


@st.composite
def partitions(draw: st.DrawFn) -> list[np.ndarray]:
    """Draw some of the pool's rows, in any order, in any number of parts, some of them empty."""
    rows = np.array(draw(st.lists(st.integers(0, len(POOL) - 1), max_size=120)), dtype=np.int64)
    cuts = sorted(draw(st.lists(st.integers(0, len(rows)), max_size=6)))
    return np.split(rows, cuts)


def tree(profiles: list[Profile], draw: st.DrawFn) -> Profile:
    """Merge profiles two at a time, in a drawn order."""
    while len(profiles) > 1:
        one = profiles.pop(draw(st.integers(0, len(profiles) - 1)))
        other = profiles.pop(draw(st.integers(0, len(profiles) - 1)))
        profiles.append(one.merge(other))
    return profiles[0]


@given(st.data(), partitions(), st.sampled_from([5, 40, 50_000]))
def test_parts_merged_in_any_order_equal_the_whole_to_the_last_bit(
    data: st.DataObject, parts: list[np.ndarray], bound: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(texts, "MAX_VALUES", bound)
        whole = profile(np.concatenate(parts))
        assert tree([profile(part) for part in parts], data.draw).to_json() == whole.to_json()


def test_the_empty_profile_is_neutral() -> None:
    empty, some = profile(np.arange(0)), profile(np.arange(200))
    assert empty.rows == 0
    assert empty.merge(some).to_json() == some.to_json() == some.merge(empty).to_json()


def test_listings_of_differing_categories_merge_as_one_frame() -> None:
    halves = [POOL.iloc[:150], POOL.iloc[150:]]
    trimmed = [
        half.assign(**{value.name: half[value.name].cat.remove_unused_categories() for value in MARKET.values(*TEXTS)})
        for half in halves
    ]
    joined = pd.concat(trimmed)  # whose texts are objects where the halves' categories differ
    assert joined["district"].dtype == object
    merged = profile_of(trimmed[0]).merge(profile_of(trimmed[1]))
    assert merged.to_json() == profile_of(joined).to_json()


def test_a_profile_counts_what_the_listings_hold() -> None:
    listings = ads(3_000, seed=5)
    found = Profile.of(MARKET, listings, predictions_of(np.eye(3)[[0, 2, 2]]), EDGES, as_of=TODAY)
    assert found.rows == 3_000
    for name, number in found.numbers.items():
        present = listings[name].dropna()
        assert (number.present, number.missing) == (len(present), listings[name].isna().sum())
        assert number.mean == pytest.approx(present.mean(), abs=1 / 256)
        assert number.deviation == pytest.approx(present.std(), rel=1e-3)
    assert found.texts["district"].counts == listings["district"].value_counts().to_dict()
    assert found.texts["heating_type"].missing == listings["heating_type"].isna().sum()
    assert sorted(found.texts["address"].counts.values()) == sorted(listings["address"].astype(str).value_counts())
    assert found.predictions.counts.tolist() == [1, 0, 2]
    assert found.predictions.mean_probabilities == pytest.approx([1 / 3, 0, 2 / 3])
    lag = (pd.Timestamp(TODAY) - listings["created_on"]).dt.days
    assert found.lags["created_on"].mean == pytest.approx(lag.mean())
    assert found.lags["created_on"].counts[:3].tolist() == [0, (lag == 0).sum(), (lag == 1).sum()]


def test_prices_are_not_profiled_because_production_has_none() -> None:
    assert "price" not in profile(np.arange(5)).missing
    assert profile_of(POOL).to_json() == profile_of(POOL.drop(columns="price")).to_json()


def test_no_personal_value_stands_in_a_profile() -> None:
    stored = profile(np.arange(300)).to_json()
    for value in MARKET.values(*TEXTS):
        found = any(json.dumps(text) in stored for text in POOL[value.name].dropna().unique())
        assert found is not value.personal, value.name


def test_rows_without_an_answer_are_counted_apart() -> None:
    found = profile(np.arange(300)).predictions
    assert (found.rows, found.unanswered) == (294, 6)


def test_a_prediction_that_lacks_a_probability_counts_as_none() -> None:
    lacking = np.where(np.eye(3) > 0, np.nan, 0.5)
    found = PredictionProfile.of(MARKET.categories, np.array([1, 2, 0]), lacking)
    assert (found.rows, found.unanswered) == (0, 3)


def test_sums_stay_exact_where_floats_do_not() -> None:
    large = pd.DataFrame({"gross_m2": np.array([1e9, 1 / 256, 1.0] * 70_000)})
    found = profile_of(large).numbers["gross_m2"]
    assert found.total == 70_000 * (256 * 10**9 + 1 + 256)
    assert found.squares == 70_000 * ((256 * 10**9) ** 2 + 1 + 256**2)
    shifted = large.assign(gross_m2=5e10 + large["gross_m2"].clip(upper=1.0))  # a float's sum of squares loses these
    close = profile_of(shifted).numbers["gross_m2"]
    assert close.deviation == pytest.approx(large["gross_m2"].clip(upper=1.0).std(), rel=1e-3)


def test_a_stored_profile_reads_back_the_same(platform: Platform) -> None:
    text = platform.reference.to_json()
    assert Profile.from_json(text).to_json() == text
    assert json.loads(text)["schema"] == 4
    assert len(text) < 500_000


def test_texts_that_utf_8_cannot_hold_are_stored() -> None:
    odd = POOL.assign(heating_type="\ud800", address="\udfff", neighbourhood='"\\\u2028')
    text = profile_of(odd).to_json()
    text.encode("utf-8")
    assert Profile.from_json(text).texts["heating_type"].counts == {"\ud800": 300}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda text: text[: len(text) // 2], "damaged"),
        (lambda text: "", "damaged"),
        (lambda text: "[1]", "damaged"),
        (lambda text: text.replace('"missing":0', '"missing":1', 1), "checksum"),
        (lambda text: text + " ", "checksum"),
        (lambda text: text.replace('"schema":4', '"schema":5'), "schema is 5, this version reads 4"),
        (lambda text: text.replace('"schema":4', '"schema":3'), "schema is 3, this version reads 4"),
    ],
)
def test_a_damaged_profile_is_refused_and_says_why(damage: Callable[[str], str], reason: str) -> None:
    text = profile(np.arange(30)).to_json()
    assert damage(text) != text
    with pytest.raises(ProfileRefused, match=reason):
        Profile.from_json(damage(text))


def test_profiles_of_other_columns_or_bins_are_not_merged() -> None:
    one = profile(np.arange(30))
    with pytest.raises(ProfileRefused, match="district"):
        one.merge(profile_of(POOL.drop(columns="district")))
    other = EDGES | {"gross_m2": EDGES["gross_m2"] + 1}
    with pytest.raises(ProfileRefused, match="gross_m2"):
        one.merge(Profile.of(MARKET, POOL, NO_PREDICTIONS, other, as_of=TODAY))


def test_profiles_of_other_categories_are_not_merged() -> None:
    reversed_order = predictions_of(PROBABILITIES, tuple(reversed(MARKET.categories)))
    other = Profile.of(MARKET, POOL, reversed_order, EDGES, as_of=TODAY)
    with pytest.raises(ProfileRefused, match="other categories: low, medium, high against high, medium, low"):
        profile(np.arange(30)).merge(other)


def test_lags_are_counted_to_the_day_of_each_row() -> None:
    one_day = profile_of(POOL, date(2022, 3, 4)).lags["created_on"]
    days = np.array([np.datetime64("2022-03-04")] * 150 + [np.datetime64("2022-03-14")] * 150)
    two_days = profile_of(POOL, days).lags["created_on"]
    assert two_days.mean - one_day.mean == pytest.approx(5)


def test_monitoring_needs_neither_orchestrator_nor_tracker_nor_server() -> None:
    code = (
        "import sys; import housing_assets.monitoring.drift.page, housing_assets.monitoring.drift.validation, "
        "housing_assets.monitoring.performance.judging, housing_assets.monitoring.performance.without_labels; "
        "print([n for n in ('dagster', 'mlflow', 'bentoml', 'sklearn') if n in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
