"""How long requests wait for their turn: one process answers one request at a time, the others queue in its loop."""

import asyncio
import time

from bento_service.errors import Kind, ServiceError

_BEAT = 0.02


class TurnClock:
    """Measures the wait by a beat in the event loop: while requests queue up, the beat is late by what they wait.

    Parameters
    ----------
    max_delay : float
        Seconds of waiting beyond which requests are turned away.
    """

    def __init__(self, max_delay: float) -> None:
        self._max_delay = max_delay
        self._due = float("inf")
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin to beat in the running loop."""
        self._due = time.monotonic() + _BEAT
        self._handle = asyncio.get_running_loop().call_later(_BEAT, self.start)

    def stop(self) -> None:
        """End the beat."""
        if self._handle is not None:
            self._handle.cancel()

    def require_turn(self) -> None:
        """Turn a request away that waited too long.

        Raises
        ------
        ServiceError
            If requests wait longer than ``max_delay``: its sender has better try another replica.
        """
        delay = time.monotonic() - self._due
        if delay > self._max_delay:
            raise ServiceError(
                Kind.OVERLOADED,
                f"requests wait {delay:.1f} s, more than the {self._max_delay:g} s that they may",
                retry_after=1,
            )
