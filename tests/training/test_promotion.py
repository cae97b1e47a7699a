"""Champion against challenger: the paired interval, and every decision with its reason."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from housing_assets.training.promotion import Comparison, compare, decide


def guesses(y: np.ndarray, accuracy: float, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    predicted = np.where(rng.uniform(size=len(y)) < accuracy, y, rng.integers(0, 3, len(y)))
    return np.eye(3)[predicted]


@pytest.fixture(scope="module")
def y() -> np.ndarray:
    return np.random.default_rng(0).choice(3, 600, p=[0.4, 0.4, 0.2]).astype(np.int8)


def f1(y: np.ndarray, probabilities: np.ndarray) -> float:
    return float(f1_score(y, probabilities.argmax(axis=1), average="macro", labels=[0, 1, 2]))


def test_the_difference_is_that_of_the_two_macro_f1(y: np.ndarray) -> None:
    challenger, champion = guesses(y, 0.8, 1), guesses(y, 0.7, 2)
    comparison = compare(y, challenger, champion)
    assert comparison.difference == pytest.approx(f1(y, challenger) - f1(y, champion))
    assert comparison.n_rows == 600
    assert comparison.low < comparison.difference < comparison.high


def test_the_interval_is_that_of_resampled_rows(y: np.ndarray) -> None:
    challenger, champion = guesses(y, 0.8, 1), guesses(y, 0.75, 2)
    rng = np.random.default_rng(3)
    differences = []
    for _ in range(1500):
        rows = rng.integers(0, len(y), len(y))
        counts = [np.zeros((3, 3)) for _ in range(2)]
        for each, probabilities in zip(counts, (challenger, champion), strict=True):
            np.add.at(each, (y[rows], probabilities[rows].argmax(axis=1)), 1)
        scores = [np.mean(2 * np.diag(each) / (each.sum(axis=0) + each.sum(axis=1))) for each in counts]
        differences.append(scores[0] - scores[1])
    low, high = np.quantile(differences, [0.025, 0.975])
    comparison = compare(y, challenger, champion)
    assert comparison.low == pytest.approx(low, abs=0.1 * (high - low))
    assert comparison.high == pytest.approx(high, abs=0.1 * (high - low))


def test_pairing_narrows_the_interval_of_two_that_make_the_same_mistakes(y: np.ndarray) -> None:
    champion = guesses(y, 0.7, 1)
    nearly = champion.copy()
    nearly[:10] = np.eye(3)[y[:10]]
    unrelated = guesses(y, 0.7, 99)
    paired, unpaired = compare(y, nearly, champion), compare(y, unrelated, champion)
    assert paired.high - paired.low < (unpaired.high - unpaired.low) / 3
    same = compare(y, champion, champion)
    assert (same.difference, same.low, same.high) == (0.0, 0.0, 0.0)


def test_the_same_seed_gives_the_same_interval_and_exchanging_the_two_mirrors_the_difference(y: np.ndarray) -> None:
    challenger, champion = guesses(y, 0.8, 1), guesses(y, 0.7, 2)
    assert compare(y, challenger, champion, seed=5) == compare(y, challenger, champion, seed=5)
    assert compare(y, challenger, champion, seed=5) != compare(y, challenger, champion, seed=6)
    assert compare(y, champion, challenger).difference == pytest.approx(-compare(y, challenger, champion).difference)


def test_a_first_version_is_promoted() -> None:
    decision = decide(None, max_loss=0.01, new_lineage=False)
    assert decision.promoted
    assert decision.reason == "first version: there is no champion"


def test_a_new_lineage_is_promoted_and_says_so() -> None:
    decision = decide(None, max_loss=0.01, new_lineage=True)
    assert decision.promoted
    assert "starts a new lineage" in decision.reason


@pytest.mark.parametrize(
    ("low", "max_loss", "promoted"),
    [(0.02, 0.0, True), (0.0, 0.0, True), (-0.001, 0.0, False), (-0.01, 0.01, True), (-0.0101, 0.01, False)],
)
def test_the_lower_end_of_the_interval_decides(low: float, max_loss: float, promoted: bool) -> None:
    decision = decide(Comparison(0.015, low, 0.03, 4321), max_loss=max_loss, new_lineage=False)
    assert decision.promoted is promoted
    assert decision.reason.startswith("no worse than the champion" if promoted else "may be worse than the champion")
    for told in ("+0.0150", f"{low:+.4f} to +0.0300", "4,321 held-out listings", f"at most {max_loss:.4f} loss"):
        assert told in decision.reason


def test_a_clearly_worse_challenger_is_not_promoted_and_a_clearly_better_one_is(y: np.ndarray) -> None:
    good, bad = guesses(y, 0.9, 1), guesses(y, 0.5, 2)
    assert decide(compare(y, good, bad), max_loss=0.0, new_lineage=False).promoted
    assert not decide(compare(y, bad, good), max_loss=0.02, new_lineage=False).promoted


def test_a_challenger_that_is_shown_to_be_worse_is_not_promoted_however_little_it_loses() -> None:
    decision = decide(Comparison(-0.015, -0.019, -0.011, 4321), max_loss=0.02, new_lineage=False)
    assert not decision.promoted
    assert "worse than the champion" in decision.reason


@pytest.mark.parametrize("n_classes", [2, 5])
def test_the_difference_is_that_of_the_macro_f1_of_any_number_of_classes(n_classes: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, 400).astype(np.int8)
    challenger, champion = (np.eye(n_classes)[np.where(rng.uniform(size=400) < each, y, 0)] for each in (0.9, 0.7))
    scores = [f1_score(y, each.argmax(axis=1), average="macro") for each in (challenger, champion)]
    comparison = compare(y, challenger, champion)
    assert comparison.difference == pytest.approx(scores[0] - scores[1])
    assert 0 < comparison.low < comparison.difference < comparison.high
