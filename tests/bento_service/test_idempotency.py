"""Requests that are sent again are recorded once, whichever worker gets them, and nothing else is taken for a retry."""

from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from sqlalchemy import select

from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import PredictBatchRequest, SendFeedbackRequest
from resources.predictions.tables import FEEDBACK, PREDICTIONS
from tests.bento_service.protocols.grpc_client import as_cell, calling, listing, predict_request, refusal
from tests.bento_service.serving import AUTHORIZED, Service, serving
from tests.bento_service.stored import read_store, ship_what_is_left

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}
OTHER = {"district": "kadikoy", "GrossSquareMeters": 95}


def stored(folder: Path, table: Any) -> list[str]:
    return sorted(key for (key,) in read_store(folder, select(table.primary_key.columns[0])))


def keyed(key: str) -> dict[str, str]:
    return {**AUTHORIZED, "Idempotency-Key": key}


def send(service: Service, key: str) -> tuple[list[str], list[str]]:
    """Send one of each kind of request; return the ids of predictions and of feedback."""
    with service.client() as http:
        single = http.post("/predict", json=HOME, headers=keyed(key)).json()["prediction_id"]
        body = {"listings": [HOME, HOME, {}, OTHER]}
        answers = http.post("/predict_batch", json=body, headers=keyed(key)).json()["answers"]
        report = {"prediction_id": single, "price": 3_000_000}
        told = http.post("/feedback", json=report, headers=keyed(key))
    assert told.status_code == httpx.codes.ACCEPTED, told.text
    batch = [answer["prediction_id"] for answer in answers if "error" not in answer]
    assert len({single, *batch}) == 4
    return [single, *batch], [told.json()["feedback_id"]]


@pytest.mark.trial
def test_a_request_that_is_sent_again_is_recorded_once_also_after_a_restart(saved: Path, tmp_path: Path) -> None:
    environment = {"HOUSING_MODEL_FOLDER": str(saved)}
    with serving(tmp_path, environment) as service:
        first = send(service, "0e7c")
        assert send(service, "0e7c") == first
        other = send(service, "another")
        assert not {*other[0], *other[1]} & {*first[0], *first[1]}
        assert service.stop() == 0
    with serving(tmp_path, environment) as service:
        assert send(service, "0e7c") == first
        assert service.stop() == 0
    ship_what_is_left(tmp_path)
    assert stored(tmp_path, PREDICTIONS) == sorted(first[0] + other[0])
    assert stored(tmp_path, FEEDBACK) == sorted(first[1] + other[1])


def test_another_content_under_the_same_key_is_no_retry(http: httpx.Client) -> None:
    first, second, unkeyed = (
        http.post("/predict", json=cells, headers=headers).json()["prediction_id"]
        for cells, headers in ((HOME, keyed("k")), (OTHER, keyed("k")), (HOME, {}))
    )
    assert len({first, second, unkeyed}) == 3
    prices = [
        http.post("/feedback", json={"prediction_id": first, "price": price}, headers=keyed("k")).json()["feedback_id"]
        for price in (1_000_000, 1_000_000, 2_000_000)
    ]
    assert prices[0] == prices[1] != prices[2]


def test_a_key_that_is_too_long_is_refused(service: Service, http: httpx.Client) -> None:
    reply = http.post("/predict", json=HOME, headers=keyed("k" * 129))
    assert (reply.status_code, reply.json()["errors"][0]["field"]) == (422, "idempotency key")
    with calling(service.grpc_port) as stub, pytest.raises(grpc.RpcError) as refused:
        stub.Predict(predict_request(HOME), metadata=(("idempotency-key", "k" * 129),), timeout=5)
    assert refusal(refused.value).status == grpc.StatusCode.INVALID_ARGUMENT


def test_the_same_over_grpc(service: Service) -> None:
    metadata = (*AUTHORIZED.items(), ("idempotency-key", "over-grpc"))
    with calling(service.grpc_port) as stub:
        ids = []
        for _ in range(2):
            single = stub.Predict(predict_request(HOME), metadata=metadata, timeout=5).prediction_id
            batch = PredictBatchRequest(listings=[listing(HOME), listing(OTHER)])
            answers = stub.PredictBatch(batch, metadata=metadata, timeout=5).answers
            report = SendFeedbackRequest(prediction_id=single, price=as_cell("3,000,000TL"))
            told = stub.SendFeedback(report, metadata=metadata, timeout=5)
            ids.append([single, *(each.answer.prediction_id for each in answers), told.feedback_id])
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 4
