"""Feature validation: which issues are found, and how grave they are."""

import json

import numpy as np
import pandas as pd
import pytest

from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.documents import as_json
from housing_assets.monitoring.drift.validation import Grade, ValidationReport, validate_features
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.small_platform import TODAY, Platform, ads


def report(platform: Platform, listings: pd.DataFrame) -> ValidationReport:
    return validate_features(MARKET, platform.reference, platform.profile(listings, np.zeros((0, 3))))


def issues(report: ValidationReport) -> dict[tuple[str, str], Grade]:
    return {(issue.finding.column, issue.finding.statistic): issue.grade for issue in report.issues}


@pytest.mark.parametrize("rows", [200, 2_000, 25_000])
def test_ordinary_features_are_valid(platform: Platform, rows: int) -> None:
    found = report(platform, ads(rows, 11))
    assert found.issues == ()
    assert found.summary == "The features look like those that the model was trained on."


@pytest.mark.parametrize("rows", [200, 2_000])
@pytest.mark.parametrize("factor", [3, 4, 5, 10])
def test_one_number_times_a_constant_fails_the_check_and_calls_for_no_retraining(
    platform: Platform, factor: float, rows: int
) -> None:
    found = report(platform, ads(rows, 1, gross_area_factor=factor))
    assert issues(found)["gross_m2", "median_shift"] is Grade.HIGH
    assert found.n_high == 1
    assert found.failed
    assert not found.counts_toward_retraining
    assert "the check fails" in found.summary


def test_a_median_that_moves_less_far_is_a_warning(platform: Platform) -> None:
    found = report(platform, ads(2_000, 1, gross_area_factor=2.2))
    assert issues(found)["gross_m2", "median_shift"] is Grade.HIGH
    assert not found.failed
    assert "a warning" in found.summary


def test_spread_and_skewness_are_medium_issues(platform: Platform) -> None:
    listings = ads(2_000, 1)
    middle = listings["gross_m2"].median()
    squeezed = listings.assign(gross_m2=middle + (listings["gross_m2"] - middle) / 4)
    found = report(platform, squeezed)
    assert issues(found)["gross_m2", "spread_ratio"] is Grade.MEDIUM
    mirrored = listings.assign(gross_m2=2 * middle - listings["gross_m2"].clip(upper=2 * middle))
    assert issues(report(platform, mirrored))["gross_m2", "skew_difference"] is Grade.MEDIUM
    assert found.n_high == 0
    assert "shown only" in found.summary


@pytest.mark.parametrize(("share", "grade"), [(0.03, Grade.MEDIUM), (0.5, Grade.HIGH)])
def test_new_categories_are_graver_the_more_rows_they_have(platform: Platform, share: float, grade: Grade) -> None:
    found = issues(report(platform, ads(2_000, 1, new_district_share=share)))
    assert found == {("district", "unseen"): grade}


def test_two_high_issues_fail_and_count_toward_retraining(platform: Platform) -> None:
    listings = ads(2_000, 1, new_district_share=0.5)
    found = report(platform, listings.assign(heating_type=pd.Categorical(["yeni"] * len(listings))))
    assert found.n_high == 2
    assert found.failed
    assert found.counts_toward_retraining
    assert "2 high and 0 medium issues" in found.summary
    assert "the check fails" in found.summary


def test_two_columns_that_went_missing_fail_and_do_not_count(platform: Platform) -> None:
    found = report(platform, ads(2_000, 1, missing={"HeatingType": 0.6, "BuildingAge": 0.6}))
    assert found.n_high == 2
    assert found.failed
    assert not found.counts_toward_retraining
    assert "2 high and 0 medium issues" in found.summary
    assert "the check fails" in found.summary


def test_high_issues_come_first(platform: Platform) -> None:
    listings = ads(2_000, 1, missing={"HeatingType": 0.6}, gross_area_factor=10, new_district_share=0.03)
    grades = [issue.grade for issue in report(platform, listings).issues]
    assert grades == sorted(grades)
    assert {*grades} == {Grade.HIGH, Grade.MEDIUM}


def test_few_rows_are_not_validated(platform: Platform) -> None:
    found = report(platform, ads(199, 1, gross_area_factor=10))
    assert found.insufficient
    assert found.issues == ()


def test_a_report_is_json(platform: Platform) -> None:
    stored = json.loads(as_json(report(platform, ads(2_000, 1, missing={"HeatingType": 0.6}))))
    assert [(issue["grade"], issue["finding"]["column"]) for issue in stored["issues"]] == [("high", "heating_type")]


def test_other_columns_are_refused(platform: Platform) -> None:
    listings = ads(300, 1)
    other = Profile.of(
        MARKET, listings.drop(columns="rooms"), platform.reference.predictions, platform.edges, as_of=TODAY
    )
    with pytest.raises(ProfileRefused, match="rooms"):
        validate_features(MARKET, platform.reference, other)
