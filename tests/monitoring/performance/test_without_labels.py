"""Accuracy without labels: as far as probabilities can tell."""

import numpy as np
import pytest

from housing_assets.monitoring.performance.judging import judge_performance
from housing_assets.monitoring.performance.without_labels import accuracy_without_labels
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.small_platform import Platform, ads, outcomes_of, predictions_of


@pytest.mark.acceptance
def test_accuracy_is_estimated_without_labels_where_prices_follow_from_listings(platform: Platform) -> None:
    inside = 0
    for seed in range(20):
        listings = ads(1_000, 100 + seed)
        estimate = accuracy_without_labels(platform.holdout, predictions_of(platform.predict(listings)))
        inside += estimate.low <= platform.outcomes(listings).accuracy <= estimate.high
    assert inside >= 16


@pytest.mark.acceptance
def test_the_estimate_is_blind_to_a_changed_concept_and_so_never_clears_an_alert(platform: Platform) -> None:
    listings = ads(2_000, 3, concept_change=1.0)
    estimate = accuracy_without_labels(platform.holdout, predictions_of(platform.predict(listings)))
    true = platform.outcomes(listings).accuracy
    assert estimate.low > true + 0.1
    assert judge_performance(platform.holdout, platform.outcomes(listings)).failed


@pytest.mark.trial
def test_the_estimate_follows_a_harder_mix(platform: Platform) -> None:
    inside = 0
    for seed in range(10):
        listings = ads(4_000, 3 + seed)
        probabilities, truth = platform.predict(listings), platform.truth(listings)
        unsure = probabilities.max(axis=1) < 0.6
        estimate = accuracy_without_labels(platform.holdout, predictions_of(probabilities[unsure]))
        inside += estimate.low <= outcomes_of(truth[unsure], probabilities[unsure]).accuracy <= estimate.high
        assert estimate.high < platform.holdout.accuracy
    assert inside >= 8


def test_an_uncalibrated_probability_is_worth_what_it_was_on_the_holdout() -> None:
    sure = predictions_of(np.tile([0.98, 0.01, 0.01], (1_000, 1)))
    labels = np.arange(3_000) % 3  # right one time in three, whatever it says
    boasting = outcomes_of(labels, np.tile([0.98, 0.01, 0.01], (3_000, 1)))
    estimate = accuracy_without_labels(boasting, sure)
    assert estimate.accuracy == pytest.approx(1 / 3, abs=0.01)
    assert estimate.high - estimate.low == pytest.approx(4 * np.sqrt(2 / 9 * (1 / 1_000 + 1 / 3_000)), rel=0.02)


def test_predictions_of_other_categories_are_refused() -> None:
    holdout, predictions = outcomes_of(np.arange(3), np.eye(3)), predictions_of(np.eye(2), ("cheap", "dear"))
    with pytest.raises(ProfileRefused, match="other categories"):
        accuracy_without_labels(holdout, predictions)
