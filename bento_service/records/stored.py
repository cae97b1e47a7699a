"""Which predictions are in the prediction store: what feedback can be held against before it is taken.

The store may be slow or away, and a prediction may be on its way to it. So feedback is refused only where it is certain
enough that no answer has its id; where nothing can be known in time it is taken.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sqlalchemy import Engine, select
from sqlalchemy.exc import SQLAlchemyError

from bento_service.moments import CLOCK_TOLERANCE
from resources.predictions.tables import PREDICTIONS, open_store

LOOKUP_SECONDS = 0.25
"""How long feedback waits for the store to say whether it has the prediction."""

UNSHIPPED = timedelta(minutes=5)
"""Age up to which a prediction may still be on its way to the store, from another replica, say."""

PAUSE_SECONDS = 5.0
"""How long the store is left alone after a failure."""

_MOST_WAITING = 8
"""Lookups that wait for the one thread; more of them would only wait in vain."""


class StoredPredictions:
    """Looks predictions up in the prediction store.

    Parameters
    ----------
    store_url : str
        See ``resources.predictions.tables.open_store``.
    lag : callable
        Returns the seconds that the oldest record of this worker has waited for the store.
    """

    def __init__(self, store_url: str, lag: Callable[[], float]) -> None:
        self._engine: Engine = open_store(store_url)
        self._lag = lag
        self._thread = ThreadPoolExecutor(1, "stored-predictions")
        self._waiting = 0
        self._not_before = 0.0

    async def is_unknown(self, prediction_id: str, now: datetime) -> bool:
        """Return whether it is certain that no answer has an id.

        That is so for one from the future, and for one that is not in the store although it is older than what is still
        on its way. An id that a retry has again (version 8) does not tell its age.

        Parameters
        ----------
        prediction_id : str
            A UUID of version 7 or 8.
        now : datetime
        """
        made = _moment_of(prediction_id)
        if made is None:
            return False
        if made > now + CLOCK_TOLERANCE:
            return True
        if now - made <= UNSHIPPED + timedelta(seconds=self._lag()):
            return False
        return await self._has(prediction_id) is False

    def close(self) -> None:
        """Look up nothing more."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        self._engine.dispose()

    async def _has(self, prediction_id: str) -> bool | None:
        """Return whether the store has a prediction; None if it does not say so in time."""
        if self._waiting >= _MOST_WAITING or time.monotonic() < self._not_before:
            return None
        self._waiting += 1
        looking = asyncio.get_running_loop().run_in_executor(self._thread, self._look_up, prediction_id)
        looking.add_done_callback(self._count_down)
        try:
            return await asyncio.wait_for(asyncio.shield(looking), LOOKUP_SECONDS)
        except TimeoutError:
            return None

    def _count_down(self, _: object) -> None:
        self._waiting -= 1

    def _look_up(self, prediction_id: str) -> bool | None:
        query = select(PREDICTIONS.c.role).where(PREDICTIONS.c.prediction_id == prediction_id).limit(1)
        try:
            with self._engine.connect() as connection:
                return connection.execute(query).first() is not None
        except SQLAlchemyError:  # the shipper says so in the log
            self._not_before = time.monotonic() + PAUSE_SECONDS
            return None


def _moment_of(prediction_id: str) -> datetime | None:
    """Return when an id was made; None if it does not tell."""
    identifier = UUID(prediction_id)
    if identifier.version != 7:
        return None
    try:
        return datetime.fromtimestamp((identifier.int >> 80) / 1_000, UTC)
    except (OverflowError, ValueError, OSError):  # after the year 9999
        return datetime.max.replace(tzinfo=UTC)
