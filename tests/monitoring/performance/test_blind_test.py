"""The blind back-test: an estimate counts once, when its price comes in, and faults are told apart from chance."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.monitoring.performance.blind_test import read_valuations, run_blind_test
from housing_assets.monitoring.thresholds import Thresholds
from housing_assets.valuation import Valuations

DAY = date(2026, 3, 10)
LIMITS = Thresholds()


def valuations(n_rows: int, *, bias: float = 0.0, spread: float = 0.1, told: float = 0.1) -> Valuations:
    """Return estimates whose errors are normal on the logarithm, and intervals for errors of another spread."""
    prices = np.random.default_rng(0).uniform(1e5, 1e6, n_rows)
    errors = np.random.default_rng(1).normal(bias, spread, n_rows)
    estimates = prices * np.exp(errors)
    ends = {level: told * width for level, width in ((50, 0.674), (80, 1.2816))}
    intervals = {level: (estimates * np.exp(-end), estimates * np.exp(end)) for level, end in ends.items()}
    return Valuations(prices, estimates, intervals, np.full(n_rows, told))


def test_honest_estimates_pass_and_are_told_in_a_sentence() -> None:
    test = run_blind_test(valuations(2_000), LIMITS)
    assert test.faults == ()
    assert not test.insufficient
    assert test.summary.startswith("2,000 estimated prices came back: half of the estimates were within 6.")
    assert "80% of the prices lay within the 80 % interval" in test.summary
    assert [one.value for one in test.terciles] == ["lowest", "middle", "highest"]


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"bias": -0.09}, "too low in the middle"),
        ({"bias": 0.09}, "too high in the middle"),
        ({"spread": 0.18}, "the intervals are too narrow"),
    ],
)
def test_what_is_beyond_its_limit_is_a_fault(changes: dict[str, float], fault: str) -> None:
    test = run_blind_test(valuations(2_000, **changes), LIMITS)
    assert any(fault in one for one in test.faults)
    assert fault in test.summary


def test_prices_that_rose_as_a_whole_are_told_from_a_market_that_changed() -> None:
    rose = run_blind_test(valuations(2_000, bias=-0.09), LIMITS).faults[0]
    assert rose.endswith("% of the prices: prices have risen, and nothing tells of another change)")
    fell = run_blind_test(valuations(2_000, bias=0.09), LIMITS).faults[0]
    assert "prices have fallen, and nothing tells of another change" in fell
    changed = run_blind_test(valuations(2_000, bias=-0.09, spread=0.2), LIMITS)
    (changed_too,) = changed.faults
    assert changed_too.endswith("what prices are made of has changed)")
    assert changed.coverage_at_level < 0.6


def test_of_a_few_prices_chance_may_be_to_blame() -> None:
    few = run_blind_test(valuations(32, bias=-0.055, spread=0.3, told=0.3), LIMITS)
    assert abs(few.figures["price_median_bias"]) > 0
    assert few.faults == ()


def test_too_few_prices_say_nothing() -> None:
    test = run_blind_test(valuations(20, bias=1.0), LIMITS)
    assert test.insufficient
    assert test.faults == ()
    assert test.summary == "20 estimated prices came back: too few to judge estimates by."


def test_intervals_that_are_too_wide_are_no_fault() -> None:
    assert run_blind_test(valuations(2_000, spread=0.02), LIMITS).faults == ()


def estimate(price: float) -> str:
    ends = {"low": 0.9 * price, "high": 1.1 * price}
    told = {"price": price, "interval_50": ends, "interval_80": ends, "forecast_deviation": 0.1, "currency": "TRY"}
    return json.dumps(told)


def labelled(**changes: list[Any]) -> pd.DataFrame:
    """Return labelled predictions of which the first is an ordinary one."""
    noon = datetime(DAY.year, DAY.month, DAY.day, 12, tzinfo=UTC)
    rows = {
        "role": ["answer", "shadow", "answer", "answer", "answer", "answer", "answer"],
        "tier": ["production"] * 7,
        "model_version": ["3", "3", "2", "3", "3", "3", "3"],
        "price": [100.0, 101.0, 102.0, 103.0, 104.0, 105.0, np.nan],
        "comparable": [True, True, True, False, True, True, True],
        "estimate": [estimate(110.0), *map(estimate, (1.0, 2.0, 3.0, 4.0)), None, estimate(5.0)],
        "received_at": pd.DatetimeIndex([*[noon] * 4, noon - timedelta(days=1), noon, noon]),
    }
    return pd.DataFrame(rows | changes)


def frames(*found: pd.DataFrame) -> Iterator[pd.DataFrame]:
    yield from found


def test_an_estimate_counts_on_the_day_on_which_a_price_of_its_kind_came_in() -> None:
    found = read_valuations(frames(labelled(), labelled()), 3, {DAY})
    assert found.prices.tolist() == [100.0, 105.0] * 2
    assert found.estimates[[0, 2]].tolist() == [110.0, 110.0]
    assert np.isnan(found.estimates[[1, 3]]).all()  # the model had abstained
    assert found.intervals[80][0][0] == pytest.approx(99.0)
    assert found.fsd is not None
    assert found.fsd[0] == 0.1


def test_answers_of_before_there_were_estimates_have_none() -> None:
    found = read_valuations(frames(labelled().drop(columns="estimate")), 3, {DAY})
    assert np.isnan(found.estimates).all()
    assert run_blind_test(found, LIMITS).insufficient


def test_no_day_has_no_valuations() -> None:
    assert len(read_valuations(frames(labelled()), 3, set())) == 0
