"""The paths that are answered over HTTP, and how: thin, over what the service does for every protocol."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson

from bento_service.errors import Kind, ServiceError, no_model, shutting_down
from bento_service.explanations import EXPLANATION_REQUESTS
from bento_service.protocols import try_form
from bento_service.protocols.http_messages import INFERENCE_PROTOCOL, Reply, Request

if TYPE_CHECKING:
    from bento_service.answers import Answer, BatchAnswer, Refusal
    from bento_service.protocols.surface import Service

ANSWER_SECONDS = 4.5
"""Time from a request's arrival to its answer: less than BentoML's own limit, whose error body has another shape."""

Handler = Callable[["Service", Request], Awaitable[Reply]]

Route = tuple[str, Mapping[str, Handler]]
"""Endpoint name, and handlers by method."""


def find_route(path: str, model_name: str | None) -> Route | None:
    """Return the route of a path, None for what is BentoML's; without a model's name, none of the model's own paths."""
    route = ROUTES.get(path)
    own = f"{INFERENCE_PROTOCOL}/models/{model_name}"
    if route is None and model_name is not None and path.startswith(own):
        return MODEL_ROUTES.get(path.removeprefix(own))
    return route


async def _predict(service: "Service", request: Request) -> Reply:
    answer = service.classifier.predict(request.json(), request.key, "http", request.at, request.idempotency_key)
    return Reply(HTTPStatus.OK, orjson.dumps(answer))


async def _explain(service: "Service", request: Request) -> Reply:
    service.access.owe(request.client, EXPLANATION_REQUESTS - 1)
    answer = await service.classifier.explain(request.json(), request.key)
    return Reply(HTTPStatus.OK, orjson.dumps(answer))


async def _predict_batch(service: "Service", request: Request) -> Reply:
    body = request.json()
    if not isinstance(body, dict) or set(body) != {"listings"}:
        raise ServiceError(Kind.INVALID, 'a batch is an object of the form {"listings": [...]}')
    if isinstance(body["listings"], list):
        service.access.owe(request.client, len(body["listings"]) - 1)
    batch: BatchAnswer = {"answers": await _answer_all(service, request, body["listings"])}
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
    answers = await _answer_all(service, request, asked.listings, whole=True)
    return Reply(HTTPStatus.OK, orjson.dumps(write_response(service.model_name, asked, answers)))


async def _answer_all(
    service: "Service", request: Request, listings: Any, *, whole: bool = False
) -> "list[Answer | Refusal]":
    """Return the answers for a batch, or tell the client to come back where they take too long."""
    try:
        return await service.classifier.predict_batch(
            listings, request.key, "http", request.deadline, request.at, request.idempotency_key, whole=whole
        )
    except ServiceError as fault:
        if fault.kind is not Kind.DEADLINE_EXCEEDED:
            raise
        # The deadline is ours, not the client's, who has time to come back.
        raise ServiceError(Kind.OVERLOADED, f"within {ANSWER_SECONDS:g} s, {fault.detail}", retry_after=1) from None


ROUTES: Mapping[str, Route] = {
    "/predict": ("predict", {"POST": _predict}),
    "/explain": ("explain", {"POST": _explain}),
    "/predict_batch": ("predict_batch", {"POST": _predict_batch}),
    "/feedback": ("feedback", {"POST": _feedback}),
    "/model": ("model", {"GET": _model, "POST": _model}),  # BentoML's client knows no other method than POST
    "/health/deep": ("health", {"GET": _health}),
    "/metrics": ("metrics", {"GET": _metrics}),
    "/docs.json": ("openapi", {"GET": _openapi}),
    "/try": ("try", {"GET": try_form.show_form, "POST": try_form.try_listing}),
    "/try/example": ("try", {"GET": try_form.show_example}),
    "/try.css": ("try", {"GET": try_form.style}),
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
