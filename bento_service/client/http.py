"""Clients of the service: typed answers, retries that are recorded once, batches of any length, errors as exceptions.

They need httpx and nothing else, neither of the platform nor of what the platform needs.
"""

import asyncio
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self, TypeVar

import httpx

from bento_service.client.requests import Pause, Requests, Steps, feedback_of, key_headers

if TYPE_CHECKING:
    from bento_service.answers import Accepted, Answer, Explanation, Models, Refusal
    from housing_assets.inference.declaration import PriceKind

T = TypeVar("T")


class HousingClient:
    """Asks the service, and waits for its answers; several threads may share one.

    A request that was not answered, or that the service was too busy for, is sent again after a pause: the one that
    the service asked for in ``Retry-After``, if any. A retry has the idempotency key of the first try, so that whatever
    became of that, the service records one prediction.

    Parameters
    ----------
    url : str
        Of the service, such as ``http://localhost:3100``.
    api_key : str, optional
    timeout : float
        Seconds that one try may take.
    attempts : int
        Times that a request is sent, at most.
    patience : float
        Seconds after which a request is not sent again; a longer ``Retry-After`` is raised at once.
    """

    def __init__(
        self, url: str, api_key: str | None = None, *, timeout: float = 10, attempts: int = 4, patience: float = 60
    ) -> None:
        self._http = httpx.Client(base_url=url, headers=_authorization(api_key), timeout=timeout)
        self._requests = Requests(attempts, patience)

    def predict(
        self, listing: Mapping[str, Any], *, request_key: str | None = None, idempotency_key: str | None = None
    ) -> "Answer":
        """Return the category of a listing.

        Parameters
        ----------
        listing : mapping
            Raw texts or clean numbers by column.
        request_key : str, optional
            Requests with the same key are answered by the same version while traffic is split.
        idempotency_key : str, optional
            Requests with the same key are recorded once. Give one to repeat a request after an exception; the retries
            of one call have one anyway.

        Raises
        ------
        ClientError
            ``Invalid``, ``NotAllowed``, ``TooLarge``, ``Unavailable``, another ``ServiceProblem``, or ``Unreachable``.
        """
        return self._finish(self._requests.predict(listing, key_headers(idempotency_key, request_key)))

    def explain(self, listing: Mapping[str, Any], *, request_key: str | None = None) -> "Explanation":
        """Return the category of a listing, and why; nothing is recorded.

        Parameters
        ----------
        listing : mapping
        request_key : str, optional
            As for ``predict``.

        Raises
        ------
        ClientError
            As for ``predict``.
        """
        return self._finish(self._requests.explain(listing, key_headers(None, request_key)))

    def predict_batch(
        self,
        listings: Iterable[Mapping[str, Any]],
        *,
        request_key: str | None = None,
        idempotency_key: str | None = None,
    ) -> "list[Answer | Refusal]":
        """Return the categories of any number of listings; one that cannot be used has its error in its place.

        They are sent in batches of the size that the service takes. Each batch is answered by one version of the model.

        Parameters
        ----------
        listings : iterable of mapping
        request_key, idempotency_key : str, optional
            As for ``predict``. After an exception, the same call with the same idempotency key gets the answers of the
            batches before it again, and records none of them twice.

        Raises
        ------
        ClientError
            As for ``predict``.
        """
        return self._finish(self._requests.predict_batch(listings, key_headers(idempotency_key, request_key)))

    def feedback(
        self,
        prediction_id: str,
        *,
        price: float | str | None = None,
        price_category: str | None = None,
        price_kind: "PriceKind | None" = None,
        observed_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> "Accepted":
        """Tell what a listing really was.

        Parameters
        ----------
        prediction_id : str
            Of the answer.
        price : float or str, optional
            In the market's currency, where listings have a price.
        price_category : str, optional
            Where they have a class.
        price_kind : str, optional
            ``asking`` or ``paid``, of the price; what the market predicts by default.
        observed_at : datetime, optional
            When it was known, with its time zone; now by default.
        idempotency_key : str, optional
            As for ``predict``.

        Raises
        ------
        ClientError
            As for ``predict``.
        """
        told = feedback_of(prediction_id, price, price_category, price_kind, observed_at)
        return self._finish(self._requests.feedback(told, key_headers(idempotency_key)))

    def model(self) -> "Models":
        """Return which versions answer, and where they came from.

        Raises
        ------
        ClientError
            As for ``predict``.
        """
        return self._finish(self._requests.model())

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def _finish(self, steps: Steps[T]) -> T:
        came: httpx.Response | httpx.TransportError | None = None
        try:
            while True:
                step = steps.send(came)
                came = None
                if isinstance(step, Pause):
                    time.sleep(step.seconds)
                    continue
                try:
                    came = self._http.request(step.method, step.path, json=step.body, headers=step.headers)
                except httpx.TransportError as fault:
                    came = fault
        except StopIteration as done:
            answer: T = done.value
            return answer


class AsyncHousingClient:
    """The same for ``asyncio``: each method is the one of ``HousingClient``, awaited."""

    def __init__(
        self, url: str, api_key: str | None = None, *, timeout: float = 10, attempts: int = 4, patience: float = 60
    ) -> None:
        self._http = httpx.AsyncClient(base_url=url, headers=_authorization(api_key), timeout=timeout)
        self._requests = Requests(attempts, patience)

    async def predict(
        self, listing: Mapping[str, Any], *, request_key: str | None = None, idempotency_key: str | None = None
    ) -> "Answer":
        """Return the category of a listing: see ``HousingClient.predict``."""
        return await self._finish(self._requests.predict(listing, key_headers(idempotency_key, request_key)))

    async def explain(self, listing: Mapping[str, Any], *, request_key: str | None = None) -> "Explanation":
        """Return the category of a listing, and why: see ``HousingClient.explain``."""
        return await self._finish(self._requests.explain(listing, key_headers(None, request_key)))

    async def predict_batch(
        self,
        listings: Iterable[Mapping[str, Any]],
        *,
        request_key: str | None = None,
        idempotency_key: str | None = None,
    ) -> "list[Answer | Refusal]":
        """Return the categories of any number of listings: see ``HousingClient.predict_batch``."""
        return await self._finish(self._requests.predict_batch(listings, key_headers(idempotency_key, request_key)))

    async def feedback(
        self,
        prediction_id: str,
        *,
        price: float | str | None = None,
        price_category: str | None = None,
        price_kind: "PriceKind | None" = None,
        observed_at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> "Accepted":
        """Tell what a listing really was: see ``HousingClient.feedback``."""
        told = feedback_of(prediction_id, price, price_category, price_kind, observed_at)
        return await self._finish(self._requests.feedback(told, key_headers(idempotency_key)))

    async def model(self) -> "Models":
        """Return which versions answer: see ``HousingClient.model``."""
        return await self._finish(self._requests.model())

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *raised: object) -> None:
        await self.close()

    async def _finish(self, steps: Steps[T]) -> T:
        came: httpx.Response | httpx.TransportError | None = None
        try:
            while True:
                step = steps.send(came)
                came = None
                if isinstance(step, Pause):
                    await asyncio.sleep(step.seconds)
                    continue
                try:
                    came = await self._http.request(step.method, step.path, json=step.body, headers=step.headers)
                except httpx.TransportError as fault:
                    came = fault
        except StopIteration as done:
            answer: T = done.value
            return answer


def _authorization(api_key: str | None) -> dict[str, str]:
    return {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
