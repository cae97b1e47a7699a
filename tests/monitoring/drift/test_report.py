"""The drift report: quiet without drift, loud with it, and stored whole."""

import json
from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.documents import as_json
from housing_assets.monitoring.drift.findings import Consequence, judge
from housing_assets.monitoring.drift.measuring import measure_unseen
from housing_assets.monitoring.drift.report import DriftReport, Status, judge_drift
from housing_assets.monitoring.drift.validation import validate_features
from housing_assets.monitoring.performance.judging import judge_performance
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.refused import ProfileRefused
from housing_assets.monitoring.statistics.cells import Counts
from housing_assets.monitoring.thresholds import Thresholds
from tests.monitoring.small_platform import TODAY, Platform, ads, found, predictions_of

ROWS = 2_000


def report(platform: Platform, listings: pd.DataFrame) -> DriftReport:
    return platform.report(listings)


@pytest.mark.trial
@pytest.mark.parametrize("n_windows", [4, 50])
def test_of_undrifted_windows_at_most_one_counts_toward_retraining(platform: Platform, n_windows: int) -> None:
    counted, drifted = [], []
    for rows in (200, 500, 2_000, 25_000):
        for seed in range(n_windows):
            window = platform.profile(ads(rows, 1_000 + seed))
            drift, features = (
                judge_drift(platform.reference, window),
                validate_features(MARKET, platform.reference, window),
            )
            if drift.status is Status.DRIFTED:
                drifted.append(drift.summary)
            if drift.counts_toward_retraining or features.counts_toward_retraining:
                counted.append((drift.summary, features.summary))
    assert len(counted) <= 1, counted
    assert len(drifted) <= 2, drifted


@pytest.mark.parametrize("rows", [200, 500, 2_000, 25_000])
def test_an_undrifted_window_of_any_size_passes(platform: Platform, rows: int) -> None:
    drift = report(platform, ads(rows, seed=77))
    assert drift.status is Status.PASSED, drift.summary
    assert drift.summary == f"No drift: {rows:,} rows against 16,000 in the reference, 40 columns and the predictions."
    assert not drift.counts_toward_retraining


@pytest.mark.parametrize("column", ["HeatingType", "NetSquareMeters"])
def test_values_that_go_missing_call_for_no_retraining(platform: Platform, column: str) -> None:
    drift = report(platform, ads(ROWS, 2_000, missing={column: 0.6}))
    assert {finding.statistic for finding in drift.material} == {"missing"}
    assert not drift.counts_toward_retraining


@pytest.mark.parametrize(
    ("shift", "column", "statistic"),
    [
        ({"only_district": "kadikoy"}, "district", "psi"),
        ({"only_district": "adalar"}, "district", "psi"),
        ({"new_district_share": 0.5}, "district", "psi"),
        ({"new_district_share": 0.5}, "district", "unseen"),
        ({"gross_area_factor": 10}, "gross_m2", "psi"),
        ({"gross_area_factor": 10}, "gross_m2", "ks"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_shift_is_found_in_one_window_and_counts_toward_retraining(
    platform: Platform, shift: dict[str, Any], column: str, statistic: str, seed: int
) -> None:
    drift = report(platform, ads(ROWS, 2_000 + seed, **shift))
    finding = found(drift, column, statistic)
    assert finding.counts_toward_retraining, drift.summary
    assert finding.q is not None
    assert finding.q < 0.05
    assert column in drift.offending_columns
    assert drift.status is Status.DRIFTED
    assert drift.severe


@pytest.mark.parametrize("seed", range(5))
def test_5_percent_new_addresses_are_found(platform: Platform, seed: int) -> None:
    drift = report(platform, ads(ROWS, 3_000 + seed, new_address_share=0.05))
    for column in ("address", "neighbourhood"):
        finding = found(drift, column, "unseen")
        assert finding.material
        assert finding.effect == pytest.approx(0.05, abs=0.015)
    expected = found(report(platform, ads(ROWS, 3_000 + seed)), "address", "unseen")
    assert not expected.material  # though one row in twenty has an address that the reference never had
    assert expected.value > 0.03


@pytest.mark.acceptance
@pytest.mark.parametrize(
    "column", [column for column in MARKET.inputs if not column.required], ids=lambda column: column.raw
)
def test_60_percent_of_any_column_missing_is_found(platform: Platform, column: Any) -> None:
    drift = report(platform, ads(ROWS, 4_000, missing={column.raw: 0.6}))
    for value in column.values:
        assert found(drift, value.name, "missing").material, drift.summary
        assert found(drift, value.name, "missing").consequence is Consequence.ALERT


@pytest.mark.parametrize("shift", [{"price_inflation": 0.6}, {"concept_change": 1.0}])
def test_what_changes_prices_alone_shows_in_labels_alone(platform: Platform, shift: dict[str, float]) -> None:
    listings = ads(ROWS, 5_000, **shift)
    assert report(platform, listings).status is Status.PASSED
    assert judge_performance(platform.holdout, platform.outcomes(listings)).failed


def test_new_months_are_not_drift(platform: Platform) -> None:
    listings = ads(ROWS, 6_000)
    later = listings.assign(
        created_on=listings["created_on"] + pd.Timedelta(days=200),
        updated_on=listings["updated_on"] + pd.Timedelta(days=200),
    )
    predictions = predictions_of(platform.predict(listings))
    days = np.full(ROWS, np.datetime64(TODAY) + 200)
    new, old = (Profile.of(MARKET, rows, predictions, platform.edges, as_of=days) for rows in (later, listings))
    drift, stale = (judge_drift(platform.reference, window) for window in (new, old))
    assert drift.status is Status.PASSED
    assert stale.status is Status.PASSED
    assert found(stale, "created_on", "lag_days").effect == pytest.approx(200, abs=10)


def test_a_reference_of_10_million_rows_judges_as_one_of_thousands(platform: Platform) -> None:
    """Effects are debiased, not divided by size: a window is judged alike whatever it is compared with."""
    large = platform.reference
    for _ in range(9):
        large = large.merge(large)
    window = platform.profile(ads(ROWS, 7_000, gross_area_factor=1.3))
    small, vast = judge_drift(platform.reference, window), judge_drift(large, window)
    assert vast.reference_rows > 8_000_000
    assert found(vast, "gross_m2", "psi").effect == pytest.approx(found(small, "gross_m2", "psi").effect, abs=0.02)
    assert found(vast, "gross_m2", "ks").effect == found(small, "gross_m2", "ks").effect


def test_fewer_than_200_rows_are_insufficient_and_fail_nothing(platform: Platform) -> None:
    drift = report(platform, ads(199, 1, only_district="kadikoy"))
    assert drift.status is Status.INSUFFICIENT
    assert (drift.findings, drift.counts_toward_retraining, drift.severe) == ((), False, False)
    assert drift.summary == "Not judged: 199 rows, at least 200 are needed."
    assert report(platform, ads(200, 1, only_district="kadikoy")).status is Status.DRIFTED


def test_days_merged_are_judged_as_one_window(platform: Platform) -> None:
    listings = ads(ROWS, 8_000, new_district_share=0.2)
    days = [platform.profile(listings.iloc[start : start + 100]) for start in range(0, ROWS, 100)]
    merged = reduce(Profile.merge, days)
    assert judge_drift(platform.reference, merged, personal=MARKET.personal_names) == report(platform, listings)


def test_a_report_of_much_drift_is_small_json(platform: Platform) -> None:
    drift = report(platform, ads(ROWS, 9_000, outside_range=False, new_district_share=0.5, gross_area_factor=10))
    stored = json.loads(as_json(drift))
    assert (stored["status"], stored["rows"], len(stored["findings"])) == ("drifted", ROWS, len(drift.findings))
    assert stored["findings"][0]["column"] == drift.offending_columns[0]
    assert len(as_json(drift)) < 500_000


def test_the_summary_names_what_has_drifted_and_what_follows(platform: Platform) -> None:
    drift = report(platform, ads(ROWS, 1, only_district="kadikoy"))
    assert drift.summary.startswith("Drift: district (PSI ")
    assert drift.summary.endswith("(2,000 rows against 16,000 in the reference). It counts toward retraining.")
    dues = report(platform, ads(ROWS, 1, missing={"Subscription": 0.6}))
    assert dues.summary.endswith("It only raises an alert: retraining would not fix it.")


def test_a_warning_names_what_is_worth_watching(platform: Platform) -> None:
    strict = Thresholds(ks_warn=0.02, ks_alert=0.9, psi_alert=9, kl_alert=9, missing_ratio=9)
    drift = judge_drift(platform.reference, platform.profile(ads(25_000, 3, gross_area_factor=1.1)), strict)
    assert drift.status is Status.WARNED
    assert "Worth watching: gross_m2 (" in drift.summary
    assert drift.offending_columns == ()


def test_unseen_values_are_listed_unless_they_are_personal(platform: Platform) -> None:
    drift = report(platform, ads(ROWS, 1, new_district_share=0.5))
    assert "korudere (" in found(drift, "district", "unseen").detail
    listed = found(drift, "address", "unseen").detail
    assert "distinct" in listed
    assert "Korudere" not in as_json(drift)


@pytest.mark.parametrize(
    ("unseen", "limit", "consequence"), [(60, 0.01, Consequence.ALERT), (120, 0.05, Consequence.RETRAINING)]
)
def test_unseen_values_are_held_against_the_limit_of_what_follows(
    unseen: int, limit: float, consequence: Consequence
) -> None:
    counts = Counts(("known", "new"), np.array([16_000, 0]), np.array([ROWS - unseen, unseen]))
    (finding,) = judge(measure_unseen("district", counts, Thresholds(), named=True), 0.05)
    assert (finding.material, finding.alert, finding.consequence) == (True, limit, consequence)
    assert not finding.is_severe(2)


def test_fewer_than_200_predictions_are_not_judged(platform: Platform) -> None:
    listings = ads(ROWS, 1)
    low = np.tile([0.8, 0.1, 0.1], (200, 1))
    few = judge_drift(platform.reference, platform.profile(listings, low[:199]))
    assert few.status is Status.PASSED
    assert not [finding for finding in few.findings if finding.column == "predictions"]
    assert found(judge_drift(platform.reference, platform.profile(listings, low)), "predictions", "kl").material


def test_profiles_of_other_bins_are_not_compared(platform: Platform) -> None:
    listings = ads(500, 1)
    shifted = platform.edges | {"rooms": np.array([1.0, 2.0])}
    other = Profile.of(MARKET, listings, predictions_of(platform.predict(listings)), shifted, as_of=TODAY)
    with pytest.raises(ProfileRefused, match="rooms"):
        judge_drift(platform.reference, other)


def test_profiles_of_other_categories_are_not_compared(platform: Platform) -> None:
    listings = ads(500, 1)
    two = predictions_of(platform.predict(listings)[:, :2], ("cheap", "dear"))
    other = Profile.of(MARKET, listings, two, platform.edges, as_of=TODAY)
    with pytest.raises(ProfileRefused, match="other categories: low, medium, high against cheap, dear"):
        judge_drift(platform.reference, other)
    with pytest.raises(ProfileRefused, match="other categories"):
        validate_features(MARKET, platform.reference, other)


def test_what_a_check_says_names_the_worst_of_its_own_statistics(platform: Platform) -> None:
    drift = report(platform, ads(ROWS, 1, only_district="kadikoy", missing={"HeatingType": 0.6}))
    assert drift.summary_of(["missing"]).startswith("Over the limit: heating_type: missing values × ")
    assert drift.summary_of(["cardinality"]).startswith("Within limits: ")


def test_an_empty_reference_is_refused(platform: Platform) -> None:
    empty = platform.profile(platform.listings[:0], platform.predict(ads(200, 1))[:0])
    with pytest.raises(ProfileRefused, match="no rows"):
        judge_drift(empty, platform.profile(ads(200, 1)))
