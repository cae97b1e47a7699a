"""The log, written by a thread of its own: whoever reads it too slowly, or not at all, delays no answer."""

import logging
import queue
import sys
import threading

from bento_service.records.predictions import logger as predictions

MOST_WAITING = 2_000
"""Lines that wait to be written, about 4 MB; the rest is left out, and counted."""

SERVERS = ("", "bentoml", "uvicorn.error")
"""Loggers, the root first, whose handlers BentoML sets up: they write where the request is answered."""


class LogQueue(logging.Handler):
    """Takes the place of the handlers of the process, and lets a thread call them.

    Predictions are written as they are, a line of JSON each; all other lines as BentoML writes them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(MOST_WAITING)
        self._left_out = 0
        self._replaced: dict[str, list[logging.Handler]] = {}
        self._lines = logging.StreamHandler(sys.stdout)
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)

    def start(self) -> None:
        """Take the place of the handlers."""
        logging.getLogger("housing").setLevel(logging.INFO)
        for name in SERVERS:
            logger = logging.getLogger(name)
            if logger.handlers:
                self._replaced[name] = logger.handlers[:]
                logger.handlers[:] = [self]
        self._thread.start()

    def stop(self, timeout: float) -> None:
        """Write what waits for at most ``timeout`` seconds, and give the handlers their place back.

        Where nobody reads the log they stay away: the last words of a server would wait for a reader for ever.
        """
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            timeout = 0
        self._thread.join(timeout)
        if self._thread.is_alive():
            return
        for name, handlers in self._replaced.items():
            logging.getLogger(name).handlers[:] = handlers

    def emit(self, record: logging.LogRecord) -> None:
        """Let a record wait to be written, or leave it out where too many wait."""
        try:
            self._waiting.put_nowait(record)
        except queue.Full:
            self._left_out += 1

    def _run(self) -> None:
        handlers = self._replaced.get("", [])
        while (record := self._waiting.get()) is not None:
            for handler in [self._lines] if record.name == predictions.name else handlers:
                handler.handle(record)
            if self._left_out:
                missing, self._left_out = self._left_out, 0
                logging.getLogger("housing.log").warning(
                    "%d lines are missing here: the log was read too slowly", missing
                )
