"""Puts load on a gRPC server: ``python -m benchmarks.serving.grpc_load ADDRESS FOLDER KEY POSITION CALLS SECONDS``.

Requests are serialized before the clock starts, and answers stay bytes: what is measured is the server. Prints what
``wrk.lua`` prints.
"""

import asyncio
import json
import sys
import time
from pathlib import Path

import grpc.aio
import numpy as np

from benchmarks.serving.files import read_requests
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import Cell, Listing, PredictRequest

METHOD = "/housing.v1.PriceClassifier/Predict"
DEADLINE_SECONDS = 10.0


def serialize(cells: dict[str, str | float]) -> bytes:
    """Return an ad as a request."""
    typed = {name: Cell(text=cell) if isinstance(cell, str) else Cell(number=cell) for name, cell in cells.items()}
    return PredictRequest(listing=Listing(cells=typed)).SerializeToString()


async def ask(address: str, requests: list[bytes], calls: int, seconds: float, key: str) -> dict[str, float]:
    """Keep so many calls running for a while."""
    metadata = (("authorization", f"Bearer {key}"),)
    latencies: list[float] = []
    failed = 0
    at = 0
    async with grpc.aio.insecure_channel(address) as channel:
        await channel.channel_ready()
        predict: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(METHOD)

        async def keep_asking(until: float) -> None:
            nonlocal at, failed
            while time.perf_counter() < until:
                at = (at + 1) % len(requests)
                started = time.perf_counter()
                try:
                    await predict(requests[at], timeout=DEADLINE_SECONDS, metadata=metadata)
                    latencies.append(time.perf_counter() - started)
                except grpc.aio.AioRpcError:
                    failed += 1

        began = time.perf_counter()
        await asyncio.gather(*(keep_asking(began + seconds) for _ in range(calls)))
        took = time.perf_counter() - began
    p50, p99 = np.percentile(latencies or [np.nan], [50, 99])
    return {"answered": len(latencies), "seconds": took, "p50": float(p50), "p99": float(p99), "failed": failed}


if __name__ == "__main__":
    address, folder, key, position, calls, seconds = sys.argv[1:]
    serialized = [serialize(cells) for cells in read_requests(Path(folder))]
    rotated = serialized[int(position) :] + serialized[: int(position)]
    print(json.dumps(asyncio.run(ask(address, rotated, int(calls), float(seconds), key))))
