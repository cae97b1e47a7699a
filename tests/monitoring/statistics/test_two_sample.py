"""Statistics on counts: against the libraries that compute them from rows, and against simulated samples."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from housing_assets.monitoring.statistics.two_sample import (
    Divergence,
    chi_square,
    compare_proportions,
    kolmogorov_smirnov,
    kullback_leibler,
    population_stability,
)

N_SAMPLES = 2_000


def null_samples(shares: np.ndarray, n: int, m: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    return generator.multinomial(n, shares, N_SAMPLES), generator.multinomial(m, shares, N_SAMPLES)


def test_population_stability_is_the_formula_on_smoothed_shares() -> None:
    reference, window = np.array([40, 60, 0, 0]), np.array([10, 5, 5, 0])
    p = np.array([40.5, 60.5, 0.5]) / 101.5  # the cell that is empty in both is no cell
    q = np.array([10.5, 5.5, 5.5]) / 21.5
    found = population_stability(reference, window)
    assert found.value == pytest.approx(((q - p) * np.log(q / p)).sum())
    assert found.effect == pytest.approx(found.value - 2 * (1 / 100 + 1 / 20))
    assert found.p == pytest.approx(stats.chi2.sf(found.value / (1 / 100 + 1 / 20), 2))


def test_divergence_of_predictions_is_that_of_the_window_from_the_reference() -> None:
    reference, window = np.array([40, 40, 20]), np.array([20, 10, 30])
    p, q = np.array([40.5, 40.5, 20.5]) / 101.5, np.array([20.5, 10.5, 30.5]) / 61.5
    found = kullback_leibler(reference, window)
    assert found.value == pytest.approx((q * np.log(q / p)).sum())
    assert found.effect == pytest.approx(found.value - (1 / 100 + 1 / 60))
    assert found.value != pytest.approx(kullback_leibler(window, reference).value)


@pytest.mark.parametrize("statistic", [population_stability, kullback_leibler, chi_square])
@pytest.mark.parametrize(("n", "m"), [(20_000, 200), (20_000, 2_000), (5_000, 25_000)])
def test_without_drift_effects_are_around_zero_and_p_is_uniform(statistic: object, n: int, m: int) -> None:
    shares = np.array([0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
    found = [statistic(*pair) for pair in zip(*null_samples(shares, n, m), strict=True)]
    p = np.array([one.p for one in found])
    assert np.mean(p < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(p < 0.5) == pytest.approx(0.5, abs=0.05)
    if statistic is not chi_square:  # V is cut off at 0
        c = 1 / n + 1 / m
        assert np.mean([one.effect for one in found]) == pytest.approx(0, abs=0.3 * c)
        assert np.mean([one.value for one in found]) > 2 * c


@pytest.mark.parametrize("statistic", [population_stability, kullback_leibler, chi_square])
def test_one_cell_alone_says_nothing(statistic: object) -> None:
    assert statistic(np.array([50, 0]), np.array([7, 0])) == Divergence(0.0, 0.0, 1.0)


@pytest.mark.filterwarnings("ignore:divide by zero:RuntimeWarning")  # scipy's own, of one row
@given(st.lists(st.integers(0, 9), min_size=1, max_size=60), st.lists(st.integers(0, 9), min_size=1, max_size=60))
def test_histograms_of_single_values_give_the_distances_of_the_rows(one: list[int], other: list[int]) -> None:
    counts = [np.bincount(rows, minlength=10) for rows in (one, other)]
    found = kolmogorov_smirnov(*counts)
    assert found.value == pytest.approx(stats.ks_2samp(one, other, method="asymp").statistic)
    effective = len(one) * len(other) / (len(one) + len(other))
    assert found.p == pytest.approx(stats.kstwobign.sf(found.value * np.sqrt(effective)))


def test_chi_square_is_that_of_the_table() -> None:
    reference, window = np.array([400, 500, 100]), np.array([60, 30, 10])
    found = chi_square(reference, window)
    expected = stats.chi2_contingency([reference, window], correction=False)
    assert (found.value, found.p) == pytest.approx((expected.statistic, expected.pvalue))


def test_cramers_v_is_that_of_two_samples_that_weigh_the_same_and_bias_corrected() -> None:
    reference, window = np.array([500, 500]), np.array([600, 400])
    chi2, n = stats.chi2_contingency([reference, window], correction=False).statistic, 2000
    assert chi_square(reference, window).effect == pytest.approx(np.sqrt(chi2 / n - 2 / 1_000 / 4))
    assert chi_square(np.array([500, 500]), np.array([505, 495])).effect == 0


@pytest.mark.parametrize("rows", [200, 2_000, 20_000, 200_000])
def test_cramers_v_of_a_shift_is_the_same_in_windows_of_any_size(rows: int) -> None:
    reference, shifted = np.array([8_000, 4_000, 2_000, 2_000]), np.array([0.35, 0.25, 0.2, 0.2])
    expected = np.sqrt(((shifted - reference / 16_000) ** 2 / (shifted + reference / 16_000)).sum() / 2)
    assert chi_square(reference, shifted * rows).effect == pytest.approx(expected, abs=0.02)


def test_cells_with_small_expectations_are_pooled() -> None:
    reference, window = np.array([900, 60, 10, 10, 10, 10]), np.array([80, 16, 0, 2, 1, 1])
    pooled = chi_square(np.array([900, 60 + 40]), np.array([80, 16 + 4]))  # 40 others alone expect fewer than 5, too
    assert chi_square(reference, window)[::2] == pytest.approx(pooled[::2])  # the test's, not the effect
    assert pooled.value > 5
    separate = chi_square(np.array([900, 60, 80]), np.array([80, 16, 4]))
    assert chi_square(np.append(reference, [10] * 4), np.append(window, [0] * 4))[::2] == pytest.approx(separate[::2])
    assert chi_square(np.array([3, 1]), np.array([1, 2]))[::2] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("hits", "n", "found", "m"), [(400, 1000, 50, 100), (9000, 10_000, 400, 500), (30, 300, 31, 299)]
)
def test_proportions_of_many_rows_are_compared_by_the_z_test(hits: int, n: int, found: int, m: int) -> None:
    table = [[hits, n - hits], [found, m - found]]
    chi2 = stats.chi2_contingency(table, correction=False)
    assert compare_proportions(hits, n, found, m) == pytest.approx(chi2.pvalue)


@pytest.mark.parametrize("share", [0.0003, 0.003, 0.3, 0.997])
@pytest.mark.parametrize("m", [200, 25_000])
def test_proportions_without_a_difference_are_rarely_called_different(share: float, m: int) -> None:
    generator = np.random.default_rng(1)
    pairs = zip(generator.binomial(16_000, share, N_SAMPLES), generator.binomial(m, share, N_SAMPLES), strict=True)
    p = np.array([compare_proportions(hits, 16_000, found, m) for hits, found in pairs])
    assert np.mean(p < 0.05) < 0.065
    assert np.mean(p < 0.001) < 0.004


def test_rare_proportions_are_told_apart() -> None:
    assert compare_proportions(0, 16_000, 6, 200) < 1e-6
    assert compare_proportions(16_000, 16_000, 194, 200) < 1e-6
    assert compare_proportions(0, 16_000, 0, 200) == compare_proportions(5, 5, 9, 9) == 1.0
