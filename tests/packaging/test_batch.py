"""Frames of raw listings: one answer each under stable names, equal to that of the listing alone."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.estimate import NoEstimate
from housing_assets.inference.prediction import UnusableListing
from housing_assets.listings.cleaning import clean
from housing_assets.listings.source import RawListings
from housing_assets.markets.istanbul import MARKET
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.packaging.batch import predict_frame, probabilities, probability_names
from tests.conftest import small_model
from tests.other_markets import PARCELS, THREE_GRADES, TWO_GRADES, drawn_sales

CATEGORIES = ("low", "medium", "high")
PROBABILITIES = ["probability_low", "probability_medium", "probability_high"]
INTERVALS = ["interval_50_low", "interval_50_high", "interval_80_low", "interval_80_high"]
ESTIMATES = ["price_estimate", *INTERVALS, "forecast_deviation"]
ANSWERS = ["price_category", *PROBABILITIES, *ESTIMATES, "no_estimate", "reason"]


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return synthetic_listings(400, seed=6)


def home(**cells: Any) -> dict[str, Any]:
    flat = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1", "BuildingAge": "5-10"}
    return flat | cells


def test_every_ad_has_one_answer_under_stable_names(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    answers = predict_frame(artifact, raw)
    assert answers.columns.tolist() == ANSWERS
    assert len(answers) == len(raw)
    usable = answers["reason"].isna()
    assert usable.mean() > 0.9
    shares = answers.loc[usable, PROBABILITIES].to_numpy()
    assert shares.sum(axis=1) == pytest.approx(1)
    assert answers.loc[usable, "price_category"].tolist() == [CATEGORIES[each] for each in shares.argmax(axis=1)]


def test_answers_are_right_more_often_than_not(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    cleaned = clean(MARKET, raw).listings
    answers = predict_frame(artifact, raw).iloc[cleaned["row"]]["price_category"].to_numpy()
    truth = np.array(CATEGORIES)[artifact.labels.labels(cleaned["price"].to_numpy())]
    assert (answers == truth).mean() > 0.65


def test_raw_ads_are_answered_like_the_listings_they_hold(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    cleaned = clean(MARKET, raw).listings
    expected = probabilities(artifact, cleaned)
    found = predict_frame(artifact, raw).iloc[cleaned["row"]][PROBABILITIES].to_numpy()
    assert np.array_equal(found, expected)


def test_the_price_is_not_read(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    without, unreadable = raw.drop(columns="price"), raw.assign(price="not a price")
    pd.testing.assert_frame_equal(predict_frame(artifact, without), predict_frame(artifact, raw))
    pd.testing.assert_frame_equal(predict_frame(artifact, unreadable), predict_frame(artifact, raw))


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"district": None}, "district: missing"),
        ({"district": "-"}, "district: missing"),
        ({"GrossSquareMeters": float("inf")}, "GrossSquareMeters: not a finite number"),
        ({"GrossSquareMeters": "spacious"}, "GrossSquareMeters: not a number of square metres"),
        ({"GrossSquareMeters": "3 m2"}, "GrossSquareMeters: 3 is not within 5 to 200,000"),
        ({"AdCreationDate": "31 Şubat 2022"}, "AdCreationDate: not a day"),
        ({"district": None, "GrossSquareMeters": "spacious"}, "district: missing"),
    ],
)
def test_an_ad_that_cannot_be_used_has_a_null_answer_with_its_reason(
    artifact: ModelArtifact, cells: dict[str, Any], reason: str
) -> None:
    answers = predict_frame(artifact, pd.DataFrame([home(), home(**cells), home()]))
    assert answers["reason"].iloc[1].startswith(reason)
    assert answers[["price_category", *PROBABILITIES]].iloc[1].isna().all()
    assert answers["reason"].isna().tolist() == [True, False, True]
    assert answers[PROBABILITIES].iloc[[0, 2]].notna().all(axis=None)
    assert answers["price_category"].iloc[0] == answers["price_category"].iloc[2] in CATEGORIES


def test_columns_that_are_absent_are_empty(artifact: ModelArtifact) -> None:
    few = predict_frame(artifact, pd.DataFrame([home()]))
    many = predict_frame(artifact, pd.DataFrame([home(HeatingType=None, Swap="", Subscription=np.nan)]))
    pd.testing.assert_frame_equal(few, many)
    without_district = predict_frame(artifact, pd.DataFrame([home()]).drop(columns="district"))
    assert without_district["reason"].tolist() == ["district: missing"]


@pytest.mark.parametrize("columns", [[], ["district"], ["district", "GrossSquareMeters", "price"]])
def test_no_ads_have_no_answers(artifact: ModelArtifact, columns: list[str]) -> None:
    answers = predict_frame(artifact, pd.DataFrame(columns=columns))
    assert answers.columns.tolist() == ANSWERS
    assert answers.empty


def test_answers_keep_the_index_of_the_ads(artifact: ModelArtifact) -> None:
    index = pd.Index(["second", "first", "second"], name="ad")
    answers = predict_frame(artifact, pd.DataFrame([home(), home(district=None), home()], index=index))
    pd.testing.assert_index_equal(answers.index, index)
    assert answers["reason"].isna().tolist() == [True, False, True]


def test_an_ad_is_answered_the_same_alone_and_among_others(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    together = predict_frame(artifact, raw)
    for row in range(0, len(raw), 40):
        alone = predict_frame(artifact, raw.iloc[[row]])
        pd.testing.assert_frame_equal(alone, together.iloc[[row]], check_exact=True)


def test_one_ad_is_answered_as_it_is_in_a_frame(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    answers = predict_frame(artifact, raw)
    for cells, row in zip(raw.astype(object).to_dict("records"), answers.itertuples(index=False), strict=True):
        if row.reason is not None:
            with pytest.raises(UnusableListing):
                artifact.predict_one(cells)
        else:
            found = artifact.predict_one(cells)
            assert CATEGORIES[found.category] == row.price_category
            assert found.probabilities == (row.probability_low, row.probability_medium, row.probability_high)
            if isinstance(found.estimate, NoEstimate):
                assert (row.no_estimate, row.price_estimate) == (
                    found.estimate.reason,
                    pytest.approx(np.nan, nan_ok=True),
                )
            else:
                told = found.estimate
                ends = (*told.interval_50, *told.interval_80)
                assert (told.price, *ends, told.forecast_deviation) == tuple(getattr(row, name) for name in ESTIMATES)


def test_estimates_are_near_the_prices_and_their_intervals_hold_what_they_say(
    artifact: ModelArtifact, raw: pd.DataFrame
) -> None:
    cleaned = clean(MARKET, raw).listings
    answers, prices = predict_frame(artifact, raw).iloc[cleaned["row"]], cleaned["price"].to_numpy()
    estimated = answers["price_estimate"].notna().to_numpy()
    assert estimated.mean() > 0.9
    assert np.median(np.abs(answers["price_estimate"].to_numpy() / prices - 1)[estimated]) < 0.3
    within = (answers["interval_80_low"].to_numpy() <= prices) & (prices <= answers["interval_80_high"].to_numpy())
    assert 0.7 < within[estimated].mean() < 0.9


def test_a_model_of_before_there_were_estimates_says_so(artifact: ModelArtifact, raw: pd.DataFrame) -> None:
    former = replace(artifact, estimator=None)
    answers = predict_frame(former, raw.head(3))
    assert answers[ESTIMATES].isna().all(axis=None)
    assert set(answers["no_estimate"]) == {"the model estimates no prices"}
    assert former.predict_one(home()).estimate == NoEstimate("the model estimates no prices")


@pytest.mark.parametrize("market", [PARCELS, THREE_GRADES, TWO_GRADES], ids=["bands", "three classes", "two classes"])
def test_listings_of_another_market_are_answered_as_each_alone(market: Any, tmp_path: Any) -> None:
    model = small_model(market, RawListings.of_sample(market, drawn_sales(market, 700, seed=2)).frame)
    model.save(tmp_path)
    again = ModelArtifact.load(tmp_path)
    raw = drawn_sales(market, 120, seed=3)
    raw.loc[::10, "lat"] = ""
    raw.loc[5, "sqft_living"] = "109 m2"
    names = probability_names(market.categories)
    answers = predict_frame(again, raw)
    estimates = [*ESTIMATES, "no_estimate"] if market.has_price else []
    assert answers.columns.tolist() == ["price_category", *names, *estimates, "reason"]
    assert answers["reason"].dropna().to_dict() == {5: "sqft_living: not in square feet: 'm2'"}
    for row, cells in enumerate(raw.to_dict("records")):
        if row == 5:
            continue
        found = again.predict_one({str(name): cell for name, cell in cells.items()})
        assert market.categories[found.category] == answers["price_category"][row]
        assert found.probabilities == tuple(answers.loc[row, names])
