"""Signs of a broken feed, told from a world that has changed."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.causes import Cause, Sign, find_causes, find_price_cause, find_stuck
from housing_assets.monitoring.drift.report import judge_drift
from housing_assets.monitoring.profiles.numbers import NumberProfile, learn_edges
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile, reference_edges
from housing_assets.monitoring.thresholds import Thresholds
from tests.monitoring.small_markets import DAY, FIVE_BANDS, draw
from tests.monitoring.small_platform import Platform, ads

LIMITS = Thresholds()
ORDINARY = ads(2_000, seed=5)


def causes(platform: Platform, listings: pd.DataFrame) -> tuple[Cause, ...]:
    day = platform.profile(listings)
    drift = judge_drift(platform.reference, day, LIMITS)
    moved = {one.column for one in drift.findings if one.counts_toward_retraining} - {"predictions"}
    return find_causes(MARKET, platform.reference, day, LIMITS, moved)


def details(found: tuple[Cause, ...]) -> list[str]:
    return [cause.detail for cause in found]


def test_an_ordinary_day_has_no_sign(platform: Platform) -> None:
    for rows in (50, 200, 2_000):
        assert causes(platform, ORDINARY[:rows]) == ()


@pytest.mark.parametrize("rows", [60, 300, 2_000])
@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (10, "multiplied by 10"),
        (100, "multiplied by 100"),
        (1 / 1_000, "divided by 1000"),
        (3.281, "multiplied by 3.281 (feet for metres)"),
        (1 / 3.281, "divided by 3.281 (feet for metres, or the other way round)"),
    ],
)
def test_a_number_in_another_unit_is_named_with_its_factor(
    platform: Platform, rows: int, factor: float, said: str
) -> None:
    day = ORDINARY[:rows]
    (detail,) = details(causes(platform, day.assign(gross_m2=day["gross_m2"] * factor)))

    back = "divided" if factor > 1 else "multiplied"
    assert detail == f"gross_m2 looks {said}: {back} by it, its distribution is the reference's"


def test_square_feet_are_told_from_a_decimal_point(platform: Platform) -> None:
    (detail,) = details(causes(platform, ORDINARY.assign(gross_m2=(ORDINARY["gross_m2"] * 10.764).round())))

    assert "multiplied by 10.764 (square feet for square metres)" in detail


@pytest.mark.parametrize("share", [0.2, 0.5])
def test_a_unit_error_of_some_of_the_rows_is_found(platform: Platform, share: float) -> None:
    struck = np.random.default_rng(0).random(len(ORDINARY)) < share
    (detail,) = details(
        causes(platform, ORDINARY.assign(gross_m2=ORDINARY["gross_m2"].where(~struck, ORDINARY["gross_m2"] * 10)))
    )

    assert detail.startswith("about ")
    assert abs(int(detail.split("%")[0].removeprefix("about ")) / 100 - share) < 0.06
    assert "of gross_m2 look multiplied by 10" in detail


def test_values_missing_are_told_with_their_shares(platform: Platform) -> None:
    struck = np.random.default_rng(0).random(len(ORDINARY)) < 0.6
    (cause,) = causes(platform, ORDINARY.assign(heating_type=ORDINARY["heating_type"].mask(struck)))

    assert (cause.sign, cause.column) == (Sign.MISSING, "heating_type")
    assert cause.detail.startswith("heating_type is missing in 6")


def test_a_column_that_no_request_has_is_another_schema(platform: Platform) -> None:
    (cause,) = causes(platform, ORDINARY.assign(heating_type=pd.Categorical([None] * len(ORDINARY))))

    assert (cause.sign, cause.column) == (Sign.ABSENT, "heating_type")


@pytest.mark.parametrize(
    ("column", "value"), [("district", pd.Categorical(["kadikoy"] * 2_000)), ("building_age", 7.0)]
)
def test_a_column_that_stands_still_alone_is_broken(platform: Platform, column: str, value: Any) -> None:
    (cause,) = causes(platform, ORDINARY.assign(**{column: value}))

    assert (cause.sign, cause.column) == (Sign.ONE_VALUE, column)


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0015), (0.0021, 0.0057)])
def test_a_share_that_varies_by_less_than_sums_can_tell_does_not_stand_still(low: float, high: float) -> None:
    drawn = np.random.default_rng(0).uniform(low, high, (2, 400))
    reference, day = (draw(FIVE_BANDS, 400, seed).assign(area=area) for seed, area in enumerate(drawn))
    edges = reference_edges(FIVE_BANDS, reference)
    none = PredictionProfile.none(FIVE_BANDS.categories)
    profiles = (Profile.of(FIVE_BANDS, rows, none, edges, as_of=DAY) for rows in (reference, day))

    assert find_causes(FIVE_BANDS, *profiles, LIMITS) == ()


def test_rows_that_repeat_are_found(platform: Platform) -> None:
    replayed = pd.concat([ORDINARY[:400]] * 5, ignore_index=True)

    assert [cause.sign for cause in causes(platform, replayed)] == [Sign.REPEATED]


def test_rows_of_a_day_before_are_found_and_those_of_a_few_homes_that_come_again_are_not(platform: Platform) -> None:
    pool = ads(4_000, seed=6)
    day, other = pool[:2_000], pool[2_000:]
    before = [platform.profile(rows).listings for rows in (other, pool[1_000:3_000], day)]

    def stuck(listings: pd.DataFrame, n_days: int = 3) -> list[str]:
        known = {date(2026, 3, 1 + number): rows for number, rows in enumerate(before[:n_days])}
        return details(find_stuck(platform.profile(listings).listings, known, LIMITS))

    assert stuck(day, n_days=2) == []
    assert stuck(day) == ["100% of the different rows are those of 2026-03-03, at most 90% may be those of one day"]
    assert len(stuck(day.sample(frac=1, random_state=0)[:400])) == 1  # a part of them, in another order
    assert stuck(day[:40]) == []  # too few to tell
    assert stuck(pool) == []


def test_a_clock_that_has_stopped_is_found_and_one_that_says_today_is_not(platform: Platform) -> None:
    stopped, today = np.datetime64("2022-02-01", "s"), np.datetime64("2022-03-04", "s")

    assert [cause.sign for cause in causes(platform, ORDINARY.assign(created_on=stopped))] == [Sign.STOPPED]
    assert causes(platform, ORDINARY.assign(created_on=today)) == ()


@pytest.mark.parametrize(
    "shift",
    [{"only_district": "kadikoy"}, {"new_district_share": 0.5}, {"price_inflation": 0.6}, {"concept_change": 1.0}],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_a_changed_world_has_no_sign_of_a_broken_feed(platform: Platform, shift: dict[str, Any], seed: int) -> None:
    assert causes(platform, ads(2_000, seed=300 + seed, **shift)) == ()


@pytest.mark.trial
def test_of_clustered_ordinary_days_at_most_one_of_twenty_shows_a_sign(platform: Platform) -> None:
    pool, generator = ads(8_000, seed=6), np.random.default_rng(0)
    places = [rows.index.to_numpy() for _, rows in pool.groupby("neighbourhood", observed=True) if len(rows) > 20]
    found = []
    for _ in range(20):
        clients = [generator.choice(places[place], 20) for place in generator.integers(0, len(places), 25)]
        found += [details(causes(platform, pool.loc[np.concatenate(clients)]))]
    assert sum(map(bool, found)) <= 1, found


def prices(factor: float, rows: int = 600) -> NumberProfile:
    listings = ORDINARY[:rows]
    return NumberProfile.of(listings["price"].to_numpy() * factor, np.zeros(0))


@pytest.fixture(scope="module")
def learned(platform: Platform) -> NumberProfile:
    found = platform.listings["price"].to_numpy()
    return NumberProfile.of(found, learn_edges(found))


@pytest.mark.parametrize("factor", [1.0, 1.6, 0.6, 2.0, 3.0])
def test_prices_that_rose_or_fell_are_no_unit_error(learned: NumberProfile, factor: float) -> None:
    assert find_price_cause("price", learned, prices(factor), LIMITS) == ()


@pytest.mark.parametrize(
    ("factor", "said"),
    [
        (100.0, "multiplied by 100"),
        (1 / 1_000, "divided by 1000"),
        (1 / 34.5, "divided by 3"),
        (34.5, "multiplied by 3"),
    ],
)
def test_prices_in_another_unit_are_named(learned: NumberProfile, factor: float, said: str) -> None:
    (cause,) = find_price_cause("price", learned, prices(factor), LIMITS)

    assert f"price looks {said}" in cause.detail
    assert ("another currency" in cause.detail) == (factor in (34.5, 1 / 34.5))


def test_few_rows_are_not_looked_at(platform: Platform) -> None:
    assert causes(platform, ORDINARY[:40].assign(gross_m2=ORDINARY["gross_m2"][:40] * 10)) == ()
