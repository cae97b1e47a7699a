"""What several workers count: in files that have their room, with gauges that sum and go away with their worker."""

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from bento_service.shared_counts import FILE_BYTES, FOLDER, KINDS
from tests.bento_service.breaking import health, journal_bytes, locked, workers
from tests.bento_service.models.registries import wait_until
from tests.bento_service.serving import PROJECT, Service, serving
from tests.databases import new_sqlite

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}

COUNT_EVERYTHING = """if True:
    from bento_service.shared_counts import settle_where_to_count
    settle_where_to_count({workers})
    from bento_service.answers import Tier
    from bento_service.errors import Kind
    from bento_service.metrics import MAX_CATEGORY_LABELS, STATES, Metrics
    from bento_service.protocols.http_routes import ROUTES
    metrics = Metrics()
    statuses = {{"http": {{"200", "202", "204"}} | {{str(kind.http_status) for kind in Kind}},
                "grpc": {{"OK", "CANCELLED"}} | {{kind.grpc_status for kind in Kind}}}}
    for endpoint, _ in ROUTES.values():
        for protocol, found in statuses.items():
            for status in found:
                metrics.count_request(endpoint, protocol, status, 0.1)
    for tier in Tier:
        for number in range(2 * MAX_CATEGORY_LABELS):
            metrics.count_prediction(tier, f"a category with a long name, number {{number}}", True, 0.1)
    metrics.set_states(dict.fromkeys(STATES, 1.0))
    print(metrics.shared, len(metrics.expose().splitlines()))
"""


def count_everything(folder: Path, workers: int) -> str:
    return subprocess.run(
        [sys.executable, "-c", COUNT_EVERYTHING.format(workers=workers)],
        cwd=PROJECT,
        env={**os.environ, FOLDER: str(folder)},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_every_label_has_its_room_from_the_start(tmp_path: Path) -> None:
    shared, lines = count_everything(tmp_path, workers=2).split()
    assert shared == "True"
    assert int(lines) > 500
    files = list(tmp_path.glob("*.db"))
    assert {file.stem.rpartition("_")[0] for file in files} == set(KINDS)
    assert {(file.stat().st_size, file.stat().st_blocks * 512) for file in files} == {(FILE_BYTES, FILE_BYTES)}


def test_one_worker_counts_in_its_own_memory(tmp_path: Path) -> None:
    assert count_everything(tmp_path, workers=1).startswith("False")
    assert not list(tmp_path.iterdir())


def gauge(service: Service, name: str) -> float:
    found = re.search(rf"^housing_{name} (\S+)$", httpx.get(f"{service.url}/metrics", timeout=10).text, re.MULTILINE)
    assert found is not None
    return float(found[1])


@pytest.mark.trial
def test_the_worst_gauge_of_several_workers_counts_and_those_of_a_killed_one_go_away(
    saved: Path, tmp_path: Path
) -> None:
    new_sqlite(tmp_path)
    settings = {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_WORKERS": "2"}
    with serving(tmp_path, settings) as service:
        wait_until(lambda: len(workers(service)) == 2)
        wait_until(lambda: health(service)["prediction_store"]["last_error"] is None)
        with locked(tmp_path):

            def both_have_records() -> bool:
                httpx.post(f"{service.url}/predict", json=HOME, timeout=10).raise_for_status()
                return all(journal_bytes(worker) > 0 for worker in workers(service))

            wait_until(both_have_records)
            written = sum(file.stat().st_size for file in tmp_path.rglob("*.journal"))
            wait_until(lambda: gauge(service, "journal_pending_bytes") == written)
            victim = workers(service)[0]
            files = tmp_path / "bentoml" / "prometheus_multiproc_dir"
            assert list(files.glob(f"gauge_live*_{victim.pid}.db"))
            victim.kill()
            victim.wait(10)
            wait_until(lambda: gauge(service, "journal_pending_bytes") == written)
            assert not list(files.glob(f"gauge_live*_{victim.pid}.db"))
            assert list(files.glob(f"counter_{victim.pid}.db"))  # what it has counted stays counted
