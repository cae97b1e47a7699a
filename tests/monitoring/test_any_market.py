"""The monitoring of markets with other columns, other categories and other labels, from the profile to the checks."""

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import numpy as np
import pandas as pd
import pytest

from housing_assets.definitions import VALUES
from housing_assets.inference.market import Market
from housing_assets.monitoring.drift.report import Status, judge_drift
from housing_assets.monitoring.drift.validation import validate_features
from housing_assets.monitoring.options import PerformanceConfig
from housing_assets.monitoring.performance.judging import judge_performance
from housing_assets.monitoring.performance.report import PerformanceJudge
from housing_assets.monitoring.performance.without_labels import accuracy_without_labels
from housing_assets.monitoring.production.days import DayProfiles, profile_day
from housing_assets.monitoring.production.frames import Frames
from housing_assets.monitoring.production.labelled import merge_outcomes, summarize_labels
from housing_assets.monitoring.production.references import References
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.monitoring.profiles.refused import ProfileRefused
from resources.compute.resource import Compute
from resources.mlflow.registry import LINEAGE_CONTRACT, PRODUCTION, ModelRegistry, Version
from resources.predictions.records import insert
from resources.predictions.store import PredictionStore
from resources.predictions.tables import migrate, open_store
from resources.values.asset_storage import AssetStorage
from tests.monitoring.small_markets import CLASSES, DAY, FIVE_BANDS, LABELS, draw, predict, truth
from tests.monitoring.small_platform import as_stored
from tests.monitoring.watched import DAILY_ASSETS

MIDNIGHT = datetime.combine(DAY, time(), UTC)

MARKETS = pytest.mark.parametrize("market", [FIVE_BANDS, CLASSES], ids=lambda market: market.name)


def reference_of(market: Market) -> Reference:
    listings, held_out = draw(market, 6_000, 0), draw(market, 2_000, 1)
    return Reference.of(market, listings, truth(market, held_out), predict(market, held_out))


def answered(market: Market, listings: pd.DataFrame, **how: Any) -> pd.DataFrame:
    """Give a frame of typed and labelled predictions."""
    target = listings[market.target_value.name]
    known = {"price": target, "true_category": None} if market.has_price else {"price": np.nan, "true_category": target}
    rows = {
        "predicted_at": MIDNIGHT,
        "received_at": MIDNIGHT,
        "role": "answer",
        "tier": "production",
        "model_version": "1",
        "request_key": [f"client {row}" for row in range(len(listings))],
        "comparable": True,
    }
    stored = as_stored(predict(market, listings, **how), market.categories)
    moments = dict.fromkeys(("predicted_at", "received_at"), "datetime64[us, UTC]")
    typed = listings.drop(columns=market.target_value.name)
    return pd.concat([typed, stored], axis="columns").assign(**rows, **known).astype(moments)


def profile_of(market: Market, reference: Reference, frame: pd.DataFrame) -> Profile:
    return profile_day(market, [frame], lambda version: reference.profile).by_version[1]


@MARKETS
def test_an_ordinary_day_passes_and_a_shifted_one_is_found(market: Market) -> None:
    reference = Reference.from_json(reference_of(market).to_json())
    ordinary, shifted = (
        profile_of(market, reference, answered(market, draw(market, 1_500, 2, larger=factor))) for factor in (1.0, 3.0)
    )

    report = judge_drift(reference.profile, ordinary, personal=market.personal_names)
    assert report.status is Status.PASSED, report.summary
    assert not validate_features(market, reference.profile, ordinary).issues
    drifted = judge_drift(reference.profile, shifted)
    assert drifted.offending_columns[0] == "area"
    assert drifted.counts_toward_retraining


@MARKETS
def test_neither_keys_nor_what_is_predicted_are_profiled(market: Market) -> None:
    reference = reference_of(market)
    clocks = {"listed_on"} if market.has_price else set()

    assert set(reference.profile.missing) == {"area", "quarter", "owner"} | clocks
    assert "Jane" not in reference.to_json()
    assert reference.profile.predictions.counts.shape == (len(market.categories),)


@MARKETS
def test_labels_are_judged_by_the_markets_own_categories(market: Market) -> None:
    reference, labels = reference_of(market), LABELS[market.name]
    listings = draw(market, 1_500, 3)

    def judged(errors: float) -> tuple[bool, float]:
        frame = answered(market, listings, errors=errors)
        by_day = summarize_labels([frame], lambda version: labels)[1]
        labelled = merge_outcomes(labels.categories, by_day)
        assert (list(by_day), labelled.rows) == ([DAY], 1_500)
        return judge_performance(reference.holdout, labelled).failed, labelled.accuracy

    assert judged(0.2) == (False, pytest.approx(0.8, abs=0.03))
    assert judged(0.5) == (True, pytest.approx(0.5, abs=0.04))
    predictions = profile_of(market, reference, answered(market, listings)).predictions
    estimate = accuracy_without_labels(reference.holdout, predictions)
    assert estimate.low <= 0.8 <= estimate.high


def test_days_of_other_categories_are_refused_by_name() -> None:
    bands, classes = (reference_of(market) for market in (FIVE_BANDS, CLASSES))
    others = draw(CLASSES, 300, 2).assign(listed_on=np.datetime64(DAY, "s"))
    window = profile_of(FIVE_BANDS, classes, answered(CLASSES, others))

    with pytest.raises(ProfileRefused, match=r"only one of them has \['listed_on'\]"):
        judge_drift(bands.profile, window)
    relabelled = profile_of(CLASSES, bands, answered(CLASSES, others))
    with pytest.raises(ProfileRefused, match="profiles of other categories: good, fair, poor against a, b, c, d, e"):
        judge_drift(classes.profile, relabelled)


class OneVersion(ModelRegistry):
    """A registry with one version, in production."""

    reference: str
    contract: str

    def versions(self) -> list[Version]:
        return [Version(1, (PRODUCTION,), {LINEAGE_CONTRACT: self.contract}, "", "", datetime.now(UTC))]

    def read_text(self, version: Version, name: str) -> str:
        return self.reference


def store_day(url: str, market: Market, listings: pd.DataFrame) -> None:
    """Store a day's answers, with the truth of each an hour later."""
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, _records(market, listings))
    engine.dispose()


def _records(market: Market, listings: pd.DataFrame) -> Iterator[dict[str, Any]]:
    said = as_stored(predict(market, listings), market.categories)
    raw = {column.values[0].name: column.raw for column in market.inputs}
    for row, listing in listings.iterrows():
        prediction_id, moment = str(uuid.uuid4()), MIDNIGHT + timedelta(seconds=int(str(row)))
        target = listing[market.target_value.name]
        yield {
            "kind": "prediction",
            "prediction_id": prediction_id,
            "role": "answer",
            "predicted_at": moment.isoformat(),
            "protocol": "http",
            "request_key": None,
            "tier": "production",
            "model_version": "1",
            "price_category": said.loc[row, "price_category"],
            "probabilities": json.loads(str(said.loc[row, "probabilities"])),
            "listing": {raw[name]: str(listing[name])[:10] for name in raw},
        }
        reported = {
            "kind": "feedback",
            "feedback_id": str(uuid.uuid4()),
            "prediction_id": prediction_id,
            "price": float(target) if market.has_price else None,
            "price_category": None if market.has_price else target,
            "observed_at": (moment + timedelta(hours=1)).isoformat(),
            "received_at": (moment + timedelta(hours=1)).isoformat(),
        }
        yield reported
        if market.has_price and int(str(row)) % 4 == 0:  # paid in the end, and no measure for what ads ask
            yield reported | {"feedback_id": str(uuid.uuid4()), "price": float(target) / 2, "price_kind": "paid"}


def test_a_version_of_another_kind_of_prices_than_the_market_declares_is_not_judged(tmp_path: Path) -> None:
    contract = LABELS["five_bands"].to_dict() | {"price_kind": "paid"}
    registry = OneVersion(tracking_uri="", reference=reference_of(FIVE_BANDS).to_json(), contract=json.dumps(contract))
    frame = answered(FIVE_BANDS, draw(FIVE_BANDS, 500, 3)).assign(price_kind="asking", prediction_id="p")
    labelled = Frames.write([frame], tmp_path)
    judge = PerformanceJudge(FIVE_BANDS, registry, References(registry), PerformanceConfig(), print)

    found = judge.judge(labelled, DayProfiles({}, 0), DAY)

    assert (found.report.insufficient, found.report.failed) == (True, False)
    assert found.summary == "Not judged: version 1 predicts paid prices, the market declares others."


@MARKETS
def test_the_daily_assets_judge_a_day_of_any_market(market: Market, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'predictions.db'}"
    store_day(url, market, draw(market, 800, 4))
    registry = OneVersion(
        tracking_uri="", reference=reference_of(market).to_json(), contract=json.dumps(LABELS[market.name].to_dict())
    )
    resources = {
        "compute": Compute(),
        "market": market,
        "registry": registry,
        "predictions": PredictionStore(url=url),
        "io_manager": AssetStorage(folder=str(tmp_path / "assets"), values=VALUES),
    }

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(DAILY_ASSETS, resources=resources, instance=instance, partition_key=DAY.isoformat())

    assert result.success
    evaluations = result.get_asset_check_evaluations()
    assert len(evaluations) == 11
    assert all(one.passed for one in evaluations)
    insufficient = {one.check_name for one in evaluations if one.metadata["insufficient"].value}
    assert insufficient == ({"estimates_held"} if market.has_price else set())  # its answers told no estimates
    report = json.loads((tmp_path / "assets/performance_report" / str(DAY) / "performance_report.json").read_text())
    assert report["report"]["rows"] == 800
    assert report["report"]["accuracy"] == pytest.approx(0.8, abs=0.05)
    parts = report["breakdown"]
    assert [one["category"] for one in parts["categories"]] == list(market.categories)
    assert sum(one["rows"] for one in parts["categories"]) == sum(one["rows"] for one in parts["confidences"]) == 800
    quarters = {one["value"]: one["rows"] for one in parts["segments"]}
    assert (set(quarters), sum(quarters.values())) == (
        ({"north", "south", "west"}, 800) if market.segments else (set(), 0)
    )
    assert report["other_price_kinds"] == ({"paid": 200} if market.has_price else {})
    assert ("(asking) are left out: 200 paid." in report["summary"]) == market.has_price
    profiles = DayProfiles.load(tmp_path / "assets/production_profile" / str(DAY))
    assert profiles.by_version[1].predictions.categories == market.categories
