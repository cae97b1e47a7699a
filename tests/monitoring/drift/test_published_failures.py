"""What published drift pipelines got wrong: each was a real failure of one of them."""

import numpy as np
import pandas as pd
import pytest

from housing_assets.inference.declaration import FEATURE_NUMBERS
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.report import Status, judge_drift
from housing_assets.monitoring.profiles.profile import Profile, reference_edges
from tests.monitoring.small_platform import TODAY, Platform, ads, found, predictions_of


def beyond_the_range(platform: Platform, listings: pd.DataFrame, side: int) -> pd.DataFrame:
    """Move every number that is there above (1) or below (-1) all that the reference has."""
    moved = {}
    for value in MARKET.values(*FEATURE_NUMBERS):
        known = platform.listings[value.name]
        span = known.max() - known.min() + 1
        moved[value.name] = listings[value.name] + side * span
    return listings.assign(**moved)


@pytest.mark.parametrize("side", [1, -1])
def test_production_entirely_outside_the_reference_range_has_a_large_psi(platform: Platform, side: int) -> None:
    """Bins that end at the reference's extremes drop what is outside of them, and find 0."""
    listings = ads(2_000, 1)
    outside = beyond_the_range(platform, listings, side)
    drift = judge_drift(platform.reference, platform.profile(outside, platform.predict(listings)))
    for value in MARKET.values(*FEATURE_NUMBERS):
        present = listings[value.name].notna().mean()
        assert found(drift, value.name, "ks").value == pytest.approx(1)
        assert found(drift, value.name, "psi").effect > 2 * present
    assert found(drift, "gross_m2", "psi").effect > 5


def test_production_outside_a_constant_is_found(platform: Platform) -> None:
    constant = platform.listings.assign(living_rooms=1.0)
    edges = reference_edges(MARKET, constant)
    predictions = predictions_of(platform.predict(platform.held_out))
    reference = Profile.of(MARKET, constant, predictions, edges, as_of=TODAY)
    for other in (0.0, 2.0):
        window = ads(500, 2).assign(living_rooms=other)
        drift = judge_drift(reference, Profile.of(MARKET, window, predictions, edges, as_of=TODAY))
        assert found(drift, "living_rooms", "psi").counts_toward_retraining
        assert found(drift, "living_rooms", "ks").value == 1


def test_80_percent_missing_is_found(platform: Platform) -> None:
    """Missing values were dropped before anything was compared."""
    drift = platform.report(ads(2_000, 1, missing={"BuildingAge": 0.8}))
    assert found(drift, "building_age", "missing").material
    for statistic in ("psi", "ks"):  # what is left of it has not changed
        assert not found(drift, "building_age", statistic).material


def test_half_the_traffic_in_one_known_district_is_found(platform: Platform) -> None:
    """Only districts that the reference never had were looked for."""
    listings = ads(2_000, 1)
    listings.loc[::2, "district"] = "kadikoy"
    drift = platform.report(listings)
    assert found(drift, "district", "psi").counts_toward_retraining
    assert found(drift, "district", "chi_square").counts_toward_retraining
    assert not found(drift, "district", "unseen").material


def test_all_new_addresses_are_found_in_500_rows(platform: Platform) -> None:
    """A ratio of distinct values, of 500 rows to thousands, was held against a limit that only more could pass."""
    listings = ads(500, 1)
    renamed = listings.assign(address=("elsewhere " + listings["address"].astype(str)).astype("category"))
    drift = judge_drift(platform.reference, platform.profile(renamed, platform.predict(listings)))
    assert found(drift, "address", "unseen").value == 1
    assert found(drift, "address", "unseen").counts_toward_retraining


def test_an_undrifted_window_has_no_cardinality_growth(platform: Platform) -> None:
    """The ratio of distinct values to those of the whole reference is far below 1 without any drift."""
    listings = ads(500, 3)
    drift = platform.report(listings)
    assert listings["address"].nunique() / platform.listings["address"].nunique() < 0.3
    assert found(drift, "address", "cardinality").effect == pytest.approx(1, abs=0.1)


def test_a_batch_of_identical_class_mix_passes_when_the_model_is_merely_biased(platform: Platform) -> None:
    """Predictions were compared with labels, so that a biased model drifted on its own training rows."""
    generator = np.random.default_rng(0)

    def biased(rows: int) -> np.ndarray:
        return generator.dirichlet([9, 1, 1], rows)

    listings = ads(2_000, 1)
    reference = platform.profile(platform.listings, biased(4_000))
    assert abs(np.mean(platform.truth(listings) == 0) - 0.4) < 0.1  # while the model answers "low" nearly always
    drift = judge_drift(reference, platform.profile(listings, biased(2_000)))
    assert drift.status is Status.PASSED, drift.summary
    assert not found(drift, "predictions", "kl").significant
    turned = judge_drift(reference, platform.profile(listings, platform.predict(listings)))
    assert found(turned, "predictions", "kl").counts_toward_retraining
