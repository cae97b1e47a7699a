"""Refused requests leave a record of when, which field and why, and nothing of what was sent."""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from sqlalchemy import select

from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import (
    PredictBatchRequest,
    SendFeedbackRequest,
)
from resources.predictions.tables import PREDICTIONS, REFUSALS
from tests.bento_service.protocols.grpc_client import calling, listing, predict_request
from tests.bento_service.serving import AUTHORIZED, Service, serving
from tests.bento_service.stored import read_store, ship_what_is_left

pytestmark = pytest.mark.acceptance

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}
SECRET = "Bay Gizli, 0532 000 00 00"
METADATA = tuple(AUTHORIZED.items())


@pytest.fixture
def service(saved: Path, tmp_path: Path) -> Iterator[Service]:
    """Serve with a store of its own."""
    with serving(tmp_path / "own", {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_LOG_SHARE": "0"}) as service:
        yield service


def stored(service: Service, table: Any = REFUSALS) -> list[dict[str, Any]]:
    return [dict(row._mapping) for row in read_store(service.storage, select(table))]


def end(service: Service) -> None:
    assert service.stop() == 0
    ship_what_is_left(service.storage)


def counted(service: Service) -> Counter[tuple[str, str, str | None, str]]:
    found: Counter[tuple[str, str, str | None, str]] = Counter()
    for row in stored(service):
        found[row["endpoint"], row["protocol"], row["field"], row["reason"]] += row["requests"]
    return found


def test_every_refusal_is_in_the_store_with_its_field_and_reason_and_nothing_that_was_sent(service: Service) -> None:
    with service.client() as http:
        for body in ({}, {"district": SECRET, "GrossSquareMeters": "wide"}, HOME | {SECRET: 1}, [SECRET]):
            assert http.post("/predict", json=body).status_code == 422
        assert http.post("/predict", content=b"{", headers={"content-type": "application/json"}).status_code == 422
        batch = {"listings": [HOME, {"district": "x", "GrossSquareMeters": SECRET}, HOME, 7]}
        assert http.post("/predict_batch", json=batch, headers=AUTHORIZED).status_code == 200
        assert http.post("/predict_batch", json={"listings": []}, headers=AUTHORIZED).status_code == 422
        assert http.post("/feedback", json={"prediction_id": SECRET, "price": 1}, headers=AUTHORIZED).status_code == 422
        # These are no refusals of what a request holds.
        assert http.post("/predict_batch", json=batch).status_code == 401
        assert http.post("/predict", content=b"<x/>", headers={"content-type": "text/xml"}).status_code == 415
    with calling(service.grpc_port) as stub:
        for request in (predict_request({"district": "x"}), predict_request({**HOME, "BuildingAge": SECRET})):
            with pytest.raises(grpc.RpcError):
                stub.Predict(request, timeout=5)
        listings = [listing(HOME), listing({**HOME, SECRET: 1})]
        stub.PredictBatch(PredictBatchRequest(listings=listings), metadata=METADATA, timeout=5)
        with pytest.raises(grpc.RpcError):
            stub.SendFeedback(SendFeedbackRequest(prediction_id=SECRET), metadata=METADATA, timeout=5)
    end(service)
    assert counted(service) == {
        ("predict", "http", "district", "missing"): 1,
        ("predict", "http", "GrossSquareMeters", "unusable"): 1,
        ("predict", "http", None, "unknown_field"): 1,
        ("predict", "http", None, "malformed"): 2,
        ("predict_batch", "http", "GrossSquareMeters", "unusable"): 1,
        ("predict_batch", "http", None, "malformed"): 2,
        ("feedback", "http", "prediction_id", "unusable"): 1,
        ("predict", "grpc", "GrossSquareMeters", "missing"): 1,
        ("predict", "grpc", "BuildingAge", "unusable"): 1,
        ("predict_batch", "grpc", None, "unknown_field"): 1,
        ("feedback", "grpc", "prediction_id", "unusable"): 1,
    }
    assert len(stored(service, PREDICTIONS)) == 3
    assert SECRET not in str(stored(service))
    assert SECRET not in service.log.read_text()


def test_a_flood_of_refusals_takes_two_records_a_second_and_loses_no_count(service: Service) -> None:
    started = time.monotonic()
    with service.client() as http:
        for number in range(1_000):
            reply = http.post("/predict", json=HOME | {"GrossSquareMeters": f"{number} ells"})
            assert reply.status_code == 422
    seconds = time.monotonic() - started
    end(service)
    found = stored(service)
    assert sum(row["requests"] for row in found) == 1_000
    assert len(found) <= 2 * (seconds + 1)  # a second that is under way when counts are written has two


def test_refusals_of_replayed_traffic_are_dated_as_it_is(service: Service) -> None:
    at = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
    with service.client() as http:
        for second in range(3):
            moment = at + timedelta(seconds=second, milliseconds=700)
            reply = http.post("/predict", json={}, headers={**AUTHORIZED, "Housing-As-Of": moment.isoformat()})
            assert reply.status_code == httpx.codes.UNPROCESSABLE_ENTITY
    end(service)
    assert sorted(row["refused_at"] for row in stored(service)) == [
        at + timedelta(seconds=second) for second in range(3)
    ]
