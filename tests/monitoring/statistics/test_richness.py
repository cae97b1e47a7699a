"""Distinct and unseen values: against exact combinatorics, and against rows that were drawn from one city."""

from math import comb

import numpy as np
import pytest

from housing_assets.monitoring.statistics.richness import distinct_values, unseen_rows


def zipf_samples(n: int, m: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a reference and a window from one distribution with a long tail of rare values."""
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 20_001)
    reference, window = (generator.multinomial(rows, weights / weights.sum()) for rows in (n, m))
    return reference, window


def test_rarefaction_is_the_sum_of_hypergeometric_chances() -> None:
    reference, window = np.array([12, 5, 2, 0, 1, 0]), np.array([3, 1, 0, 2, 0, 0])
    pooled, n, m = reference + window, 20, 6
    exact = sum(1 - comb(n + m - c, m) / comb(n + m, m) for c in pooled.tolist())
    assert distinct_values(reference, window).expected == pytest.approx(exact)
    assert distinct_values(reference, window).found == 3


def test_a_value_with_more_rows_than_the_reference_must_be_in_the_window() -> None:
    assert distinct_values(np.array([1, 1]), np.array([50, 0])).expected == pytest.approx(1 + 50 / 52)


@pytest.mark.parametrize("m", [200, 2_000, 25_000])
def test_without_drift_the_expectations_hold(m: int) -> None:
    pairs = [zipf_samples(16_000, m, seed) for seed in range(300)]
    distinct, unseen = ([test(*pair) for pair in pairs] for test in (distinct_values, unseen_rows))
    for grown in (distinct, unseen):
        ratio = np.mean([one.found for one in grown]) / np.mean([one.expected for one in grown])
        assert ratio == pytest.approx(1, abs=0.03)
        assert np.mean([one.p < 0.05 for one in grown]) < 0.08
        assert np.mean([one.p < 0.001 for one in grown]) < 0.01
    raw = np.mean([one.found for one in distinct]) / np.mean([(pair[0] > 0).sum() for pair in pairs])
    assert not 0.9 < raw < 1.1  # what a ratio of plain counts would make of the same windows


def test_few_rare_values_too_many_are_no_growth() -> None:
    """A normal approximation calls three where one is expected, and two rare ones happen to be there, certain."""
    assert distinct_values(np.array([10_990, 5, 4]), np.array([198, 1, 1])).p > 0.005


def test_new_values_in_number_are_growth() -> None:
    reference = np.append(np.full(40, 400), np.zeros(300, dtype=int))
    grown = distinct_values(reference, np.append(np.full(40, 5), np.ones(300, dtype=int)))
    assert grown.found / grown.expected > 1.3
    assert grown.p < 1e-9


def test_a_reference_without_rare_values_foretells_no_unseen_ones() -> None:
    reference = np.array([8_000, 8_000, 0])
    assert unseen_rows(reference, np.array([1_000, 1_000, 0])).p == 1
    assert unseen_rows(reference, np.array([990, 990, 20])).p < 1e-9


def test_unseen_values_come_with_several_rows_where_the_reference_has_many_values_twice() -> None:
    window = np.append(np.zeros(700, dtype=int), [80, 6_920])
    singles = np.append(np.full(100, 150), np.append(np.ones(100, dtype=int), np.zeros(502, dtype=int)))
    doubles = np.append(singles[:200], np.append(np.full(500, 2), np.zeros(2, dtype=int)))
    for reference in (singles, doubles):
        reference[-1] = 1_000
    assert unseen_rows(singles, window).expected > unseen_rows(doubles, window).expected
    assert unseen_rows(singles, window).p < 0.01 < unseen_rows(doubles, window).p


def test_nothing_is_said_of_nothing() -> None:
    none, some = np.array([0, 0]), np.array([3, 1])
    for test in (distinct_values, unseen_rows):
        assert test(none, some).p == test(some, none).p == 1
