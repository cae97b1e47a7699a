"""The service as a real process for markets whose code it does not have: they travel in the model."""

from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict

from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import GetModelRequest, SendFeedbackRequest
from housing_assets.inference.market import Market
from tests.bento_service.hand_built import LARGE_HOME, SMALL_HOME
from tests.bento_service.protocols.grpc_client import as_json, calling, predict_request, refusal
from tests.bento_service.serving import AUTHORIZED, Service

pytestmark = pytest.mark.acceptance

KEY = tuple(AUTHORIZED.items())


def test_listings_are_answered_the_same_over_http_and_grpc(service: Service, market: Market) -> None:
    with service.client() as http, calling(service.grpc_port) as stub:
        for cells, category in ((SMALL_HOME, market.categories[0]), (LARGE_HOME, market.categories[-1])):
            expected = http.post("/predict", json=cells).json()
            answer = as_json(stub.Predict(predict_request(cells)))
            assert (expected["tier"], expected["price_category"]) == ("baked", category)
            assert (expected["band"] is None) == (not market.has_price)
            assert (expected["estimate"] is None) == (expected["no_estimate"] is not None)
            band = expected["band"] and {name: each for name, each in expected["band"].items() if each is not None}
            expected |= {"band": band, "prediction_id": answer["prediction_id"]}
            assert answer == {name: each for name, each in expected.items() if each is not None}


def test_feedback_tells_the_same_over_http_and_grpc(service: Service, market: Market) -> None:
    truth: dict[str, Any] = {"price": "$221,900"} if market.has_price else {"price_category": "A"}
    as_message: dict[str, Any] = {"price": {"text": "$221,900"}} if market.has_price else truth
    kinds: list[dict[str, Any]] = [{}, {"price_kind": "asking"}] if market.has_price else [{}]
    with service.client() as http, calling(service.grpc_port) as stub:
        prediction_id = http.post("/predict", json=SMALL_HOME).json()["prediction_id"]
        for kind in kinds:
            told = {"prediction_id": prediction_id, **truth, **kind}
            reply = http.post("/feedback", json=told, headers=AUTHORIZED)
            assert reply.status_code == 202
            sent = SendFeedbackRequest(prediction_id=prediction_id, **as_message, **kind)
            accepted = MessageToDict(stub.SendFeedback(sent, metadata=KEY), preserving_proto_field_name=True)
            parsed = {"price": 221_900.0, "price_kind": kind.get("price_kind", "paid")} if market.has_price else truth
            for found in (reply.json(), accepted):
                assert found.keys() == {"feedback_id", "prediction_id", *parsed, "observed_at", "received_at"}
                assert {name: found[name] for name in parsed} == parsed


def test_feedback_of_the_other_kind_is_refused_over_http_and_grpc(service: Service, market: Market) -> None:
    identifier = "0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10"
    other = "price_category" if market.has_price else "price"
    as_message: dict[str, Any] = {"price_category": "A"} if market.has_price else {"price": {"number": 5.0}}
    with service.client() as http, calling(service.grpc_port) as stub:
        reply = http.post("/feedback", json={"prediction_id": identifier, other: "A"}, headers=AUTHORIZED)
        with pytest.raises(grpc.RpcError) as caught:
            stub.SendFeedback(SendFeedbackRequest(prediction_id=identifier, **as_message), metadata=KEY)
    assert reply.status_code == 422
    problem = refusal(caught.value).problem
    assert problem is not None
    assert other in [each.field for each in problem.errors]
    assert reply.json()["detail"] == problem.detail


def test_the_description_and_the_model_are_those_of_the_market(service: Service, market: Market) -> None:
    with service.client() as http, calling(service.grpc_port) as stub:
        described, model = http.get("/docs.json").json(), http.get("/model").json()
        assert as_json(stub.GetModel(GetModelRequest()).champion) == model["champion"]
        metrics = http.get("/metrics").text
    assert described["info"]["summary"] == market.title
    assert described["components"]["schemas"]["Listing"]["properties"].keys() == market.known_names
    assert model["champion"]["bands"]["categories"] == list(market.categories)
    assert f'price_category="{market.categories[0]}"' in metrics
