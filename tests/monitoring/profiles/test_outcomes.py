"""Outcomes: what was predicted for what, merged exactly."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.small_platform import outcomes_of


def test_outcomes_have_the_confusion_and_macro_f1_of_scikit_learn() -> None:
    generator = np.random.default_rng(0)
    probabilities, labels = generator.dirichlet([2, 2, 1], 500), generator.integers(0, 3, 500)
    found = outcomes_of(labels, probabilities)
    predicted = probabilities.argmax(axis=1)
    assert found.confusion.tolist() == metrics.confusion_matrix(labels, predicted).tolist()
    assert found.macro_f1 == pytest.approx(metrics.f1_score(labels, predicted, average="macro"))
    assert found.accuracy == np.mean(probabilities.argmax(axis=1) == labels)
    assert found.hits.sum() == found.n_right
    assert found.confidences.sum() == 500


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=60), st.integers(0, 60))
def test_outcomes_merge_exactly(pairs: list[tuple[int, int]], cut: int) -> None:
    labels = np.array([label for label, _ in pairs], dtype=np.int8)
    probabilities = np.eye(3)[np.array([predicted for _, predicted in pairs], dtype=np.int64)]
    whole = outcomes_of(labels, probabilities)
    parts = outcomes_of(labels[:cut], probabilities[:cut]).merge(outcomes_of(labels[cut:], probabilities[cut:]))
    assert parts.to_dict() == whole.to_dict() == Outcomes.from_dict(whole.to_dict()).to_dict()


def test_rows_without_an_answer_or_a_truth_are_left_out() -> None:
    probabilities = np.array([[1.0, 0, 0], [0, 1, 0], [np.nan, 0, 1], [0, 0, 1]])
    found = Outcomes.of(MARKET.categories, np.array([0, 1, 2, -1]), np.array([0, -1, 2, 2]), probabilities)
    assert (found.rows, found.n_right) == (1, 1)


def test_outcomes_of_other_categories_are_not_merged() -> None:
    two = outcomes_of(np.array([0, 1]), np.eye(2), ("cheap", "dear"))
    with pytest.raises(ProfileRefused, match="other categories: cheap, dear against low, medium, high"):
        two.merge(outcomes_of(np.arange(3), np.eye(3)))
