"""Requests queue for the event loop: one is answered at a time, and refused while they wait for too long."""

import asyncio
import time
from collections import deque

from bento_service.errors import Kind, ServiceError

ANSWERS_A_TURN = 4
"""Requests answered before the event loop sends their answers, and looks for new connections and requests.

uvloop does both once a turn, and accepts one connection then. Where it answered all requests that were there, with 32
at once each turn took 12 ms: the last of 32 new connections waited for 0.2 s, and the client for all answers of a turn.
"""

_INTERVAL = 0.02
"""Seconds between two ticks: well below any delay worth refusing requests for."""


class RequestQueue:
    """Gives requests their turns, and refuses them while they wait for too long.

    A timer measures the lag of the event loop, too: it fires late where something else keeps the loop busy.

    Parameters
    ----------
    max_delay : float
        Seconds of waiting beyond which requests are refused.
    """

    def __init__(self, max_delay: float) -> None:
        self._max_delay = max_delay
        self._due = float("inf")
        self._handle: asyncio.TimerHandle | None = None
        self._left = ANSWERS_A_TURN
        self._goes_on = False
        self._waiting: deque[tuple[float, asyncio.Future[None]]] = deque()

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
        now = time.monotonic()
        since = min(self._due, self._waiting[0][0]) if self._waiting else self._due
        if now - since > self._max_delay:
            raise ServiceError(
                Kind.OVERLOADED,
                f"requests wait {now - since:.1f} s, longer than the {self._max_delay:g} s that are allowed",
                retry_after=1,
            )

    async def wait_for_turn(self) -> None:
        """Wait until a request may be answered: first come, first served, ``ANSWERS_A_TURN`` in a turn of the loop."""
        loop = asyncio.get_running_loop()
        if not self._goes_on:
            self._goes_on = True
            loop.call_soon(self._begin_turn)
        if self._left:
            self._left -= 1
            return
        turn = loop.create_future()
        self._waiting.append((time.monotonic(), turn))
        await turn

    def _begin_turn(self) -> None:
        self._left = ANSWERS_A_TURN
        while self._waiting and self._left:
            turn = self._waiting.popleft()[1]
            if not turn.done():  # its request was given up
                turn.set_result(None)
                self._left -= 1
        self._goes_on = bool(self._waiting) or self._left < ANSWERS_A_TURN
        if self._goes_on:
            asyncio.get_running_loop().call_soon(self._begin_turn)
