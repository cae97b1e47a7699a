"""Where the workers of a service keep what they count, which is settled before ``prometheus_client`` is imported.

It looks at the environment once, when it is imported. Where ``bentoml serve`` has named a folder there, it writes
through memory-mapped files: a page that a full disk has no room for ends the process with SIGBUS. One worker needs no
such files, and several take the room for theirs when they start.
"""

import logging
import os
from pathlib import Path

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Environment variable of ``prometheus_client``: the folder of the files."""

KINDS = ("counter", "histogram", "gauge_livemax")
"""How ``prometheus_client`` names the files of the metrics that there are."""

FILE_BYTES = 256 * 1024
"""Room for every label that can occur, twice over: a file that grew would grow without room being taken for it."""

logger = logging.getLogger("housing.service")


def settle_where_to_count(workers: int) -> None:
    """Let this process count in its own memory if it is alone, else in files that have their room already.

    Parameters
    ----------
    workers : int
        Processes of the service.
    """
    if FOLDER not in os.environ:
        return
    if workers > 1:
        files = [Path(os.environ[FOLDER], f"{kind}_{os.getpid()}.db") for kind in KINDS]
        try:
            for file in files:
                _take_room(file)
            return
        except OSError as fault:
            logger.error("this worker's metrics are not in those of the others, there is no room for them: %s", fault)
            for file in files:
                file.unlink(missing_ok=True)
    del os.environ[FOLDER]


def _take_room(file: Path) -> None:
    with file.open("wb") as opened:
        os.posix_fallocate(opened.fileno(), 0, FILE_BYTES)
