"""Labelled predictions in parts: what does worse is named, and chance names nothing."""

from collections.abc import Callable

import numpy as np
import pytest

from housing_assets.confusion import count_confusion, f1_scores, precisions, recalls
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.findings import Finding, Severity
from housing_assets.monitoring.performance.breakdown import Breakdown, break_down
from housing_assets.monitoring.profiles.blocks import N_GROUPS
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.thresholds import Thresholds

CATEGORIES, N_DISTRICTS = MARKET.categories, 30
WHERE = np.random.default_rng(0).dirichlet(np.ones(N_DISTRICTS))
RIGHT = np.random.default_rng(1).uniform(0.6, 0.97, N_DISTRICTS)
"""Districts differ in how easy they are: one that always was hard is no finding."""

LARGEST = int(np.argmax(WHERE))


def drawn(
    rows: int, seed: int, right: np.ndarray = RIGHT, *, sure: float = 0.0, high: float = 0.2
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Give districts, true and predicted categories, and probabilities of a model that says how sure it may be."""
    generator = np.random.default_rng(seed)
    districts = generator.choice(N_DISTRICTS, rows, p=WHERE)
    truth = generator.choice(3, rows, p=[(1 - high) / 2, (1 - high) / 2, high])
    neighbour = np.where(truth == 1, generator.choice([0, 2], rows), 1)
    predicted = np.where(generator.random(rows) < right[districts], truth, neighbour)
    confidence = np.minimum(RIGHT[districts] + sure, 0.99)[:, np.newaxis]
    probabilities = np.where(np.eye(3)[predicted] > 0, confidence, (1 - confidence) / 2)
    return districts, truth, predicted, probabilities


def of_clients(rows: int, seed: int, ads: int = 10, alike: float = 0.2) -> tuple[np.ndarray, ...]:
    """Give the same of clients that have all their ads in one district, and what is wrong about one in the others."""
    generator, n_clients = np.random.default_rng(seed), rows // ads
    districts = generator.choice(N_DISTRICTS, n_clients, p=WHERE)
    right, sharpness = RIGHT[districts], (1 - alike) / alike
    districts, right = (
        np.repeat(each, ads) for each in (districts, generator.beta(right * sharpness, sharpness - right * sharpness))
    )
    truth = generator.choice(3, rows)
    predicted = np.where(generator.random(rows) < right, truth, np.where(truth == 1, generator.choice([0, 2], rows), 1))
    confidence = RIGHT[districts][:, np.newaxis]
    probabilities = np.where(np.eye(3)[predicted] > 0, confidence, (1 - confidence) / 2)
    return districts, truth, predicted, probabilities, np.repeat(generator.integers(0, N_GROUPS, n_clients), ads)


def judged(window: tuple[np.ndarray, ...], seed: int = 100, *, holdout_rows: int = 4_000) -> Breakdown:
    where, truth, predicted, probabilities = drawn(holdout_rows, seed)
    known = {
        str(one): count_confusion(truth[where == one], predicted[where == one], 3)
        for one in range(N_DISTRICTS)
        if (where == one).sum() >= 20
    }
    districts, *outcomes = window
    segments = {
        ("district", str(one)): Outcomes.of(CATEGORIES, *(each[districts == one] for each in outcomes))
        for one in range(N_DISTRICTS)
    }
    holdout, labelled = Outcomes.of(CATEGORIES, truth, predicted, probabilities), Outcomes.of(CATEGORIES, *outcomes)
    return break_down(holdout, labelled, {"district": known}, segments, Thresholds())


@pytest.mark.parametrize("requests", [drawn, of_clients], ids=["independent", "clients of ten ads"])
def test_chance_makes_a_finding_in_fewer_than_5_of_100_windows(
    requests: Callable[[int, int], tuple[np.ndarray, ...]],
) -> None:
    windows = 60
    false = [bool(judged(requests(1_000, 5_000 + seed), 90_000 + seed).material) for seed in range(windows)]
    assert sum(false) <= 0.05 * windows


def test_a_district_that_got_worse_is_named_and_one_that_always_was_hard_is_not() -> None:
    right = RIGHT.copy()
    right[LARGEST] -= 0.25
    found = judged(drawn(1_500, 3, right))

    assert [one.column for one in found.material if one.column.startswith("district: ")] == [f"district: {LARGEST}"]
    assert found.material[0].statistic == "accuracy"
    assert found.summary.startswith(f"Worse than expected from the holdout, and not by chance: district: {LARGEST}: ")
    of_it = next(one for one in found.segments if one.value == str(LARGEST))
    assert of_it.expected - of_it.accuracy == pytest.approx(0.25, abs=0.1)


def test_a_model_that_is_too_sure_is_found_by_its_calibration_alone() -> None:
    """The same predictions are as right as ever, and said to be surer."""
    found = judged(drawn(2_000, 3, sure=0.12))
    assert [(one.column, one.statistic) for one in found.material] == [("confidence", "calibration")]
    assert found.calibration_error > 0.08 > found.holdout_calibration_error
    assert sum(one.rows for one in found.confidences) == 2_000
    assert sum(one.share for one in found.confidences) == pytest.approx(1)
    assert sum(one.holdout_share for one in found.confidences) == pytest.approx(1)


def test_whether_predictions_are_as_sure_as_on_the_holdout_is_shown_and_fails_nothing() -> None:
    def told(found: Breakdown) -> Finding:
        return next(one for one in found.findings if (one.column, one.statistic) == ("confidence", "ks"))

    same, surer = told(judged(drawn(2_000, 3))), told(judged(drawn(2_000, 3, sure=0.12)))
    assert (same.severity, surer.severity) == (Severity.NONE, Severity.WARN)
    assert not surer.material
    clients = judged(of_clients(1_000, 4))
    assert told(clients).severity is Severity.NONE  # their ads are of few districts, and as sure as each other


def test_each_category_has_its_precision_recall_and_f1_beside_what_the_mix_makes_expect() -> None:
    window = drawn(2_000, 5, high=0.02)  # a window nearly without expensive homes: most that look so are not
    found = judged(window)
    counts = count_confusion(window[1], window[2], 3)
    for index, one in enumerate(found.categories):
        assert (one.category, one.rows) == (CATEGORIES[index], int(counts[index].sum()))
        told = (one.precision, one.recall, one.f1)
        assert told == tuple(float(measure(counts)[index]) for measure in (precisions, recalls, f1_scores))
    high = found.categories[2]
    assert high.precision < 0.4
    assert high.expected_precision == pytest.approx(high.precision, abs=0.15)
    assert not found.material


def test_a_category_that_is_predicted_too_often_loses_precision_and_its_neighbour_recall() -> None:
    districts, truth, predicted, probabilities = drawn(2_000, 5)
    predicted = np.where((truth == 1) & (np.random.default_rng(0).random(2_000) < 0.3), 2, predicted)
    found = judged((districts, truth, predicted, probabilities))
    assert {("high", "precision"), ("medium", "recall")} <= {(one.column, one.statistic) for one in found.material}


def test_too_few_rows_are_shown_and_not_judged() -> None:
    found = judged(drawn(150, 3, RIGHT - 0.5))
    assert (found.findings, len(found.categories)) == ((), 3)
    assert found.summary == "Not judged: 150 labelled rows that no window has judged, at least 200 are needed."
