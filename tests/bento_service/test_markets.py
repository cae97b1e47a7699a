"""One service for any market: prices in five bands, classes without a price, and versions that differ in both."""

import asyncio
import json
import logging
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bento_service.answers import Tier
from bento_service.classifier import Classifier
from bento_service.errors import ServiceError
from bento_service.metrics import MAX_CATEGORY_LABELS, Metrics
from bento_service.models.snapshot import ServedModel, Snapshot
from bento_service.records.predictions import PredictionLog
from bento_service.split import TrafficSplit
from bento_service.worker import Worker, settings_of_model
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.market import Market
from resources.predictions.records import insert
from resources.predictions.tables import FEEDBACK, PREDICTIONS, migrate, open_store
from resources.serving_settings import ServingSettings
from tests.bento_service.hand_built import LARGE_HOME, SMALL_HOME, model_of, save
from tests.other_markets import BOTH_KINDS, PARCELS, THREE_GRADES, TWO_GRADES, with_kind

ID = "0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10"
PRICE, GRADE = {"price": "$221,900"}, {"price_category": "A"}


class Models:
    """A champion, and a challenger if there is one."""

    def __init__(self, champion: Any, challenger: Any = None):
        second = challenger and ServedModel("2", Tier.STAGING, challenger)
        self.snapshot = Snapshot(ServedModel("1", Tier.PRODUCTION, champion), second)


class Service:
    """A classifier whose records are kept in a list."""

    def __init__(self, models: Any, split: TrafficSplit | None = None, log_share: float = 0.0):
        self.records: list[dict[str, Any]] = []
        self.metrics = Metrics()
        log = PredictionLog(log_share, personal=False)
        self.classifier = Classifier(models, self, self.metrics, split or TrafficSplit(), log, max_batch=10)

    def append(self, lines: Sequence[bytes]) -> None:
        self.records += [json.loads(line) for line in lines]

    def predict(self, cells: dict[str, Any]) -> Any:
        answer = self.classifier.predict(cells, None, "http")
        self.classifier.shadows.stop(20)
        return answer


@pytest.mark.parametrize("market", [PARCELS, THREE_GRADES, TWO_GRADES], ids=lambda market: market.name)
def test_an_answer_has_a_probability_for_each_category_of_its_market(market: Market) -> None:
    service = Service(Models(model_of(market)))
    small, large = service.predict(SMALL_HOME), service.predict(LARGE_HOME)
    assert (small["price_category"], large["price_category"]) == (market.categories[0], market.categories[-1])
    for answer, record in zip((small, large), service.records, strict=True):
        assert list(answer["probabilities"]) == list(market.categories)
        assert sum(answer["probabilities"].values()) == pytest.approx(1)
        assert record["probabilities"] == answer["probabilities"]


@pytest.mark.parametrize(
    ("market", "kind"), [(PARCELS, None), (with_kind(PARCELS, "paid"), "paid")], ids=["undeclared", "paid"]
)
def test_a_band_says_which_prices_its_category_stands_for(market: Market, kind: str | None) -> None:
    service, dollars = Service(Models(model_of(market))), {"currency": "USD", "price_kind": kind}
    assert service.predict(SMALL_HOME)["band"] == {"above": None, "up_to": 100_000.0, **dollars}
    assert service.predict(LARGE_HOME)["band"] == {"above": 400_000.0, "up_to": None, **dollars}


def test_where_the_listing_says_the_kind_of_price_the_band_does_not() -> None:
    answer = Service(Models(model_of(BOTH_KINDS))).predict(SMALL_HOME | {"offer": "paid"})
    assert answer["band"] == {"above": None, "up_to": 100_000.0, "currency": "USD", "price_kind": None}


def test_a_class_has_no_band() -> None:
    assert Service(Models(model_of(THREE_GRADES))).predict(SMALL_HOME)["band"] is None


@pytest.mark.parametrize("model", [model_of(PARCELS), model_of(THREE_GRADES)], ids=lambda model: model.market.name)
def test_the_fallback_rule_answers_for_its_market(model: ModelArtifact) -> None:
    answer = Service(Models(model.rule)).predict(SMALL_HOME)
    assert answer["price_category"] == model.market.categories[0]


@pytest.mark.parametrize(
    ("market", "target"), [(PARCELS, {"price": "no price"}), (THREE_GRADES, {"grade": "none"})], ids=["price", "class"]
)
def test_the_target_may_be_sent_and_is_neither_read_nor_recorded(market: Market, target: dict[str, str]) -> None:
    service = Service(Models(model_of(market)))
    service.predict(SMALL_HOME | target)
    assert service.records[0]["listing"] == SMALL_HOME


def test_a_field_of_another_market_is_refused() -> None:
    with pytest.raises(ServiceError) as refused:
        Service(Models(model_of(PARCELS))).predict(SMALL_HOME | {"GrossSquareMeters": 120})
    assert [each.field for each in refused.value.fields] == ["GrossSquareMeters"]


def test_what_can_lead_to_a_person_is_recorded_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    service = Service(Models(model_of(PARCELS)), log_share=1.0)
    with caplog.at_level(logging.INFO, "housing.predictions"):
        service.predict(SMALL_HOME)
    assert service.records[0]["listing"] == SMALL_HOME
    (line,) = caplog.messages
    assert json.loads(line)["listing"] == {name: cell for name, cell in SMALL_HOME.items() if name != "id"}


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_versions_with_other_categories_answer_and_predict_in_the_shadow_side_by_side(share: float) -> None:
    models = Models(model_of(PARCELS), model_of(THREE_GRADES))
    service = Service(models, TrafficSplit(share, shadow=True))
    answer = service.predict(SMALL_HOME)
    assert answer["price_category"] == (PARCELS, THREE_GRADES)[round(share)].categories[0]
    recorded = {record["role"]: list(record["probabilities"]) for record in service.records}
    shadow = {} if share else {"shadow": list(THREE_GRADES.categories)}
    assert recorded == {"answer": list(answer["probabilities"])} | shadow


@pytest.mark.parametrize(("market", "truth", "parsed"), [(PARCELS, PRICE, 221_900.0), (THREE_GRADES, GRADE, "A")])
def test_feedback_tells_the_price_or_the_class(market: Market, truth: dict[str, str], parsed: float | str) -> None:
    service = Service(Models(model_of(market)))
    accepted = asyncio.run(service.classifier.record_feedback({"prediction_id": ID, **truth}))
    (name,) = truth
    kind = ["price_kind"] if market.has_price else []
    assert list(accepted) == ["feedback_id", "prediction_id", name, *kind, "observed_at", "received_at"]
    assert accepted.get(name) == parsed
    assert uuid.UUID(accepted["feedback_id"]).version == 7
    (record,) = service.records
    assert record == {"kind": "feedback", "price": None, "price_category": None, "price_kind": None} | accepted


@pytest.mark.parametrize(
    ("market", "said", "recorded"),
    [
        (with_kind(PARCELS, "paid"), {}, "paid"),
        (with_kind(PARCELS, "paid"), {"price_kind": None}, "paid"),
        (with_kind(PARCELS, "paid"), {"price_kind": "asking"}, "asking"),
        (with_kind(PARCELS, "asking"), {}, "asking"),
        (PARCELS, {}, None),  # as declarations from before it was kept
        (PARCELS, {"price_kind": "paid"}, "paid"),
        (BOTH_KINDS, {"price_kind": "paid"}, "paid"),
    ],
)
def test_a_price_is_recorded_with_its_kind_or_else_that_of_the_market(
    market: Market, said: dict[str, Any], recorded: str | None
) -> None:
    service = Service(Models(model_of(market)))
    accepted = asyncio.run(service.classifier.record_feedback({"prediction_id": ID, **PRICE, **said}))
    assert accepted.get("price_kind") == recorded
    assert service.records[0]["price_kind"] == recorded


@pytest.mark.parametrize(
    ("market", "truth", "errors"),
    [
        (PARCELS, GRADE, {"price": "missing", "price_category": "have a price, in USD; send price"}),
        (PARCELS, PRICE | GRADE, {"price_category": "have a price, in USD; send price"}),
        (THREE_GRADES, PRICE, {"price_category": "missing", "price": "send price_category, one of C, A, B"}),
        (THREE_GRADES, PRICE | GRADE, {"price": "send price_category, one of C, A, B"}),
        (THREE_GRADES, {"price_category": "D"}, {"price_category": "not one of C, A, B"}),
        (THREE_GRADES, {"price_category": 5}, {"price_category": "not one of C, A, B"}),
        (THREE_GRADES, {}, {"price_category": "missing"}),
        (THREE_GRADES, GRADE | {"grade": "A"}, {"grade": "prediction_id, price_category and observed_at"}),
        (PARCELS, {"price": "$5"}, {"price": "not within 1,000 to"}),
        (PARCELS, PRICE | {"price_kind": "sold"}, {"price_kind": "one of asking, paid"}),
        (PARCELS, PRICE | {"price_kind": ["paid"]}, {"price_kind": "one of asking, paid"}),
        (BOTH_KINDS, PRICE, {"price_kind": "the market has prices of both kinds"}),
        (THREE_GRADES, GRADE | {"price_kind": "paid"}, {"price_kind": "prediction_id, price_category and observed_at"}),
    ],
)
def test_feedback_of_the_other_kind_is_refused_and_says_what_to_send(
    market: Market, truth: dict[str, Any], errors: dict[str, str]
) -> None:
    service = Service(Models(model_of(market)))
    with pytest.raises(ServiceError) as refused:
        asyncio.run(service.classifier.record_feedback({"prediction_id": ID, **truth}))
    assert refused.value.kind.http_status == 422
    found = {each.field: each.message for each in refused.value.fields}
    assert found.keys() == errors.keys()
    assert all(expected in found[field] for field, expected in errors.items())
    assert service.records == []


def test_without_a_model_feedback_is_not_accepted() -> None:
    models = Models(None)
    models.snapshot = Snapshot()
    with pytest.raises(ServiceError) as refused:
        asyncio.run(Service(models).classifier.record_feedback({"prediction_id": ID, **PRICE}))
    assert refused.value.kind.http_status == 503


@pytest.mark.parametrize(("market", "truth"), [(PARCELS, PRICE), (THREE_GRADES, GRADE)], ids=["price", "class"])
def test_records_of_any_market_go_into_the_prediction_store(
    market: Market, truth: dict[str, str], tmp_path: Any
) -> None:
    service = Service(Models(model_of(market), model_of(TWO_GRADES)), TrafficSplit(0.0, shadow=True))
    answer = service.predict(SMALL_HOME)
    asyncio.run(service.classifier.record_feedback({"prediction_id": answer["prediction_id"], **truth}))
    engine = open_store(f"sqlite:///{tmp_path / 'predictions.db'}")
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, service.records)
        roles = [row.role for row in connection.execute(PREDICTIONS.select())]
        (stored,) = connection.execute(FEEDBACK.select())
    engine.dispose()
    assert sorted(roles) == ["answer", "shadow"]
    assert (stored.price is None, stored.price_category is None) == (not market.has_price, market.has_price)


def test_a_service_is_of_the_market_whose_model_is_baked_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = save(model_of(PARCELS), tmp_path / "model")

    found = settings_of_model(ServingSettings(), folder)
    assert (found.market_name, found.model_name) == (PARCELS.name, f"HousingPriceClassifier_{PARCELS.name}")
    assert settings_of_model(ServingSettings(), None).market_name == "istanbul"

    monkeypatch.setenv("HOUSING_MARKET", "istanbul")
    with pytest.raises(ValueError, match=f"HOUSING_MARKET is 'istanbul', .* expected HOUSING_MARKET={PARCELS.name}"):
        Worker(ServingSettings(), folder, "127.0.0.1")


def test_versions_with_ever_new_categories_add_no_labels_without_end() -> None:
    metrics = Metrics()
    for number in range(10 * MAX_CATEGORY_LABELS):
        metrics.count_prediction("production", f"category {number}", unseen=False, seconds=0.0)
    metrics.count_prediction("production", "category 0", unseen=False, seconds=0.0)
    lines = [line for line in metrics.expose().decode().splitlines() if line.startswith("housing_predictions_total{")]
    assert len(lines) == MAX_CATEGORY_LABELS + 1
    assert 'housing_predictions_total{price_category="category 0",tier="production"} 2.0' in lines
    assert any(line.endswith(f'"other",tier="production"}} {9.0 * MAX_CATEGORY_LABELS}') for line in lines)
