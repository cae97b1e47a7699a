"""The one table of what can go wrong with a request: its name, its HTTP status and its gRPC status."""

import reprlib
from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum
from itertools import islice
from typing import Any, NamedTuple

from bento_service.answers import FieldProblem, Problem
from housing_assets.inference.cells import MISSING

MAX_FIELD_ERRORS = 20
"""Fields that an error names: a request may have a hundred thousand that are unknown."""

MAX_SHOWN = 100
"""Characters of an offending field and its value that an error repeats."""


class Kind(Enum):
    """A kind of error: its title, HTTP status, and gRPC status code by name."""

    MALFORMED = ("The request is not HTTP", 400, "INVALID_ARGUMENT")
    INVALID = ("The request cannot be used", 422, "INVALID_ARGUMENT")
    UNSUPPORTED_MEDIA_TYPE = ("The request is not JSON", 415, "INVALID_ARGUMENT")
    TOO_LARGE = ("The request is too large", 413, "RESOURCE_EXHAUSTED")
    HEADERS_TOO_LARGE = ("The request's headers are too large", 431, "RESOURCE_EXHAUSTED")
    REQUEST_TIMEOUT = ("The request did not arrive in time", 408, "DEADLINE_EXCEEDED")
    UNAUTHENTICATED = ("A valid API key is needed", 401, "UNAUTHENTICATED")
    FORBIDDEN = ("The API key is not good for this", 403, "PERMISSION_DENIED")
    RATE_LIMITED = ("The API key has sent too many requests", 429, "RESOURCE_EXHAUSTED")
    NOT_FOUND = ("There is no such path", 404, "NOT_FOUND")
    METHOD_NOT_ALLOWED = ("The path does not support this method", 405, "UNIMPLEMENTED")
    OVERLOADED = ("The service is overloaded", 503, "UNAVAILABLE")
    SHUTTING_DOWN = ("The service is shutting down", 503, "UNAVAILABLE")
    NO_MODEL = ("No model is loaded", 503, "UNAVAILABLE")
    JOURNAL_FULL = ("Predictions cannot be recorded", 503, "UNAVAILABLE")
    DEADLINE_EXCEEDED = ("The deadline has passed", 504, "DEADLINE_EXCEEDED")
    INTERNAL = ("The service failed", 500, "INTERNAL")

    def __init__(self, title: str, http_status: int, grpc_status: str):
        self.title = title
        self.http_status = http_status
        self.grpc_status = grpc_status

    @property
    def urn(self) -> str:
        """What identifies the kind to programs."""
        return f"urn:housing-price-platform:{self.name.lower().replace('_', '-')}"


class Reason(StrEnum):
    """Why a request is refused, as it is counted: without what was sent."""

    MISSING = "missing"
    """A required field is empty or absent."""
    UNUSABLE = "unusable"
    """The field's value cannot be read, or is out of its bounds."""
    UNKNOWN_FIELD = "unknown_field"
    """There is no such field."""
    MALFORMED = "malformed"
    """The request has not the form of one: it is not JSON, say, or no list of listings."""


class FieldError(NamedTuple):
    """What is wrong with one field of a request."""

    field: str
    value: Any
    message: str
    reason: Reason = Reason.UNUSABLE

    def to_problem(self) -> FieldProblem:
        """Return it with its value as a text that its sender recognises."""
        value = self.value if isinstance(self.value, str) else _JSON.repr(self.value)
        return {"field": _cut(self.field), "value": _cut(value), "message": self.message}


class _Json(reprlib.Repr):
    """Writes what JSON can hold; ``repr`` fails on deep nesting."""

    def repr_NoneType(self, value: None, level: int) -> str:  # noqa: N802 - named for the type
        return "null"

    def repr_bool(self, value: bool, level: int) -> str:
        return str(value).lower()


_JSON = _Json()


def _cut(text: str) -> str:
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


class ServiceError(Exception):
    """A request that is not answered, and why.

    Parameters
    ----------
    kind : Kind
    detail : str
        What is wrong with this request, in a sentence.
    fields : sequence of FieldError
    retry_after : int, optional
        Seconds after which the same request may succeed.
    """

    def __init__(self, kind: Kind, detail: str, fields: Sequence[FieldError] = (), retry_after: int | None = None):
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.fields = fields
        self.retry_after = retry_after

    def to_problem(self, max_fields: int = MAX_FIELD_ERRORS) -> Problem:
        """Return the error as a problem details object (RFC 9457), which names ``max_fields`` fields at most."""
        return {
            "type": self.kind.urn,
            "title": self.kind.title,
            "status": self.kind.http_status,
            "detail": self.detail,
            "errors": [each.to_problem() for each in self.fields[:max_fields]],
        }


def no_model() -> ServiceError:
    """Return the error of a service that has no model yet."""
    return ServiceError(Kind.NO_MODEL, "no model could be loaded yet: see /health/deep", retry_after=5)


def shutting_down() -> ServiceError:
    """Return the error of a worker that is about to end."""
    return ServiceError(
        Kind.SHUTTING_DOWN, "this worker is shutting down: the client should try another one", retry_after=1
    )


def unusable_listing(reasons: Mapping[str, str], cells: Mapping[str, Any]) -> ServiceError:
    """Return the error for a listing with fields that cannot be used, given the reasons by raw column."""
    fields = [
        FieldError(column, cells.get(column), reason, Reason.MISSING if reason == MISSING else Reason.UNUSABLE)
        for column, reason in islice(reasons.items(), MAX_FIELD_ERRORS)
    ]
    return ServiceError(Kind.INVALID, f"{len(reasons)} of the listing's fields cannot be used", fields)
