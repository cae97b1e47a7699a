"""The gRPC server of a worker: its port, and the health and reflection services beside the classifier."""

import asyncio
import time
from typing import TYPE_CHECKING

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bento_service.errors import Kind, ServiceError
from bento_service.protocols.grpc_methods import SERVICE, handlers

if TYPE_CHECKING:
    from bento_service.runtime import Runtime

GRACE_SECONDS = 5.0
"""Time for calls in flight to end: what takes longer is a batch whose client waits for nothing."""

MAX_STREAMS = 100
"""Calls that a connection may have open; its client keeps the others back, or sees some UNAVAILABLE."""

MAX_WAITING = 3_000
"""Calls of all connections that may wait for their turn, a second's work or two; grpc drops the others as CANCELLED."""

_BEAT = 0.2
_QUIET_SECONDS = 0.1
_CLOSING_SECONDS = 2.0


class GrpcServer:
    """Answers gRPC calls in the running event loop.

    Parameters
    ----------
    runtime : Runtime
    port : int
        Shared by all workers of the service.
    """

    def __init__(self, runtime: "Runtime", port: int) -> None:
        self._runtime = runtime
        self._port = port
        self._health = health.aio.HealthServicer()
        self._door = Door()
        self._server: grpc.aio.Server | None = None
        self._follower: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to answer.

        Raises
        ------
        RuntimeError
            If the port cannot be had.
        """
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", 1),
                ("grpc.max_receive_message_length", self._runtime.max_request_bytes),
                # No compressed requests: they are unpacked before their size is looked at, a megabyte to a gigabyte.
                ("grpc.compression_enabled_algorithms_bitset", 1),
                ("grpc.max_concurrent_streams", MAX_STREAMS),
                ("grpc.server.max_pending_requests", MAX_WAITING),
                ("grpc.server.max_pending_requests_hard_limit", MAX_WAITING),
            ]
        )
        server.add_generic_rpc_handlers((handlers(self._runtime, self._door.require_open),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        try:
            bound = server.add_insecure_port(f"[::]:{self._port}")
        except RuntimeError:
            bound = 0
        if bound != self._port:
            raise RuntimeError(f"the gRPC port {self._port} is taken by another process: set HOUSING_GRPC_PORT")
        await self._tell_health()
        await server.start()
        self._server = server
        self._follower = asyncio.create_task(self._follow_readiness())

    async def stop(self) -> None:
        """Let the calls that have begun end; the others are refused as UNAVAILABLE."""
        if self._server is None or self._follower is None:
            return
        self._follower.cancel()
        await self._health.enter_graceful_shutdown()
        await self._door.close()
        await self._server.stop(GRACE_SECONDS)

    async def _follow_readiness(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            await self._tell_health()

    async def _tell_health(self) -> None:
        states = health_pb2.HealthCheckResponse
        state = states.SERVING if self._runtime.is_ready() else states.NOT_SERVING
        for service in ("", SERVICE):
            await self._health.set(service, state)


class Door:
    """Whether calls are let in.

    A server that is stopped drops what waits in its queue as CANCELLED; so what waits is refused before.
    """

    def __init__(self) -> None:
        self._closed = False
        self._knocked_at = 0.0

    def require_open(self) -> None:
        """Turn a call away that comes when the server ends.

        Raises
        ------
        ServiceError
        """
        if self._closed:
            self._knocked_at = time.monotonic()
            raise ServiceError(Kind.ENDING, "this worker is ending, another one may answer", retry_after=1)

    async def close(self) -> None:
        """Let no call in any more, and wait until none comes."""
        self._closed = True
        begun = self._knocked_at = time.monotonic()
        while (now := time.monotonic()) - self._knocked_at < _QUIET_SECONDS and now - begun < _CLOSING_SECONDS:
            await asyncio.sleep(_QUIET_SECONDS / 4)
