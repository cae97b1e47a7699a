"""Champion and challenger on the same labelled requests."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.monitoring.performance.challenger import ANSWERED, Challenge, judge_challenger, pair_with_shadow
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


def judged(folder: Path, *frames: pd.DataFrame, rows: int = 2_000, min_rows: int = 200) -> Challenge | None:
    pairs = pair_with_shadow(Frames.write(frames, folder), champion=1, challenger=2, rows=rows)
    return judge_challenger(LABELS["classes"], pairs, 2, min_rows=min_rows, largest_p=0.05)


@pytest.mark.parametrize(
    ("wrong", "does"), [(60, "does better than"), (180, "does worse than"), (118, "does about as well as")]
)
def test_a_challenger_is_held_against_the_champion_on_the_same_rows(tmp_path: Path, wrong: int, does: str) -> None:
    found = judged(tmp_path, stored("answer", 1, mistaken(120)), stored("shadow", 2, mistaken(wrong)))

    assert found is not None
    assert found.summary.startswith(f"The challenger, version 2, {does} the champion on the same 600 labelled rows: ")
    assert found.paired is not None
    assert (found.paired.accuracy, found.paired.baseline_accuracy) == (1 - wrong / ROWS, 0.8)


def test_only_rows_that_the_champion_answered_and_this_challenger_predicted_are_paired(tmp_path: Path) -> None:
    found = judged(
        tmp_path,
        stored("answer", 1, mistaken(0)),
        stored("answer", 2, mistaken(0), ids=range(ROWS, 2 * ROWS)),
        stored("shadow", 3, mistaken(300)),
        stored("shadow", 2, mistaken(0), ids=range(300, 300 + ROWS)),
    )

    assert found is not None
    assert found.paired is not None
    assert found.paired.rows == 300


def test_the_first_shadow_predictions_are_compared(tmp_path: Path) -> None:
    frames = Frames.write([stored("answer", 1, mistaken(0)), stored("shadow", 2, mistaken(0))], tmp_path)

    pairs = pair_with_shadow(frames, champion=1, challenger=2, rows=50)

    assert pairs["prediction_id"].tolist() == [f"p{number}" for number in range(50)]
    assert pairs[ANSWERED].tolist() == TRUTH[:50].tolist()


def test_too_few_rows_are_not_judged_and_none_say_nothing(tmp_path: Path) -> None:
    few = judged(tmp_path, stored("answer", 1, mistaken(0)), stored("shadow", 2, mistaken(0))[:199])

    assert few == Challenge(
        2,
        "The challenger, version 2, is not judged: 199 labelled shadow predictions, at least 200 are needed.",
        None,
    )
    assert judged(tmp_path, stored("answer", 1, mistaken(0))) is None
