"""What our service has counted, and what its prediction store holds: no answer without a record."""

import sqlite3
import time
from contextlib import closing
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from benchmarks.serving.load import LoadFailed
from benchmarks.serving.servers import Server

DRAIN_SECONDS = 60
_POLL_SECONDS = 0.1


def wait_until_stored(server: Server) -> None:
    """Wait until all that the service has recorded is in its prediction store.

    Raises
    ------
    LoadFailed
        If that takes too long.
    """
    deadline = time.monotonic() + DRAIN_SECONDS
    while _read(server, "housing_journal_pending_bytes"):
        if time.monotonic() > deadline:
            raise LoadFailed(f"records of the load are not in the prediction store {DRAIN_SECONDS} s after it")
        time.sleep(_POLL_SECONDS)


def require_all_stored(server: Server, seen: int, unseen: int) -> int:
    """Return how many predictions the store holds.

    Parameters
    ----------
    server : Server
    seen : int
        Answers that clients counted.
    unseen : int
        Answers that may have left when a client had ended its count: one for each connection of each load.

    Raises
    ------
    LoadFailed
        If the store does not hold one prediction for each answer.
    """
    answered = int(_read(server, "housing_requests_total", endpoint="predict"))
    with closing(sqlite3.connect(f"file:{server.folder / 'predictions.db'}?mode=ro", uri=True)) as store:
        (stored,) = store.execute("SELECT count(*) FROM predictions").fetchone()
    if stored != answered or not seen <= stored <= seen + unseen:
        raise LoadFailed(f"{stored} predictions are stored, the service answered {answered}, its clients saw {seen}")
    return int(stored)


def _read(server: Server, name: str, **labels: str) -> float:
    """Return a metric of the service, summed over the labels that are not given."""
    with urlopen(f"{server.url}/metrics", timeout=10) as answer:
        exposed = answer.read().decode()
    return sum(
        sample.value
        for family in text_string_to_metric_families(exposed)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
