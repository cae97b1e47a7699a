"""The drift report: quiet without drift, loud with it, and stored whole."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.listings.columns import COLUMNS
from housing_assets.monitoring.cells import Counts
from housing_assets.monitoring.drift import DriftReport, Status, compare
from housing_assets.monitoring.findings import Finding, Role, judge
from housing_assets.monitoring.measurements import measure_unseen
from housing_assets.monitoring.performance import judge_performance
from housing_assets.monitoring.profile import Profile, ProfileRefused, merge_profiles
from housing_assets.monitoring.thresholds import Thresholds
from housing_assets.monitoring.validation import validate_features
from tests.monitoring.production import TODAY, Platform, ads, as_predictions

ROWS = 2_000


def report(platform: Platform, listings: pd.DataFrame) -> DriftReport:
    return compare(platform.reference, platform.profile(listings))


def found(report: DriftReport, column: str, statistic: str) -> Finding:
    (finding,) = [one for one in report.findings if (one.column, one.statistic) == (column, statistic)]
    return finding


@pytest.mark.slow
@pytest.mark.parametrize("n_windows", [10, pytest.param(50, marks=pytest.mark.trial)])
def test_of_undrifted_windows_at_most_one_counts_toward_retraining(platform: Platform, n_windows: int) -> None:
    counted, drifted = [], []
    for rows in (200, 500, 2_000, 25_000):
        for seed in range(n_windows):
            window = platform.profile(ads(rows, 1_000 + seed))
            drift, features = compare(platform.reference, window), validate_features(platform.reference, window)
            if drift.status is Status.DRIFTED:
                drifted.append(drift.verdict)
            if drift.counts_toward_retraining or features.counts_toward_retraining:
                counted.append((drift.verdict, features.verdict))
    assert len(counted) <= 1, counted
    assert len(drifted) <= 2, drifted


@pytest.mark.parametrize("rows", [200, 500, 2_000, 25_000])
def test_an_undrifted_window_of_any_size_passes(platform: Platform, rows: int) -> None:
    drift = report(platform, ads(rows, seed=77))
    assert drift.status is Status.PASSED, drift.verdict
    assert drift.verdict == f"No drift: {rows:,} rows against 16,000 of the reference, 40 columns and the predictions."
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
        ({"missing": {"HeatingType": 0.6}}, "heating_type", "psi"),
        ({"missing": {"NetSquareMeters": 0.6}}, "net_m2", "psi"),
    ],
)
@pytest.mark.parametrize("seed", range(3))
def test_a_shift_is_found_in_one_window_and_counts_toward_retraining(
    platform: Platform, shift: dict[str, Any], column: str, statistic: str, seed: int
) -> None:
    drift = report(platform, ads(ROWS, 2_000 + seed, **shift))
    finding = found(drift, column, statistic)
    assert finding.counts_toward_retraining, drift.verdict
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


@pytest.mark.parametrize("column", [column for column in COLUMNS if not column.required], ids=lambda column: column.raw)
def test_60_percent_of_any_column_missing_is_found(platform: Platform, column: Any) -> None:
    drift = report(platform, ads(ROWS, 4_000, missing={column.raw: 0.6}))
    for value in column.values:
        assert found(drift, value.name, "missing").material, drift.verdict
        assert found(drift, value.name, "missing").role is Role.ALERT


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
    predictions = platform.predict(listings)
    day = np.datetime64(TODAY) + 200
    drift = compare(platform.reference, Profile.of(later, predictions, platform.edges, as_of=np.full(ROWS, day)))
    assert drift.status is Status.PASSED
    stale = compare(platform.reference, Profile.of(listings, predictions, platform.edges, as_of=np.full(ROWS, day)))
    assert stale.status is Status.PASSED
    assert found(stale, "created_on", "lag_days").effect == pytest.approx(200, abs=10)


def test_a_reference_of_10_million_rows_judges_as_one_of_thousands(platform: Platform) -> None:
    """Effects are debiased, not divided by size: a window is judged alike whatever it is compared with."""
    large = platform.reference
    for _ in range(9):
        large = large.merge(large)
    window = platform.profile(ads(ROWS, 7_000, gross_area_factor=1.3))
    small, vast = compare(platform.reference, window), compare(large, window)
    assert vast.reference_rows > 8_000_000
    assert found(vast, "gross_m2", "psi").effect == pytest.approx(found(small, "gross_m2", "psi").effect, abs=0.02)
    assert found(vast, "gross_m2", "ks").effect == found(small, "gross_m2", "ks").effect


def test_fewer_than_200_rows_are_insufficient_and_fail_nothing(platform: Platform) -> None:
    drift = report(platform, ads(199, 1, only_district="kadikoy"))
    assert drift.status is Status.INSUFFICIENT
    assert (drift.findings, drift.counts_toward_retraining, drift.severe) == ((), False, False)
    assert drift.verdict == "Not judged: 199 rows, and 200 are needed."
    assert report(platform, ads(200, 1, only_district="kadikoy")).status is Status.DRIFTED


def test_days_merged_are_judged_as_one_window(platform: Platform) -> None:
    listings = ads(ROWS, 8_000, new_district_share=0.2)
    days = [platform.profile(listings.iloc[start : start + 100]) for start in range(0, ROWS, 100)]
    assert compare(platform.reference, merge_profiles(days)).to_json() == report(platform, listings).to_json()


def test_a_report_reads_back_the_same(platform: Platform) -> None:
    drift = report(platform, ads(ROWS, 9_000, outside_range=False, new_district_share=0.5, gross_area_factor=10))
    text = drift.to_json()
    assert DriftReport.from_json(text) == drift
    assert len(text) < 500_000
    with pytest.raises(ValueError, match="damaged"):
        DriftReport.from_json(text[:-10])
    with pytest.raises(ValueError, match="damaged"):
        DriftReport.from_json(text.replace('"alert"', '"loud"'))


def test_the_verdict_names_what_has_drifted_and_what_follows(platform: Platform) -> None:
    drift = report(platform, ads(ROWS, 1, only_district="kadikoy"))
    assert drift.verdict.startswith("Drift: district (PSI ")
    assert drift.verdict.endswith("(2,000 rows against 16,000 of the reference); it counts toward retraining.")
    dues = report(platform, ads(ROWS, 1, missing={"Subscription": 0.6}))
    assert dues.verdict.endswith("it alerts only, retraining would not mend it.")


def test_a_warning_names_what_is_worth_watching(platform: Platform) -> None:
    strict = Thresholds(ks_warn=0.02, ks_alert=0.9, psi_alert=9, kl_alert=9, missing_ratio=9)
    drift = compare(platform.reference, platform.profile(ads(25_000, 3, gross_area_factor=1.1)), strict)
    assert drift.status is Status.WARNED
    assert "worth watching: gross_m2 (" in drift.verdict
    assert drift.offending_columns == ()


def test_unseen_values_are_listed_unless_they_are_personal(platform: Platform) -> None:
    drift = report(platform, ads(ROWS, 1, new_district_share=0.5))
    assert "korudere (" in found(drift, "district", "unseen").detail
    listed = found(drift, "address", "unseen").detail
    assert "distinct" in listed
    assert "Korudere" not in drift.to_json()


@pytest.mark.parametrize(("unseen", "limit", "role"), [(60, 0.01, Role.ALERT), (120, 0.05, Role.RETRAINING)])
def test_unseen_values_are_held_against_the_limit_of_their_tier(unseen: int, limit: float, role: Role) -> None:
    counts = Counts(("known", "new"), np.array([16_000, 0]), np.array([ROWS - unseen, unseen]))
    (finding,) = judge(measure_unseen("district", counts, Thresholds()), 0.05)
    assert (finding.material, finding.alert, finding.role) == (True, limit, role)
    assert not finding.is_severe(2)


def test_fewer_than_200_predictions_are_not_judged(platform: Platform) -> None:
    listings = ads(ROWS, 1)
    low = as_predictions(np.tile([0.8, 0.1, 0.1], (200, 1)))
    few = compare(platform.reference, platform.profile(listings, low[:199]))
    assert few.status is Status.PASSED
    assert not [finding for finding in few.findings if finding.column == "predictions"]
    assert found(compare(platform.reference, platform.profile(listings, low)), "predictions", "kl").material


def test_profiles_of_other_bins_are_not_compared(platform: Platform) -> None:
    listings = ads(500, 1)
    shifted = platform.edges | {"rooms": np.array([1.0, 2.0])}
    other = Profile.of(listings, platform.predict(listings), shifted, as_of=TODAY)
    with pytest.raises(ProfileRefused, match="rooms"):
        compare(platform.reference, other)


def test_an_empty_reference_is_refused(platform: Platform) -> None:
    empty = platform.profile(platform.listings[:0], platform.predict(ads(200, 1))[:0])
    with pytest.raises(ProfileRefused, match="no rows"):
        compare(empty, platform.profile(ads(200, 1)))
