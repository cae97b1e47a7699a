"""Starts the real service, with its real sockets, for tests."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from bento_service.auth import digest
from resources.ports import free_port

PROJECT = Path(__file__).parents[2]
START_SECONDS = 60
KEY = "a-key-of-the-tests"
KEYS = f"tests:{digest(KEY).hex()}"
AUTHORIZED = {"authorization": f"Bearer {KEY}"}


@dataclass
class Service:
    """A running service."""

    process: "subprocess.Popen[bytes]"
    port: int
    grpc_port: int
    storage: Path
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=10, verify=False)

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the service ended with {self.process.returncode}:\n{self.log.read_text()[-4000:]}")
            try:
                if httpx.get(f"{self.url}/readyz", timeout=2, verify=False).is_success:
                    return
            except httpx.TransportError:
                pass
            time.sleep(0.05)
        raise RuntimeError(f"the service was not ready within {START_SECONDS} s:\n{self.log.read_text()[-4000:]}")

    def stop(self, with_signal: int = signal.SIGTERM) -> int:
        if self.process.poll() is None:
            os.killpg(self.process.pid, with_signal)
        return self.process.wait(timeout=30)


@contextmanager
def serving(
    storage: Path,
    environment: Mapping[str, str],
    *,
    wait: bool = True,
    host: str = "127.0.0.1",
    arguments: tuple[str, ...] = (),
    ports: tuple[int, int] | None = None,
) -> Iterator[Service]:
    """Serve below a storage folder, with settings of the environment, on free ports unless some are named."""
    port, grpc_port = ports or (free_port(), free_port())
    storage.mkdir(parents=True, exist_ok=True)
    log = storage / "service.log"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("HOUSING_", "MLFLOW_"))}
    with log.open("wb") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "bentoml", "serve", "bento_service.service:HousingPriceClassifier"),
                *("--port", str(port), "--host", host, *arguments),
            ],
            cwd=PROJECT,
            env={
                **inherited,
                "BENTOML_HOME": str(storage / "bentoml"),
                "BENTOML_DO_NOT_TRACK": "True",
                "HOUSING_STORAGE": str(storage),
                "HOUSING_GRPC_PORT": str(grpc_port),
                "HOUSING_API_KEYS": KEYS,
                "HOUSING_DRAIN_SECONDS": "0",
                **environment,
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    service = Service(process, port, grpc_port, storage, log)
    try:
        if wait:
            service.wait_until_ready()
        yield service
    finally:
        if process.poll() is None:
            service.stop()
