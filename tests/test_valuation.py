"""Figures of price estimates, against values worked out by hand, published examples, and what must hold of any."""

import math
from collections.abc import Sequence
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.valuation import (
    MIN_ROWS,
    PRICE_TERCILE,
    TERCILES,
    Valuations,
    coefficient_of_dispersion,
    coverage_gaps,
    figures_by_segment,
    filled,
    price_related_bias,
    price_related_differential,
    value_figures,
)

HUNDREDS = Valuations(
    prices=np.array([100.0, 200.0, 400.0, 500.0]),
    estimates=np.array([110.0, 190.0, 400.0, 300.0]),
    intervals={
        50: (np.array([105.0, 180.0, 390.0, 290.0]), np.array([115.0, 200.0, 410.0, 310.0])),
        80: (np.array([90.0, 150.0, 300.0, 200.0]), np.array([130.0, 230.0, 500.0, 400.0])),
    },
    fsd=np.array([0.1, 0.1, 0.1, 0.1]),
)
"""Errors of +10 %, -5 %, 0 and -40 %."""


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("price_rows", 4),
        ("price_hit_rate", 1),
        ("price_mdape", (0.05 + 0.1) / 2),
        ("price_mape", (0.1 + 0.05 + 0 + 0.4) / 4),
        ("price_smape", (10 / 105 + 10 / 195 + 0 + 200 / 400) / 4),
        ("price_wmape", 220 / 1200),
        ("price_rmse", math.sqrt((100 + 100 + 0 + 40_000) / 4)),
        ("price_r2", 1 - 40_200 / (200**2 + 100**2 + 100**2 + 200**2)),
        ("price_within_5", 0.5),
        ("price_within_10", 0.75),
        ("price_within_15", 0.75),
        ("price_within_20", 0.75),
        ("price_median_bias", (-0.05 + 0) / 2),
        ("price_mean_bias", -0.35 / 4),
        ("price_error_std", math.sqrt((0.01 + 0.0025 + 0.16) / 4 - (0.35 / 4) ** 2)),
        ("price_cod", 100 * (0.125 + 0.025 + 0.025 + 0.375) / 4 / 0.975),
        ("price_prd", (1.1 + 0.95 + 1 + 0.6) / 4 / (1000 / 1200)),
        ("price_fsd", 0.1),
        ("price_fsd_share", 0.75),
        ("price_coverage_50", 0.5),
        ("price_width_50", (10 / 110 + 20 / 300) / 2),
        ("price_coverage_80", 0.75),
        ("price_width_80", (80 / 190 + 200 / 400) / 2),
    ],
)
def test_figures_are_those_worked_out_by_hand(name: str, by_hand: float) -> None:
    assert value_figures(HUNDREDS, min_rows=4)[name] == pytest.approx(by_hand)


def test_the_realised_forecast_standard_deviation_holds_68_percent_of_prices() -> None:
    rng = np.random.default_rng(0)
    estimates = rng.uniform(1e5, 1e6, 20_000)
    valuations = Valuations(estimates * (1 + 0.12 * rng.standard_normal(20_000)).clip(0.1), estimates)
    assert value_figures(valuations)["price_error_68"] == pytest.approx(0.12, abs=0.003)


TABLE_1_1 = """48000,138000 28800,59250 78400,157500 39840,74400 68160,114900 94400,159000 67200,111900 56960,93000
    87200,138720 38240,59700 96320,146400 67680,99000 32960,47400 50560,70500 61360,78000 47360,60000 58080,69000
    47040,55500 136000,154500 103200,109500 59040,60000 168000,168000 128000,124500 132000,127500 160000,150000
    160000,141000 200000,171900 184000,157500 160000,129600 157200,126000 99200,77700 200000,153000 64000,48750
    192000,144000 190400,141000 65440,48000"""
TABLE_1_4 = """87200,138720 38240,59700 96320,146400 68610,99000 32960,47400 50560,70500 61360,78000 47360,60000
    56580,69000 47040,55500 136000,154500 98000,109500 56000,60000 159100,168000 128000,124500 132000,127500
    160000,150000"""


@pytest.mark.parametrize(
    ("table", "median", "cod", "prd", "prb"),
    [(TABLE_1_1, 0.864, 29.8, 0.98, 0.232), (TABLE_1_4, 0.820, 14.5, 0.98, 0.135)],
    ids=["1-1", "1-4"],
)
def test_the_examples_of_the_standard_on_ratio_studies(
    table: str, median: float, cod: float, prd: float, prb: float
) -> None:
    """Appraised values and sale prices of the IAAO's Standard on Ratio Studies (2013)."""
    appraised, sold = np.array([pair.split(",") for pair in table.split()], dtype=float).T
    assert round(float(np.median(appraised / sold)), 3) == median
    assert round(coefficient_of_dispersion(sold, appraised), 1) == cod
    assert round(price_related_differential(sold, appraised), 2) == prd
    assert round(price_related_bias(sold, appraised), 3) == prb


def test_ratios_that_rise_by_a_part_with_every_doubling_have_that_bias() -> None:
    values = 2.0 ** np.arange(10, 21)
    ratios = 1 + 0.02 * (np.arange(11) - 5)
    prices = 2 * values / (1 + ratios)  # so that price and estimate have the value as their mean
    assert price_related_bias(prices, ratios * prices) == pytest.approx(0.02)
    assert price_related_bias(np.full(3, 7.0), np.full(3, 7.0)) != price_related_bias(prices, ratios * prices)
    assert math.isnan(price_related_bias(np.full(3, 7.0), np.full(3, 7.0)))


amount = st.integers(1_000, 10_000_000).map(float)
amounts = st.lists(st.tuples(amount, amount), min_size=3, max_size=40)


def of_pairs(pairs: Sequence[tuple[float, float]], scale: float = 1.0) -> Valuations:
    prices, estimates = np.array(pairs).T * scale
    return Valuations(prices, estimates, {80: (estimates * 0.8, estimates * 1.3)}, np.full(len(pairs), 0.15))


@given(amounts, st.floats(1e-3, 1e3))
def test_another_currency_changes_nothing_but_amounts(pairs: list[tuple[float, float]], scale: float) -> None:
    before, after = (value_figures(of_pairs(pairs, by), min_rows=1) for by in (1.0, scale))
    after["price_rmse"] /= scale
    assert after == pytest.approx(before, rel=1e-6, abs=1e-6, nan_ok=True)


@given(amounts, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(pairs: list[tuple[float, float]], random: Random) -> None:
    shuffled = list(pairs)
    random.shuffle(shuffled)
    before, after = (value_figures(of_pairs(each), min_rows=1) for each in (pairs, shuffled))
    assert after == pytest.approx(before, rel=1e-9, abs=1e-9, nan_ok=True)


@given(amounts)
def test_perfect_estimates_have_no_error_and_ratios_are_their_own_measure(pairs: list[tuple[float, float]]) -> None:
    prices = np.array(pairs)[:, 0]
    figures = value_figures(Valuations(prices, prices.copy()), min_rows=1)
    for name in ("price_mdape", "price_mape", "price_smape", "price_wmape", "price_rmse", "price_mean_bias"):
        assert figures[name] == 0
    assert figures["price_within_5"] == 1
    assert figures["price_cod"] == 0
    half = value_figures(Valuations(prices, prices / 2), min_rows=1)
    assert half["price_median_bias"] == pytest.approx(-0.5)
    assert (half["price_cod"], half["price_prd"]) == (pytest.approx(0, abs=1e-9), pytest.approx(1))


@given(amounts)
def test_shares_ascend_and_errors_are_in_their_bounds(pairs: list[tuple[float, float]]) -> None:
    figures = value_figures(of_pairs(pairs), min_rows=1)
    shares = [figures[f"price_within_{percent}"] for percent in (5, 10, 15, 20)]
    assert shares == sorted(shares)
    assert 0 <= figures["price_smape"] <= 2
    assert figures["price_r2"] <= 1 or math.isnan(figures["price_r2"])
    assert abs(figures["price_mean_bias"]) <= figures["price_mape"] + 1e-12


def test_too_few_rows_are_blank_under_the_same_keys() -> None:
    few, enough = (
        value_figures(of_pairs([(100.0, 110.0 + row) for row in range(n)])) for n in (MIN_ROWS - 1, MIN_ROWS)
    )
    assert few.keys() == enough.keys()
    assert filled(few) == {"price_rows": MIN_ROWS - 1, "price_hit_rate": 1.0}
    assert set(enough) - set(filled(enough)) == {"price_r2"}  # all prices are the same
    nothing = Valuations(np.zeros(0), np.zeros(0))
    assert filled(value_figures(nothing)) == {"price_rows": 0}


def test_rows_without_an_estimate_count_in_the_hit_rate_alone() -> None:
    prices = np.append(HUNDREDS.prices, 1e9)
    figures = value_figures(Valuations(prices, np.append(HUNDREDS.estimates, np.nan)), min_rows=4)
    without = value_figures(Valuations(HUNDREDS.prices, HUNDREDS.estimates), min_rows=4)
    assert (figures["price_rows"], figures["price_hit_rate"]) == (5, 0.8)
    assert {**figures, "price_rows": 4, "price_hit_rate": 1} == without


def test_segments_and_terciles_have_figures_of_their_own_rows() -> None:
    rng = np.random.default_rng(1)
    prices = rng.lognormal(13, 0.5, 300)
    districts = np.repeat(["a", "b", "c"], [200, 90, 10])
    estimates = prices * np.where(districts == "a", 1.1, 0.8)
    found = figures_by_segment(Valuations(prices, estimates), {"district": districts})
    by_value = {(one.segment, one.value): one.figures for one in found}
    assert by_value["district", "a"]["price_median_bias"] == pytest.approx(0.1)
    assert by_value["district", "b"]["price_median_bias"] == pytest.approx(-0.2)
    assert filled(by_value["district", "c"]) == {"price_rows": 10, "price_hit_rate": 1.0}
    assert [one.value for one in found if one.segment == PRICE_TERCILE] == list(TERCILES)
    assert [by_value[PRICE_TERCILE, name]["price_rows"] for name in TERCILES] == [100, 100, 100]


def test_gaps_of_coverage_are_those_of_the_segments_that_are_not_blank() -> None:
    prices = np.full(110, 100.0)
    lower = np.full(110, 90.0)
    lower[:10] = lower[50:65] = 101.0  # misses 10 of the first 50, 15 of the next 50
    segments = np.repeat(["a", "b", "c"], [50, 50, 10])
    found = figures_by_segment(Valuations(prices, prices, {80: (lower, np.full(110, 120.0))}), {"zip code": segments})
    gaps = coverage_gaps([one for one in found if one.segment == "zip code"], 80)
    assert gaps["price_coverage_80_gap"] == pytest.approx((0 + 0.1) / 2)
    assert gaps["price_coverage_80_gap_worst_tenth"] == pytest.approx(0.09)
    assert gaps["price_coverage_80_gap_by_chance"] == pytest.approx(math.sqrt(2 / math.pi * 0.16 / 50))
    assert all(math.isnan(gap) for gap in coverage_gaps([], 80).values())


def test_the_gap_by_chance_is_that_of_exact_intervals() -> None:
    rng = np.random.default_rng(2)
    inside = rng.random(20_000) < 0.8
    lower, upper = np.where(inside, 90.0, 101.0), np.full(20_000, 110.0)
    segments = np.arange(20_000) % 400
    valuations = Valuations(np.full(20_000, 100.0), np.full(20_000, 100.0), {80: (lower, upper)})
    found = [one for one in figures_by_segment(valuations, {"s": segments.astype(str)}) if one.segment == "s"]
    gaps = coverage_gaps(found, 80)
    assert gaps["price_coverage_80_gap"] == pytest.approx(gaps["price_coverage_80_gap_by_chance"], rel=0.1)


@pytest.mark.parametrize(
    ("changed", "fault"),
    [
        ({"prices": np.array([0.0, 1, 1, 1])}, "a price is not above 0"),
        ({"prices": np.array([np.nan, 1, 1, 1])}, "a price is not above 0"),
        ({"estimates": np.array([-1.0, 1, 1, 1])}, "an estimate is not above 0"),
        ({"estimates": np.ones(3)}, "shapes"),
        ({"fsd": np.array([-0.1, 0, 0, 0])}, "forecast standard deviation"),
        ({"intervals": {80: (np.full(4, 2.0), np.ones(4))}}, "lower bound of the 80 % interval"),
        ({"intervals": {0.8: (np.ones(4), np.ones(4))}}, "hold 0.8 % of prices"),
    ],
)
def test_what_cannot_be_judged_is_refused(changed: dict[str, object], fault: str) -> None:
    given_ = {"prices": np.ones(4), "estimates": np.ones(4), **changed}
    with pytest.raises(ValueError, match=fault):
        Valuations(**given_)  # type: ignore[arg-type]
