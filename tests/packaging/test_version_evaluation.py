"""A version judged on listings of a file: as an evaluation judges, by the answers that a service would give."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.listings.cleaning import clean
from housing_assets.listings.source import SourceError
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.packaging.batch import predict_frame
from housing_assets.packaging.version_evaluation import evaluate_version
from tests.conftest import small_model
from tests.other_markets import THREE_GRADES, drawn_sales


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return synthetic_listings(1_500, seed=11)


def test_it_judges_the_answers_that_the_rows_get(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    rows = pd.concat([raw, raw[:5], raw[:2].assign(price="a lot")], ignore_index=True)
    found = evaluate_version(artifact, rows)

    cleaned = clean(MARKET, rows)
    answers = predict_frame(artifact, rows).iloc[cleaned.listings["row"]]
    prices = cleaned.listings["price"].to_numpy()
    truth = np.array(artifact.labels.categories)[artifact.labels.labels(prices)]
    assert found.listings == len(cleaned.listings)
    assert found.left_out == {
        "quarantined": len(cleaned.quarantined),
        "exact duplicates": len(cleaned.duplicates),
    }
    assert found.metrics["accuracy"] == (answers["price_category"].to_numpy() == truth).mean() > 0.65
    error = np.abs(answers["price_estimate"].to_numpy() / prices - 1)
    assert found.metrics["price_mdape"] == pytest.approx(np.nanmedian(error))
    assert found.metrics["price_within_10"] == pytest.approx((error[~np.isnan(error)] <= 0.1).mean())
    inside = (answers["interval_80_low"] <= prices) & (prices <= answers["interval_80_high"])
    assert found.metrics["price_coverage_80"] == pytest.approx(inside[~np.isnan(error)].mean())
    assert {"macro_f1", "recall_high", "price_fsd", "price_coverage_80_gap_worst_tenth"} <= found.metrics.keys()


def test_listings_of_a_day_and_later_are_judged_alone(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    days = clean(MARKET, raw).listings["updated_on"]
    middle = days.sort_values().iloc[len(days) // 2].date()
    found = evaluate_version(artifact, raw, middle)

    later = (days >= np.datetime64(middle)).sum()
    assert found.listings == later
    assert found.left_out["of earlier days"] == len(days) - later
    assert found.days == (str(middle), f"{days.max():%Y-%m-%d}")


def test_classes_have_no_figures_of_prices() -> None:
    artifact = small_model(THREE_GRADES, drawn_sales(THREE_GRADES, 600))
    found = evaluate_version(artifact, drawn_sales(THREE_GRADES, 300, seed=1))
    assert found.metrics["macro_f1"] > 0.4
    assert not any(name.startswith("price_") for name in found.metrics)


def test_listings_that_cannot_judge_are_refused_by_name(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    with pytest.raises(SourceError, match=r"none of .* listings is medium, high: expected some of each category"):
        evaluate_version(artifact, raw.assign(price="100.000 TL"))
    with pytest.raises(SourceError, match="no listing has a date: expected some"):
        evaluate_version(artifact, raw.assign(AdCreationDate=None, AdUpdateDate=None), date(2022, 1, 1))
