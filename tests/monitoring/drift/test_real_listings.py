"""The same on the real listings: random splits and clients are no drift, what is done to them is."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.listings.cleaning import clean
from housing_assets.listings.source import read_listings
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.report import DriftReport, Status, judge_drift
from housing_assets.monitoring.drift.validation import validate_features
from housing_assets.monitoring.profiles.blocks import BlockCounts, group_requests
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile, reference_edges
from tests.monitoring.clusters import draw_clients
from tests.monitoring.small_platform import found, predictions_of

pytestmark = pytest.mark.real_data

AS_OF = np.datetime64("2022-03-15")
N_REFERENCE = 12_000


@pytest.fixture(scope="module")
def listings(real_data_folder: Path) -> pd.DataFrame:
    raw = read_listings(MARKET, str(real_data_folder / "istanbul_listings.csv.gz")).frame
    return clean(MARKET, raw).listings.reset_index(drop=True)


def area_probabilities(listings: pd.DataFrame) -> np.ndarray:
    """Predict from the area alone: what matters is that equal rows get equal answers."""
    size = np.log(listings["gross_m2"].to_numpy()) - 4.8
    odds = np.exp(np.column_stack([-3 * size, np.zeros(len(size)), 3 * size - 1]))
    return np.asarray(odds / odds.sum(axis=1, keepdims=True))


def predict(listings: pd.DataFrame) -> PredictionProfile:
    return predictions_of(area_probabilities(listings))


def split(listings: pd.DataFrame, rows: int, seed: int) -> tuple[Profile, pd.DataFrame, dict[str, np.ndarray]]:
    order = np.random.default_rng(seed).permutation(len(listings))
    reference, window = listings.iloc[order[:N_REFERENCE]], listings.iloc[order[N_REFERENCE : N_REFERENCE + rows]]
    edges = reference_edges(MARKET, reference)
    return Profile.of(MARKET, reference, predict(reference[:4_000]), edges, as_of=AS_OF), window, edges


def judged(reference: Profile, window: pd.DataFrame, edges: dict[str, np.ndarray]) -> DriftReport:
    return judge_drift(reference, Profile.of(MARKET, window, predict(window), edges, as_of=AS_OF))


@pytest.mark.trial
def test_of_150_random_splits_at_most_one_counts_toward_retraining(listings: pd.DataFrame) -> None:
    counted, drifted = [], []
    for rows in (200, 500, 2_000):
        for seed in range(50):
            reference, window, edges = split(listings, rows, seed)
            drift = judged(reference, window, edges)
            features = validate_features(
                MARKET, reference, Profile.of(MARKET, window, predict(window), edges, as_of=AS_OF)
            )
            counted += [drift.summary] * (drift.counts_toward_retraining or features.counts_toward_retraining)
            drifted += [drift.summary] * (drift.status is Status.DRIFTED)
    assert len(counted) <= 1, counted
    assert len(drifted) <= 2, drifted


def in_blocks(listings: pd.DataFrame, keys: pd.Series, edges: dict[str, np.ndarray]) -> Profile:
    predicted = area_probabilities(listings)
    blocks = BlockCounts.of(MARKET, listings, predicted.argmax(axis=1), 3, group_requests([keys]), edges)
    return Profile.of(MARKET, listings, predictions_of(predicted), edges, as_of=AS_OF, blocks=blocks)


@pytest.mark.trial
@pytest.mark.parametrize("has_keys", [True, False], ids=["with keys", "without keys"])
def test_of_240_undrifted_windows_of_clients_at_most_5_percent_count(listings: pd.DataFrame, has_keys: bool) -> None:
    """Each client sends the ads of one neighbourhood, one client after the other."""
    edges = reference_edges(MARKET, listings)
    reference = Profile.of(MARKET, listings, predict(listings[:4_000]), edges, as_of=AS_OF)
    counted, judged, drawn = [], 0, 0
    for rows in (300, 600, 1_000, 3_000):
        for ads_each in (5, 20, 100):
            for seed in range(20):
                window, keys = draw_clients(listings, rows, ads_each, seed)
                profile = in_blocks(window, keys if has_keys else keys.where(keys.isna()), edges)
                drift, features = judge_drift(reference, profile), validate_features(MARKET, reference, profile)
                judged, drawn = judged + (not drift.insufficient), drawn + 1
                if drift.counts_toward_retraining or features.counts_toward_retraining:
                    counted.append(f"{rows} rows, {ads_each} each: {drift.summary}")
    print(f"{drawn} windows, {judged} judged, {len(counted)} count")
    assert len(counted) <= 0.05 * judged, counted
    assert judged >= 0.6 * drawn


@pytest.mark.parametrize("ads_each", [10, 100])
def test_shifts_among_clients_without_keys_are_found(listings: pd.DataFrame, ads_each: int) -> None:
    edges = reference_edges(MARKET, listings)
    reference = Profile.of(MARKET, listings, predict(listings[:4_000]), edges, as_of=AS_OF)
    kadikoy = listings[(listings["district"] == "kadikoy").to_numpy()].reset_index(drop=True)
    window, keys = draw_clients(listings, 2_000, ads_each, seed=3)
    one_district, _ = draw_clients(kadikoy, 2_000, ads_each, seed=3)
    struck = np.random.default_rng(3).random(2_000) < 0.5
    unseen = window["district"].astype(str).mask(struck, "yeni ilce").astype("category")
    for column, shifted in (
        ("district", one_district),
        ("district", window.assign(district=unseen)),
        ("gross_m2", window.assign(gross_m2=window["gross_m2"] * 10)),
        ("heating_type", window.assign(heating_type=window["heating_type"].mask(struck))),
    ):
        drift = judge_drift(reference, in_blocks(shifted, keys.where(keys.isna()), edges))
        assert column in drift.offending_columns, drift.summary


@pytest.mark.parametrize("seed", range(3))
def test_shifts_of_the_real_listings_are_found(listings: pd.DataFrame, seed: int) -> None:
    reference, window, edges = split(listings, 2_000, seed)
    generator = np.random.default_rng(seed)
    struck = generator.random(len(window)) < 0.6
    one_district = window.assign(district=pd.Categorical(["kadikoy"] * len(window)))
    assert found(judged(reference, one_district, edges), "district", "psi").counts_toward_retraining
    elsewhere = window["address"].astype(str).mask(generator.random(len(window)) < 0.05, "Yeni bir yer")
    assert found(judged(reference, window.assign(address=elsewhere), edges), "address", "unseen").material
    tenfold = window.assign(gross_m2=window["gross_m2"] * 10)
    assert found(judged(reference, tenfold, edges), "gross_m2", "psi").counts_toward_retraining
    for column in ("heating_type", "building_age", "net_m2", "dues"):
        blanked = window.assign(**{column: window[column].mask(struck)})
        assert found(judged(reference, blanked, edges), column, "missing").material
