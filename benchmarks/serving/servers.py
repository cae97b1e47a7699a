"""Starts servers as users do, each in a process group of its own, and reads what they cost from the kernel."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import psutil

from benchmarks.measure import ROOT
from benchmarks.serving.files import ARTIFACT, REGISTRY, USUAL_FOLDER
from resources.ports import free_port

KEY = "the-key-of-the-benchmark"
START_SECONDS = 90
STOP_SECONDS = 30
IDLE_SECONDS = 60
_POLL_SECONDS = 0.01
_GLANCE_SECONDS = 0.2
_IDLE_SHARE = 0.2
"""Of a processor's time, below which a server counts as idle: timers and the reading of metrics take less."""


class ServerFailed(RuntimeError):
    """A server ended, or was not ready in time; the message ends with its log."""


@dataclass(frozen=True)
class Recipe:
    """How a server is started.

    Attributes
    ----------
    name : str
        For its files.
    command : sequence of str
        With ``{port}`` where the port goes.
    environment : mapping of str to str
        Beside the one that all servers have; ``{port2}`` stands for another free port.
    path : str
        Where it answers predictions, below its address.
    ready : str
        Where it answers 200 once it is ready; empty for a server that is not asked over HTTP.
    """

    name: str
    command: Sequence[str]
    environment: Mapping[str, str]
    path: str
    ready: str


class Memory(NamedTuple):
    """What a process holds, in bytes: resident, and the same with each shared page divided by those who share it."""

    rss: int
    pss: int


@dataclass(frozen=True)
class Server:
    """A running server."""

    recipe: Recipe
    process: "subprocess.Popen[bytes]"
    port: int
    second_port: int
    folder: Path
    seconds_to_ready: float

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its address, as a URL."""
        return f"http://{self.address}"

    @property
    def prediction_url(self) -> str:
        """Where it answers predictions over HTTP."""
        return f"{self.url}{self.recipe.path}"

    @property
    def second_address(self) -> str:
        """Host and port where our service answers gRPC."""
        return f"127.0.0.1:{self.second_port}"

    def cpu_seconds(self) -> float:
        """Return the processor time, user and system, that its living processes have taken."""
        return sum(sum(each.cpu_times()[:2]) for each in self._tree())

    def wait_until_idle(self) -> None:
        """Wait until it works no more on requests that a client has left behind.

        Raises
        ------
        ServerFailed
            If it goes on working.
        """
        deadline = time.monotonic() + IDLE_SECONDS
        before = self.cpu_seconds()
        while time.monotonic() < deadline:
            time.sleep(_GLANCE_SECONDS)
            now = self.cpu_seconds()
            if now - before < _GLANCE_SECONDS * _IDLE_SHARE:
                return
            before = now
        raise ServerFailed(f"{self.recipe.name} was still working {IDLE_SECONDS} s after its load")

    def worker_memory(self) -> Memory:
        """Return what its largest process holds: the one that answers."""
        found = (each.memory_full_info() for each in self._tree())
        largest = max(found, key=lambda memory: memory.rss)
        return Memory(largest.rss, largest.pss)

    def _tree(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]


def bentoml_recipe(name: str, service: str, folder: Path, digest: str) -> Recipe:
    """Return how one of our services is started: closed but to one key, and without a registry."""
    storage = folder / name
    return Recipe(
        name,
        (sys.executable, "-m", "bentoml", "serve", service, "--host", "127.0.0.1", "--port", "{port}"),
        {
            "BENTOML_HOME": str(storage / "bentoml"),
            "BENTOML_DO_NOT_TRACK": "True",
            "HOUSING_STORAGE": str(storage),
            "HOUSING_GRPC_PORT": "{port2}",
            "HOUSING_MODEL_FOLDER": str(folder / ARTIFACT),
            "HOUSING_API_KEYS": f"benchmark:{digest}",
            "HOUSING_OPEN_ENDPOINTS": "model,health,metrics",
        },
        "/predict",
        "/readyz",
    )


def usual_recipe(name: str, folder: Path) -> Recipe:
    """Return how the usual FastAPI service is started."""
    command = (sys.executable, "-m", "uvicorn", "benchmarks.serving.usual:app", "--port", "{port}")
    return Recipe(name, (*command, "--no-access-log"), {USUAL_FOLDER: str(folder)}, "/predict", "/health")


def mlflow_recipe(name: str, folder: Path) -> Recipe:
    """Return how MLflow serves the registered version."""
    command = (sys.executable, "-m", "mlflow", "models", "serve", "--model-uri", "models:/HousingPriceClassifier/1")
    return Recipe(
        name,
        (*command, "--env-manager", "local", "--port", "{port}"),
        {"MLFLOW_TRACKING_URI": f"sqlite:///{folder / REGISTRY}", "MLFLOW_DISABLE_TELEMETRY": "true"},
        "/invocations",
        "/ping",
    )


def grpc_floor_recipe(name: str) -> Recipe:
    """Return how the gRPC server that does nothing is started."""
    return Recipe(name, (sys.executable, "-m", "benchmarks.serving.grpc_floor", "{port}"), {}, "", "")


@contextmanager
def running(recipe: Recipe, folder: Path, environment: Mapping[str, str]) -> Iterator[Server]:
    """Start a server, wait until it is ready, and stop it in the end.

    Raises
    ------
    ServerFailed
        If it ends or is not ready in time, or does not stop on SIGTERM.
    """
    port, second_port = free_port(), free_port()
    ports = {"{port}": str(port), "{port2}": str(second_port)}
    storage = folder / recipe.name
    storage.mkdir(exist_ok=True)
    log = storage / "server.log"
    started = time.perf_counter()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [ports.get(word, word) for word in recipe.command],
            cwd=ROOT,
            env={
                **environment,
                # Commands that servers start by their bare names are those beside this interpreter.
                "PATH": f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', '')}",
                **{name: ports.get(value, value) for name, value in recipe.environment.items()},
            },
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_ready(recipe, process, port, log)
        yield Server(recipe, process, port, second_port, storage, time.perf_counter() - started)
    finally:
        _stop(recipe, process)


def _wait_until_ready(recipe: Recipe, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if _is_ready(recipe, port):
            return
        time.sleep(_POLL_SECONDS)
    happened = "was not ready in time" if process.poll() is None else f"ended with {process.returncode}"
    raise ServerFailed(f"{recipe.name} {happened}:\n{log.read_text(errors='replace')[-3000:]}")


def _is_ready(recipe: Recipe, port: int) -> bool:
    try:
        if not recipe.ready:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return True
        with urlopen(f"http://127.0.0.1:{port}{recipe.ready}", timeout=5) as answer:
            return bool(answer.status == HTTPStatus.OK)
    except (OSError, HTTPException):  # among them the answers that are errors
        return False


def _stop(recipe: Recipe, process: "subprocess.Popen[bytes]") -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        raise ServerFailed(f"{recipe.name} did not stop within {STOP_SECONDS} s") from None
