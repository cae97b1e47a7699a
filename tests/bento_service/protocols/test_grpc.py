"""The gRPC service as a real process: it answers what the HTTP service answers, and refuses what that refuses."""

import json
import math
import socket
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, select
from sqlalchemy.sql.elements import ColumnElement

from bento_service.protocols.body_sizes import MAX_LISTING_BYTES
from bento_service.protocols.grpc_methods import METHODS, SERVICE
from bento_service.protocols.grpc_server import HANDSHAKE_SECONDS
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import (
    GetModelRequest,
    PredictBatchRequest,
    PredictRequest,
    SendFeedbackRequest,
)
from bento_service.protocols.proto.housing.v1.price_classifier_pb2_grpc import PriceClassifierStub
from housing_assets.inference.market import Market
from housing_assets.markets.istanbul import MARKET
from resources.predictions.tables import FEEDBACK, PREDICTIONS
from tests.bento_service.ads import sample_ads
from tests.bento_service.protocols.grpc_client import (
    Refusal,
    as_cell,
    as_json,
    calling,
    listing,
    predict_request,
    refusal,
)
from tests.bento_service.serving import AUTHORIZED, Service
from tests.bento_service.stored import read_store

pytestmark = pytest.mark.acceptance

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1"}
KEY = tuple(AUTHORIZED.items())
DESCRIBED = ("type", "title", "status", "detail")


@pytest.fixture(scope="module")
def stub(service: Service) -> Iterator[PriceClassifierStub]:
    with calling(service.grpc_port) as stub:
        yield stub


@pytest.fixture(scope="module")
def web(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture(scope="module")
def ads(market: Market) -> list[dict[str, Any]]:
    return sample_ads(market, 200)


def refused(method: Any, request: Any, **how: Any) -> Refusal:
    with pytest.raises(grpc.RpcError) as caught:
        method(request, timeout=10, **how)
    return refusal(caught.value)


def assert_same_answer(answer: dict[str, Any], expected: dict[str, Any]) -> None:
    limits = {name: limit for name, limit in expected["band"].items() if limit is not None}
    told = {name: each for name, each in expected.items() if each is not None}
    assert answer == told | {"prediction_id": answer["prediction_id"], "band": limits}


def stored(service: Service, which: ColumnElement[bool], *columns: ColumnElement[Any]) -> Row[Any]:
    """Return a row of the prediction store, as soon as it is there."""
    (found,) = read_store(service.storage, select(*columns).where(which), until=len)
    return found


def test_an_ad_is_answered_over_grpc_as_over_http(
    stub: PriceClassifierStub, web: httpx.Client, ads: list[dict[str, Any]]
) -> None:
    answered = 0
    for cells in ads:
        reply = web.post("/predict", json=cells)
        if reply.is_success:
            answered += 1
            assert_same_answer(as_json(stub.Predict(predict_request(cells))), reply.json())
        else:
            assert as_json(refused(stub.Predict, predict_request(cells)).problem) == reply.json()
    assert answered > 150


TEXTS = st.one_of(
    st.text(max_size=60),
    st.text(st.characters(categories=["Cc", "Cf", "So", "Mn"]), max_size=40),
    st.text("אבגدهوזחט‏‮🏠👩‍👩‍👧🇹🇷", max_size=40),
    st.sampled_from(
        ["nan", "NaN", "-", "null", "x" * 1_001, "🏠" * 40_000, "x" * 90_000, "x" * 5_000, "\0", "1e400", "٣+١"]
    ),
    st.sampled_from([column.example for column in MARKET.columns]),
)
CELLS = st.one_of(st.none(), TEXTS, st.floats(allow_nan=False, allow_infinity=False), st.integers(0, 10**13).map(float))
NAMES = st.one_of(st.sampled_from([column.raw for column in MARKET.columns]), st.text(max_size=20))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cells=st.dictionaries(NAMES, CELLS, max_size=12), complete=st.booleans())
def test_whatever_is_sent_is_answered_over_grpc_as_over_http(
    stub: PriceClassifierStub, web: httpx.Client, cells: dict[str, Any], complete: bool
) -> None:
    if complete:
        cells = {"district": "kadikoy", "GrossSquareMeters": 110.0} | cells
    reply = web.post("/predict", content=json.dumps(cells, ensure_ascii=False).encode(), headers=JSON)
    try:
        answer = as_json(stub.Predict(predict_request(cells), timeout=10))
    except grpc.RpcError as fault:
        found = refusal(fault)
        if found.status is grpc.StatusCode.RESOURCE_EXHAUSTED:
            assert predict_request(cells).ByteSize() > MAX_LISTING_BYTES
            assert reply.status_code == httpx.codes.REQUEST_ENTITY_TOO_LARGE
            return
        assert found.status is grpc.StatusCode.INVALID_ARGUMENT
        assert found.problem is not None
        problem, expected = as_json(found.problem), reply.json()
        assert {name: problem[name] for name in DESCRIBED} == {name: expected[name] for name in DESCRIBED}
        assert found.detail == expected["detail"]
        assert all(error in expected["errors"] for error in problem["errors"])
        if len(json.dumps(expected, ensure_ascii=False).encode()) < 4_000:
            assert len(problem["errors"]) == len(expected["errors"])
    else:
        assert reply.status_code == 200, reply.text
        assert_same_answer(answer, reply.json())


JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_json_cannot_hold_is_refused_by_field(stub: PriceClassifierStub, number: float) -> None:
    found = refused(stub.Predict, predict_request({**HOME, "BuildingAge": number}))
    assert found.status is grpc.StatusCode.INVALID_ARGUMENT
    assert as_json(found.problem)["errors"] == [
        {"field": "BuildingAge", "value": str(number), "message": "a finite number"}
    ]
    batch = PredictBatchRequest(listings=[listing(HOME), listing({**HOME, "BuildingAge": number})])
    found = refused(stub.PredictBatch, batch, metadata=KEY)
    assert [error.field for error in found.problem.errors] == ["listings[1].BuildingAge"]


def test_what_is_absent_null_or_empty_says_nothing(stub: PriceClassifierStub) -> None:
    answers = [stub.Predict(predict_request(HOME | more)).probabilities for more in ({}, {"Swap": None}, {"Swap": ""})]
    assert answers[0] == answers[1] == answers[2]


def test_zero_is_a_number_and_no_gap(stub: PriceClassifierStub) -> None:
    found = refused(stub.Predict, predict_request({**HOME, "GrossSquareMeters": 0.0}))
    assert "not within 5 to 200,000" in found.problem.errors[0].message


@pytest.mark.parametrize("request_of", [PredictRequest(), predict_request({})])
def test_a_listing_without_fields_names_what_is_required(stub: PriceClassifierStub, request_of: PredictRequest) -> None:
    found = refused(stub.Predict, request_of)
    assert found.status is grpc.StatusCode.INVALID_ARGUMENT
    assert {error.field for error in found.problem.errors} == {"district", "GrossSquareMeters"}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("sent", [b"\xff\xff\xff", b"\x0a\x05\x0a"])
def test_bytes_that_are_no_message_are_refused_as_such(service: Service, method: str, sent: bytes) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        found = refused(channel.unary_unary(f"/{SERVICE}/{method}"), sent, metadata=KEY)
    assert found.status is grpc.StatusCode.INVALID_ARGUMENT
    assert found.detail == f"the request is not a housing.v1.{method}Request"


def test_text_that_is_not_utf8_is_refused(service: Service) -> None:
    sent = predict_request({"district": "ab"}).SerializeToString().replace(b"ab", b"\xff\xfe")
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        found = refused(channel.unary_unary(f"/{SERVICE}/Predict"), sent)
    assert found.status is grpc.StatusCode.INVALID_ARGUMENT


def test_faults_that_fill_more_than_metadata_can_hold_still_arrive(stub: PriceClassifierStub) -> None:
    cells = {column.raw: "x" * 1_001 for column in MARKET.columns}
    found = refused(stub.Predict, predict_request(cells))
    assert found.status is grpc.StatusCode.INVALID_ARGUMENT
    assert found.problem.detail == f"{len(MARKET.inputs)} of the listing's fields cannot be used"
    assert 5 < len(found.problem.errors) < len(MARKET.inputs)
    found = refused(stub.Predict, predict_request({"x" * 50_000: 1.0}))
    assert found.problem.detail == "1 of the listing's fields is unknown"


def test_a_request_that_is_too_large_is_refused(stub: PriceClassifierStub) -> None:
    large = "x" * 900
    found = refused(stub.Predict, predict_request({f"{large}{number}": large for number in range(60)}))
    assert found.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert found.problem is not None
    assert "65,536" in found.problem.detail
    found = refused(stub.PredictBatch, PredictBatchRequest(listings=[listing({"district": "x" * 1_000_001})]))
    assert found.status is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_metadata_that_is_too_large_is_refused(stub: PriceClassifierStub) -> None:
    found = refused(stub.Predict, predict_request(HOME), metadata=(("x", "y" * 100_000),))
    assert found.status is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_a_connection_that_never_becomes_one_of_grpc_is_given_up(service: Service) -> None:
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", service.grpc_port), timeout=30) as connection:
        connection.sendall(b"PRI * HTTP/2.0")
        while connection.recv(65_536):  # the server introduces itself
            continue
    assert time.monotonic() - begun < HANDSHAKE_SECONDS + 3


def test_a_compressed_request_is_refused_before_it_is_unpacked(stub: PriceClassifierStub, service: Service) -> None:
    bomb = predict_request({"district": "x" * 50_000_000})
    found = refused(stub.Predict, bomb, compression=grpc.Compression.Gzip)
    assert found.status is grpc.StatusCode.UNIMPLEMENTED


def test_an_unknown_method_is_unimplemented(service: Service) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        found = refused(channel.unary_unary(f"/{SERVICE}/Sell"), b"")
    assert found.status is grpc.StatusCode.UNIMPLEMENTED


def test_a_batch_is_answered_in_order_with_errors_in_their_place(
    stub: PriceClassifierStub, web: httpx.Client, ads: list[dict[str, Any]]
) -> None:
    listings = [*ads[:40], {"district": "kadikoy"}, *ads[40:80]]
    expected = web.post("/predict_batch", json={"listings": listings}, headers=AUTHORIZED).json()["answers"]
    request = PredictBatchRequest(listings=[listing(cells) for cells in listings])
    answers = stub.PredictBatch(request, metadata=KEY, timeout=10).answers
    assert len(answers) == len(listings)
    assert answers[40].WhichOneof("outcome") == "error"
    for found, wanted in zip(answers, expected, strict=True):
        if "error" in wanted:
            assert as_json(found.error) == wanted["error"]
        else:
            assert_same_answer(as_json(found.answer), wanted)


@pytest.mark.parametrize("size", [0, 501])
def test_a_batch_that_is_empty_or_too_long_is_refused(stub: PriceClassifierStub, size: int) -> None:
    found = refused(stub.PredictBatch, PredictBatchRequest(listings=[listing(HOME)] * size), metadata=KEY)
    assert found.status is grpc.StatusCode.INVALID_ARGUMENT
    assert found.problem.errors[0].field == "listings"


def test_an_answer_is_recorded_with_its_listing_its_key_and_its_protocol(
    stub: PriceClassifierStub, service: Service
) -> None:
    answer = stub.Predict(predict_request({**HOME, "BuildingAge": 7.5, "Swap": None}, key="visitor-7"))
    row = PREDICTIONS.c
    which = row.prediction_id == answer.prediction_id
    found = stored(service, which, row.protocol, row.request_key, row.price_category, row.probabilities, row.listing)
    assert found[:3] == ("grpc", "visitor-7", answer.price_category)
    assert json.loads(found.probabilities) == dict(answer.probabilities)
    assert json.loads(found.listing) == {**HOME, "BuildingAge": 7.5}


def test_a_key_that_is_too_long_is_refused(stub: PriceClassifierStub) -> None:
    found = refused(stub.Predict, predict_request(HOME, key="k" * 129))
    assert found.problem.errors[0].field == "request key"


@pytest.mark.parametrize(("price", "expected"), [("3,100,000TL", 3_100_000.0), (2_750_000.5, 2_750_000.5)])
def test_feedback_reaches_the_store(
    stub: PriceClassifierStub, service: Service, price: str | float, expected: float
) -> None:
    answer = stub.Predict(predict_request(HOME), metadata=(("x-request-id", "asked"),))
    moment = datetime(2026, 3, 1, 9, 30, 0, 123456, tzinfo=UTC)
    observed_at = Timestamp()
    observed_at.FromDatetime(moment)
    request = SendFeedbackRequest(prediction_id=answer.prediction_id, price=as_cell(price), observed_at=observed_at)
    accepted = stub.SendFeedback(request, metadata=KEY)
    assert uuid.UUID(accepted.feedback_id).version == 7
    assert accepted.prediction_id == answer.prediction_id
    assert accepted.price == expected
    assert accepted.observed_at.ToDatetime(UTC) == moment
    told, asked = FEEDBACK.c, PREDICTIONS.c
    found = stored(service, told.feedback_id == accepted.feedback_id, told.prediction_id, told.price, told.price_kind)
    assert found == (answer.prediction_id, expected, "asking")
    assert stored(service, asked.prediction_id == answer.prediction_id, asked.request_id) == ("asked",)


def test_feedback_without_a_moment_is_of_now(stub: PriceClassifierStub) -> None:
    request = SendFeedbackRequest(prediction_id=str(stub.Predict(predict_request(HOME)).prediction_id))
    request.price.number = 3e6
    accepted = stub.SendFeedback(request, metadata=KEY)
    assert accepted.observed_at == accepted.received_at
    assert abs(accepted.received_at.ToDatetime(UTC) - datetime.now(UTC)) < timedelta(seconds=10)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prediction_id": "none"}, "prediction_id"),
        ({"prediction_id": ""}, "prediction_id"),
        ({"prediction_id": str(uuid.uuid4())}, "prediction_id"),
        ({"price": {}}, "price"),
        ({"price": {"text": "3 EUR"}}, "price"),
        ({"price": {"number": -1.0}}, "price"),
        ({"price": {"number": math.nan}}, "price"),
        ({"observed_at": Timestamp(seconds=32_472_144_000)}, "observed_at"),
        ({"observed_at": Timestamp(seconds=2**62)}, "observed_at"),
        ({"observed_at": Timestamp(seconds=-(2**62))}, "observed_at"),
        ({"observed_at": Timestamp(nanos=-5)}, "observed_at"),
    ],
)
def test_feedback_that_cannot_be_used_is_refused_by_field(
    stub: PriceClassifierStub, change: dict[str, Any], field: str
) -> None:
    feedback = {"prediction_id": "0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10", "price": {"number": 3e6}} | change
    found = refused(stub.SendFeedback, SendFeedbackRequest(**feedback), metadata=KEY)
    assert found.status is grpc.StatusCode.INVALID_ARGUMENT
    assert [error.field for error in found.problem.errors] == [field]


def test_the_model_is_described_as_over_http(stub: PriceClassifierStub, web: httpx.Client) -> None:
    described, expected = as_json(stub.GetModel(GetModelRequest())), web.get("/model").json()
    assert not stub.GetModel(GetModelRequest()).HasField("challenger")
    assert described == {name: each for name, each in expected.items() if each is not None}


@pytest.mark.parametrize("key", [None, "Bearer wrong", "wrong", "Bearer ", "Basic YTpi"])
def test_what_is_closed_asks_for_a_key(stub: PriceClassifierStub, key: str | None) -> None:
    metadata = () if key is None else (("authorization", key),)
    for method, request in (
        (stub.PredictBatch, PredictBatchRequest(listings=[listing(HOME)])),
        (stub.SendFeedback, SendFeedbackRequest()),
    ):
        found = refused(method, request, metadata=metadata)
        assert found.status is grpc.StatusCode.UNAUTHENTICATED
        assert found.problem.status == 401
    if key == "Bearer wrong":  # a key that is not valid is refused where none is needed, too
        assert refused(stub.Predict, predict_request(HOME), metadata=metadata).status is grpc.StatusCode.UNAUTHENTICATED
    else:
        assert stub.Predict(predict_request(HOME), metadata=metadata).prediction_id


def test_calls_are_counted_by_method_and_status(stub: PriceClassifierStub, web: httpx.Client) -> None:
    def count(endpoint: str, status: str) -> float:
        name = f'housing_requests_total{{endpoint="{endpoint}",protocol="grpc",status="{status}"}} '
        found = [line for line in web.get("/metrics").text.splitlines() if line.startswith(name)]
        return float(found[0].removeprefix(name)) if found else 0.0

    kinds = [("predict", "OK"), ("predict", "INVALID_ARGUMENT"), ("feedback", "UNAUTHENTICATED")]
    before = [count(*kind) for kind in kinds]
    for _ in range(3):
        stub.Predict(predict_request(HOME))
    refused(stub.Predict, predict_request({}))
    refused(stub.SendFeedback, SendFeedbackRequest())
    assert [count(*kind) for kind in kinds] == [before[0] + 3, before[1] + 1, before[2] + 1]


@pytest.mark.parametrize("name", ["", SERVICE])
def test_health_is_told_without_a_key(service: Service, name: str) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        state = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=name))
    assert state.status == health_pb2.HealthCheckResponse.SERVING


def test_a_client_that_knows_nothing_calls_by_reflection(service: Service) -> None:
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        database = ProtoReflectionDescriptorDatabase(channel)
        assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
        method = DescriptorPool(database).FindServiceByName(SERVICE).FindMethodByName("Predict")
        request, answer = GetMessageClass(method.input_type), GetMessageClass(method.output_type)
        call = channel.unary_unary(f"/{SERVICE}/Predict", request.SerializeToString, answer.FromString)
        found = call(request(listing={"cells": {name: {"text": text} for name, text in HOME.items()}}))
    assert found.price_category in ("low", "medium", "high")
