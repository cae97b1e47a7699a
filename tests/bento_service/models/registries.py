"""A real MLflow server with registered models, and a real proxy in front of it that fails in the ways networks do."""

import dataclasses
import gzip
import http.client
import os
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from housing_assets.inference.artifact import MANIFEST, ModelArtifact, sha256
from resources.mlflow.registry import ModelRegistry, Version
from resources.mlflow.server import SERVER_ENVIRONMENT, server_command
from resources.ports import free_port
from resources.signatures import sign
from tests.resources.mlflow_database import new_database
from tests.resources.registered import new_run

START_SECONDS = 90


class Registry:
    """An MLflow server that can be killed, frozen, and started again on its port and its data."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.database = new_database(folder)
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", *server_command(self.database, self._port)]
        with (self.folder / "server.log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, "--artifacts-destination", str(self.folder / "artifacts")],
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **SERVER_ENVIRONMENT},
                start_new_session=True,
            )
        wait_until(lambda: answers(f"{self.url}/health"), START_SECONDS)

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


def wait_until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@dataclass
class ModelSource:
    """Models that were logged once, of which any number of versions can be registered within milliseconds."""

    url: str
    database: str
    folder: Path
    logged: dict[str, tuple[Version, str]] = field(default_factory=dict)

    def log(self, kind: str, artifact_folder: Path) -> None:
        registry = ModelRegistry(tracking_uri=self.url, model_name="source")
        version = registry.register(
            artifact_folder,
            new_run(ModelRegistry(tracking_uri=self.database), self.folder),
            {},
            {"lineage": "first"},
            loader_module="housing_assets.packaging.pyfunc",
            requirements=["pandas"],
            example=pd.DataFrame({"district": ["şile"]}),
            answer={"price_category": "string"},
        )
        self.logged[kind] = version, sha256(artifact_folder / MANIFEST)


class RegisteredModel:
    """One registered model of a test."""

    def __init__(self, source: ModelSource, name: str):
        self.name = name
        self._source = source
        self._client = MlflowClient(tracking_uri=source.database)
        self.create()

    def create(self) -> None:
        self._client.create_registered_model(self.name)

    def delete(self) -> None:
        """Delete the model with its versions and aliases, as a reset of the registry does."""
        self._client.delete_registered_model(self.name)

    def restore(self, *kinds: str) -> None:
        """Make the model anew, with versions of these kinds, where it is gone."""
        try:
            self.create()
        except MlflowException:  # it is there
            return
        self.register(*kinds)

    def register(self, *kinds: str, tag: str | None = None, signing_key: str | None = None) -> None:
        """Register versions 1, 2 and so on of the kinds of model that were logged.

        Parameters
        ----------
        kinds : str
        tag : str, optional
            The digest that they are registered with, by default that of their manifest; none if empty.
        signing_key : str, optional
            Which that digest is signed with.
        """
        for kind in kinds:
            version, digest = self._source.logged[kind]
            tags = {} if tag == "" else {"artifact_sha256": tag or digest}
            if signing_key is not None:
                tags["artifact_signature"] = sign(signing_key, tags["artifact_sha256"])
            self._client.create_model_version(self.name, version.source, version.run_id, tags=tags)

    def point(self, alias: str, number: int) -> None:
        self._client.set_registered_model_alias(self.name, alias, str(number))

    def unpoint(self, alias: str) -> None:
        self._client.delete_registered_model_alias(self.name, alias)


def log_models(source: ModelSource, artifact: ModelArtifact, folder: Path) -> None:
    """Log models that say in their provenance which they are, and others that lack or bend something."""

    def saved(kind: str) -> Path:
        path = folder / kind / "artifact"
        path.mkdir(parents=True)
        dataclasses.replace(artifact, provenance={**artifact.provenance, "kind": kind}).save(path)
        return path

    for kind in ("first", "second", "third"):
        source.log(kind, saved(kind))
    damaged = saved("damaged")
    flip_byte(damaged / "forest.npz")
    source.log("damaged", damaged)
    incomplete = saved("incomplete")
    (incomplete / "golden.json").unlink()
    source.log("incomplete", incomplete)


def flip_byte(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


class FaultProxy:
    """Passes requests on to a server, or fails them.

    Attributes
    ----------
    fault : str
        What happens to requests: ``none``; ``hang`` (no answer), ``trickle`` (a byte every 50 ms), ``truncate`` (half
        of the answer), ``flip`` (a bit in it), ``gzip`` (64 MB of zeros, packed), ``page`` (a HTML page with status
        200), or a status to answer with.
    where : str
        Only requests whose path has this text are failed.
    left : int or None
        How many more requests are failed; None for all.
    requests : list of str
        Their paths, in order.
    """

    def __init__(self, target: str):
        self._target = target.removeprefix("http://")
        self._release = threading.Event()
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.requests: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.heal()
        self.up()

    def fail(self, fault: str, where: str = "", times: int | None = None) -> None:
        self.fault, self.where, self.left = fault, where, times

    def heal(self) -> None:
        self.fail("none")
        self._release.set()
        self._release = threading.Event()

    def up(self) -> None:
        proxy = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                proxy.answer(self)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Be silent."""

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: Any) -> None:
                """Be silent about clients that went away."""

        self._server = Server(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append(handler.path)
        self.headers.append(dict(handler.headers))
        fault = self._next_fault(handler.path)
        release = self._release
        if fault == "hang":
            release.wait(30)
            reset(handler)
            return
        if fault.isdecimal():
            respond(handler, int(fault), b"failed on purpose")
            return
        if fault == "gzip":
            respond(handler, 200, gzip.compress(bytes(2**26)), packed=True)
            return
        if fault == "page":
            respond(handler, 200, b"<html>Welcome</html>")
            return
        upstream = http.client.HTTPConnection(self._target, timeout=60)
        upstream.request("GET", handler.path)
        response = upstream.getresponse()
        body = response.read()
        upstream.close()
        if fault == "flip":
            body = body[: len(body) // 2] + bytes([body[len(body) // 2] ^ 1]) + body[len(body) // 2 + 1 :]
        if fault == "trickle":
            trickle(handler, body, release)
        elif fault == "truncate":
            respond(handler, response.status, body, sent=len(body) // 2)
            reset(handler)
        else:
            respond(handler, response.status, body)

    def count(self, text: str) -> int:
        return sum(text in path for path in self.requests)

    def _next_fault(self, path: str) -> str:
        if self.where not in path or self.left == 0:
            return "none"
        if self.left is not None:
            self.left -= 1
        return self.fault


def respond(
    handler: BaseHTTPRequestHandler, status: int, body: bytes, sent: int | None = None, *, packed: bool = False
) -> None:
    handler.send_response(status)
    if packed:
        handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", str(len(body)))
    handler.end_headers()
    handler.wfile.write(body[:sent])


def trickle(handler: BaseHTTPRequestHandler, body: bytes, release: threading.Event) -> None:
    respond(handler, 200, body, sent=0)
    for byte in body:
        handler.wfile.write(bytes([byte]))
        if release.wait(0.05):
            break
    reset(handler)


def reset(handler: BaseHTTPRequestHandler) -> None:
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.close_connection = True
