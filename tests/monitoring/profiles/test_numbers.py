"""Numbers: edges, bins and what is read from them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.monitoring.profiles.numbers import N_EDGES, NumberProfile, learn_edges

NAN = float("nan")


def test_every_value_of_a_number_with_few_has_its_own_bin() -> None:
    edges = learn_edges(np.array([3.0, 1.0, NAN, 2.0, 3.0]))
    found = NumberProfile.of(np.array([0.0, 1.0, 2.0, 2.0, 2.5, 3.0, 3.1, NAN]), edges)
    assert found.counts.tolist() == [1, 1, 3, 1, 1]
    assert found.missing == 1


def test_a_number_with_many_values_has_bins_of_equal_mass_and_none_outside_its_range() -> None:
    numbers = np.random.default_rng(0).normal(size=100_000)
    found = NumberProfile.of(numbers, learn_edges(numbers))
    assert len(found.edges) == N_EDGES
    assert found.counts[0] == found.counts[-1] == 0
    assert found.counts.max() / len(numbers) < 0.003


def test_a_number_that_the_reference_never_had_has_one_bin() -> None:
    edges = learn_edges(np.array([NAN, NAN]))
    found = NumberProfile.of(np.array([5.0, NAN]), edges)
    assert (found.counts.tolist(), found.missing, found.mean, found.deviation) == ([1], 1, 5.0, 0.0)
    assert found.positions.shape == found.counts.shape


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_quantile_is_the_value_that_the_share_reaches(numbers: list[float], share: float) -> None:
    found = NumberProfile.of(np.array(numbers), learn_edges(np.array(numbers)))
    value = found.quantile(share)
    assert value in numbers
    below = np.sum(np.array(numbers) < value) / len(numbers)
    assert below <= share <= np.sum(np.array(numbers) <= value) / len(numbers) + 1e-12


def test_an_empty_profile_has_harmless_moments() -> None:
    found = NumberProfile.of(np.array([]), np.array([1.0, 2.0]))
    assert (found.present, found.mean, found.deviation) == (0, 0.0, 0.0)


@given(st.lists(st.floats(-1e9, 1e9), min_size=2, max_size=50))
def test_the_deviation_is_that_of_the_rounded_values(numbers: list[float]) -> None:
    found = NumberProfile.of(np.array(numbers), np.array([0.0]))
    rounded = np.rint(np.array(numbers) * 256) / 256
    assert found.deviation == pytest.approx(rounded.std(ddof=1), rel=1e-6, abs=1e-3)


@pytest.mark.parametrize(
    ("numbers", "is_constant"),
    [
        ([7.0, 7.0, NAN], True),
        ([0.0, 0.0], True),
        ([0.001, 0.001], True),
        ([5e11, 5e11], True),
        ([7.0, 8.0], False),
        ([0.0, 0.001], False),
        ([0.0021, 0.0057], False),
        ([41.0011, 41.0014], False),
        ([2e11, 5e11], False),
    ],
)
def test_a_number_is_constant_where_its_values_are_the_same_and_not_where_their_sums_alone_are(
    numbers: list[float], is_constant: bool
) -> None:
    edges = learn_edges(np.array([41.0, 41.0012, 41.01]))
    assert NumberProfile.of(np.array(numbers), edges).is_constant is is_constant
