"""Ready means ready: nothing is left to import or migrate. A worker that leaves says so before it takes no more."""

import signal
import socket
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import grpc
import httpx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import select

from housing_assets.command_line.servers import KEEP_ALIVE_SECONDS
from resources.predictions.tables import PREDICTIONS
from tests.bento_service.breaking import locked, store_error, workers
from tests.bento_service.models.registries import wait_until
from tests.bento_service.serving import PROJECT, Service, serving
from tests.bento_service.stored import read_store, ship_what_is_left
from tests.databases import new_sqlite

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}

ANSWER_AND_SHIP = """if True:
    import asyncio, sys
    from pathlib import Path
    from bento_service.runtime import Runtime
    from resources.serving_settings import ServingSettings

    async def run(storage, folder):
        runtime = Runtime(ServingSettings(storage=Path(storage), model_folder=Path(folder)), None, "127.0.0.1")
        await runtime.start()
        before = set(sys.modules)
        for _ in range(200):
            runtime.classifier.predict({home!r}, None, "http")
        while runtime.check_health(hosts=True)["prediction_store"]["shipped"] < 200:
            await asyncio.sleep(0.05)
        print(*sorted(set(sys.modules) - before))
        await runtime.stop()

    asyncio.run(run(*sys.argv[1:]))
"""


@pytest.mark.acceptance
def test_once_a_worker_is_ready_nothing_is_imported_any_more(saved: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", ANSWER_AND_SHIP.format(home=HOME), str(tmp_path), str(saved)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout.split()) == (0, []), ended.stderr


@pytest.mark.trial
def test_once_a_service_is_ready_its_store_is_migrated(saved: Path, tmp_path: Path) -> None:
    with (
        serving(tmp_path, {"HOUSING_MODEL_FOLDER": str(saved)}),
        closing(sqlite3.connect(tmp_path / "predictions.db")) as store,
    ):
        assert store.execute("SELECT count(*) FROM prediction_store_version").fetchone() == (1,)  # within 3 s


@pytest.mark.trial
def test_a_store_that_is_locked_delays_the_start_by_seconds_only(saved: Path, tmp_path: Path) -> None:
    new_sqlite(tmp_path)
    with locked(tmp_path), serving(tmp_path, {"HOUSING_MODEL_FOLDER": str(saved)}) as service, service.client() as http:
        assert http.post("/predict", json=HOME).status_code == 200
        wait_until(lambda: "locked" in store_error(service))


def grpc_health(service: Service) -> str:
    with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        found = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(found.status)


@pytest.mark.acceptance
@pytest.mark.parametrize("who", [pytest.param("the supervisor", marks=pytest.mark.trial), "the group"])
def test_readiness_turns_off_while_requests_are_still_answered(saved: Path, tmp_path: Path, who: str) -> None:
    settings = {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_DRAIN_SECONDS": "4"}
    with serving(tmp_path, settings) as service:
        assert grpc_health(service) == "SERVING"
        with service.client() as http:
            assert "connection" not in http.post("/predict", json=HOME).headers
            begun = time.monotonic()
            if who == "the group":
                # As bento's supervisor and a terminal do together: each worker is told twice.
                for process in workers(service):
                    process.terminate()
            service.process.send_signal(signal.SIGTERM)
            wait_until(lambda: httpx.get(f"{service.url}/readyz", verify=False).status_code == 503, 3)
            refused = httpx.get(f"{service.url}/readyz")
            assert refused.json()["type"].endswith("shutting-down")
            wait_until(lambda: grpc_health(service) == "NOT_SERVING", 3)
            answered = http.post("/predict", json=HOME)  # on the connection that there was
            assert (answered.status_code, answered.headers["connection"]) == (200, "close")
            assert httpx.post(f"{service.url}/predict", json=HOME).status_code == 200  # on a new one
            assert httpx.get(f"{service.url}/livez").status_code == 200
            assert time.monotonic() - begun < 4
        assert service.process.wait(20) == 0
        assert time.monotonic() - begun > 4
    ship_what_is_left(tmp_path)
    assert len(read_store(tmp_path, select(PREDICTIONS.c.prediction_id))) == 3


@pytest.mark.trial
def test_an_idle_connection_outlives_those_of_clients_and_balancers(saved: Path, tmp_path: Path) -> None:
    keep = ("--timeout-keep-alive", str(KEEP_ALIVE_SECONDS))
    assert f"{keep[0]} {keep[1]} " in (PROJECT / "deploy" / "service" / "start.sh").read_text()
    with (
        serving(tmp_path, {"HOUSING_MODEL_FOLDER": str(saved)}, arguments=keep) as service,
        socket.create_connection(("127.0.0.1", service.port)) as connection,
    ):
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.settimeout(65)
        with pytest.raises(TimeoutError):  # rather than the end of the connection
            connection.recv(1)
        connection.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
