"""The client of the model registry: its timeouts, retries and circuit breakers.

The calls themselves are in ``mlflow_rest.py``; what follows from the answers, or from their absence, in
``registered.py``.
"""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import httpx
from pybreaker import CircuitBreaker, CircuitBreakerError
from tenacity import (
    Retrying,
    retry_if_exception_type,
    sleep_using_event,
    stop_after_attempt,
    stop_when_event_set,
    wait_exponential_jitter,
)

from bento_service.models import mlflow_rest
from bento_service.models.mlflow_rest import RegisteredVersion, RegistryUnreachable

_FIRST_WAIT, _LONGEST_WAIT, _JITTER = 0.25, 4.0, 0.25
"""Seconds between attempts: doubled each time, plus up to the jitter, so that workers do not retry in step."""

T = TypeVar("T")


class MlflowRegistry:
    """Reads one registered model through an MLflow server, whatever store holds its files.

    Credentials are MLflow's: those of the URL, or ``MLFLOW_TRACKING_USERNAME`` and ``MLFLOW_TRACKING_PASSWORD``, or
    ``MLFLOW_TRACKING_TOKEN``. Its methods block: do not call them in the thread of an event loop.

    Parameters
    ----------
    url : str
        Of the MLflow server.
    model_name : str
    timeout : float
        Seconds that one attempt may take in total: a look-up, or all files of a version. A server that sends too slowly
        is cut off.
    attempts : int
        Attempts for each load, the first included.
    breaker_failures : int
        Failures in a row that open the circuit breaker: the registry is not called for a while.
    breaker_seconds : float
        How long the circuit breaker stays open.
    max_bytes : int
        Total size of a version's files, at most.

    Raises
    ------
    ValueError
        If the URL is not an HTTP server's.
    """

    def __init__(
        self,
        url: str,
        model_name: str,
        *,
        timeout: float = 10.0,
        attempts: int = 3,
        breaker_failures: int = 5,
        breaker_seconds: float = 60.0,
        max_bytes: int = 512 * 2**20,
    ):
        given = httpx.URL(url)
        if given.scheme not in ("http", "https") or not given.host:
            raise ValueError(f"the registry must be an MLflow server with an http or https URL, not {given.scheme}:")
        self.url = str(given.copy_with(userinfo=b""))  # httpx logs the URLs that it asks
        self.model_name = model_name
        self._timeout = timeout
        self._max_bytes = max_bytes
        credentials, self._auth = _credentials(given, os.environ)
        self._headers = {"Accept-Encoding": "identity", **credentials}
        self._tls = httpx.create_ssl_context()
        self._closed = threading.Event()
        self._retrying = Retrying(
            stop=stop_after_attempt(attempts) | stop_when_event_set(self._closed),
            wait=wait_exponential_jitter(multiplier=_FIRST_WAIT, max=_LONGEST_WAIT, jitter=_JITTER),
            retry=retry_if_exception_type(RegistryUnreachable),
            sleep=sleep_using_event(self._closed),
            reraise=True,
        )
        # Two, so that a store that cannot deliver a version does not hide that it was rolled back.
        self._look_ups, self._downloads = (
            CircuitBreaker(
                fail_max=breaker_failures,
                reset_timeout=breaker_seconds,
                exclude=[lambda fault: not isinstance(fault, RegistryUnreachable)],
                throw_new_error_on_trip=False,
            )
            for _ in range(2)
        )

    @property
    def breakers(self) -> dict[str, str]:
        """State of the circuit breakers of look-ups and downloads: closed, open or half-open."""
        return {"look_ups": self._look_ups.current_state, "downloads": self._downloads.current_state}

    def resolve(self, *aliases: str) -> dict[str, RegisteredVersion]:
        """Return the versions that aliases point to; an alias that does not exist is left out.

        Raises
        ------
        RegistryFault
            If the registry did not answer, or its answer cannot be used.
        """
        return self._load(self._look_ups, lambda client: mlflow_rest.resolve(client, self.model_name, aliases))

    def fetch(self, version: RegisteredVersion, folder: Path) -> None:
        """Download the artifact's files into an existing folder; a retry continues where the last attempt was cut off.

        Raises
        ------
        RegistryFault
            If the registry did not answer.
        ArtifactRefused
            If a file is missing, the files are too large, or the manifest is not the one that was registered.
        """
        self._load(
            self._downloads,
            lambda client: mlflow_rest.fetch(client, self.model_name, version, folder, self._max_bytes),
        )

    def close(self) -> None:
        """Make no further attempts."""
        self._closed.set()

    def _load(self, breaker: CircuitBreaker, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
        try:
            return self._retrying(breaker.call, self._attempt, work)
        except CircuitBreakerError as fault:
            raise RegistryUnreachable(
                f"the circuit breaker is open, after {breaker.fail_max} failures in a row"
            ) from fault

    def _attempt(self, work: Callable[[httpx.AsyncClient], Awaitable[T]]) -> T:
        async def within_time() -> T:
            client = httpx.AsyncClient(
                base_url=self.url, timeout=self._timeout, verify=self._tls, headers=self._headers, auth=self._auth
            )
            async with asyncio.timeout(self._timeout), client:  # a socket's own timeout begins anew with every byte
                return await work(client)

        try:
            return asyncio.run(within_time())
        except (TimeoutError, httpx.TimeoutException) as fault:
            raise RegistryUnreachable(f"no complete answer within {self._timeout:g} s") from fault
        except httpx.HTTPError as fault:
            raise RegistryUnreachable(f"{type(fault).__name__}: {fault}") from fault


def _credentials(url: httpx.URL, environment: Mapping[str, str]) -> tuple[dict[str, str], httpx.BasicAuth | None]:
    user, password, token = (environment.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD", "TOKEN"))
    if url.username:
        return {}, httpx.BasicAuth(url.username, url.password)
    if user and password:
        return {}, httpx.BasicAuth(user, password)
    return ({"Authorization": f"Bearer {token}"} if token else {}), None
