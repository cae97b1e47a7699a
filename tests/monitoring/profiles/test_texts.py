"""Texts: exact counts up to a bound, and a fair sample of values beyond it."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest

from housing_assets.inference.declaration import Role, Value
from housing_assets.monitoring.profiles import texts
from housing_assets.monitoring.profiles.texts import N_RANKS, TextProfile
from housing_assets.monitoring.statistics.cells import common_counts
from housing_assets.monitoring.statistics.two_sample import chi_square

STREET = Value("street", Role.HASHED)


def drawn(rows: int, values: int, seed: int) -> pd.Series:
    return pd.Series(np.random.default_rng(seed).integers(0, values, rows)).map("street {}".format)


def test_up_to_the_bound_every_value_is_counted() -> None:
    drawn_texts = drawn(100_000, 49_000, 0)
    found = TextProfile.of(drawn_texts, STREET)
    assert found.counts == Counter(drawn_texts)
    assert found.ceiling == N_RANKS


def test_beyond_the_bound_the_values_that_stay_keep_their_exact_counts() -> None:
    drawn_texts = drawn(400_000, 150_000, 0)
    found, exact = TextProfile.of(drawn_texts, STREET), Counter(drawn_texts)
    assert 0 < len(found.counts) <= texts.MAX_VALUES
    assert found.present == 400_000
    assert all(exact[name] == count for name, count in found.counts.items())
    assert len(found.counts) / (found.ceiling / N_RANKS) == pytest.approx(len(exact), rel=0.02)


def test_a_profile_of_many_values_is_compared_on_the_values_that_both_keep_apart() -> None:
    """The sample is by value: windows of few and of many values hold the same rows against each other."""
    many, few = TextProfile.of(drawn(400_000, 150_000, 0), STREET), TextProfile.of(drawn(20_000, 150_000, 1), STREET)
    assert few.ceiling == N_RANKS > many.ceiling
    counts = common_counts(many, few)
    assert counts.window.sum() == pytest.approx(20_000 * many.ceiling / N_RANKS, rel=0.1)
    assert chi_square(counts.reference, counts.window).p > 0.001
    new = TextProfile.of(pd.concat([drawn(10_000, 150_000, 1), "new " + drawn(10_000, 999, 1)]), STREET)
    counts = common_counts(many, new)
    assert counts.window[counts.reference == 0].sum() / counts.window.sum() > 0.4


def test_personal_values_are_kept_as_hashes_of_their_tokens() -> None:
    private = Value("street", Role.HASHED, personal=True)
    found = TextProfile.of(pd.Series(["a", "b", "a", None]), private)
    assert sorted(found.counts.values()) == [1, 2]
    assert not {"a", "b"} & found.counts.keys()
    assert found.counts == TextProfile.of(pd.Series(["b", "a", "a", None], dtype="category"), private).counts
    assert found.counts != TextProfile.of(pd.Series(["a", "b", "a"]), Value("road", Role.HASHED, personal=True)).counts
    assert found.missing == 1


def test_categories_that_no_row_has_are_not_counted() -> None:
    drawn_texts = pd.Series(pd.Categorical(["a"], categories=["a", "b"]))
    assert TextProfile.of(drawn_texts, STREET).counts == {"a": 1}
