import numpy as np
import pytest

from housing_assets.monitoring.replacement import compare_paired

LABELS = np.tile([0, 1, 2], 200)


def mistaken(rows: int, *, first: int = 0) -> np.ndarray:
    """Give answers of which so many are wrong."""
    answers = LABELS.copy()
    answers[first : first + rows] = (answers[first : first + rows] + 1) % 3
    return answers


@pytest.mark.parametrize(
    ("newer", "replaced", "worse"),
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
    newer: np.ndarray, replaced: np.ndarray, worse: bool
) -> None:
    assert compare_paired(LABELS, newer, replaced, limit=0.02, largest_p=0.05).worse is worse


def test_two_that_agree_differ_by_nothing() -> None:
    found = compare_paired(LABELS, mistaken(5), mistaken(5), limit=0.02, largest_p=0.05)

    assert (found.accuracy, found.p) == (found.replaced_accuracy, 1.0)


def test_the_p_is_that_of_mcnemars_exact_test() -> None:
    found = compare_paired(LABELS, mistaken(10), LABELS, limit=0.0, largest_p=0.05)

    assert found.p == pytest.approx(2 * 0.5**10)
