"""The OpenAPI description of the HTTP service; its fields come from the declared columns."""

from typing import Any

from bento_service.core import MAX_KEY_LENGTH
from bento_service.errors import Kind
from housing_assets.features.bands import CATEGORIES
from housing_assets.listings.columns import COLUMNS, TARGET, Column
from housing_assets.listings.parsing import MAX_CELL_LENGTH

EXAMPLE_LISTING = {column.raw: column.example for column in COLUMNS if column.values[0].name != TARGET}

_ID = "0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10"
_MOMENT = "2026-03-01T12:00:00+03:00"
_COMMON = (Kind.UNAUTHENTICATED, Kind.OVERLOADED, Kind.INTERNAL)
_WITH_BODY = (*_COMMON, Kind.INVALID, Kind.TOO_LARGE, Kind.UNSUPPORTED_MEDIA_TYPE, Kind.TOO_SLOW)
_WITH_KEY = {
    "name": "Housing-Request-Key",
    "in": "header",
    "description": "While traffic is split, requests with the same key are answered by the same version.",
    "schema": {"type": "string", "maxLength": MAX_KEY_LENGTH},
}
_AS_OF = {
    "name": "Housing-As-Of",
    "in": "header",
    "description": "Where recorded traffic is replayed: the moment that the record is dated. Needs a key.",
    "schema": {"type": "string", "format": "date-time"},
}


def describe(max_batch: int, open_endpoints: frozenset[str]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document.

    Parameters
    ----------
    max_batch : int
        Listings that one batch may have.
    open_endpoints : frozenset of str
        What is answered without a key.
    """

    def secured(endpoint: str) -> dict[str, Any]:
        return {} if endpoint in open_endpoints else {"security": [{"ApiKey": []}]}

    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Housing price classifier",
            "version": "1",
            "description": "Classifies the price of a real-estate listing as low, medium or high, and takes back what "
            "it really was. Every error is a problem details object (RFC 9457).",
        },
        "servers": [{"url": "/"}],
        "paths": {
            "/predict": {
                "post": {
                    "operationId": "predict",
                    "summary": "Classify one listing",
                    "parameters": [_WITH_KEY, _AS_OF],
                    "requestBody": _body("Listing", EXAMPLE_LISTING),
                    "responses": {"200": _response("Answer")} | _errors(*_WITH_BODY, Kind.NO_MODEL),
                    **secured("predict"),
                }
            },
            "/predict_batch": {
                "post": {
                    "operationId": "predict_batch",
                    "summary": f"Classify up to {max_batch} listings by one version",
                    "parameters": [_WITH_KEY, _AS_OF],
                    "requestBody": _body("Batch", {"listings": [EXAMPLE_LISTING, {"district": "kadikoy"}]}),
                    "responses": {"200": _response("BatchAnswer")} | _errors(*_WITH_BODY, Kind.NO_MODEL),
                    **secured("predict_batch"),
                }
            },
            "/feedback": {
                "post": {
                    "operationId": "feedback",
                    "summary": "Say what the price of a classified listing really was",
                    "parameters": [_AS_OF],
                    "requestBody": _body(
                        "Feedback", {"prediction_id": _ID, "price": "3,100,000TL", "observed_at": _MOMENT}
                    ),
                    "responses": {"202": _response("Accepted")} | _errors(*_WITH_BODY),
                    **secured("feedback"),
                }
            },
            "/model": {
                "get": {
                    "operationId": "model",
                    "summary": "Which versions answer: bands, metrics, fingerprints, and where they came from",
                    "responses": {"200": _response("Models")} | _errors(*_COMMON, Kind.NO_MODEL),
                    **secured("model"),
                }
            },
            "/health/deep": {
                "get": {
                    "operationId": "health",
                    "summary": "The state of the model and of each dependency",
                    "responses": {
                        "200": _response("Health", "healthy or degraded"),
                        "503": {
                            "description": "failing, or overloaded",
                            "content": {
                                "application/json": {"schema": _ref("Health")},
                                "application/problem+json": {"schema": _ref("Problem")},
                            },
                        },
                    }
                    | _errors(Kind.UNAUTHENTICATED, Kind.INTERNAL),
                    **secured("health"),
                }
            },
        },
        "components": {
            "securitySchemes": {"ApiKey": {"type": "http", "scheme": "bearer"}},
            "schemas": _schemas(max_batch),
        },
    }


def _schemas(max_batch: int) -> dict[str, Any]:
    share = {"type": "number", "minimum": 0, "maximum": 1}
    identifier = {"type": "string", "format": "uuid"}
    moment = {"type": "string", "format": "date-time"}
    return {
        "Listing": {
            "type": "object",
            "description": "Raw texts or clean numbers; what is absent or null counts as not said. The price is not "
            "read.",
            "properties": {column.raw: _cell(column) for column in COLUMNS},
            "required": [column.raw for column in COLUMNS if column.required and column.values[0].name != TARGET],
            "additionalProperties": False,
        },
        "Batch": _object(
            listings={
                "type": "array",
                "items": {"description": "A Listing; what is none has its error in its place in the answer."},
                "minItems": 1,
                "maxItems": max_batch,
            }
        ),
        "Answer": _object(
            prediction_id=identifier,
            price_category={"enum": list(CATEGORIES)},
            probabilities=_object(**dict.fromkeys(CATEGORIES, share)),
            band=_object(
                above={"type": ["number", "null"]}, up_to={"type": ["number", "null"]}, currency={"type": "string"}
            ),
            model_version={"type": "string"},
            tier={"enum": ["production", "staging", "baked", "rule"]},
            unseen={
                "type": "array",
                "items": {"type": "string"},
                "description": "Fields with a text that no training listing had.",
            },
        ),
        "BatchAnswer": _object(
            answers={
                "type": "array",
                "items": {"anyOf": [_ref("Answer"), _object(error=_ref("Problem"))]},
                "description": "One for each listing, in order; an error where a listing cannot be used.",
            }
        ),
        "Feedback": {
            **_object(
                prediction_id=identifier,
                price={"type": ["string", "number"], "description": "In Turkish lira."},
                observed_at={
                    **moment,
                    "type": ["string", "null"],
                    "description": "When the price was known; now, if absent.",
                },
            ),
            "required": ["prediction_id", "price"],
        },
        "Accepted": _object(
            feedback_id=identifier,
            prediction_id=identifier,
            price={"type": "number"},
            observed_at=moment,
            received_at=moment,
        ),
        "Models": {"type": "object"},
        "Health": {
            "type": "object",
            "properties": {"status": {"enum": ["healthy", "degraded", "failing"]}},
            "required": ["status"],
        },
        "Problem": {
            **_object(
                type={"type": "string"},
                title={"type": "string"},
                status={"type": "integer"},
                detail={"type": "string"},
                errors={
                    "type": "array",
                    "items": _object(field={"type": "string"}, value={"type": "string"}, expected={"type": "string"}),
                },
            )
        },
    }


def _cell(column: Column) -> dict[str, Any]:
    if column.values[0].name == TARGET:
        return {"description": "May be sent, and is not read."}
    kinds = ["string", "number", "boolean", "null"]
    return {"type": kinds, "maxLength": MAX_CELL_LENGTH, "examples": [column.example]}


def _object(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _body(name: str, example: Any) -> dict[str, Any]:
    return {"required": True, "content": {"application/json": {"schema": _ref(name), "example": example}}}


def _response(name: str, description: str = "Answered") -> dict[str, Any]:
    return {"description": description, "content": {"application/json": {"schema": _ref(name)}}}


def _errors(*kinds: Kind) -> dict[str, Any]:
    titles: dict[str, list[str]] = {}
    for kind in kinds:
        titles.setdefault(str(kind.http_status), []).append(kind.title)
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {status: {"description": "; ".join(each), "content": content} for status, each in sorted(titles.items())}
