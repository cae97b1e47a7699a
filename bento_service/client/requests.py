"""What is asked of the service, how often and in which pieces, whoever does the sending.

Each request is a generator of what has to be done: the clients do it, one by waiting, the other by awaiting.
"""

import random
import time
import uuid
from collections.abc import Generator, Iterable, Mapping
from datetime import datetime
from itertools import count
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import httpx

from bento_service.client.errors import (
    RETRIED,
    ClientError,
    ServiceProblem,
    TooLarge,
    Unreachable,
    problem_of,
    retry_after,
)

if TYPE_CHECKING:
    from bento_service.answers import Accepted, Answer, Explanation, Models, Refusal

FIRST_PAUSE, LONGEST_PAUSE = 0.2, 5.0
"""Seconds. The pause before the first retry is up to ``FIRST_PAUSE``, before the next up to twice that, and so on. It
is drawn at random, so that clients that failed together do not come back together."""

IDEMPOTENCY_KEY, REQUEST_KEY = "Idempotency-Key", "Housing-Request-Key"
"""Headers."""

T = TypeVar("T")


class Call(NamedTuple):
    """A request of HTTP."""

    method: str
    path: str
    body: Any = None
    headers: Mapping[str, str] = {}


class Pause(NamedTuple):
    """Some seconds without a request."""

    seconds: float


Steps = Generator[Call | Pause, httpx.Response | httpx.TransportError | None, T]
"""What has to be done for an answer; what came of each call is sent in."""


class Requests:
    """What can be asked.

    Parameters
    ----------
    attempts : int
        Times that a request is sent, at most.
    patience : float
        Seconds after which a request is not sent again.
    """

    def __init__(self, attempts: int, patience: float) -> None:
        self._attempts = attempts
        self._patience = patience
        self._max_batch: int | None = None

    def predict(self, listing: Mapping[str, Any], keys: Mapping[str, str]) -> "Steps[Answer]":
        """Ask for the category of a listing."""
        return (yield from self._ask(Call("POST", "/predict", listing, keys)))

    def explain(self, listing: Mapping[str, Any], keys: Mapping[str, str]) -> "Steps[Explanation]":
        """Ask for the category of a listing, and why."""
        return (yield from self._ask(Call("POST", "/explain", listing, keys)))

    def predict_batch(
        self, listings: Iterable[Mapping[str, Any]], keys: Mapping[str, str]
    ) -> "Steps[list[Answer | Refusal]]":
        """Ask for the categories of listings, in pieces of the size that the service takes."""
        rows = list(listings)
        if rows and self._max_batch is None:
            described = yield from self._ask(Call("GET", "/docs.json"))
            self._max_batch = described["components"]["schemas"]["Batch"]["properties"]["listings"]["maxItems"]
        size = self._max_batch or 1
        pieces = [(start, min(start + size, len(rows))) for start in range(0, len(rows), size)]
        pieces.reverse()
        answers: list[Answer | Refusal] = []
        while pieces:
            start, stop = pieces.pop()
            own = {**keys, IDEMPOTENCY_KEY: f"{keys[IDEMPOTENCY_KEY]}-{start}-{stop}"}
            try:
                piece = yield from self._ask(Call("POST", "/predict_batch", {"listings": rows[start:stop]}, own))
            except TooLarge:
                if stop - start == 1:
                    raise
                middle = (start + stop) // 2
                pieces += [(middle, stop), (start, middle)]
            else:
                answers += piece["answers"]
        return answers

    def feedback(self, feedback: Mapping[str, Any], keys: Mapping[str, str]) -> "Steps[Accepted]":
        """Tell what a listing really was."""
        return (yield from self._ask(Call("POST", "/feedback", feedback, keys)))

    def model(self) -> "Steps[Models]":
        """Ask which versions answer."""
        return (yield from self._ask(Call("GET", "/model")))

    def _ask(self, call: Call) -> Steps[Any]:
        """Repeat a call until it is answered; return the body of the answer."""
        deadline = time.monotonic() + self._patience
        for attempt in count(1):
            came = yield call
            asked_to_wait = None
            if isinstance(came, httpx.Response):
                if came.is_success:
                    return _body(came)
                fault: ClientError = problem_of(came)
                asked_to_wait = retry_after(came)
                if asked_to_wait is None and came.status_code not in RETRIED:
                    raise fault
            else:
                fault = Unreachable(f"{call.method} {call.path}: {came!r}")
            backoff = min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** (attempt - 1))
            seconds = (asked_to_wait or 0.0) + random.uniform(0, backoff)  # noqa: S311  # nosec B311
            if attempt == self._attempts or time.monotonic() + seconds > deadline:
                raise fault
            yield Pause(seconds)


def key_headers(idempotency_key: str | None, request_key: str | None = None) -> dict[str, str]:
    """Return the headers of a request: an idempotency key of its own where none is given, so that a retry is known."""
    routed = {} if request_key is None else {REQUEST_KEY: request_key}
    return {IDEMPOTENCY_KEY: idempotency_key or str(uuid.uuid4()), **routed}


def feedback_of(
    prediction_id: str,
    price: float | str | None,
    price_category: str | None,
    price_kind: str | None,
    observed_at: datetime | None,
) -> dict[str, Any]:
    """Return feedback as the service takes it."""
    fields = {
        "prediction_id": prediction_id,
        "price": price,
        "price_category": price_category,
        "price_kind": price_kind,
        "observed_at": None if observed_at is None else observed_at.isoformat(),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _body(reply: httpx.Response) -> Any:
    try:
        return reply.json()
    except ValueError:  # of something that stands between, such as the page of a login
        raise ServiceProblem(reply) from None
