"""Median, spread and skewness: found where they move, and quiet where they do not."""

import numpy as np
import pytest
from scipy import stats

from housing_assets.monitoring.profiles.numbers import NumberProfile, learn_edges
from housing_assets.monitoring.statistics.moments import IQR_OF_NORMAL, median_shift, skew_difference, spread_ratio


def profiles(reference: np.ndarray, window: np.ndarray) -> tuple[NumberProfile, NumberProfile]:
    edges = learn_edges(reference)
    return NumberProfile.of(reference, edges), NumberProfile.of(window, edges)


def areas(rows: int, seed: int) -> np.ndarray:
    """Draw areas with a heavy tail, as ads have them."""
    return np.random.default_rng(seed).lognormal(4.8, 0.7, rows)


def test_a_median_is_shifted_in_deviations_of_the_references_middle_half() -> None:
    reference, window = profiles(areas(16_000, 0), areas(2_000, 1) + 250)
    found = median_shift(reference, window)
    middle = np.subtract(*np.quantile(areas(16_000, 0), [0.75, 0.25])) / IQR_OF_NORMAL
    assert found.value == pytest.approx(250 / middle, rel=0.05)
    assert found.p < 1e-9
    assert median_shift(*profiles(areas(16_000, 0), np.maximum(areas(2_000, 1) - 60, 0))).value < -0.5


def test_absurd_areas_shift_no_median() -> None:
    found = median_shift(*profiles(areas(16_000, 0), np.append(areas(200, 1), [200_000] * 10)))
    assert abs(found.value) < 0.5
    assert found.p > 0.05


def test_rows_that_come_together_are_less_sure() -> None:
    reference, window = profiles(areas(16_000, 0), areas(300, 3) * 1.2)
    for moment in (median_shift, spread_ratio, skew_difference):
        assert moment(reference, window, 20.0).value == moment(reference, window).value
        assert moment(reference, window, 20.0).p > moment(reference, window).p


def test_spread_and_skewness_are_those_of_the_values() -> None:
    generator = np.random.default_rng(0)
    reference, window = generator.normal(0, 1, 50_000), generator.normal(0, 0.5, 50_000)
    ratio = spread_ratio(*profiles(reference, window))
    assert ratio.value == pytest.approx(0.51, abs=0.02)
    assert ratio.p < 1e-9
    skewed = skew_difference(*profiles(reference, generator.gamma(2, 0.5, 50_000)))
    cut = stats.skew(np.clip(generator.gamma(2, 0.5, 50_000), *np.quantile(reference, [0.025, 0.975])))
    assert skewed.value == pytest.approx(cut, abs=0.1)
    assert skewed.p < 1e-9


@pytest.mark.acceptance
@pytest.mark.parametrize("m", [200, pytest.param(2_000, marks=pytest.mark.trial)])
@pytest.mark.parametrize("moment", [median_shift, spread_ratio, skew_difference])
def test_moments_of_heavy_tails_hold_still_without_drift(moment: object, m: int) -> None:
    reference = areas(16_000, 0)
    p = np.array([moment(*profiles(reference, areas(m, seed))).p for seed in range(1, 301)])
    assert np.mean(p < 0.05) < 0.1
    assert np.mean(p < 0.001) < 0.015


def test_a_small_window_that_lacks_a_rare_value_is_not_sure_to_be_skewed() -> None:
    """Its own skewness is then 8 instead of 2.7, with an error to match; the reference's alone would be certain."""
    found = skew_difference(*profiles(np.repeat([1.0, 2.0], [14_400, 1_600]), np.repeat([1.0, 2.0], [75, 1])))
    assert found.value > 5
    assert found.p > 0.05


def test_values_that_are_all_one_have_no_shape() -> None:
    constant, varied = np.full(300, 2.0), np.array([1.0, 2.0, 3.0] * 100)
    assert spread_ratio(*profiles(constant, varied)).value == 1
    assert skew_difference(*profiles(varied, constant)) == (0, 1)
    assert median_shift(*profiles(constant, constant)) == (0, 1)
    assert median_shift(*profiles(constant, constant + 3)).value == 3
    assert spread_ratio(*profiles(varied, constant)).value == 0
