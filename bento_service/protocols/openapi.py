"""The OpenAPI document of the HTTP service, with the listings and categories of the market that answers now."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from bento_service.answers import Answer, Estimate, Tier
from bento_service.auth import ALWAYS_OPEN
from bento_service.classifier import MAX_KEY_LENGTH
from bento_service.errors import Kind
from bento_service.feedback import truth_field
from bento_service.models.snapshot import ServedModel, Snapshot
from bento_service.protocols.openapi_schemas import Schema, ref, schemas
from bento_service.record_ids import new_id
from housing_assets.inference.artifact import NO_ESTIMATES
from housing_assets.inference.declaration import ASKING
from housing_assets.inference.market import Market

_JSON, _PROBLEM = "application/json", "application/problem+json"
_COMMON = (Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.RATE_LIMITED, Kind.OVERLOADED, Kind.INTERNAL)
_WITH_BODY = (*_COMMON, Kind.INVALID, Kind.TOO_LARGE, Kind.UNSUPPORTED_MEDIA_TYPE, Kind.REQUEST_TIMEOUT, Kind.NO_MODEL)
_PROBE = (Kind.NO_MODEL, Kind.SHUTTING_DOWN, Kind.INTERNAL)
_MOMENT = "2026-03-01T12:00:00+03:00"

TAGS = {
    "predictions": "Classify listings.",
    "feedback": "Tell what a classified listing really was.",
    "inference protocol": "The same in the terms of the Open Inference Protocol, version 2.",
    "operation": "See which model answers, and whether all is well.",
}

PARAMETERS: Mapping[str, Schema] = {
    "RequestKey": {
        "name": "Housing-Request-Key",
        "in": "header",
        "description": "While traffic is split, requests with the same key are answered by the same version.",
        "schema": {"type": "string", "maxLength": MAX_KEY_LENGTH},
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A request that is sent again with the same key and content is recorded once.",
        "schema": {"type": "string", "maxLength": MAX_KEY_LENGTH},
    },
    "AsOf": {
        "name": "Housing-As-Of",
        "in": "header",
        "description": "Where recorded traffic is replayed: the moment that the record is dated. Needs a key.",
        "schema": {"type": "string", "format": "date-time"},
    },
}


MODEL = "{model}"
"""In a path, the name of the registered model."""


class Operation(NamedTuple):
    """An operation of the document: its endpoint, what it takes, and what it answers.

    ``answers`` are alternatives, by the names of their types; ``failing`` tells whether a 503 may hold one, too. The
    endpoint is the operation's id, unless it has one of its own.
    """

    path: str
    method: str
    endpoint: str
    tag: str
    summary: str
    answers: tuple[str, ...]
    errors: tuple[Kind, ...]
    status: str = "200"
    body: str = ""
    parameters: tuple[str, ...] = ()
    failing: bool = False
    operation_id: str = ""
    problem: str = "Problem"


# fmt: off
OPERATIONS = (
    Operation(
        "/predict", "post", "predict", "predictions", "Classify one listing",
        ("Answer",), _WITH_BODY, body="Listing", parameters=("RequestKey", "IdempotencyKey", "AsOf"),
    ),
    Operation(
        "/explain", "post", "explain", "predictions", "Classify one listing and tell why, with comparable listings",
        ("Explanation",), _WITH_BODY, body="Listing", parameters=("RequestKey",),
    ),
    Operation(
        "/predict_batch", "post", "predict_batch", "predictions", "Classify several listings by one version",
        ("BatchAnswer",), _WITH_BODY, body="Batch", parameters=("RequestKey", "IdempotencyKey", "AsOf"),
    ),
    Operation(
        "/feedback", "post", "feedback", "feedback", "Tell what a classified listing really was",
        ("AcceptedPrice", "AcceptedCategory"), _WITH_BODY, status="202", body="Feedback",
        parameters=("IdempotencyKey", "AsOf"),
    ),
    Operation(
        "/model", "get", "model", "operation", "Which versions answer: bands, metrics, fingerprints and sources",
        ("Models",), (*_COMMON, Kind.NO_MODEL),
    ),
    Operation(
        "/model", "post", "model", "operation", "The same, for BentoML's clients, which send POST alone",
        ("Models",), (*_COMMON, Kind.NO_MODEL, Kind.TOO_LARGE, Kind.REQUEST_TIMEOUT), operation_id="post_model",
    ),
    Operation(
        "/health/deep", "get", "health", "operation", "The state of the model and of each dependency",
        ("Health",), _COMMON, failing=True,
    ),
    Operation(
        f"/v2/models/{MODEL}/infer", "post", "predict_batch", "inference protocol", "Classify several listings",
        ("InferenceResponse",), _WITH_BODY, body="InferenceRequest",
        parameters=("RequestKey", "IdempotencyKey", "AsOf"), operation_id="infer", problem="InferenceProblem",
    ),
    Operation(
        f"/v2/models/{MODEL}", "get", "openapi", "inference protocol", "The model's tensors",
        ("ModelMetadata",), _PROBE, operation_id="model_metadata", problem="InferenceProblem",
    ),
    Operation(
        f"/v2/models/{MODEL}/ready", "get", "ready", "inference protocol", "Whether the model answers",
        ("Readiness",), _PROBE, operation_id="model_ready", problem="InferenceProblem",
    ),
    Operation(
        "/v2", "get", "openapi", "inference protocol", "The server",
        ("ServerMetadata",), (Kind.INTERNAL,), operation_id="server_metadata", problem="InferenceProblem",
    ),
    Operation(
        "/v2/health/live", "get", "ready", "inference protocol", "Whether the server answers",
        ("Liveness",), (Kind.INTERNAL,), operation_id="server_live", problem="InferenceProblem",
    ),
    Operation(
        "/v2/health/ready", "get", "ready", "inference protocol", "Whether the server and its model answer",
        ("Readiness",), _PROBE, operation_id="server_ready", problem="InferenceProblem",
    ),
)
# fmt: on


def describe(snapshot: Snapshot, max_batch: int, open_endpoints: Collection[str], model_name: str) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document.

    Parameters
    ----------
    snapshot : Snapshot
        Whose market is described; without a model, listings and categories are left open.
    max_batch : int
        Listings that one batch may have.
    open_endpoints : collection of str
        What is answered without a key.
    model_name : str
        The registered model.
    """
    champion = snapshot.champion
    market = {} if champion is None else {"summary": champion.model.market.title}
    examples = {} if champion is None else _examples(champion)
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        is_open = operation.endpoint in (*ALWAYS_OPEN, *open_endpoints)
        secured: dict[str, Any] = {} if is_open else {"security": [{"ApiKey": []}]}
        methods = paths.setdefault(operation.path.replace(MODEL, model_name), {})
        methods[operation.method] = _operation(operation, examples) | secured
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Housing price classifier",
            **market,
            "version": "1",
            "description": "Classifies real-estate listings, and takes feedback on what they really were. Every error "
            "is a problem details object (RFC 9457).",
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in TAGS.items()],
        "paths": paths,
        "components": {
            "securitySchemes": {"ApiKey": {"type": "http", "scheme": "bearer"}},
            "parameters": PARAMETERS,
            "schemas": schemas(snapshot, max_batch),
        },
    }


def _operation(operation: Operation, examples: Mapping[str, Any]) -> dict[str, Any]:
    alternatives = [ref(name) for name in operation.answers]
    schema = alternatives[0] if len(alternatives) == 1 else {"anyOf": alternatives}
    answered = {_JSON: {"schema": schema} | _example(examples, operation.answers[0])}
    responses = {operation.status: {"description": "Answered", "content": answered}, **_errors(operation)}
    if operation.failing:
        overloaded = responses["503"]
        responses["503"] = {
            "description": f"Failing; {overloaded['description']}",
            "content": {**answered, **overloaded["content"]},
        }
    described: dict[str, Any] = {
        "operationId": operation.operation_id or operation.endpoint,
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [{"$ref": f"#/components/parameters/{name}"} for name in operation.parameters],
    }
    if operation.body:
        content = {_JSON: {"schema": ref(operation.body)} | _example(examples, operation.body)}
        described["requestBody"] = {"required": True, "content": content}
    return described | {"responses": responses}


def _example(examples: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {"example": examples[name]} if name in examples else {}


def _estimate(market: Market) -> Estimate:
    """Return an estimate as it may be answered: about the declared example of a price."""
    price = float(market.target_column.parse(market.target_column.example)[0])
    return {
        "price": price,
        "interval_50": {"low": 0.9 * price, "high": 1.1 * price},
        "interval_80": {"low": 0.8 * price, "high": 1.25 * price},
        "forecast_deviation": 0.15,
        "currency": market.currency,
    }


def _examples(champion: ServedModel) -> dict[str, Any]:
    """Return requests that can be sent as they are, and answers, by the names of their schemas."""
    market, categories = champion.model.market, champion.model.labels.categories
    prediction_id = new_id()  # of now: feedback on an older prediction that nobody made is refused
    answer: Answer = {
        "prediction_id": prediction_id,
        "price_category": categories[0],
        "probabilities": dict.fromkeys(categories, 1 / len(categories)),
        "band": champion.bands[0],
        "model_version": champion.version,
        "tier": Tier.PRODUCTION,
        "unseen": [],
        "estimate": _estimate(market) if market.has_price else None,
        "no_estimate": None if market.has_price else NO_ESTIMATES.reason,
    }
    truth = {truth_field(market): market.target_column.example}
    if market.has_price:
        truth["price_kind"] = market.common_price_kind or ASKING
    return {
        "Listing": market.example,
        "Batch": {"listings": [market.example]},
        "Feedback": {"prediction_id": prediction_id, **truth, "observed_at": _MOMENT},
        "Answer": answer,
        "BatchAnswer": {"answers": [answer]},
        "InferenceRequest": {
            "inputs": [
                {"name": name, "shape": [1], "datatype": "BYTES", "data": [str(cell)]}
                for name, cell in market.example.items()
            ]
        },
    }


def _errors(operation: Operation) -> dict[str, Any]:
    titles: dict[str, list[str]] = {}
    for kind in operation.errors:
        titles.setdefault(str(kind.http_status), []).append(kind.title)
    content = {_PROBLEM: {"schema": ref(operation.problem)}}
    return {status: {"description": "; ".join(each), "content": content} for status, each in sorted(titles.items())}
