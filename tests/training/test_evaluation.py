"""Metrics against scikit-learn's own, and names that stay."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric
from sklearn import metrics as sk

from housing_assets.training.evaluation import (
    calibration_curve,
    calibration_error,
    errors_by_segment,
    evaluate,
)

CATEGORIES = ("low", "medium", "high")
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
    predicted, found = probabilities.argmax(axis=1), evaluate(y, probabilities, CATEGORIES)
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y, predicted, average="macro"))
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y, predicted))
    assert found["roc_auc_ovr"] == pytest.approx(sk.roc_auc_score(y, probabilities, multi_class="ovr"))
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, probabilities))
    for label, name in enumerate(("low", "medium", "high")):
        assert found[f"precision_{name}"] == pytest.approx(sk.precision_score(y == label, predicted == label))
        assert found[f"recall_{name}"] == pytest.approx(sk.recall_score(y == label, predicted == label))
        assert found[f"f1_{name}"] == pytest.approx(sk.f1_score(y == label, predicted == label))


def test_metric_names_and_types_stay() -> None:
    found = evaluate(*judged(300), CATEGORIES)
    assert sorted(found) == KEYS
    assert {type(value) for value in found.values()} == {float}


def test_a_category_that_is_never_predicted_scores_zero_without_a_warning() -> None:
    y, probabilities = judged(300)
    probabilities[:, 2] = 0
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    found = evaluate(y, probabilities, CATEGORIES)
    assert (found["precision_high"], found["recall_high"], found["f1_high"]) == (0.0, 0.0, 0.0)


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


def test_without_segments_there_is_an_empty_table() -> None:
    found = errors_by_segment(pd.DataFrame(index=range(3)), (), np.zeros(3, dtype=np.int8), one_hot([0, 0, 1]))
    assert found.columns.tolist() == ["segment", "value", "rows", "accuracy"]
    assert found.empty


@pytest.mark.parametrize("categories", [("plain", "fine"), ("a", "b", "c", "d", "e")], ids=["two", "five"])
def test_metrics_of_other_numbers_of_categories_equal_scikit_learns(categories: tuple[str, ...]) -> None:
    rng = np.random.default_rng(1)
    y = rng.integers(0, len(categories), 500).astype(np.int8)
    scores = np.exp(rng.normal(size=(500, len(categories))) + np.eye(len(categories))[y])
    probabilities = scores / scores.sum(axis=1, keepdims=True)
    found, predicted = evaluate(y, probabilities, categories), probabilities.argmax(axis=1)
    ranked = probabilities[:, 1] if len(categories) == 2 else probabilities
    assert found["roc_auc_ovr"] == pytest.approx(sk.roc_auc_score(y, ranked, multi_class="ovr"))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y, predicted, average="macro"))
    assert found["log_loss"] == pytest.approx(sk.log_loss(y, probabilities))
    assert {name for name in found if name.startswith("recall_")} == {f"recall_{name}" for name in categories}


def test_mlflow_takes_the_metrics_of_any_category(tmp_path: Path) -> None:
    categories = ("<500k", "500k+", "a/../b", "A&B (é)", "A|B (é)")
    found = evaluate(np.arange(5).astype(np.int8), np.full((5, 5), 0.2), categories)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    run = client.create_run(client.create_experiment("any"))

    client.log_batch(run.info.run_id, [Metric(name, value, 0, 0) for name, value in found.items()])

    stored = client.get_run(run.info.run_id).data.metrics
    assert {f"recall_{name}" for name in ("_500k", "500k_", "a_.._b", "A_B _é__3", "A_B _é__4")} <= stored.keys()
