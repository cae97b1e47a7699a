"""A ``grpc.aio`` server that does nothing: ``python -m benchmarks.serving.grpc_floor PORT``.

It has the messages of the service and answers a constant, without keys, records or metrics.
"""

import asyncio
import signal
import sys
from typing import Any

import grpc.aio

from benchmarks.serving.constant import ANSWER
from bento_service.memory import freeze_loaded_objects
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import Answer, PredictRequest
from bento_service.protocols.proto.housing.v1.price_classifier_pb2_grpc import (
    PriceClassifierServicer,
    add_PriceClassifierServicer_to_server,
)


class Nothing(PriceClassifierServicer):
    """Answers a constant."""

    async def Predict(  # noqa: N802 - the method's name in the protocol
        self, request: PredictRequest, context: "grpc.aio.ServicerContext[Any, Any]"
    ) -> Answer:
        """Answer."""
        return Answer(**ANSWER)


async def serve(port: int) -> None:
    """Answer until SIGTERM."""
    server = grpc.aio.server()
    add_PriceClassifierServicer_to_server(Nothing(), server)
    server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    freeze_loaded_objects()
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    await server.stop(1)


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
