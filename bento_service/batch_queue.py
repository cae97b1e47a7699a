"""The queue of batches: one is answered at a time, and what would wait too long is refused at once.

Batches that were answered side by side would all be late, and none in time. Single requests do not queue here: a batch
lets them in after every few listings.
"""

import asyncio
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bento_service.errors import Kind, ServiceError

FIRST_ESTIMATE = 0.0002
"""Seconds that a listing of a batch is expected to take, before any was answered."""

WEIGHT = 0.2
"""Of the last batch in the running mean of the time that a listing takes."""

PATIENCE = 2.0
"""Times its longest wait that a batch stays in the queue when those before it take longer than was expected."""


class BatchQueue:
    """Gives each batch its turn.

    Parameters
    ----------
    max_delay : float
        Seconds that a batch may have to wait.
    """

    def __init__(self, max_delay: float) -> None:
        self._max_delay = max_delay
        self._rows = 0
        self._seconds_per_row = FIRST_ESTIMATE
        self._turn = asyncio.Lock()

    def require_room(self) -> None:
        """Refuse a batch that would wait too long: the client should try later, or another replica.

        Raises
        ------
        ServiceError
            If it would wait longer than ``max_delay``.
        """
        expected = self._rows * self._seconds_per_row
        if expected > self._max_delay:
            raise self._overloaded(f"a batch would wait {expected:.1f} s for its turn", expected)

    @asynccontextmanager
    async def turn(self, rows: int, deadline: float | None) -> AsyncIterator[None]:
        """Wait for the turn of a batch, which lasts as long as the block.

        Parameters
        ----------
        rows : int
            Its listings.
        deadline : float, optional
            Of the monotonic clock, in seconds, after which nobody waits for its answer.

        Raises
        ------
        ServiceError
            If it would wait longer than ``max_delay``, or does for much longer, or its deadline passes.
        """
        self.require_room()
        self._rows += rows
        try:
            await self._wait(deadline)
            begun = time.monotonic()
            try:
                yield
            finally:
                self._turn.release()
                took = (time.monotonic() - begun) / rows
                self._seconds_per_row += WEIGHT * (took - self._seconds_per_row)
        finally:
            self._rows -= rows

    async def _wait(self, deadline: float | None) -> None:
        begun = time.monotonic()
        end = begun + PATIENCE * self._max_delay
        try:
            async with asyncio.timeout((end if deadline is None else min(end, deadline)) - begun):
                await self._turn.acquire()
        except TimeoutError:
            waited = time.monotonic() - begun
            if deadline is not None and deadline <= end:
                raise ServiceError(
                    Kind.DEADLINE_EXCEEDED, f"the batch had waited {waited:.1f} s for its turn by the deadline"
                ) from None
            raise self._overloaded(f"the batch has waited {waited:.1f} s for its turn", waited) from None

    def _overloaded(self, what: str, seconds: float) -> ServiceError:
        return ServiceError(
            Kind.OVERLOADED,
            f"{what}, longer than the {self._max_delay:g} s that are allowed",
            retry_after=max(1, math.ceil(seconds)),
        )
