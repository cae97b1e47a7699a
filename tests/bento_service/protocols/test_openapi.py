"""The OpenAPI document: made of the types that are answered, for the market that answers."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, get_type_hints

import jsonschema
import numpy as np
import orjson
import pytest

from bento_service import answers
from bento_service.answers import Tier
from bento_service.classifier import Classifier
from bento_service.errors import FieldError, Kind, ServiceError
from bento_service.metrics import Metrics
from bento_service.models.snapshot import ServedModel, Snapshot
from bento_service.protocols.openapi import describe
from bento_service.protocols.proto.housing.v1 import price_classifier_pb2 as messages
from bento_service.records.predictions import PredictionLog
from bento_service.split import TrafficSplit
from housing_assets.inference.market import Market
from housing_assets.inference.token_sources import TokenSources
from tests.bento_service.hand_built import LARGE_HOME, SMALL_HOME, model_of
from tests.other_markets import PARCELS, THREE_GRADES, TWO_GRADES

MARKETS = pytest.mark.parametrize("market", [PARCELS, THREE_GRADES, TWO_GRADES], ids=lambda market: market.name)
OPEN = frozenset({"predict", "model"})
TRUTHS: Mapping[bool, Mapping[str, Any]] = {True: {"price": 221_900}, False: {"price_category": "A"}}


def snapshot_of(market: Market, challenger: Market | None = None) -> Snapshot:
    second = challenger and ServedModel("2", Tier.STAGING, model_of(challenger))
    return Snapshot(ServedModel("1", Tier.PRODUCTION, model_of(market)), second)


def document(snapshot: Snapshot) -> dict[str, Any]:
    """Return the document as a client reads it."""
    found: dict[str, Any] = orjson.loads(orjson.dumps(describe(snapshot, 500, OPEN, "HousingPriceClassifier")))
    return found


def require_valid(found: Any, name: str, described: Mapping[str, Any]) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    checker = jsonschema.Draft202012Validator.FORMAT_CHECKER
    jsonschema.Draft202012Validator(schema, format_checker=checker).validate(orjson.loads(orjson.dumps(found)))


class Sink:
    def append(self, lines: Any) -> None:
        """Keep nothing."""


def classifier_of(snapshot: Snapshot, split: TrafficSplit | None = None) -> Classifier:
    class Models:
        pass

    models = Models()
    models.snapshot = snapshot  # type: ignore[attr-defined]
    log = PredictionLog(0, personal=False)
    return Classifier(models, Sink(), Metrics(), split or TrafficSplit(), log, max_batch=10)  # type: ignore[arg-type]


@MARKETS
def test_every_answer_is_as_the_document_describes_it(market: Market) -> None:
    snapshot = snapshot_of(market)
    described, classifier = document(snapshot), classifier_of(snapshot)
    for cells in (SMALL_HOME, LARGE_HOME, SMALL_HOME | {"view": "volcano"}):
        require_valid(cells, "Listing", described)
        require_valid(classifier.predict(cells, None, "http"), "Answer", described)
    batch = asyncio.run(classifier.predict_batch([SMALL_HOME, {}, {"colour": 1}], None, "http"))
    assert [*map(len, batch)] == [9, 1, 1]
    require_valid({"answers": batch}, "BatchAnswer", described)
    require_valid(snapshot.require_champion().describe(), "Version", described)


@MARKETS
def test_every_explanation_is_as_the_document_describes_it(market: Market) -> None:
    model = model_of(market)
    nothing = TokenSources(np.empty(0, np.int32), np.empty(0, np.int16), np.empty(0, np.float32))
    covers = np.array([3.0, 1.0], dtype=np.float32)
    explaining = replace(model, forest=replace(model.forest, covers=covers), sources=nothing)
    for one, method in ((explaining, "exact"), (model, None), (model.rule, None)):
        snapshot = Snapshot(ServedModel("1", Tier.PRODUCTION, one))
        classifier = classifier_of(snapshot)
        found = asyncio.run(classifier.explain(SMALL_HOME, None))
        classifier.explanations.stop()
        require_valid(found, "Explanation", document(snapshot))
        assert found["method"] == method
        assert (found["no_contributions"] is None) == (method is not None)
        assert [each["column"] for each in found["contributions"]] == (["sqft_living"] if method else [])


@pytest.mark.parametrize("market", [PARCELS, THREE_GRADES], ids=lambda market: market.name)
def test_feedback_is_described_as_the_market_takes_it(market: Market) -> None:
    snapshot = snapshot_of(market)
    described = document(snapshot)
    feedback = {"prediction_id": "0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10", **TRUTHS[market.has_price]}
    other = {"prediction_id": feedback["prediction_id"], **TRUTHS[not market.has_price]}
    require_valid(feedback, "Feedback", described)
    with pytest.raises(jsonschema.ValidationError):
        require_valid(other, "Feedback", described)
    if market.has_price:
        require_valid(feedback | {"price_kind": "paid"}, "Feedback", described)
        with pytest.raises(jsonschema.ValidationError):
            require_valid(feedback | {"price_kind": "sold"}, "Feedback", described)
    accepted = asyncio.run(classifier_of(snapshot).record_feedback(feedback, datetime(2026, 3, 1, tzinfo=UTC)))
    require_valid(accepted, "AcceptedPrice" if market.has_price else "AcceptedCategory", described)


@MARKETS
def test_what_the_document_shows_as_examples_is_answered(market: Market) -> None:
    snapshot = snapshot_of(market)
    described, classifier = document(snapshot), classifier_of(snapshot)
    bodies = {
        path: operation["post"]["requestBody"]["content"]["application/json"]
        for path, operation in described["paths"].items()
        if "requestBody" in operation.get("post", {})
    }
    for body in bodies.values():
        require_valid(body["example"], body["schema"]["$ref"].rpartition("/")[2], described)
    assert classifier.predict(bodies["/predict"]["example"], None, "http")["price_category"] in market.categories
    assert asyncio.run(classifier.record_feedback(bodies["/feedback"]["example"]))["feedback_id"]
    for path in ("/predict", "/predict_batch"):
        answered = described["paths"][path]["post"]["responses"]["200"]["content"]["application/json"]
        require_valid(answered["example"], answered["schema"]["$ref"].rpartition("/")[2], described)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_answers_of_champion_and_challenger_are_both_described(share: float) -> None:
    snapshot = snapshot_of(PARCELS, THREE_GRADES)
    answer = classifier_of(snapshot, TrafficSplit(share)).predict(SMALL_HOME, None, "http")
    require_valid(answer, "Answer", document(snapshot))


def test_an_answer_of_another_market_is_not_as_described() -> None:
    answer = classifier_of(snapshot_of(THREE_GRADES)).predict(SMALL_HOME, None, "http")
    with pytest.raises(jsonschema.ValidationError):
        require_valid(answer, "Answer", document(snapshot_of(PARCELS)))


def test_before_a_model_is_loaded_a_listing_is_any_object() -> None:
    described = document(Snapshot())
    assert described["components"]["schemas"]["Listing"] == {"type": "object"}
    for market in (PARCELS, THREE_GRADES):
        require_valid(classifier_of(snapshot_of(market)).predict(SMALL_HOME, None, "http"), "Answer", described)


def test_errors_are_as_described() -> None:
    fault = ServiceError(Kind.INVALID, "it cannot be used", [FieldError("area", [1], "a number")])
    require_valid(fault.to_problem(), "Problem", document(Snapshot()))


SHARED = [
    (answers.Answer, messages.Answer),
    (answers.Explanation, messages.Explanation),
    (answers.Contribution, messages.Contribution),
    (answers.Comparable, messages.Comparable),
    (answers.Difference, messages.Difference),
    (answers.Band, messages.Band),
    (answers.Problem, messages.Problem),
    (answers.FieldProblem, messages.FieldError),
    (answers.AcceptedPrice | answers.AcceptedCategory, messages.SendFeedbackResponse),
    (answers.Models, messages.GetModelResponse),
    (answers.Version, messages.Model),
]


@pytest.mark.parametrize(("answer", "message"), SHARED, ids=lambda each: getattr(each, "__name__", ""))
def test_an_answer_has_the_same_fields_in_python_in_grpc_and_in_the_document(answer: Any, message: Any) -> None:
    kinds = getattr(answer, "__args__", (answer,))
    declared = {name for kind in kinds for name in get_type_hints(kind)}
    assert {field.name for field in message.DESCRIPTOR.fields} == declared
    schemas = document(Snapshot())["components"]["schemas"]
    assert {name for kind in kinds for name in schemas[kind.__name__]["properties"]} == declared


def test_an_answer_has_all_declared_fields_and_no_other() -> None:
    answer = classifier_of(snapshot_of(PARCELS)).predict(SMALL_HOME, None, "http")
    assert answer.keys() == get_type_hints(answers.Answer).keys()


def test_old_clients_of_grpc_cannot_misread_the_probabilities() -> None:
    old_number = 3
    assert messages.Answer.DESCRIPTOR.fields_by_name["probabilities"].number != old_number
    assert old_number not in messages.Answer.DESCRIPTOR.fields_by_number
