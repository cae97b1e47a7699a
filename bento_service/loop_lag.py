"""How long requests wait: one process answers one request at a time, the others queue in its event loop."""

import asyncio
import time

from bento_service.errors import Kind, ServiceError

_INTERVAL = 0.02
"""Seconds between two ticks: well below any delay worth refusing requests for."""


class LoopLagMonitor:
    """Measures the lag of the event loop by a timer: while requests queue up, it fires as late as they wait.

    Parameters
    ----------
    max_delay : float
        Seconds of waiting beyond which requests are refused.
    """

    def __init__(self, max_delay: float) -> None:
        self._max_delay = max_delay
        self._due = float("inf")
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Start the timer in the running loop."""
        self._due = time.monotonic() + _INTERVAL
        self._handle = asyncio.get_running_loop().call_later(_INTERVAL, self.start)

    def stop(self) -> None:
        """Stop the timer."""
        if self._handle is not None:
            self._handle.cancel()

    def require_capacity(self) -> None:
        """Refuse a request while requests wait too long: the client should try another replica.

        Raises
        ------
        ServiceError
            If they wait longer than ``max_delay``.
        """
        delay = time.monotonic() - self._due
        if delay > self._max_delay:
            raise ServiceError(
                Kind.OVERLOADED,
                f"requests wait {delay:.1f} s, longer than the {self._max_delay:g} s that are allowed",
                retry_after=1,
            )
