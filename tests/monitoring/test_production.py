"""Days of any size in bounded frames, profiled by the version that answered."""

import gc
import weakref
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.listings.cleaning import parse_frame
from housing_assets.listings.sample import synthetic_listings
from housing_assets.monitoring.frames import Frames
from housing_assets.monitoring.prediction_profile import PREDICTED, PROBABILITIES
from housing_assets.monitoring.production import (
    PROFILED,
    DayProfiles,
    choose_version,
    merge_days,
    profile_day,
    version_numbers,
)
from tests.monitoring.production import Platform, ads

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answered(platform: Platform, rows: int, seed: int, version: str = "1", tier: str = "production") -> pd.DataFrame:
    listings = ads(rows, seed=seed).drop(columns=["row", "price"]).reset_index(drop=True)
    front = pd.DataFrame({"predicted_at": pd.Series([NOON] * rows, dtype="datetime64[us, UTC]"), "tier": tier})
    return pd.concat([front.assign(model_version=version), platform.predict(listings), listings], axis="columns")


@pytest.fixture(scope="module")
def day(platform: Platform) -> list[pd.DataFrame]:
    return [answered(platform, 400, seed) for seed in (1, 2, 3)]


def test_frames_arrive_as_they_were_written(day: list[pd.DataFrame], tmp_path: Path) -> None:
    frames = Frames.write(iter(day), tmp_path)

    assert frames.rows == 1_200
    for found, written in zip(frames.read(), day, strict=True):
        assert (
            found.astype(object).where(found.notna(), None).equals(written.astype(object).where(written.notna(), None))
        )


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


def test_a_day_is_profiled_as_if_it_were_read_at_once(
    platform: Platform, day: list[pd.DataFrame], tmp_path: Path
) -> None:
    frames = Frames.write(day, tmp_path)

    found = profile_day(frames.read(PROFILED), lambda version: platform.reference)

    assert (
        found.by_version[1].to_json()
        == profile_day([pd.concat(day)], lambda version: platform.reference).by_version[1].to_json()
    )
    assert found.rows == {1: 1_200}


def test_the_lag_of_a_row_is_counted_to_its_own_day(platform: Platform, day: list[pd.DataFrame]) -> None:
    later = day[0].assign(predicted_at=day[0]["predicted_at"] + pd.Timedelta(days=10))

    ages = [
        profile_day([frame], lambda version: platform.reference).by_version[1].lags["created_on"].mean
        for frame in (day[0], later)
    ]

    assert ages[1] - ages[0] == pytest.approx(10)


def test_each_version_has_its_profile_and_the_rule_none(platform: Platform, day: list[pd.DataFrame]) -> None:
    frames = [
        day[0],
        day[1].assign(model_version="2"),
        day[2].head(100).assign(tier="rule"),
        day[2].head(50).assign(model_version="baked"),
        day[2].head(7).assign(model_version=None),
    ]

    found = profile_day(frames, lambda version: platform.reference)

    assert found.rows == {1: 400, 2: 400}
    assert found.unattributed == 157


def test_profiles_of_a_day_read_back_as_they_were_written(
    platform: Platform, day: list[pd.DataFrame], tmp_path: Path
) -> None:
    written = profile_day(day, lambda version: platform.reference)
    written.save(tmp_path)

    found = DayProfiles.load(tmp_path)

    assert {key: one.to_json() for key, one in found.by_version.items()} == {
        key: one.to_json() for key, one in written.by_version.items()
    }


def test_days_merge_to_the_window_of_all_their_rows(platform: Platform, day: list[pd.DataFrame]) -> None:
    days = [profile_day([frame], lambda version: platform.reference) for frame in day]

    merged = merge_days([*days, DayProfiles({}, 3)])

    assert (
        merged.by_version[1].to_json() == profile_day(day, lambda version: platform.reference).by_version[1].to_json()
    )
    assert merged.unattributed == 3


@pytest.mark.parametrize(
    ("rows", "production", "chosen"),
    [
        ({}, 3, 3),
        ({3: 500}, 3, 3),
        ({2: 9_000, 3: 200}, 3, 3),
        ({2: 9_000, 3: 199}, 3, 2),
        ({1: 40, 2: 90}, 3, 2),
        ({3: 10}, 3, 3),
        ({}, 0, 0),
        ({4: 10}, 0, 4),
    ],
)
def test_a_window_is_that_of_the_version_in_production_once_it_has_answered_enough(
    rows: dict[int, int], production: int, chosen: int
) -> None:
    assert choose_version(rows, production, min_rows=200) == chosen


def test_versions_are_read_from_what_the_service_records() -> None:
    frame = pd.DataFrame({"model_version": ["3", None, "baked", "12"], "tier": ["staging", "rule", "baked", "rule"]})

    assert version_numbers(frame).tolist() == [3, 0, 0, 0]


def test_typed_values_of_a_request_are_those_that_training_reads() -> None:
    raw = synthetic_listings(50, seed=1)
    listings, _ = parse_frame(raw, with_target=False)

    assert set(listings) | {"predicted_at", "tier", "model_version", PREDICTED, *PROBABILITIES} == set(PROFILED)
    assert np.isfinite(listings["gross_m2"]).any()
