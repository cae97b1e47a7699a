"""Frames of any number in one file, one at a time in memory."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from housing_assets.monitoring.production.frames import Frames


@pytest.fixture(scope="module")
def day() -> list[pd.DataFrame]:
    return [
        pd.DataFrame(
            {
                "predicted_at": pd.Series(pd.date_range("2026-03-01", periods=400, freq="min", tz="UTC")).dt.as_unit(
                    "us"
                ),
                "tier": "production",
                "heating": pd.Categorical([None, f"kind {number}"] * 200),
                "area": [float("nan"), float(number)] * 200,
            }
        )
        for number in range(3)
    ]


def test_frames_arrive_as_they_were_written(day: list[pd.DataFrame], tmp_path: Path) -> None:
    frames = Frames.write(iter(day), tmp_path)

    assert frames.rows == 1_200
    for found, written in zip(frames.read(), day, strict=True):
        assert (
            found.astype(object).where(found.notna(), None).equals(written.astype(object).where(written.notna(), None))
        )


@pytest.mark.acceptance
def test_frames_are_written_and_read_one_at_a_time(day: list[pd.DataFrame], tmp_path: Path) -> None:
    alive: list[weakref.ref[pd.DataFrame]] = []

    def generate() -> Iterator[pd.DataFrame]:
        for frame in day:
            gc.collect()
            assert sum(reference() is not None for reference in alive) <= 1
            copied = frame.copy()
            alive.append(weakref.ref(copied))
            yield copied
            del copied

    frames = Frames.write(generate(), tmp_path)

    assert frames.rows == 1_200
    assert [len(frame) for frame in frames.read(["tier"])] == [400, 400, 400]


def test_a_day_without_rows_is_one_empty_frame_with_all_columns(day: list[pd.DataFrame], tmp_path: Path) -> None:
    (found,) = Frames.write([day[0].head(0)], tmp_path).read()

    assert len(found) == 0
    assert list(found) == list(day[0])


def test_a_column_without_a_value_in_the_first_frame_may_have_some_in_the_next(tmp_path: Path) -> None:
    frames = [pd.DataFrame({"a": pd.Categorical([None], categories=[])}), pd.DataFrame({"a": pd.Categorical(["x"])})]

    found = [
        frame["a"].astype(object).where(frame["a"].notna(), None) for frame in Frames.write(frames, tmp_path).read()
    ]

    assert [texts.tolist() for texts in found] == [[None], ["x"]]
