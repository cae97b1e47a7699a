"""Requests that come together: windows of clients with the reference's own marginals, and windows that have shifted."""

from functools import reduce
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.report import DriftReport, judge_drift
from housing_assets.monitoring.drift.validation import validate_features
from housing_assets.monitoring.profiles.blocks import BlockCounts, group_requests
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.refused import ProfileRefused
from tests.monitoring.clusters import draw_clients
from tests.monitoring.small_platform import TODAY, Platform, ads, found, predictions_of


def profile(
    platform: Platform, listings: pd.DataFrame, keys: pd.Series, predicted: np.ndarray | None = None
) -> Profile:
    probabilities = platform.predict(listings) if predicted is None else predicted
    groups, codes = group_requests([keys]), probabilities.argmax(axis=1)
    blocks = BlockCounts.of(MARKET, listings, codes, len(MARKET.categories), groups, platform.edges)
    return Profile.of(MARKET, listings, predictions_of(probabilities), platform.edges, as_of=TODAY, blocks=blocks)


def counts(platform: Platform, window: Profile) -> str:
    drift, features = judge_drift(platform.reference, window), validate_features(MARKET, platform.reference, window)
    return drift.summary if drift.counts_toward_retraining or features.counts_toward_retraining else ""


def report(platform: Platform, listings: pd.DataFrame, keys: pd.Series) -> DriftReport:
    return judge_drift(platform.reference, profile(platform, listings, keys))


@pytest.fixture(scope="module")
def answers(platform: Platform) -> np.ndarray:
    return platform.predict(platform.listings)


@pytest.mark.acceptance
@pytest.mark.parametrize("order", ["one after the other", "all at once", "without keys"])
@pytest.mark.parametrize("n_windows", [1, pytest.param(20, marks=pytest.mark.trial)])
def test_of_undrifted_windows_of_clients_at_most_5_percent_count(
    platform: Platform, answers: np.ndarray, n_windows: int, order: str
) -> None:
    known = platform.listings.assign(answer=range(len(platform.listings)))
    counted, judged = [], 0
    for rows in (300, 600, 1_000, 3_000):
        for ads_each in (5, 20, 100):
            for seed in range(n_windows):
                window, keys = draw_clients(known, rows, ads_each, seed)
                if order == "all at once":
                    mixed = np.random.default_rng(seed).permutation(rows)
                    window, keys = window.iloc[mixed], keys.iloc[mixed]
                if order == "without keys":
                    keys = keys.where(keys.isna())
                said = counts(platform, profile(platform, window, keys, answers[window["answer"]]))
                counted += [f"{rows} rows, {ads_each} each: {said}"] if said else []
                judged += 1
    assert len(counted) <= 0.05 * judged, counted


def test_without_their_blocks_the_same_windows_count(platform: Platform, answers: np.ndarray) -> None:
    known = platform.listings.assign(answer=range(len(platform.listings)))
    counted = 0
    for seed in range(5):
        window, _ = draw_clients(known, 1_000, 20, seed)
        alone = Profile.of(MARKET, window, predictions_of(answers[window["answer"]]), platform.edges, as_of=TODAY)
        counted += bool(counts(platform, alone))
    assert counted == 5


@pytest.mark.parametrize(
    ("shift", "column"),
    [
        ({"only_district": "kadikoy"}, "district"),
        ({"new_district_share": 0.5}, "district"),
        ({"gross_area_factor": 3}, "gross_m2"),
    ],
)
def test_a_shift_is_found_among_clients_of_ten_ads(platform: Platform, shift: dict[str, float], column: str) -> None:
    window, keys = draw_clients(ads(6_000, 11, **shift), 2_000, 10, seed=3)
    drift = report(platform, window, keys)
    assert drift.counts_toward_retraining, drift.summary
    assert column in drift.offending_columns


NOBODY = pd.Series([None], dtype=object)


@pytest.mark.trial
@pytest.mark.parametrize("n_windows", [4, 50])
def test_of_undrifted_windows_without_keys_at_most_one_counts(platform: Platform, n_windows: int) -> None:
    """As production is profiled, in stretches of the day: the same windows as in the test of single rows."""
    counted = []
    for rows in (200, 500, 2_000, 25_000):
        for seed in range(n_windows):
            said = counts(platform, profile(platform, ads(rows, 1_000 + seed), NOBODY.repeat(rows)))
            counted += [said] if said else []
    assert len(counted) <= 1, counted


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("shift", "column"),
    [
        ({"only_district": "kadikoy"}, "district"),
        ({"only_district": "adalar"}, "district"),
        ({"new_district_share": 0.5}, "district"),
        ({"gross_area_factor": 10}, "gross_m2"),
        ({"missing": {"HeatingType": 0.6}}, "heating_type"),
        ({"missing": {"NetSquareMeters": 0.6}}, "net_m2"),
        ({"new_address_share": 0.1}, "address"),
        ({"new_address_share": 0.1}, "neighbourhood"),
    ],
)
def test_shifts_are_found_without_keys(platform: Platform, shift: dict[str, Any], column: str) -> None:
    drift = judge_drift(platform.reference, profile(platform, ads(2_000, 2_000, **shift), NOBODY.repeat(2_000)))
    assert column in drift.offending_columns, drift.summary


@pytest.mark.parametrize(
    ("named", "reason"),
    [(True, "300 rows that come from as good as "), (False, "300 rows that come together by neighbourhood, and tell")],
)
def test_a_few_clients_are_not_judged(platform: Platform, named: bool, reason: str) -> None:
    window, keys = draw_clients(platform.listings, 300, 100, seed=1)
    keys = keys if named else keys.where(keys.isna())
    drift = report(platform, window, keys)
    assert drift.insufficient
    assert drift.summary.startswith(f"Not judged: {reason}")
    assert validate_features(MARKET, platform.reference, profile(platform, window, keys)).insufficient


def test_a_feed_of_many_homes_under_one_key_is_judged_by_its_hours(platform: Platform) -> None:
    listings = ads(2_000, 5)
    one_key = pd.Series(["feed"] * len(listings))
    assert not report(platform, listings, one_key).insufficient
    assert report(platform, listings, one_key) == report(platform, listings, one_key.where(one_key.isna()))


def test_independent_rows_lose_little_by_being_grouped(platform: Platform) -> None:
    listings = ads(2_000, 6)
    window = profile(platform, listings, pd.Series([None] * len(listings), dtype=object))
    effects = [window.design_effect(name) for name in ("district", "gross_m2", "predictions", "address")]
    assert max(effects) < 2.5
    assert found(judge_drift(platform.reference, window), "district", "psi").effect == pytest.approx(0, abs=0.05)


def test_the_design_effect_is_the_cluster_size_where_a_client_has_one_value(platform: Platform) -> None:
    window, keys = draw_clients(platform.listings, 4_000, 20, seed=2)
    assert profile(platform, window, keys).design_effect("neighbourhood") == pytest.approx(20, rel=0.4)


def test_blocks_of_days_merge_as_if_they_were_one(platform: Platform) -> None:
    window, keys = draw_clients(platform.listings, 1_000, 20, seed=2)
    groups, answers = group_requests([keys]), platform.predict(window)
    parts = []
    for start in range(0, 1_000, 250):
        rows = slice(start, start + 250)
        blocks = BlockCounts.of(MARKET, window[rows], answers[rows].argmax(axis=1), 3, groups[rows], platform.edges)
        predictions = predictions_of(answers[rows])
        parts.append(Profile.of(MARKET, window[rows], predictions, platform.edges, as_of=TODAY, blocks=blocks))
    merged = reduce(Profile.merge, parts)
    assert merged.to_json() == profile(platform, window, keys).to_json()
    assert Profile.from_json(merged.to_json()).design_effect("district") == merged.design_effect("district")


def test_a_profile_without_blocks_is_not_put_together_with_one_that_has_them(platform: Platform) -> None:
    window, keys = draw_clients(platform.listings, 300, 20, seed=2)
    with pytest.raises(ProfileRefused, match="which requests came together"):
        platform.profile(window).merge(profile(platform, window, keys))


def test_a_client_is_one_group_and_a_day_without_keys_32_stretches() -> None:
    keys = pd.Series(["a", "b", "a", None, "c", "b"] * 100)
    groups = group_requests([keys[:250], keys[250:]])
    assert len(set(groups[keys == "a"])) == len(set(groups[keys == "b"])) == 1
    unnamed = group_requests([pd.Series([None] * 640, dtype=object)])
    assert np.bincount(unnamed).tolist() == [20] * 32
    assert group_requests([pd.Series([], dtype=object)]).size == 0
