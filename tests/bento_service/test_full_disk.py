"""A full disk: what cannot be recorded is refused, the process lives, and answers again once there is room."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.bento_service.breaking import filled, mounted, workers
from tests.bento_service.models.registries import wait_until
from tests.bento_service.serving import AUTHORIZED, Service, serving

pytestmark = pytest.mark.acceptance

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with mounted(tmp_path / "disk", "12m") as folder:
        yield folder


def statuses(service: Service, paths: str, times: int = 1) -> set[int]:
    """Ask on connections of their own, so that every worker is asked."""
    found = set()
    for _ in range(times):
        reply = httpx.post(f"{service.url}{paths}", json=HOME, headers=AUTHORIZED, timeout=10)
        found.add(reply.status_code)
    return found


@pytest.mark.parametrize("n_workers", [1, pytest.param(2, marks=pytest.mark.trial)])
def test_a_full_disk_is_answered_503_and_kills_no_worker(saved: Path, disk: Path, n_workers: int) -> None:
    settings = {
        "HOUSING_MODEL_FOLDER": str(saved),
        "HOUSING_WORKERS": str(n_workers),
        "HOUSING_JOURNAL_BYTES": "1000000",
    }
    with serving(disk, settings) as service:
        wait_until(lambda: len(workers(service)) == n_workers)
        assert statuses(service, "/predict", 20) == {200}
        before = workers(service)
        with filled(disk):
            # A worker answers until the page is full that its journal has begun.
            replies = (httpx.post(f"{service.url}/predict", json=HOME, timeout=10) for _ in range(500))
            refused = next(reply for reply in replies if reply.status_code == 503)
            # What was never counted before is counted on pages that were never written to before.
            for path in ("/feedback", "/predict_batch", "/model", "/nothing"):
                statuses(service, path, 5)
            assert httpx.get(f"{service.url}/metrics", timeout=10).status_code == 200
            assert refused.json()["type"].endswith("journal-full")
            assert refused.headers["retry-after"]
            assert workers(service) == before
        wait_until(lambda: statuses(service, "/predict", 10) == {200})
        assert workers(service) == before
