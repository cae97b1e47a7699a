"""The HTTP adapter: an ASGI middleware that answers the classifier's paths itself, and passes the others to BentoML.

BentoML's own routing costs more CPU than the model does, has error bodies of several shapes, and labels metrics by raw
path. Here every error, on every path, is a problem+json object. Mounted as an application instead, the adapter would
come after BentoML's routes, which have the same paths, and cost 40 % more CPU (see ``benchmarks/serving``).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bento_service import request_ids, tracing
from bento_service.auth import ALWAYS_OPEN, Client
from bento_service.errors import FieldError, Kind, ServiceError, no_model, shutting_down
from bento_service.moments import read_past_moment
from bento_service.protocols.body_sizes import max_body_bytes

if TYPE_CHECKING:
    from opentelemetry.trace import Span
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bento_service.answers import BatchAnswer
    from bento_service.protocols.surface import Service

PROBLEM = b"application/problem+json"
JSON = b"application/json"
REQUEST_KEY = b"housing-request-key"
"""Header: requests with the same key are answered by the same version while traffic is split."""

IDEMPOTENCY_KEY = b"idempotency-key"
"""Header: a request that is sent again with the same key is recorded once."""

AS_OF = b"housing-as-of"
"""Header: the moment that the record of a replayed request is dated."""

CLOSE = (b"connection", b"close")

INFERENCE_PROTOCOL = "/v2"
"""What the paths of the Open Inference Protocol begin with."""

BODY_SECONDS = 4.0
"""Time for a body to arrive."""

ANSWER_SECONDS = 4.5
"""Time from a request's arrival to its answer: less than BentoML's own limit, whose error body has another shape."""

NEVER_TURNED_AWAY = frozenset({*ALWAYS_OPEN, "metrics"})
"""What is answered under overload, too: refusing a probe would take the replica out when it is needed most."""

_REQUEST_ID = request_ids.HEADER.encode()
_TRACEPARENT = tracing.TRACEPARENT.encode()

_KINDS = {404: Kind.NOT_FOUND, 405: Kind.METHOD_NOT_ALLOWED, 503: Kind.OVERLOADED, 504: Kind.DEADLINE_EXCEEDED}


class Reply(NamedTuple):
    """What is sent to the client."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request(NamedTuple):
    """What a handler is called with."""

    headers: Mapping[bytes, bytes]
    body: bytes
    client: Client
    deadline: float
    """Of the monotonic clock, in seconds, after which the answer would be too late."""
    at: datetime | None = None
    """Where recorded traffic is replayed, the moment that the record is dated."""

    @property
    def key(self) -> str | None:
        """The request key."""
        return _text(self.headers, REQUEST_KEY)

    @property
    def idempotency_key(self) -> str | None:
        """What a request and its retries have in common."""
        return _text(self.headers, IDEMPOTENCY_KEY)

    def json(self) -> Any:
        """Return the parsed body.

        Raises
        ------
        ServiceError
            If it is not JSON.
        """
        declared = self.headers.get(b"content-type", JSON)
        if declared.partition(b";")[0].strip().lower() != JSON:
            raise ServiceError(Kind.UNSUPPORTED_MEDIA_TYPE, f"send {JSON.decode()}, not {declared.decode('latin-1')}")
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError as fault:
            raise ServiceError(Kind.INVALID, f"the body is not JSON: {fault}") from None


Handler = Callable[["Service", Request], Awaitable[Reply]]


class HttpApi:
    """The service that HTTP requests are answered by, once it has started."""

    def __init__(self) -> None:
        self.service: Service | None = None

    def require(self) -> "Service":
        """Return the service.

        Raises
        ------
        ServiceError
            If it has not started.
        """
        if self.service is None:
            raise no_model()
        return self.service


class HttpAdapter:
    """ASGI middleware.

    Parameters
    ----------
    app : ASGIApp
        The rest of BentoML's stack.
    api : HttpApi
    """

    def __init__(self, app: "ASGIApp", api: HttpApi):
        self.app = app
        self.api = api

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        route = ROUTES.get(scope["path"])
        service = self.api.service
        if route is None and service is not None:
            route = _route_of_model(scope["path"], service.model_name)
        if route is None or service is None:
            await self._pass_on(scope, receive, send)
            return
        started = time.perf_counter()
        endpoint, handlers = route
        headers = dict(scope["headers"])
        client = service.access.identify(_text(headers, b"authorization"))
        request_id = request_ids.request_id(_text(headers, _REQUEST_ID))
        request_ids.current.set(request_id)
        traceparent = headers.get(_TRACEPARENT)
        span = None if traceparent is None else _continue_trace(service, endpoint, scope, headers, request_id)
        fault = None
        try:
            reply = await _answer(service, endpoint, handlers, client, headers, scope, receive)
        except ServiceError as raised:
            fault = raised
        except Exception:
            service.logger.exception("%s %s failed, request %s", scope["method"], scope["path"], request_id)
            fault = ServiceError(Kind.INTERNAL, "the failure is in the service's log")
        if fault is not None:
            reply = problem(fault, scope["path"])
        service.metrics.count_request(endpoint, "http", str(reply.status), time.perf_counter() - started)
        if span is not None:
            tracing.end(span, int(reply.status), failed=reply.status >= HTTPStatus.INTERNAL_SERVER_ERROR)
        service.access.audit(client, "replay" if AS_OF in headers else endpoint, "http", request_id, fault)
        if service.leaving:
            reply = reply._replace(headers=(*reply.headers, CLOSE))
        await _send(reply, send, request_id)

    async def _pass_on(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Let BentoML answer, and replace the bodies of its errors."""
        held: list[Message] = []
        request_id = request_ids.request_id(_text(dict(scope["headers"]), _REQUEST_ID))

        async def reshape(message: "Message") -> None:
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                held.append(message)
            elif message["type"] == "http.response.start":
                named = (_REQUEST_ID, request_id.encode())
                await send({**message, "headers": [*message["headers"], named]})
            elif not held:
                await send(message)
            elif not message.get("more_body"):
                status = held[0]["status"]
                kind = _KINDS.get(status, Kind.INTERNAL)
                fault = ServiceError(kind, f"{scope['method']} {scope['path'][:200]}: {HTTPStatus(status).phrase}")
                reply = problem(fault, scope["path"])
                kept = [pair for pair in held[0]["headers"] if pair[0].lower() == b"allow"]
                await _send(reply._replace(status=status, headers=(*reply.headers, *kept)), send, request_id)

        await self.app(scope, receive, reshape)


async def _answer(
    service: "Service",
    endpoint: str,
    handlers: Mapping[str, Handler],
    client: Client,
    headers: Mapping[bytes, bytes],
    scope: "Scope",
    receive: "Receive",
) -> Reply:
    deadline = time.monotonic() + ANSWER_SECONDS
    method = scope["method"]
    handler = handlers.get(method)
    if handler is None:
        allowed = ", ".join(handlers)
        if method == "OPTIONS":
            return Reply(HTTPStatus.NO_CONTENT, b"", headers=((b"allow", allowed.encode()),))
        reply = problem(ServiceError(Kind.METHOD_NOT_ALLOWED, f"{scope['path']} supports {allowed}"), scope["path"])
        return reply._replace(headers=((b"allow", allowed.encode()),))
    if endpoint not in NEVER_TURNED_AWAY:
        service.require_capacity()
    if endpoint not in ALWAYS_OPEN:
        service.access.require(endpoint, client)
    at = None
    if AS_OF in headers:
        service.access.require("replay", client)
        at = _read_as_of(headers[AS_OF].decode("latin-1"))
    if endpoint == "predict_batch":
        service.classifier.batches.require_room()  # before its body takes memory and time
    body = b""
    if method not in ("GET", "HEAD"):
        body = await _read_body(headers, receive, max_body_bytes(service, endpoint))
    try:
        return await handler(service, Request(headers, body, client, deadline, at))
    except ServiceError as fault:
        service.classifier.count_refusal(endpoint, "http", fault, at)
        raise


def _continue_trace(
    service: "Service", endpoint: str, scope: "Scope", headers: Mapping[bytes, bytes], request_id: str
) -> "Span | None":
    attributes = {
        "http.request.method": scope["method"],
        "http.route": scope["path"],
        "url.scheme": scope["scheme"],
        "housing.request_id": request_id,
    }
    state = _text(headers, tracing.TRACESTATE.encode())
    return service.tracing.begin(endpoint, headers[_TRACEPARENT].decode("latin-1"), state, attributes)


def _text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    found = headers.get(name)
    return None if found is None else found.decode("latin-1")


def _read_as_of(text: str) -> datetime:
    try:
        return read_past_moment(text, datetime.now(UTC))
    except ValueError as fault:
        expected = [FieldError(AS_OF.decode(), text, str(fault))]
        raise ServiceError(Kind.INVALID, "the request's record cannot be dated", expected) from None


async def _read_body(headers: Mapping[bytes, bytes], receive: "Receive", limit: int) -> bytes:
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise ServiceError(Kind.TOO_LARGE, f"the body has {int(declared):,} bytes, at most {limit:,} are allowed")
    parts: list[bytes] = []
    try:
        async with asyncio.timeout(BODY_SECONDS):
            more, size = True, 0
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise asyncio.CancelledError
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if size > limit:
                    raise ServiceError(Kind.TOO_LARGE, f"the body has more than the {limit:,} bytes that are allowed")
                more = message.get("more_body", False)
    except TimeoutError:
        raise ServiceError(Kind.REQUEST_TIMEOUT, f"the body did not arrive within {BODY_SECONDS:g} s") from None
    return b"".join(parts)


async def _send(reply: Reply, send: "Send", request_id: str) -> None:
    headers = [
        (_REQUEST_ID, request_id.encode()),
        (b"content-type", reply.content_type),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def problem(fault: ServiceError, path: str = "") -> Reply:
    """Return an error's reply; the Open Inference Protocol has the message in ``error``, too."""
    headers = []
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    if fault.kind is Kind.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    found = fault.to_problem()
    body = {**found, "error": fault.detail} if path.startswith(INFERENCE_PROTOCOL) else found
    return Reply(fault.kind.http_status, orjson.dumps(body), PROBLEM, tuple(headers))


async def _predict(service: "Service", request: Request) -> Reply:
    answer = service.classifier.predict(request.json(), request.key, "http", request.at, request.idempotency_key)
    return Reply(HTTPStatus.OK, orjson.dumps(answer))


async def _predict_batch(service: "Service", request: Request) -> Reply:
    body = request.json()
    if not isinstance(body, dict) or set(body) != {"listings"}:
        raise ServiceError(Kind.INVALID, 'a batch is an object of the form {"listings": [...]}')
    if isinstance(body["listings"], list):
        service.access.owe(request.client, len(body["listings"]) - 1)
    try:
        answers = await service.classifier.predict_batch(
            body["listings"], request.key, "http", request.deadline, request.at, request.idempotency_key
        )
    except ServiceError as fault:
        if fault.kind is not Kind.DEADLINE_EXCEEDED:
            raise
        # The deadline is ours, not the client's, who has time to come back.
        raise ServiceError(Kind.OVERLOADED, f"within {ANSWER_SECONDS:g} s, {fault.detail}", retry_after=1) from None
    batch: BatchAnswer = {"answers": answers}
    return Reply(HTTPStatus.OK, orjson.dumps(batch))


async def _feedback(service: "Service", request: Request) -> Reply:
    accepted = await service.classifier.record_feedback(request.json(), request.at, request.idempotency_key)
    return Reply(HTTPStatus.ACCEPTED, orjson.dumps(accepted))


async def _model(service: "Service", request: Request) -> Reply:
    return Reply(HTTPStatus.OK, orjson.dumps(service.describe_models(hosts=request.client.is_admin)))


async def _health(service: "Service", request: Request) -> Reply:
    health = service.check_health(hosts=request.client.is_admin)
    status = HTTPStatus.SERVICE_UNAVAILABLE if health["status"] == "failing" else HTTPStatus.OK
    return Reply(status, orjson.dumps(health))


async def _metrics(service: "Service", request: Request) -> Reply:
    from bento_service.metrics import CONTENT_TYPE

    return Reply(HTTPStatus.OK, service.expose_metrics(), CONTENT_TYPE.encode())


async def _openapi(service: "Service", request: Request) -> Reply:
    from bento_service.protocols.openapi import describe

    described = describe(
        service.models.snapshot, service.classifier.max_batch, service.access.open_endpoints, service.model_name
    )
    return Reply(HTTPStatus.OK, orjson.dumps(described))


async def _ready(service: "Service", request: Request) -> Reply:
    if not service.is_ready():
        raise shutting_down() if service.leaving else no_model()
    return Reply(HTTPStatus.OK, b"\n", b"text/plain")


async def _ready_as_json(service: "Service", request: Request) -> Reply:
    await _ready(service, request)
    return Reply(HTTPStatus.OK, orjson.dumps({"name": service.model_name, "live": True, "ready": True}))


async def _live(service: "Service", request: Request) -> Reply:
    return Reply(HTTPStatus.OK, orjson.dumps({"live": True}))


async def _server_metadata(service: "Service", request: Request) -> Reply:
    from bento_service.protocols.inference_protocol import describe_server

    return Reply(HTTPStatus.OK, orjson.dumps(describe_server()))


async def _model_metadata(service: "Service", request: Request) -> Reply:
    from bento_service.protocols.inference_protocol import describe_model

    return Reply(HTTPStatus.OK, orjson.dumps(describe_model(service.model_name, service.models.snapshot)))


async def _infer(service: "Service", request: Request) -> Reply:
    from bento_service.protocols.inference_protocol import read_request, write_response

    asked = read_request(request.json(), service.models.snapshot)
    service.access.owe(request.client, len(asked.listings) - 1)
    answers = await service.classifier.predict_batch(
        asked.listings, request.key, "http", request.deadline, request.at, request.idempotency_key, whole=True
    )
    return Reply(HTTPStatus.OK, orjson.dumps(write_response(service.model_name, asked, answers)))


Route = tuple[str, Mapping[str, Handler]]
"""Endpoint name, and handlers by method."""

ROUTES: Mapping[str, Route] = {
    "/predict": ("predict", {"POST": _predict}),
    "/predict_batch": ("predict_batch", {"POST": _predict_batch}),
    "/feedback": ("feedback", {"POST": _feedback}),
    "/model": ("model", {"GET": _model, "POST": _model}),  # BentoML's client knows no other method than POST
    "/health/deep": ("health", {"GET": _health}),
    "/metrics": ("metrics", {"GET": _metrics}),
    "/docs.json": ("openapi", {"GET": _openapi}),
    "/readyz": ("ready", {"GET": _ready, "HEAD": _ready}),
    "/v2": ("openapi", {"GET": _server_metadata}),
    "/v2/health/live": ("ready", {"GET": _live}),
    "/v2/health/ready": ("ready", {"GET": _ready_as_json}),
}
"""Of each path."""

MODEL_ROUTES: Mapping[str, Route] = {
    "": ("openapi", {"GET": _model_metadata}),  # which tells no more than /docs.json does
    "/ready": ("ready", {"GET": _ready_as_json}),
    "/infer": ("predict_batch", {"POST": _infer}),
}
"""Of the paths of the model that is served, below ``/v2/models``."""


def _route_of_model(path: str, model_name: str) -> Route | None:
    own = f"{INFERENCE_PROTOCOL}/models/{model_name}"
    return MODEL_ROUTES.get(path.removeprefix(own)) if path.startswith(own) else None
