"""Feature validation: which issues are found, and how grave they are."""

import pandas as pd
import pytest

from housing_assets.monitoring.profile import Profile, ProfileRefused
from housing_assets.monitoring.validation import Grade, ValidationReport, validate_features
from tests.monitoring.production import TODAY, Platform, ads


def report(platform: Platform, listings: pd.DataFrame) -> ValidationReport:
    return validate_features(platform.reference, platform.profile(listings, platform.predict(listings[:0])))


def issues(report: ValidationReport) -> dict[tuple[str, str], Grade]:
    return {(issue.finding.column, issue.finding.statistic): issue.grade for issue in report.issues}


@pytest.mark.parametrize("rows", [200, 2_000, 25_000])
def test_ordinary_features_are_valid(platform: Platform, rows: int) -> None:
    found = report(platform, ads(rows, 11))
    assert found.issues == ()
    assert found.verdict == "The features are of the kind that the model was trained on."


def test_a_mean_that_moves_far_is_a_high_issue(platform: Platform) -> None:
    found = report(platform, ads(2_000, 1, gross_area_factor=10))
    assert issues(found)["gross_m2", "mean_shift"] is Grade.HIGH
    assert found.n_high == 1
    assert not found.counts_toward_retraining
    assert "it warns" in found.verdict


def test_spread_and_skewness_are_medium_issues(platform: Platform) -> None:
    listings = ads(2_000, 1)
    middle = listings["gross_m2"].median()
    squeezed = listings.assign(gross_m2=middle + (listings["gross_m2"] - middle) / 4)
    found = report(platform, squeezed)
    assert issues(found)["gross_m2", "spread_ratio"] is Grade.MEDIUM
    mirrored = listings.assign(gross_m2=2 * middle - listings["gross_m2"].clip(upper=2 * middle))
    assert issues(report(platform, mirrored))["gross_m2", "skew_difference"] is Grade.MEDIUM
    assert found.n_high == 0
    assert "it is shown only" in found.verdict


@pytest.mark.parametrize(("share", "grade"), [(0.03, Grade.MEDIUM), (0.5, Grade.HIGH)])
def test_new_categories_are_graver_the_more_rows_they_have(platform: Platform, share: float, grade: Grade) -> None:
    found = issues(report(platform, ads(2_000, 1, new_district_share=share)))
    assert found == {("district", "unseen"): grade}


def test_two_high_issues_fail_and_count_toward_retraining(platform: Platform) -> None:
    found = report(platform, ads(2_000, 1, missing={"HeatingType": 0.6, "BuildingAge": 0.6}))
    assert found.n_high == 2
    assert found.counts_toward_retraining
    assert "2 high and 0 medium issues" in found.verdict
    assert "it fails" in found.verdict


def test_high_issues_come_first(platform: Platform) -> None:
    listings = ads(2_000, 1, missing={"HeatingType": 0.6}, gross_area_factor=10, new_district_share=0.03)
    grades = [issue.grade for issue in report(platform, listings).issues]
    assert grades == sorted(grades)
    assert {*grades} == {Grade.HIGH, Grade.MEDIUM}


def test_few_rows_are_not_validated(platform: Platform) -> None:
    found = report(platform, ads(199, 1, gross_area_factor=10))
    assert found.insufficient
    assert found.issues == ()


def test_a_report_reads_back_the_same(platform: Platform) -> None:
    found = report(platform, ads(2_000, 1, missing={"HeatingType": 0.6}))
    assert ValidationReport.from_json(found.to_json()) == found
    with pytest.raises(ValueError, match="damaged"):
        ValidationReport.from_json("{}")


def test_other_columns_are_refused(platform: Platform) -> None:
    listings = ads(300, 1)
    other = Profile.of(listings.drop(columns="rooms"), platform.predict(listings), platform.edges, as_of=TODAY)
    with pytest.raises(ProfileRefused, match="rooms"):
        validate_features(platform.reference, other)
