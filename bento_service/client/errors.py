"""What the clients raise."""

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import httpx

if TYPE_CHECKING:
    from bento_service.answers import FieldProblem

RETRIED = frozenset({408, 429, 502, 503, 504})
"""Statuses after which the same request may succeed; so may any other whose answer has ``Retry-After``."""


class ClientError(Exception):
    """A request without an answer that can be used."""


class Unreachable(ClientError):
    """The service was not reached, or did not answer in time, as often as it was asked."""


class ServiceProblem(ClientError):
    """The service answered with an error.

    Parameters
    ----------
    reply : httpx.Response

    Attributes
    ----------
    status : int
        Of HTTP.
    kind : str
        Of error, such as ``invalid``; empty if it comes from a proxy before the service.
    detail : str
        What is wrong with this request, in a sentence.
    errors : list of FieldProblem
        Which fields cannot be used, and why.
    retry_after : float or None
        Seconds after which the same request may succeed, where the service says so.
    """

    def __init__(self, reply: httpx.Response) -> None:
        problem = _read_problem(reply)
        self.status = reply.status_code
        self.kind: str = problem.get("type", "").rpartition(":")[2]
        self.detail: str = problem.get("detail") or reply.reason_phrase or "no reason given"
        self.errors: list[FieldProblem] = problem.get("errors", [])
        self.retry_after = retry_after(reply)
        fields = "; ".join(f"{each['field']} is {each['value']!r}: {each['message']}" for each in self.errors)
        super().__init__(f"{self.status}, {self.detail}" + (f": {fields}" if fields else ""))


class Invalid(ServiceProblem):
    """The request cannot be used as it is; ``errors`` says why."""


class NotAllowed(ServiceProblem):
    """The API key is missing, not valid, or not for this."""


class TooLarge(ServiceProblem):
    """The request has more bytes than the service takes."""


class Unavailable(ServiceProblem):
    """The service could not answer, as often as it was asked."""


_BY_STATUS: Mapping[int, type[ServiceProblem]] = {
    HTTPStatus.UNAUTHORIZED: NotAllowed,
    HTTPStatus.FORBIDDEN: NotAllowed,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: TooLarge,
    HTTPStatus.UNPROCESSABLE_ENTITY: Invalid,
    **dict.fromkeys(RETRIED, Unavailable),
}


def problem_of(reply: httpx.Response) -> ServiceProblem:
    """Return the exception for an answer that is an error."""
    return _BY_STATUS.get(reply.status_code, ServiceProblem)(reply)


def retry_after(reply: httpx.Response) -> float | None:
    """Return the seconds that an answer asks to wait, None if it does not."""
    asked = reply.headers.get("retry-after", "").strip()
    if asked.isdecimal():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):  # neither, or a moment without its zone
        return None


def _read_problem(reply: httpx.Response) -> dict[str, Any]:
    if reply.headers.get("content-type") != "application/problem+json":
        return {}
    problem: dict[str, Any] = reply.json()
    return problem
