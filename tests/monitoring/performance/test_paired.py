import numpy as np
import pytest

from housing_assets.monitoring.performance.paired import PairedComparison, compare_paired

LABELS = np.tile([0, 1, 2], 200)


def mistaken(rows: int, *, first: int = 0) -> np.ndarray:
    """Give answers of which so many are wrong."""
    answers = LABELS.copy()
    answers[first : first + rows] = (answers[first : first + rows] + 1) % 3
    return answers


def compared(newer: np.ndarray, baseline: np.ndarray, truth: np.ndarray = LABELS) -> PairedComparison:
    found = compare_paired(truth, newer, baseline)
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("newer", "baseline", "worse"),
    [
        (mistaken(120), mistaken(60), True),
        (mistaken(60), mistaken(120), False),
        (mistaken(60), mistaken(60), False),
        (mistaken(66), mistaken(60), False),  # one point: less than is allowed
        (mistaken(160), mistaken(140, first=300), False),  # three points, by chance
    ],
    ids=["worse", "better", "the same", "hardly worse", "by chance"],
)
def test_a_version_is_worse_when_it_loses_more_than_allowed_and_not_by_chance(
    newer: np.ndarray, baseline: np.ndarray, worse: bool
) -> None:
    assert compared(newer, baseline).is_worse(0.02, 0.05) is worse


def test_two_that_agree_differ_by_nothing() -> None:
    found = compared(mistaken(5), mistaken(5))

    assert (found.accuracy, found.p) == (found.baseline_accuracy, 1.0)


def test_the_p_is_that_of_mcnemars_exact_test() -> None:
    found = compared(mistaken(10), LABELS)

    assert found.p == pytest.approx(2 * 0.5**10)


def test_rows_without_a_truth_are_left_out_and_those_without_an_answer_are_wrong() -> None:
    truth = np.where(np.arange(600) < 100, -1, LABELS)
    unanswered = np.where(np.arange(600) >= 550, -1, LABELS)

    found = compared(unanswered, LABELS, truth)

    assert (found.rows, found.accuracy, found.baseline_accuracy) == (500, 0.9, 1.0)
    assert compare_paired(np.full(600, -1), LABELS, LABELS) is None
