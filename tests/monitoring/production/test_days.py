"""Days of any size, profiled by the version that answered."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.listings.cleaning import parse_frame
from housing_assets.listings.samples import load_sample
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.production.days import DayProfiles, merge_alike, merge_days, profile_day
from housing_assets.monitoring.production.frames import Frames
from housing_assets.monitoring.production.predictions import profiled_columns, read_answers, version_numbers
from housing_assets.monitoring.production.windows import choose_version
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.small_platform import Platform, ads, as_stored

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def answered(platform: Platform, rows: int, seed: int, version: str = "1", tier: str = "production") -> pd.DataFrame:
    listings = ads(rows, seed=seed).drop(columns=["row", "price"]).reset_index(drop=True)
    front = pd.DataFrame({"predicted_at": pd.Series([NOON] * rows, dtype="datetime64[us, UTC]"), "tier": tier})
    return pd.concat(
        [front.assign(model_version=version), as_stored(platform.predict(listings)), listings], axis="columns"
    )


@pytest.fixture(scope="module")
def day(platform: Platform) -> list[pd.DataFrame]:
    return [answered(platform, 400, seed) for seed in (1, 2, 3)]


def test_a_day_is_profiled_as_if_it_were_read_at_once(
    platform: Platform, day: list[pd.DataFrame], tmp_path: Path
) -> None:
    frames = Frames.write(day, tmp_path)

    found = profile_day(MARKET, frames.read(profiled_columns(MARKET)), lambda version: platform.reference)

    assert (
        found.by_version[1].to_json()
        == profile_day(MARKET, [pd.concat(day)], lambda version: platform.reference).by_version[1].to_json()
    )
    assert found.rows == {1: 1_200}


def test_the_lag_of_a_row_is_counted_to_its_own_day(platform: Platform, day: list[pd.DataFrame]) -> None:
    later = day[0].assign(predicted_at=day[0]["predicted_at"] + pd.Timedelta(days=10))

    ages = [
        profile_day(MARKET, [frame], lambda version: platform.reference).by_version[1].lags["created_on"].mean
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

    found = profile_day(MARKET, frames, lambda version: platform.reference)

    assert found.rows == {1: 400, 2: 400}
    assert found.unattributed == 157


def test_profiles_of_a_day_read_back_as_they_were_written(
    platform: Platform, day: list[pd.DataFrame], tmp_path: Path
) -> None:
    written = profile_day(MARKET, day, lambda version: platform.reference)
    written.save(tmp_path)

    found = DayProfiles.load(tmp_path)

    assert {key: one.to_json() for key, one in found.by_version.items()} == {
        key: one.to_json() for key, one in written.by_version.items()
    }


def test_days_merge_to_the_window_of_all_their_rows(platform: Platform, day: list[pd.DataFrame]) -> None:
    days = [profile_day(MARKET, [frame], lambda version: platform.reference) for frame in day]

    merged = merge_days([*days, DayProfiles({}, 3)])

    assert (
        merged.by_version[1].to_json()
        == profile_day(MARKET, day, lambda version: platform.reference).by_version[1].to_json()
    )
    assert merged.unattributed == 3


def test_days_of_an_edited_declaration_are_left_out_and_the_others_make_the_window(
    platform: Platform, day: list[pd.DataFrame]
) -> None:
    edited = [day[0].drop(columns="dues"), day[1], day[2]]
    profiles = [profile_day(MARKET, [frame], lambda version: platform.reference) for frame in edited]
    other_version = DayProfiles({2: profiles[0].by_version[1]}, 5)

    window, left_out = merge_alike(
        {"2026-03-01": profiles[0], "2026-03-02": profiles[1], "2026-03-03": other_version, "2026-03-04": profiles[2]}
    )

    assert left_out == {"2026-03-01": "profiles of other columns: only one of them has ['dues']"}
    assert window.rows == {1: 800, 2: 400}
    assert window.unattributed == 5


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
    raw = load_sample(MARKET).draw(50, seed=1)
    listings, _ = parse_frame(MARKET, raw, with_target=False)

    answered = {"predicted_at", "tier", "model_version", "price_category", "probabilities"}
    assert set(listings) | answered == set(profiled_columns(MARKET))
    assert np.isfinite(listings["gross_m2"]).any()


def test_answers_are_read_in_the_order_of_the_categories() -> None:
    frame = pd.DataFrame(
        {
            "price_category": ["b", None, "a", "other"],
            "probabilities": ['{"a":0.25,"b":0.75}', None, '{"a":1.0}', '{"a":0.5,"b":0.5}'],
        }
    )

    predicted, probabilities = read_answers(frame, ("b", "a"))

    assert predicted.tolist() == [0, -1, 1, -1]
    assert probabilities[[0, 3]].tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert np.isnan(probabilities[1]).all()
    assert np.isnan(probabilities[2, 0])


def test_a_stored_day_of_an_older_schema_is_refused(
    platform: Platform, day: list[pd.DataFrame], tmp_path: Path
) -> None:
    profile_day(MARKET, day, lambda version: platform.reference).save(tmp_path)
    (tmp_path / "1.json").write_text((tmp_path / "1.json").read_text().replace('"schema":4', '"schema":3'))

    with pytest.raises(ProfileRefused, match="schema is 3, this version reads 4"):
        DayProfiles.load(tmp_path)
