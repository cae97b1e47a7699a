"""The HTTP adapter: an ASGI middleware that answers our own paths before BentoML's stack and leaves it the others.

BentoML's own route to a handler costs more CPU than the model does, has its own shapes of errors and labels metrics by
raw path; so the paths of the classifier end here, and every error on every path is one problem+json object.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, NamedTuple

import orjson

from bento_service.auth import ALWAYS_OPEN
from bento_service.core import read_past_moment
from bento_service.errors import FieldError, Kind, ServiceError

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bento_service.runtime import Runtime

PROBLEM = b"application/problem+json"
JSON = b"application/json"
REQUEST_KEY = b"housing-request-key"
"""Header: requests with one key are answered by one version while traffic is split."""

AS_OF = b"housing-as-of"
"""Header: the moment that the record of a replayed request is dated."""

BODY_SECONDS = 4.0
"""Time for a body to arrive: less than BentoML's own time limit, whose answer has another shape."""

_ATTRIBUTION = {404: Kind.NOT_FOUND, 405: Kind.METHOD_NOT_ALLOWED, 503: Kind.OVERLOADED, 504: Kind.TOO_LATE}


class Reply(NamedTuple):
    """What is sent back."""

    status: int
    body: bytes
    content_type: bytes = JSON
    headers: tuple[tuple[bytes, bytes], ...] = ()


class Request(NamedTuple):
    """What a handler is given."""

    headers: Mapping[bytes, bytes]
    body: bytes
    at: datetime | None = None
    """The moment that its record is dated, where it is replayed."""

    @property
    def key(self) -> str | None:
        """The request key."""
        found = self.headers.get(REQUEST_KEY)
        return None if found is None else found.decode("latin-1")

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


Handler = Callable[["Runtime", Request], Awaitable[Reply]]


class HttpApi:
    """The routes, and the running service once there is one."""

    def __init__(self) -> None:
        self.runtime: Runtime | None = None


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
        runtime = self.api.runtime
        if route is None or runtime is None:
            await self._pass_on(scope, receive, send)
            return
        started = time.perf_counter()
        endpoint, handlers = route
        try:
            reply = await _answer(runtime, endpoint, handlers, scope, receive)
        except ServiceError as fault:
            reply = problem(fault)
        except Exception:
            runtime.logger.exception("%s %s failed", scope["method"], scope["path"])
            reply = problem(ServiceError(Kind.INTERNAL, "the failure is in the service's log"))
        runtime.metrics.count_request(endpoint, "http", str(reply.status), time.perf_counter() - started)
        await _send(reply, send)

    async def _pass_on(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Let BentoML answer, but with our shape of errors."""
        held: list[Message] = []

        async def reshape(message: "Message") -> None:
            if message["type"] == "http.response.start" and message["status"] >= HTTPStatus.BAD_REQUEST:
                held.append(message)
            elif not held:
                await send(message)
            elif not message.get("more_body"):
                status = held[0]["status"]
                kind = _ATTRIBUTION.get(status, Kind.INTERNAL)
                fault = ServiceError(kind, f"{scope['method']} {scope['path'][:200]}: {HTTPStatus(status).phrase}")
                reply = problem(fault)
                kept = [pair for pair in held[0]["headers"] if pair[0].lower() == b"allow"]
                await _send(reply._replace(status=status, headers=(*reply.headers, *kept)), send)

        await self.app(scope, receive, reshape)


async def _answer(
    runtime: "Runtime", endpoint: str, handlers: Mapping[str, Handler], scope: "Scope", receive: "Receive"
) -> Reply:
    method = scope["method"]
    handler = handlers.get(method)
    if handler is None:
        allowed = ", ".join(handlers)
        if method == "OPTIONS":
            return Reply(HTTPStatus.NO_CONTENT, b"", headers=((b"allow", allowed.encode()),))
        reply = problem(ServiceError(Kind.METHOD_NOT_ALLOWED, f"{scope['path']} knows {allowed}"))
        return reply._replace(headers=((b"allow", allowed.encode()),))
    headers = dict(scope["headers"])
    if endpoint not in ALWAYS_OPEN:  # a probe that is refused takes the replica out when it is needed most
        runtime.require_turn()
    authorization = headers.get(b"authorization")
    shown = None if authorization is None else authorization.decode("latin-1")
    runtime.keys.require(endpoint, shown)
    at = None
    if AS_OF in headers:
        runtime.keys.require("replay", shown)
        at = _read_as_of(headers[AS_OF].decode("latin-1"))
    body = b"" if method in ("GET", "HEAD") else await _read_body(headers, receive, runtime.max_request_bytes)
    return await handler(runtime, Request(headers, body, at))


def _read_as_of(text: str) -> datetime:
    try:
        return read_past_moment(text, datetime.now(UTC))
    except ValueError as fault:
        expected = [FieldError(AS_OF.decode(), text, str(fault))]
        raise ServiceError(Kind.INVALID, "the request's record cannot be dated", expected) from None


async def _read_body(headers: Mapping[bytes, bytes], receive: "Receive", limit: int) -> bytes:
    declared = headers.get(b"content-length", b"0")
    if declared.isdigit() and int(declared) > limit:
        raise ServiceError(Kind.TOO_LARGE, f"the body has {int(declared):,} bytes, at most {limit:,} are read")
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
                    raise ServiceError(Kind.TOO_LARGE, f"the body has more than the {limit:,} bytes that are read")
                more = message.get("more_body", False)
    except TimeoutError:
        raise ServiceError(Kind.TOO_SLOW, f"the body did not arrive within {BODY_SECONDS:g} s") from None
    return b"".join(parts)


async def _send(reply: Reply, send: "Send") -> None:
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", str(len(reply.body)).encode()),
        *reply.headers,
    ]
    await send({"type": "http.response.start", "status": int(reply.status), "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


def problem(fault: ServiceError) -> Reply:
    """Return the reply for an error."""
    headers = []
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    if fault.kind is Kind.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    return Reply(fault.kind.http_status, orjson.dumps(fault.to_problem()), PROBLEM, tuple(headers))


async def _predict(runtime: "Runtime", request: Request) -> Reply:
    return Reply(
        HTTPStatus.OK, orjson.dumps(runtime.classifier.predict(request.json(), request.key, "http", request.at))
    )


async def _predict_batch(runtime: "Runtime", request: Request) -> Reply:
    body = request.json()
    if not isinstance(body, dict) or set(body) != {"listings"}:
        raise ServiceError(Kind.INVALID, 'a batch is an object of the form {"listings": [...]}')
    answers = await runtime.classifier.predict_batch(body["listings"], request.key, "http", at=request.at)
    return Reply(HTTPStatus.OK, orjson.dumps({"answers": answers}))


async def _feedback(runtime: "Runtime", request: Request) -> Reply:
    return Reply(HTTPStatus.ACCEPTED, orjson.dumps(runtime.classifier.record_feedback(request.json(), request.at)))


async def _model(runtime: "Runtime", request: Request) -> Reply:
    return Reply(HTTPStatus.OK, orjson.dumps(runtime.describe_models()))


async def _health(runtime: "Runtime", request: Request) -> Reply:
    health = runtime.check_health()
    status = HTTPStatus.SERVICE_UNAVAILABLE if health["status"] == "failing" else HTTPStatus.OK
    return Reply(status, orjson.dumps(health))


async def _metrics(runtime: "Runtime", request: Request) -> Reply:
    from bento_service.metrics import CONTENT_TYPE

    return Reply(HTTPStatus.OK, runtime.expose_metrics(), CONTENT_TYPE.encode())


async def _openapi(runtime: "Runtime", request: Request) -> Reply:
    from bento_service.protocols.openapi import describe

    described = describe(runtime.classifier.max_batch, runtime.keys.open_endpoints)
    return Reply(HTTPStatus.OK, orjson.dumps(described))


async def _ready(runtime: "Runtime", request: Request) -> Reply:
    if not runtime.is_ready():
        raise ServiceError(Kind.NO_MODEL, "no model could be loaded yet: see /health/deep", retry_after=5)
    return Reply(HTTPStatus.OK, b"\n", b"text/plain")


ROUTES: Mapping[str, tuple[str, Mapping[str, Handler]]] = {
    "/predict": ("predict", {"POST": _predict}),
    "/predict_batch": ("predict_batch", {"POST": _predict_batch}),
    "/feedback": ("feedback", {"POST": _feedback}),
    "/model": ("model", {"GET": _model}),
    "/health/deep": ("health", {"GET": _health}),
    "/metrics": ("metrics", {"GET": _metrics}),
    "/docs.json": ("openapi", {"GET": _openapi}),
    "/readyz": ("ready", {"GET": _ready, "HEAD": _ready}),
}
"""Endpoint names and handlers by path and method."""
