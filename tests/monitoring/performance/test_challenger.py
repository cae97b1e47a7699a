"""Champion and challenger on the same labelled requests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.monitoring.performance.challenger import (
    ANSWERED,
    Challenge,
    Verdict,
    judge_challenger,
    judge_difference,
    pair_with_shadow,
)
from housing_assets.monitoring.performance.paired import compare_paired
from housing_assets.monitoring.production.frames import Frames
from tests.monitoring.small_markets import LABELS

ROWS = 600
TRUTH = np.tile(["good", "fair", "poor"], ROWS // 3)


def mistaken(rows: int) -> np.ndarray:
    """Give answers of which so many are wrong."""
    return np.where(np.arange(ROWS) < rows, np.roll(TRUTH, 1), TRUTH)


def stored(role: str, version: int, predicted: np.ndarray, *, ids: range = range(ROWS)) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "prediction_id": [f"p{number}" for number in ids],
            "role": role,
            "tier": "production",
            "model_version": str(version),
            "price_category": predicted,
            "price": np.nan,
            "true_category": TRUTH,
            "comparable": True,
            "request_key": [f"k{number}" for number in ids],
            "predicted_at": pd.Timestamp("2026-03-01T12:00Z"),
        }
    )


def judged(folder: Path, *frames: pd.DataFrame, rows: int = 2_000, min_rows: int = 200) -> Challenge:
    pairs = pair_with_shadow(Frames.write(frames, folder), champion=1, challenger=2, rows=rows)
    return judge_challenger(LABELS["classes"], pairs, 2, min_rows=min_rows, largest_p=0.05, margin=0.02)


@pytest.mark.parametrize(
    ("wrong", "verdict", "does"),
    [
        (60, Verdict.BETTER, "does better than the champion on"),
        (180, Verdict.WORSE, "does worse than the champion on"),
        (118, Verdict.OPEN, "cannot be told from the champion yet on"),
    ],
)
def test_a_challenger_is_held_against_the_champion_on_the_same_rows(
    tmp_path: Path, wrong: int, verdict: Verdict, does: str
) -> None:
    found = judged(tmp_path, stored("answer", 1, mistaken(120)), stored("shadow", 2, mistaken(wrong)))

    assert found.verdict is verdict
    assert found.summary.startswith(f"The challenger, version 2, {does} the same 600 labelled rows: ")
    assert found.paired is not None
    assert found.paired.low < (120 - wrong) / ROWS < found.paired.high
    assert (found.paired.accuracy, found.paired.baseline_accuracy) == (1 - wrong / ROWS, 0.8)


def test_only_rows_that_the_champion_answered_and_this_challenger_predicted_are_paired(tmp_path: Path) -> None:
    found = judged(
        tmp_path,
        stored("answer", 1, mistaken(0)),
        stored("answer", 2, mistaken(0), ids=range(ROWS, 2 * ROWS)),
        stored("shadow", 3, mistaken(300)),
        stored("shadow", 2, mistaken(0), ids=range(300, 300 + ROWS)),
    )

    assert found.paired is not None
    assert found.paired.rows == 300


@pytest.mark.parametrize(
    ("rows", "verdict"), [(600, Verdict.OPEN), (6_000, Verdict.AS_GOOD)], ids=["few rows", "many rows"]
)
def test_only_enough_rows_show_that_a_challenger_is_as_good(rows: int, verdict: Verdict) -> None:
    """That no difference was found in a few hundred rows says little: it may still be some points."""
    generator = np.random.default_rng(0)
    truth = np.zeros(rows, int)
    champion, challenger = (np.where(generator.random(rows) < 0.05, 1, 0) for _ in range(2))
    paired = compare_paired(truth, challenger, champion, np.arange(rows))
    assert paired is not None
    assert judge_difference(paired, 0.05, 0.02) is verdict


def test_the_first_shadow_predictions_are_compared(tmp_path: Path) -> None:
    frames = Frames.write([stored("answer", 1, mistaken(0)), stored("shadow", 2, mistaken(0))], tmp_path)

    pairs = pair_with_shadow(frames, champion=1, challenger=2, rows=50)

    assert pairs["prediction_id"].tolist() == [f"p{number}" for number in range(50)]
    assert pairs[ANSWERED].tolist() == TRUTH[:50].tolist()


def test_too_few_rows_are_not_judged(tmp_path: Path) -> None:
    few = judged(tmp_path, stored("answer", 1, mistaken(0)), stored("shadow", 2, mistaken(0))[:199])

    of_few = "199 labelled rows that both have predicted, at least 200 are needed"
    assert few == Challenge.not_judged(2, of_few)
    assert few.verdict is Verdict.OPEN
