"""More batches at once than can be answered in time: some are, the others are told at once when to come back."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any

import grpc.aio
import httpx
import orjson
import pytest

from bento_service.errors import Kind
from bento_service.protocols.grpc_methods import PROBLEM, RETRY
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import PredictBatchRequest, Problem
from bento_service.protocols.proto.housing.v1.price_classifier_pb2_grpc import PriceClassifierStub
from housing_assets.inference.market import Market
from tests.bento_service.ads import sample_ads
from tests.bento_service.protocols.grpc_client import listing
from tests.bento_service.serving import AUTHORIZED, Service, serving

pytestmark = pytest.mark.acceptance

BATCHES, ROWS = 120, 500


@pytest.fixture(scope="module")
def batch(market: Market) -> list[dict[str, Any]]:
    return sample_ads(market, ROWS)


async def storm(service: Service, batch: list[dict[str, Any]]) -> tuple[list[httpx.Response], list[float]]:
    """Send all batches at once, and an ordinary request now and then; return the answers, and how long those took."""
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=service.url, headers=AUTHORIZED, timeout=30, limits=limits, verify=False
    ) as client:
        body = orjson.dumps({"listings": batch})
        as_json = {"content-type": "application/json"}
        sent = [
            asyncio.create_task(client.post("/predict_batch", content=body, headers=as_json)) for _ in range(BATCHES)
        ]
        singles = []
        while not all(task.done() for task in sent):
            begun = time.monotonic()
            reply = await client.post("/predict", json=batch[0])
            singles.append(time.monotonic() - begun)
            assert reply.status_code in (200, 503)
            await asyncio.sleep(0.05)
        return [await task for task in sent], singles


def test_a_storm_of_batches_gets_answers_and_503_with_a_time_to_retry(
    saved: Path, tmp_path: Path, batch: list[dict[str, Any]]
) -> None:
    with serving(tmp_path, {"HOUSING_MODEL_FOLDER": str(saved)}) as service:
        replies, singles = asyncio.run(storm(service, batch))
        found = Counter(reply.status_code for reply in replies)
        slowest = max(reply.elapsed.total_seconds() for reply in replies)
        print(f"{found}, slowest {slowest:.1f} s, slowest single request {max(singles):.2f} s")
        assert set(found) == {200, 503}
        assert found[200] >= 1
        for reply in replies:
            if reply.status_code == 200:
                assert len(reply.json()["answers"]) == ROWS
            else:
                assert reply.headers["content-type"] == "application/problem+json"
                assert reply.json()["type"] == Kind.OVERLOADED.urn
                assert int(reply.headers["retry-after"]) >= 1
        with service.client() as client:
            assert client.post("/predict_batch", json={"listings": batch}, headers=AUTHORIZED).status_code == 200


@pytest.mark.trial
def test_over_grpc_it_is_the_same_queue(saved: Path, tmp_path: Path, batch: list[dict[str, Any]]) -> None:
    async def send(service: Service) -> list[str]:
        request = PredictBatchRequest(listings=[listing(cells) for cells in batch])
        metadata = tuple(AUTHORIZED.items())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
            stub = PriceClassifierStub(channel)

            async def one() -> str:
                try:
                    reply = await stub.PredictBatch(request, timeout=30, metadata=metadata)
                except grpc.aio.AioRpcError as fault:
                    trailers = dict(fault.trailing_metadata() or ())
                    assert Problem.FromString(trailers[PROBLEM]).type == Kind.OVERLOADED.urn
                    assert int(trailers[RETRY]) >= 1_000
                    return fault.code().name
                assert len(reply.answers) == ROWS
                return "OK"

            return await asyncio.gather(*(one() for _ in range(BATCHES // 2)))

    with serving(tmp_path, {"HOUSING_MODEL_FOLDER": str(saved)}) as service:
        found = Counter(asyncio.run(send(service)))
    print(found)
    assert set(found) == {"OK", "UNAVAILABLE"}
    assert found["OK"] >= 1
