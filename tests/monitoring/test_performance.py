"""Performance: judged with labels, estimated without them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from housing_assets.monitoring.performance import (
    Outcomes,
    PerformanceReport,
    estimate_accuracy,
    judge_performance,
)
from housing_assets.monitoring.prediction_profile import PredictionProfile
from housing_assets.training.evaluation import confusion, macro_f1
from tests.monitoring.production import Platform, ads, as_predictions


def outcomes(accuracy: float, rows: int, seed: int = 0) -> Outcomes:
    """Give so many predictions, of which a share is right, to the row."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    predicted = np.where(np.arange(rows) < round(accuracy * rows), labels, (labels + 1) % 3)
    return Outcomes.of(labels, as_predictions(np.eye(3)[predicted] * 0.8 + 0.2 / 3))


def test_outcomes_are_those_of_the_evaluation() -> None:
    generator = np.random.default_rng(0)
    probabilities, labels = generator.dirichlet([2, 2, 1], 500), generator.integers(0, 3, 500)
    found = Outcomes.of(labels, as_predictions(probabilities))
    assert found.confusion.tolist() == confusion(labels, probabilities).tolist()
    assert found.macro_f1 == pytest.approx(float(macro_f1(found.confusion)))
    assert found.accuracy == np.mean(probabilities.argmax(axis=1) == labels)
    assert found.hits.sum() == found.n_right
    assert found.confidences.sum() == 500


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=60), st.integers(0, 60))
def test_outcomes_merge_exactly(pairs: list[tuple[int, int]], cut: int) -> None:
    labels = np.array([label for label, _ in pairs], dtype=np.int8)
    predictions = as_predictions(np.eye(3)[np.array([predicted for _, predicted in pairs], dtype=np.int64)])
    whole = Outcomes.of(labels, predictions)
    parts = Outcomes.of(labels[:cut], predictions[:cut]).merge(Outcomes.of(labels[cut:], predictions[cut:]))
    assert parts.to_dict() == whole.to_dict() == Outcomes.from_dict(whole.to_dict()).to_dict()


def test_rows_without_an_answer_are_not_judged() -> None:
    predictions = as_predictions(np.eye(3))
    predictions.loc[1] = None
    found = Outcomes.of(np.array([0, 1, 0]), predictions)
    assert (found.rows, found.n_right) == (2, 1)


@pytest.mark.parametrize(
    ("accuracy", "rows", "failed"),
    [
        (0.84, 2_000, False),
        (0.80, 2_000, False),  # significant, but not material
        (0.78, 2_000, True),
        (0.79, 200, False),  # a drop of 0.05 is not more than 0.05
        (0.74, 300, True),
        (0.60, 199, False),  # too few to judge
        (0.95, 2_000, False),  # better is no drop
    ],
)
def test_performance_fails_on_a_drop_that_is_large_and_no_chance(accuracy: float, rows: int, failed: bool) -> None:
    report = judge_performance(outcomes(0.84, 4_000), outcomes(accuracy, rows, seed=1))
    assert report.failed is failed, report
    assert report.insufficient is (rows < 200)
    assert report.accuracy_drop == pytest.approx(0.84 - accuracy, abs=0.005)


def test_a_category_that_is_no_longer_found_fails_by_macro_f1_alone() -> None:
    generator = np.random.default_rng(0)

    def rare(rows: int, found: float) -> Outcomes:
        labels = np.where(generator.random(rows) < 0.03, 2, np.arange(rows) % 2)
        missed = (labels == 2) & (generator.random(rows) > found)
        return Outcomes.of(labels, as_predictions(np.eye(3)[np.where(missed, 1, labels)]))

    report = judge_performance(rare(5_000, 1.0), rare(3_000, 0.2))
    assert report.accuracy_drop < 0.05
    assert report.macro_f1_drop > 0.1
    assert report.failed
    assert "macro-F1" in report.verdict
    assert "accuracy" not in report.verdict


def test_the_error_of_macro_f1_is_that_of_resampled_rows() -> None:
    """The p at which two samples of one model differ is uniform, so the error is right."""
    generator = np.random.default_rng(3)
    shares = np.array([0.3, 0.08, 0.02, 0.06, 0.28, 0.06, 0.01, 0.04, 0.15])
    empty = np.zeros((3, 20), dtype=np.int64)
    samples = [Outcomes(generator.multinomial(rows, shares).reshape(3, 3), empty, empty) for rows in (4_000, 600) * 500]
    p = [judge_performance(*pair).macro_f1_p for pair in zip(samples[::2], samples[1::2], strict=True)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.07)


def test_ordinary_labels_pass_and_a_changed_market_fails(platform: Platform) -> None:
    assert not judge_performance(platform.holdout, platform.outcomes(ads(2_000, 3))).failed
    for shift in ({"price_inflation": 0.6}, {"concept_change": 1.0}):
        report = judge_performance(platform.holdout, platform.outcomes(ads(2_000, 3, **shift)))
        assert report.failed
        assert report.verdict.startswith("Performance has dropped on 2,000 labelled rows: accuracy ")


def test_accuracy_is_estimated_without_labels_where_prices_follow_from_listings(platform: Platform) -> None:
    inside = 0
    for seed in range(20):
        listings = ads(1_000, 100 + seed)
        estimate = estimate_accuracy(platform.holdout, PredictionProfile.of(platform.predict(listings)))
        inside += estimate.low <= platform.outcomes(listings).accuracy <= estimate.high
    assert inside >= 16


def test_the_estimate_is_blind_to_a_changed_concept_and_so_never_clears_an_alert(platform: Platform) -> None:
    listings = ads(2_000, 3, concept_change=1.0)
    estimate = estimate_accuracy(platform.holdout, PredictionProfile.of(platform.predict(listings)))
    true = platform.outcomes(listings).accuracy
    assert estimate.low > true + 0.1
    assert judge_performance(platform.holdout, platform.outcomes(listings)).failed


def test_the_estimate_follows_a_harder_mix(platform: Platform) -> None:
    listings = ads(4_000, 3)
    predictions = platform.predict(listings)
    unsure = predictions[predictions.filter(like="probability").max(axis=1) < 0.6]
    labels = platform.artifact.bands.labels(listings["price"].to_numpy())[unsure.index]
    estimate = estimate_accuracy(platform.holdout, PredictionProfile.of(unsure))
    assert estimate.low <= Outcomes.of(labels, unsure).accuracy <= estimate.high
    assert estimate.high < platform.holdout.accuracy


def test_an_uncalibrated_probability_is_worth_what_it_was_on_the_holdout() -> None:
    sure = PredictionProfile.of(as_predictions(np.tile([0.98, 0.01, 0.01], (1_000, 1))))
    labels = np.arange(3_000) % 3  # right one time in three, whatever it says
    boasting = Outcomes.of(labels, as_predictions(np.tile([0.98, 0.01, 0.01], (3_000, 1))))
    estimate = estimate_accuracy(boasting, sure)
    assert estimate.accuracy == pytest.approx(1 / 3, abs=0.01)
    assert estimate.high - estimate.low == pytest.approx(4 * np.sqrt(2 / 9 * (1 / 1_000 + 1 / 3_000)), rel=0.02)


def test_a_report_reads_back_the_same() -> None:
    report = judge_performance(outcomes(0.84, 4_000), outcomes(0.7, 500))
    assert PerformanceReport.from_json(report.to_json()) == report
