"""How many requests a client may send: a bucket of tokens for each, so that bursts are let through."""

import math
import time

from bento_service.auth import Client
from bento_service.errors import Kind, ServiceError

BURST_SECONDS = 10.0
"""What a client saves up while it sends nothing: so many seconds' worth of its rate."""


class RateLimits:
    """Counts what clients send, in this process.

    Parameters
    ----------
    rate : float
        Requests a second of a client that has no rate of its own; 0 is no limit.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._buckets: dict[str, tuple[float, float]] = {}
        """Tokens, and the moment at which they were counted, by the name of the client."""

    def spend(self, client: Client) -> None:
        """Count a request.

        Raises
        ------
        ServiceError
            If the client has used up what it may send.
        """
        rate = self._rate if client.rate is None else client.rate
        if not rate:
            return
        now = time.monotonic()
        most = max(1.0, rate * BURST_SECONDS)
        tokens, at = self._buckets.get(client.name, (most, now))
        tokens = min(most, tokens + (now - at) * rate)
        if tokens < 1:
            wait = math.ceil((1 - tokens) / rate)
            raise ServiceError(
                Kind.RATE_LIMITED, f"{client.name!r} may send {rate:g} requests a second", retry_after=wait
            )
        self._buckets[client.name] = tokens - 1, now

    def owe(self, client: Client, requests: int) -> None:
        """Count what a request that was let in has asked for beyond one: a batch may be larger than any burst."""
        if client.name in self._buckets:
            tokens, at = self._buckets[client.name]
            self._buckets[client.name] = tokens - requests, at
