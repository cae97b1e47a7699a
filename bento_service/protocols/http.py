"""The HTTP adapter: it answers the classifier's paths itself, and passes the others to BentoML.

BentoML's own routing costs more CPU than the model does, has error bodies of several shapes, and labels metrics by raw
path. Here every error, on every path, is a problem+json object. The adapter comes before all of BentoML's middlewares
(see ``connections.py``): behind them it would cost half as much again. Mounted as an application it would come after
BentoML's routes, too, which have the same paths.
"""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

from bento_service import request_ids, tracing
from bento_service.auth import ALWAYS_OPEN, PROBED, Client
from bento_service.errors import FieldError, Kind, ServiceError, no_model
from bento_service.moments import read_past_moment
from bento_service.protocols.body_sizes import max_body_bytes
from bento_service.protocols.http_messages import Reply, Request, header_text, problem
from bento_service.protocols.http_routes import ANSWER_SECONDS, Handler, find_route

if TYPE_CHECKING:
    from opentelemetry.trace import Span
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from bento_service.protocols.surface import Service

AS_OF = b"housing-as-of"
"""Header: the moment that the record of a replayed request is dated."""

CLOSE = (b"connection", b"close")

BODY_SECONDS = 4.0
"""Time for a body to arrive."""

NEVER_TURNED_AWAY = frozenset({*PROBED, "metrics"})
"""What is answered under overload, too: refusing a probe would take the replica out when it is needed most."""

_REQUEST_ID = request_ids.HEADER.encode()
_TRACEPARENT = tracing.TRACEPARENT.encode()

_KINDS = {404: Kind.NOT_FOUND, 405: Kind.METHOD_NOT_ALLOWED, 503: Kind.OVERLOADED, 504: Kind.DEADLINE_EXCEEDED}


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


class ClientGone(Exception):
    """The connection was closed before the request had arrived: there is nobody to answer."""


class HttpAdapter:
    """ASGI application around another one.

    Parameters
    ----------
    app : ASGIApp
        BentoML's.
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
        service = self.api.service
        route = find_route(scope["path"], None if service is None else service.model_name)
        if route is None or service is None:
            await self._pass_on(scope, receive, send)
            return
        started = time.perf_counter()
        endpoint, handlers = route
        headers = dict(scope["headers"])
        client = service.access.identify(header_text(headers, b"authorization"))
        request_id = request_ids.request_id(header_text(headers, _REQUEST_ID))
        request_ids.current.set(request_id)
        traceparent = headers.get(_TRACEPARENT)
        span = None if traceparent is None else _continue_trace(service, endpoint, scope, headers, request_id)
        fault = None
        try:
            reply = await _answer(service, endpoint, handlers, client, headers, scope, receive)
        except ServiceError as raised:
            fault = raised
        except ClientGone:
            if span is not None:
                span.end()
            return
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
        request_id = request_ids.request_id(header_text(dict(scope["headers"]), _REQUEST_ID))

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
        service.access.require_permission("replay", client)  # it is one request, which was counted above
        at = _read_as_of(headers[AS_OF].decode("latin-1"))
    if endpoint == "predict_batch":
        service.classifier.batches.require_room()  # before its body takes memory and time
    body = b""
    if method not in ("GET", "HEAD"):
        body = await _read_body(headers, receive, max_body_bytes(service, endpoint))
    if endpoint not in NEVER_TURNED_AWAY:
        await service.wait_for_turn()
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
    state = header_text(headers, tracing.TRACESTATE.encode())
    return service.tracing.begin(endpoint, headers[_TRACEPARENT].decode("latin-1"), state, attributes)


def _read_as_of(text: str) -> datetime:
    try:
        return read_past_moment(text, datetime.now(UTC))
    except ValueError as fault:
        wrong = [FieldError(AS_OF.decode(), text, str(fault))]
        raise ServiceError(Kind.INVALID, "the request's record cannot be dated", wrong) from None


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
                    raise ClientGone
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
