"""Effects: the same shift is as large in a window of any size, and what is no harm is no shift."""

import numpy as np
import pandas as pd
import pytest

from housing_assets.monitoring.drift.report import Status
from tests.monitoring.small_platform import Platform, ads, found


@pytest.fixture(scope="module")
def pool() -> pd.DataFrame:
    return ads(30_000, seed=9)


@pytest.mark.parametrize("rows", [500, 2_000, 20_000])
def test_the_same_shift_has_the_same_cramers_v_at_any_size(platform: Platform, pool: pd.DataFrame, rows: int) -> None:
    """One district has four times its share. Weighed by rows, V fell the more the samples differed in size."""
    weights = np.where(pool["district"] == "kadikoy", 4.0, 1.0)
    window = pool.sample(rows, weights=weights, replace=True, random_state=1, ignore_index=True)
    assert found(platform.report(window), "district", "chi_square").effect == pytest.approx(0.195, abs=0.025)


@pytest.mark.parametrize(("rows", "column"), [(2_000, "address"), (12_000, "address"), (2_000, "neighbourhood")])
def test_half_of_the_rarer_values_vanishing_is_seen(
    platform: Platform, pool: pd.DataFrame, rows: int, column: str
) -> None:
    rarer = platform.listings[column].value_counts().index[20:]
    gone = np.random.default_rng(0).choice(rarer, len(rarer) // 2, replace=False)
    window = pool[~pool[column].isin(gone)].sample(rows, random_state=2, ignore_index=True)
    drift = platform.report(window)
    assert not found(drift, column, "psi").material
    assert found(drift, column, "vanished").material
    assert found(drift, column, "vanished").effect == pytest.approx(0.4, abs=0.06)


@pytest.mark.parametrize("rows", [200, 2_000, 20_000])
def test_requests_about_ads_that_were_trained_on_are_no_drift(platform: Platform, rows: int) -> None:
    known = platform.listings.sample(rows, replace=True, random_state=3, ignore_index=True)
    drift = platform.report(known)
    assert drift.status is Status.PASSED, drift.summary
    assert found(drift, "address", "unseen").value == 0
