"""Requests that keep coming over HTTP and gRPC, as clients behind a balancer send them, and what became of each."""

import asyncio
import gc
import itertools
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, Self

import grpc.aio
import httpx

from bento_service.errors import Kind
from bento_service.protocols.grpc_methods import PROBLEM, RETRY
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import PredictBatchRequest, PredictRequest, Problem
from bento_service.protocols.proto.housing.v1.price_classifier_pb2_grpc import PriceClassifierStub
from tests.bento_service.protocols.grpc_client import as_json, listing
from tests.bento_service.serving import AUTHORIZED, Service

HTTP_CONNECTIONS, GRPC_CONNECTIONS = 6, 2
PAUSE = 0.02
"""Seconds between an answer and the next request of a connection: some 300 requests a second in all."""

SINGLES_PER_BATCH, BATCH = 19, 10
PATIENCE = 60.0
SHUTTING_DOWN = Kind.SHUTTING_DOWN.urn
RETRY_PAUSE = 0.02
WAIT_PAUSE = 0.2
"""Seconds after which a request is sent again that was told to wait: less than it is told, so that it may be often."""


class ConnectionLost(Exception):
    """The connection ended before an answer came, or its worker is shutting down: a client tries another one."""


class ToldToWait(Exception):
    """The service has no room, and has said when to come back: a client does."""


class NotAnswered(Exception):
    """An answer came that is none, or nothing for too long: no client may have to live with that."""


class Answer(NamedTuple):
    """What a client is told about a listing."""

    prediction_id: str
    tier: str
    version: str
    category: str
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Exchange:
    """What became of a request.

    Attributes
    ----------
    asked : sequence of int
        Which listings.
    sent, ended : float
        Of the monotonic clock, in seconds.
    lost_connections : int
        How often it had to be sent again because of its connection.
    refusals : int
        How often it was told to wait.
    answers : sequence of Answer
        One for each listing, or none.
    failure : str or None
        Why there is no answer.
    """

    asked: Sequence[int]
    sent: float
    ended: float
    lost_connections: int
    refusals: int
    answers: Sequence[Answer] = ()
    failure: str | None = None


class Connection(Protocol):
    """A connection to a service."""

    def __init__(self, service: Service): ...

    async def ask(self, listings: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        """Ask about one listing, or about several as a batch."""

    async def close(self) -> None:
        """Give it up."""


class HttpConnection:
    def __init__(self, service: Service):
        self._client = httpx.AsyncClient(base_url=service.url, headers=AUTHORIZED, timeout=PATIENCE, verify=False)

    async def ask(self, listings: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        alone = len(listings) == 1
        path, body = ("/predict", listings[0]) if alone else ("/predict_batch", {"listings": listings})
        try:
            reply = await self._client.post(path, json=body)
        except httpx.TimeoutException as fault:
            raise NotAnswered(repr(fault)) from fault
        except httpx.TransportError as fault:
            raise ConnectionLost from fault
        if reply.status_code == httpx.codes.SERVICE_UNAVAILABLE and "retry-after" in reply.headers:
            raise ToldToWait(reply.json()["type"])
        if reply.status_code != httpx.codes.OK:
            raise NotAnswered(f"{reply.status_code}: {reply.text}")
        return [reply.json()] if alone else reply.json()["answers"]

    async def close(self) -> None:
        await self._client.aclose()


class GrpcConnection:
    def __init__(self, service: Service):
        # Otherwise channels to the same address would share a connection.
        alone = [("grpc.use_local_subchannel_pool", 1)]
        self._channel = grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}", alone)
        self._stub = PriceClassifierStub(self._channel)

    async def ask(self, listings: Sequence[Mapping[str, Any]]) -> Sequence[Mapping[str, Any]]:
        messages = [listing(cells) for cells in listings]
        how: dict[str, Any] = {"timeout": PATIENCE, "metadata": tuple(AUTHORIZED.items())}
        try:
            if len(messages) == 1:
                return [as_json(await self._stub.Predict(PredictRequest(listing=messages[0]), **how))]
            batch = await self._stub.PredictBatch(PredictBatchRequest(listings=messages), **how)
        except grpc.aio.AioRpcError as fault:
            trailers = dict(fault.trailing_metadata() or ())
            told = trailers.get(PROBLEM)
            shuts_down = told is None or Problem.FromString(told).type == SHUTTING_DOWN
            if fault.code() is grpc.StatusCode.UNAVAILABLE and shuts_down:
                raise ConnectionLost from fault
            if fault.code() is grpc.StatusCode.UNAVAILABLE and RETRY in trailers:
                raise ToldToWait(repr(fault)) from fault
            raise NotAnswered(repr(fault)) from fault
        return [as_json(each.answer) if each.HasField("answer") else as_json(each) for each in batch.answers]

    async def close(self) -> None:
        await self._channel.close()


CONNECTIONS: Sequence[type[Connection]] = [HttpConnection] * HTTP_CONNECTIONS + [GrpcConnection] * GRPC_CONNECTIONS


class Load:
    """Sends requests from a thread of its own while a ``with`` block runs.

    Parameters
    ----------
    listings : sequence of mappings
        Usable raw listings, asked about in turn: most alone, some as a batch.
    service : Service
    connections : sequence of Connection classes
    singles : int
        Requests about one listing to each batch.
    batch : int
        Listings of a batch.

    Attributes
    ----------
    exchanges : list of Exchange
        What has ended, in that order.
    """

    def __init__(
        self,
        listings: Sequence[Mapping[str, Any]],
        service: Service,
        connections: Sequence[type[Connection]] = CONNECTIONS,
        *,
        singles: int = SINGLES_PER_BATCH,
        batch: int = BATCH,
    ):
        self._connections = connections
        self._singles, self._batch = singles, batch
        self.exchanges: list[Exchange] = []
        self._listings = listings
        self._service = service
        self._asked = self._choose()
        self._stopping = threading.Event()
        self._executor = ThreadPoolExecutor(1, "load")

    def __enter__(self) -> Self:
        gc.freeze()  # walking all that pytest has imported takes half a second, which would count as a gap
        self._sending = self._executor.submit(lambda: asyncio.run(self._send()))
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._executor.shutdown()
        gc.unfreeze()
        self._sending.result()

    def turn_to(self, service: Service) -> None:
        """Make connections to another service from now on."""
        self._service = service

    def keep_on(self, seconds: float) -> None:
        """Return after so many seconds of load."""
        time.sleep(seconds)
        assert not self._sending.done()

    def wait_for(self, tier: str, version: object) -> None:
        """Return as soon as answers come from a version."""
        deadline = time.monotonic() + PATIENCE
        while [(each.tier, each.version) for each in self._last_answers()] != [(tier, str(version))]:
            assert time.monotonic() < deadline, f"{version} of {tier} does not answer, but {self.exchanges[-1:]}"
            assert not self._sending.done()
            time.sleep(0.01)

    def _last_answers(self) -> Sequence[Answer]:
        return self.exchanges[-1].answers[:1] if self.exchanges else []

    def _choose(self) -> Iterator[Sequence[int]]:
        numbers = itertools.cycle(range(len(self._listings)))
        while True:
            for _ in range(self._singles):
                yield [next(numbers)]
            yield list(itertools.islice(numbers, self._batch))

    async def _send(self) -> None:
        async with asyncio.TaskGroup() as group:
            for kind in self._connections:
                group.create_task(self._keep_asking(kind))

    async def _keep_asking(self, kind: type[Connection]) -> None:
        connection = kind(self._service)
        while not self._stopping.is_set():
            asked, sent, lost, refused = next(self._asked), time.monotonic(), 0, 0
            answers: Sequence[Answer] = ()
            failure = None
            while not answers and failure is None:
                try:
                    found = await connection.ask([self._listings[number] for number in asked])
                    answers = [_read(answer) for answer in found]
                except NotAnswered as fault:
                    failure = str(fault)
                except ToldToWait as fault:
                    refused += 1
                    await asyncio.sleep(WAIT_PAUSE)
                    failure = f"told to wait: {fault}" if time.monotonic() - sent > PATIENCE else None
                except ConnectionLost:
                    lost += 1
                    await connection.close()
                    await asyncio.sleep(RETRY_PAUSE)
                    connection = kind(self._service)
                    failure = "no connection" if time.monotonic() - sent > PATIENCE else None
            self.exchanges.append(Exchange(asked, sent, time.monotonic(), lost, refused, answers, failure))
            await asyncio.sleep(PAUSE)
        await connection.close()


def _read(answer: Mapping[str, Any]) -> Answer:
    try:
        named = ("prediction_id", "tier", "model_version", "price_category", "probabilities")
        return Answer(*(answer[name] for name in named))
    except KeyError as fault:
        raise NotAnswered(f"{answer} in a batch") from fault
