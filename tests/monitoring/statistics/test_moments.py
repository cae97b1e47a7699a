"""Mean, spread and skewness: found where they move, and quiet where they do not."""

import numpy as np
import pytest
from scipy import stats

from housing_assets.monitoring.profiles.numbers import NumberProfile, learn_edges
from housing_assets.monitoring.statistics.moments import mean_shift, skew_difference, spread_ratio


def profiles(reference: np.ndarray, window: np.ndarray) -> tuple[NumberProfile, NumberProfile]:
    edges = learn_edges(reference)
    return NumberProfile.of(reference, edges), NumberProfile.of(window, edges)


def areas(rows: int, seed: int) -> np.ndarray:
    """Draw areas with a heavy tail, as ads have them."""
    return np.random.default_rng(seed).lognormal(4.8, 0.7, rows)


def test_a_mean_is_shifted_in_deviations_of_the_reference() -> None:
    reference, window = profiles(areas(16_000, 0), areas(2_000, 1) + 250)
    found = mean_shift(reference, window)
    assert found.value == pytest.approx(250 / reference.deviation, rel=0.1)
    assert found.p < 1e-9
    welch = stats.ttest_ind(areas(2_000, 1), areas(16_000, 0), equal_var=False)
    assert mean_shift(*profiles(areas(16_000, 0), areas(2_000, 1))).p == pytest.approx(welch.pvalue, abs=0.01)


def test_one_absurd_area_shifts_no_mean_significantly() -> None:
    found = mean_shift(*profiles(areas(16_000, 0), np.append(areas(200, 1), 200_000)))
    assert found.value > 2
    assert found.p > 0.2


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


@pytest.mark.parametrize("m", [200, 2_000])
@pytest.mark.parametrize("moment", [mean_shift, spread_ratio, skew_difference])
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
    assert mean_shift(*profiles(constant, constant)) == (0, 1)
    assert mean_shift(*profiles(constant, constant + 3)) == (3, 0)
    assert spread_ratio(*profiles(varied, constant)).value == 0
