"""The gRPC server: its port, and the health and reflection services beside the classifier."""

import asyncio
import time

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from bento_service.errors import shutting_down
from bento_service.protocols.grpc_methods import SERVICE, handlers
from bento_service.protocols.surface import Service

GRACE_SECONDS = 3.0
"""Time for calls in flight to finish, of which only the largest batches need more than a moment, and for later calls to
be refused: as much as is left of the ten seconds in which a container must end."""

HANDSHAKE_SECONDS = 5.0
"""Time for a connection to begin as one of HTTP/2. Its headers are bounded by grpc, at 16 KB."""

MAX_STREAMS = 100
"""Calls that a connection may have open; its client queues further ones, or sees some UNAVAILABLE."""

MAX_WAITING = 3_000
"""Calls of all connections that may queue, a second or two of work; grpc drops further ones as CANCELLED."""

_READINESS_SECONDS = 0.2
_QUIET_SECONDS = 0.1
_QUIET_LOOKS = 4
_CLOSING_SECONDS = 1.0


class GrpcServer:
    """Answers gRPC calls in the running event loop.

    Parameters
    ----------
    service : Service
        Answers the calls.
    host : str
        IP address to listen on.
    port : int
    shared : bool
        Whether other workers of the service listen on it, too. Where there are none it is not shared: a second service
        would take a part of the calls without a word.
    """

    def __init__(self, service: Service, host: str, port: int, *, shared: bool = False) -> None:
        self._service = service
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._port = port
        self._shared = shared
        self._health = health.aio.HealthServicer()
        self._gate = DrainGate()
        self._server: grpc.aio.Server | None = None
        self._readiness: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Start to answer.

        Raises
        ------
        RuntimeError
            If the port is taken.
        """
        server = grpc.aio.server(
            options=[
                ("grpc.so_reuseport", int(self._shared)),
                ("grpc.server_handshake_timeout_ms", int(HANDSHAKE_SECONDS * 1_000)),
                ("grpc.max_receive_message_length", self._service.max_request_bytes),
                # No compressed requests: they are unpacked before their size is checked, a megabyte to a gigabyte.
                ("grpc.compression_enabled_algorithms_bitset", 1),
                ("grpc.max_concurrent_streams", MAX_STREAMS),
                ("grpc.server.max_pending_requests", MAX_WAITING),
                ("grpc.server.max_pending_requests_hard_limit", MAX_WAITING),
            ]
        )
        server.add_generic_rpc_handlers((handlers(self._service, self._gate),))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        reflection.enable_server_reflection((SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
        try:
            bound = server.add_insecure_port(self._address)
        except RuntimeError:
            bound = 0
        if bound != self._port:
            raise RuntimeError(f"the gRPC port {self._port} is taken by another process: set HOUSING_GRPC_PORT")
        await self._publish_health()
        await server.start()
        self._server = server
        self._readiness = asyncio.create_task(self._follow_readiness())

    async def stop(self) -> None:
        """Let the calls in flight finish; new ones are refused as UNAVAILABLE."""
        if self._server is None or self._readiness is None:
            return
        self._readiness.cancel()
        await self._health.enter_graceful_shutdown()
        begun = time.monotonic()
        await self._gate.drain()
        left = GRACE_SECONDS + _CLOSING_SECONDS - (time.monotonic() - begun)
        await self._server.stop(max(left, _QUIET_SECONDS))

    async def _follow_readiness(self) -> None:
        while True:
            await asyncio.sleep(_READINESS_SECONDS)
            await self._publish_health()

    async def _publish_health(self) -> None:
        states = health_pb2.HealthCheckResponse
        state = states.SERVING if self._service.is_ready() else states.NOT_SERVING
        for service in ("", SERVICE):
            await self._health.set(service, state)


class DrainGate:
    """A context that calls are answered in: it refuses new ones while the server shuts down, and waits for the others.

    A stopped server drops the calls in its queue as CANCELLED, which clients do not retry; here they are refused before
    that, as UNAVAILABLE. It also closes its connections as soon as the last call has returned, and then a large answer
    is sometimes cut off: here it has a moment to be sent.
    """

    def __init__(self) -> None:
        self._draining = False
        self._in_flight = 0
        self._ended = 0

    def __enter__(self) -> None:
        """Let a call in.

        Raises
        ------
        ServiceError
            If the server shuts down.
        """
        if self._draining:
            self._ended += 1
            raise shutting_down()
        self._in_flight += 1

    def __exit__(self, *_: object) -> None:
        """Let it out."""
        self._in_flight -= 1
        self._ended += 1

    async def drain(self) -> None:
        """Refuse calls from now on; wait until the queue is empty, and those in flight are answered.

        What was refused comes again after a second, and may meet the end of a long batch: only a moment without either
        is a time to close, if there is one within ``GRACE_SECONDS``. It is counted in looks, since an event loop that
        was held up has calls that wait.
        """
        self._draining = True
        begun = time.monotonic()
        quiet = 0
        while quiet < _QUIET_LOOKS and time.monotonic() - begun < GRACE_SECONDS:
            ended = self._ended
            await asyncio.sleep(_QUIET_SECONDS / _QUIET_LOOKS)
            quiet = quiet + 1 if self._in_flight == 0 and self._ended == ended else 0
