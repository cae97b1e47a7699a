"""What the service depends on, in forms that can be broken on purpose, and looks at how the service takes it."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.bento_service.models.registries import answers, free_port
from tests.bento_service.serving import PROJECT, Service
from tests.resources.mlflow_database import new_database

REGISTRY_START_SECONDS = 90

POSTGRESQL = """if True:
    import sys
    from pathlib import Path
    from tests.databases import running_server
    with running_server(Path(sys.argv[1])) as server:
        print(server.get_uri(), flush=True)
        sys.stdin.read()
"""


class Registry:
    """An MLflow server that can be killed, frozen, and started again on its port and its data."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.database = new_database(folder)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        stored = ["--backend-store-uri", self.database, "--artifacts-destination", str(self.folder / "artifacts")]
        command = [str(Path(sys.executable).parent / "mlflow"), "server", *stored, "--port", str(self._port)]
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, "--workers", "1"],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"},
                start_new_session=True,
            )
        wait_until(lambda: answers(f"{self.url}/health"), REGISTRY_START_SECONDS)

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it take connections and answer nothing."""
        os.killpg(self._process.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(self._process.pid, signal.SIGCONT)


@contextmanager
def locked(store_folder: Path) -> Iterator[None]:
    """Keep everybody else from writing to an SQLite store, as a backup or another writer does."""
    with closing(sqlite3.connect(store_folder / "predictions.db", isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Run a server on the data in a folder, and give its URL; entering again goes on with the same data.

    In a process of its own: to change its user it forks, which the threads of gRPC in this one do not bear.
    """
    with subprocess.Popen(
        [sys.executable, "-c", POSTGRESQL, str(folder)], cwd=PROJECT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().decode().strip()


def workers(service: Service) -> list[psutil.Process]:
    return list(psutil.Process(service.process.pid).children(recursive=True))


def journal_bytes(worker: psutil.Process) -> int:
    """Return the size of the segments that a worker has open."""
    return sum(Path(file.path).stat().st_size for file in worker.open_files() if file.path.endswith(".journal"))


def kill(service: Service) -> None:
    """Kill a service with its workers, which outlive it otherwise."""
    for process in [*workers(service), psutil.Process(service.process.pid)]:
        process.kill()


def health(service: Service) -> Any:
    with service.client() as client:
        return client.get("/health/deep").json()


def store_error(service: Service) -> str:
    """Return why the service cannot write to its store; nothing if it can."""
    return str(health(service)["prediction_store"]["last_error"] or "")


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)
