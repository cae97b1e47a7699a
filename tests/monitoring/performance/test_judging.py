"""Labelled predictions against the holdout."""

import numpy as np
import pytest

from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.performance.judging import judge_performance
from housing_assets.monitoring.profiles.outcomes import Outcomes
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.small_platform import Platform, ads, outcomes_of


def outcomes(accuracy: float, rows: int, seed: int = 0) -> Outcomes:
    """Give so many predictions, of which a share is right, to the row."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(0, 3, rows)
    predicted = np.where(np.arange(rows) < round(accuracy * rows), labels, (labels + 1) % 3)
    return outcomes_of(labels, np.eye(3)[predicted] * 0.8 + 0.2 / 3)


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
        return outcomes_of(labels, np.eye(3)[np.where(missed, 1, labels)])

    report = judge_performance(rare(5_000, 1.0), rare(3_000, 0.2))
    assert report.accuracy_drop < 0.05
    assert report.macro_f1_drop > 0.1
    assert report.failed
    assert "macro-F1" in report.summary
    assert "accuracy" not in report.summary


def drawn(generator: np.random.Generator, mix: list[float], rows: int, recall: float = 0.85) -> Outcomes:
    """Give predictions of a model that errs by one category at most, of rows with a mix of true ones."""
    truth = generator.choice(3, rows, p=mix)
    neighbour = np.where(truth == 1, generator.choice([0, 2], rows), 1)
    predicted = np.where(generator.random(rows) < recall, truth, neighbour)
    return outcomes_of(truth, np.eye(3)[predicted] * 0.8 + 0.2 / 3)


def test_a_window_without_expensive_homes_is_judged_by_the_homes_that_it_has() -> None:
    """Macro-F1 of the three categories is 0.56 then, though the model is right as often about each kind of home."""
    generator = np.random.default_rng(1)
    holdout, window = drawn(generator, [0.4, 0.4, 0.2], 4_000), drawn(generator, [0.55, 0.45, 0.0], 1_000)
    assert holdout.macro_f1 - window.macro_f1 > 0.2
    report = judge_performance(holdout, window)
    assert not report.failed, report.summary
    assert report.macro_f1_drop == pytest.approx(0, abs=0.03)


def test_at_another_mix_a_model_that_is_worse_fails_and_one_that_is_not_holds_up() -> None:
    generator, failed = np.random.default_rng(2), []
    holdout = drawn(generator, [0.4, 0.4, 0.2], 4_000)
    for mix in ([0.1, 0.3, 0.6], [0.8, 0.15, 0.05], [0.0, 0.98, 0.02]):
        failed += [judge_performance(holdout, drawn(generator, mix, 600)).failed for _ in range(100)]
        assert judge_performance(holdout, drawn(generator, mix, 600, recall=0.7)).failed
    assert sum(failed) <= 6


def of_clients(generator: np.random.Generator, recall: float, *, grouped: bool) -> Outcomes:
    """Give predictions for 15 clients of 20 ads: of most a model gets all right, of some few."""
    clients = np.repeat(np.arange(15), 20)
    right = generator.random(300) < generator.beta(2.5 * recall, 2.5 * (1 - recall), 15)[clients]
    truth = generator.choice(3, 300, p=[0.4, 0.4, 0.2])
    predicted = np.where(right, truth, (truth + 1) % 3)
    said = predicted, np.eye(3)[predicted] * 0.8 + 0.2 / 3
    return Outcomes.of(MARKET.categories, truth, *said, *([clients] if grouped else []))


def test_errors_that_come_together_are_no_drop_and_a_drop_is_found_among_them() -> None:
    generator = np.random.default_rng(7)
    holdout = drawn(generator, [0.4, 0.4, 0.2], 4_000)

    def failing(recall: float, *, grouped: bool) -> float:
        windows = (of_clients(generator, recall, grouped=grouped) for _ in range(150))
        return float(np.mean([judge_performance(holdout, window).failed for window in windows]))

    assert failing(0.85, grouped=True) <= 0.03
    assert failing(0.85, grouped=False) > 0.1
    assert failing(0.5, grouped=True) > 0.8


def test_the_error_of_macro_f1_is_that_of_resampled_rows() -> None:
    """The p at which two samples of one model differ is uniform, so the error is right."""
    generator = np.random.default_rng(3)
    shares = np.array([0.3, 0.08, 0.02, 0.06, 0.28, 0.06, 0.01, 0.04, 0.15])
    empty = np.zeros((3, 20), dtype=np.int64)
    samples = [
        Outcomes(MARKET.categories, generator.multinomial(rows, shares).reshape(3, 3), empty, empty)
        for rows in (4_000, 600) * 500
    ]
    p = [judge_performance(*pair).macro_f1_p for pair in zip(samples[::2], samples[1::2], strict=True)]
    assert np.mean(np.array(p) < 0.05) == pytest.approx(0.05, abs=0.025)
    assert np.mean(np.array(p) < 0.5) == pytest.approx(0.5, abs=0.07)


def test_ordinary_labels_pass_and_a_changed_market_fails(platform: Platform) -> None:
    assert not judge_performance(platform.holdout, platform.outcomes(ads(2_000, 3))).failed
    for shift in ({"price_inflation": 0.6}, {"concept_change": 1.0}):
        report = judge_performance(platform.holdout, platform.outcomes(ads(2_000, 3, **shift)))
        assert report.failed
        assert report.summary.startswith("Performance has dropped on 2,000 labelled rows: accuracy ")


def test_outcomes_of_other_categories_are_not_compared() -> None:
    two = outcomes_of(np.array([0, 1]), np.eye(2), ("cheap", "dear"))
    with pytest.raises(ProfileRefused, match="other categories: low, medium, high against cheap, dear"):
        judge_performance(outcomes(0.8, 1_000), two)
