"""Metrics against scikit-learn's own, and names that stay."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from housing_assets.training.evaluation import (
    calibration_curve,
    calibration_error,
    confusion,
    errors_by_segment,
    evaluate,
    macro_f1,
)

KEYS = [
    "accuracy", "calibration_error", "f1_high", "f1_low", "f1_medium", "log_loss", "macro_f1", "precision_high",
    "precision_low", "precision_medium", "recall_high", "recall_low", "recall_medium", "roc_auc_ovr",
]  # fmt: skip


def judged(n_rows: int, seed: int = 0, skill: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n_rows).astype(np.int8)
    scores = rng.normal(size=(n_rows, 3)) + skill * np.eye(3)[y]
    probabilities = np.exp(scores)
    return y, probabilities / probabilities.sum(axis=1, keepdims=True)


def one_hot(predicted: list[int]) -> np.ndarray:
    return np.eye(3)[predicted]


@pytest.mark.parametrize("seed", range(3))
def test_metrics_equal_scikit_learns(seed: int) -> None:
    y, probabilities = judged(700, seed)
    predicted, found = probabilities.argmax(axis=1), evaluate(y, probabilities)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y, predicted, average="macro"))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, predicted))
    assert found["roc_auc_ovr"] == pytest.approx(sk.roc_auc_score(y, probabilities, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, probabilities))
    for label, name in enumerate(("low", "medium", "high")):
        assert found[f"precision_{name}"] == pytest.approx(sk.precision_score(y == label, predicted == label))
        assert found[f"recall_{name}"] == pytest.approx(sk.recall_score(y == label, predicted == label))
        assert found[f"f1_{name}"] == pytest.approx(sk.f1_score(y == label, predicted == label))


def test_metric_names_and_types_stay() -> None:
    found = evaluate(*judged(300))
    assert sorted(found) == KEYS
    assert {type(value) for value in found.values()} == {float}


def test_a_category_that_is_never_predicted_scores_zero_without_a_warning() -> None:
    y, probabilities = judged(300)
    probabilities[:, 2] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = evaluate(y, probabilities)
    assert (found["precision_high"], found["recall_high"], found["f1_high"]) == (0.0, 0.0, 0.0)


def test_confusion_has_true_categories_in_rows() -> None:
    y, probabilities = judged(500)
    assert np.array_equal(confusion(y, probabilities), sk.confusion_matrix(y, probabilities.argmax(axis=1)))
    only_low = confusion(np.array([0, 0], dtype=np.int8), one_hot([0, 1]))
    assert only_low.tolist() == [[1, 1, 0], [0, 0, 0], [0, 0, 0]]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_macro_f1_of_counts_equals_scikit_learns_over_all_three_categories(pairs: list[tuple[int, int]]) -> None:
    y, predicted = (np.array(each) for each in zip(*pairs, strict=True))
    expected = sk.f1_score(y, predicted, average="macro", labels=[0, 1, 2], zero_division=0.0)
    assert macro_f1(confusion(y, one_hot(predicted.tolist()))) == pytest.approx(expected)


def test_macro_f1_of_many_counts_is_that_of_each() -> None:
    counts = np.random.default_rng(0).integers(0, 20, (4, 5, 3, 3))
    found = macro_f1(counts)
    assert found.shape == (4, 5)
    for index in np.ndindex(4, 5):
        assert found[index] == macro_f1(counts[index])


def test_the_calibration_curve_has_mean_confidence_accuracy_and_rows_by_bin() -> None:
    probabilities = np.array([[0.35, 0.33, 0.32], [0.39, 0.31, 0.3], [0.05, 0.95, 0], [1, 0, 0], [0, 0.91, 0.09]])
    curve = calibration_curve(np.array([0, 1, 1, 0, 2], dtype=np.int8), probabilities)
    assert curve["rows"].tolist() == [2, 3]
    assert curve["confidence"].tolist() == pytest.approx([0.37, (0.95 + 1 + 0.91) / 3])
    assert curve["accuracy"].tolist() == pytest.approx([0.5, 2 / 3])
    expected = 2 / 5 * abs(0.37 - 0.5) + 3 / 5 * abs((0.95 + 1 + 0.91) / 3 - 2 / 3)
    assert calibration_error(np.array([0, 1, 1, 0, 2], dtype=np.int8), probabilities) == pytest.approx(expected)


def test_a_calibrated_classifier_has_next_to_no_calibration_error_and_a_boaster_has_much() -> None:
    rng = np.random.default_rng(0)
    probabilities = rng.dirichlet([1, 1, 1], 20_000)
    y = (rng.uniform(size=20_000)[:, None] > probabilities.cumsum(axis=1)).sum(axis=1).astype(np.int8)
    assert calibration_error(y, probabilities) < 0.02
    boasts = one_hot(probabilities.argmax(axis=1).tolist())
    assert calibration_error(y, boasts) == pytest.approx(1 - (boasts.argmax(axis=1) == y).mean())


def test_segments_are_listed_worst_first_and_small_ones_left_out() -> None:
    districts = ["a"] * 100 + ["b"] * 98 + ["c"] * 2 + ["d"]
    segments = pd.DataFrame({"district": pd.Categorical(districts), "kind": ["x"] * 150 + [None] * 51})
    y = np.zeros(201, dtype=np.int8)
    predicted = [0] * 90 + [1] * 10 + [0] * 49 + [1] * 49 + [0] * 3
    found = errors_by_segment(segments, ("district", "kind"), y, one_hot(predicted))
    assert found.columns.tolist() == ["segment", "value", "rows", "accuracy"]
    by_name = {(row.segment, row.value): (row.rows, row.accuracy) for row in found.itertuples()}
    assert by_name[("district", "a")] == (100, 0.9)
    assert by_name[("district", "b")] == (98, 0.5)
    assert by_name[("kind", "x")][0] == 150
    assert not {("district", "c"), ("district", "d")} & set(by_name)
    assert found["accuracy"].is_monotonic_increasing
