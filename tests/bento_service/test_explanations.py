"""Explanations as they are served: the reasons of an answer over HTTP and gRPC, bounded, and recorded nowhere."""

import asyncio
import math
import threading
import time
from typing import Any

import grpc
import httpx
import pytest
from google.protobuf.json_format import MessageToDict

from bento_service.client.http import HousingClient
from bento_service.errors import Kind, ServiceError
from bento_service.explanations import MAX_WAITING, ExplanationQueue
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import ExplainRequest
from housing_assets.inference.artifact import ModelArtifact
from tests.bento_service.protocols.grpc_client import calling, listing, refusal
from tests.bento_service.serving import Service

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1"}


@pytest.fixture(scope="module")
def explained(service: Service) -> dict[str, Any]:
    with service.client() as client:
        reply = client.post("/explain", json=HOME, timeout=30)  # the first one compiles
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_an_explanation_answers_as_predict_does(http: httpx.Client, explained: dict[str, Any]) -> None:
    answer = http.post("/predict", json=HOME).json()
    del answer["prediction_id"]
    assert {name: explained[name] for name in answer} == answer


def test_base_and_contributions_come_to_the_answer(explained: dict[str, Any], artifact: ModelArtifact) -> None:
    assert explained["method"] == "exact"
    for category, share in explained["probabilities"].items():
        added = sum(each["probabilities"][category] for each in explained["contributions"])
        assert explained["base_probabilities"][category] + added == pytest.approx(share, abs=1e-6)
    factors = [each["price_factor"] for each in explained["contributions"]]
    told = explained["base_price"] * math.prod(factors) * explained["remainder_factor"]
    assert told == pytest.approx(explained["estimate"]["price"], rel=1e-5)
    logs = [abs(math.log(factor)) for factor in factors]
    assert logs == sorted(logs, reverse=True)
    assert {each["column"] for each in explained["contributions"]} <= {one.raw for one in artifact.market.inputs}


def test_comparables_come_with_what_differs_and_nothing_personal(
    explained: dict[str, Any], artifact: ModelArtifact
) -> None:
    assert len(explained["comparables"]) == 5
    for one in explained["comparables"]:
        assert 0 < one["similarity"] <= 1
        assert one["price"] > 0
        assert not {each["name"] for each in one["differences"]} & artifact.market.personal_names


def test_an_explanation_is_no_prediction(service: Service, http: httpx.Client, explained: dict[str, Any]) -> None:
    def counted() -> str:
        return "".join(line for line in http.get("/metrics").text.splitlines() if "housing_predictions_total{" in line)

    before = counted()
    assert http.post("/explain", json=HOME).status_code == 200
    assert counted() == before
    assert "prediction_id" not in explained


def test_grpc_explains_as_http_does(service: Service, explained: dict[str, Any]) -> None:
    with calling(service.grpc_port) as stub:
        found = stub.Explain(ExplainRequest(listing=listing(HOME)), timeout=30)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Explain(ExplainRequest(listing=listing({"district": "kadikoy"})), timeout=30)
    assert refusal(caught.value).status is grpc.StatusCode.INVALID_ARGUMENT
    told = MessageToDict(found, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    assert told["comparables"] == [
        {name: value for name, value in one.items() if value is not None} for one in explained["comparables"]
    ]
    assert told["method"] == "exact"
    assert [each["column"] for each in told["contributions"]] == [each["column"] for each in explained["contributions"]]


def test_a_listing_that_cannot_be_used_is_refused_as_by_predict(http: httpx.Client) -> None:
    for body in ({}, {**HOME, "GrossSquareMeters": "120 ft2"}, {**HOME, "colour": "red"}, []):
        expected, found = (http.post(path, json=body) for path in ("/predict", "/explain"))
        assert found.status_code == 422
        assert found.json() == expected.json()


def test_the_client_explains(service: Service, explained: dict[str, Any]) -> None:
    with HousingClient(service.url) as client:
        found = client.explain(HOME)
    assert found["contributions"] == explained["contributions"]


def test_explanations_are_made_one_at_a_time_and_few_wait() -> None:
    async def scenario() -> None:
        queue, go, running, most = ExplanationQueue(), threading.Event(), [0], [0]

        def make() -> int:
            running[0] += 1
            most[0] = max(most[0], running[0])
            go.wait(10)
            running[0] -= 1
            return 1

        taken = [asyncio.create_task(queue.run(make)) for _ in range(1 + MAX_WAITING)]
        await asyncio.sleep(0.05)
        with pytest.raises(ServiceError) as caught:
            await queue.run(make)
        assert caught.value.kind is Kind.OVERLOADED
        assert caught.value.retry_after == 1
        go.set()
        assert await asyncio.gather(*taken) == [1] * (1 + MAX_WAITING)
        assert most == [1]
        assert await queue.run(make) == 1
        queue.stop()

    asyncio.run(scenario())


def test_a_client_that_goes_leaves_its_place_when_its_explanation_is_made() -> None:
    async def scenario() -> None:
        queue, go = ExplanationQueue(), threading.Event()
        first = asyncio.create_task(queue.run(lambda: go.wait(10)))
        await asyncio.sleep(0.05)
        first.cancel()
        waiting = [asyncio.create_task(queue.run(lambda: True)) for _ in range(MAX_WAITING)]
        await asyncio.sleep(0.05)
        with pytest.raises(ServiceError):
            await queue.run(lambda: True)
        go.set()
        assert all(await asyncio.gather(*waiting))
        queue.stop()

    asyncio.run(scenario())


def test_predictions_are_answered_while_explanations_are_made(http: httpx.Client, explained: dict[str, Any]) -> None:
    statuses: list[int] = []

    def ask() -> None:
        url = str(http.base_url.join("/explain"))
        statuses.extend(httpx.post(url, json=HOME, timeout=30).status_code for _ in range(3))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        assert http.post("/predict", json=HOME).status_code == 200
        time.sleep(0.01)
    assert 200 in statuses
    assert set(statuses) <= {200, 503}
