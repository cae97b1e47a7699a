"""What HTTP requests and replies are to those who answer them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

import orjson

from bento_service.auth import Client
from bento_service.errors import Kind, ServiceError

PROBLEM = b"application/problem+json"
JSON = b"application/json"
REQUEST_KEY = b"housing-request-key"
"""Header: requests with the same key are answered by the same version while traffic is split."""

IDEMPOTENCY_KEY = b"idempotency-key"
"""Header: a request that is sent again with the same key is recorded once."""

INFERENCE_PROTOCOL = "/v2"
"""What the paths of the Open Inference Protocol begin with."""


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
        return header_text(self.headers, REQUEST_KEY)

    @property
    def idempotency_key(self) -> str | None:
        """What a request and its retries have in common."""
        return header_text(self.headers, IDEMPOTENCY_KEY)

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


class RefusedWithPage(ServiceError):
    """A request that is not answered, and a page for people that says why.

    Parameters
    ----------
    fault : ServiceError
    page : Reply
    """

    def __init__(self, fault: ServiceError, page: Reply) -> None:
        super().__init__(fault.kind, fault.detail, fault.fields, fault.retry_after)
        self.page = page


def header_text(headers: Mapping[bytes, bytes], name: bytes) -> str | None:
    """Return a header, None where there is none."""
    found = headers.get(name)
    return None if found is None else found.decode("latin-1")


def problem(fault: ServiceError, path: str = "") -> Reply:
    """Return an error's reply; the Open Inference Protocol has the message in ``error``, too."""
    if isinstance(fault, RefusedWithPage):
        return fault.page
    headers = []
    if fault.retry_after is not None:
        headers.append((b"retry-after", str(fault.retry_after).encode()))
    if fault.kind is Kind.UNAUTHENTICATED:
        headers.append((b"www-authenticate", b"Bearer"))
    found = fault.to_problem()
    body = {**found, "error": fault.detail} if path.startswith(INFERENCE_PROTOCOL) else found
    return Reply(fault.kind.http_status, orjson.dumps(body), PROBLEM, tuple(headers))
