"""Puts load on a server for a while, and returns what was answered, how fast, and at what cost of processor."""

import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import run_process
from benchmarks.serving.servers import KEY, Server

SCRIPT = Path(__file__).with_name("wrk.lua")


class WrkMissing(RuntimeError):
    """There is no wrk."""


class LoadFailed(RuntimeError):
    """Requests were not answered as they must be."""


@dataclass(frozen=True)
class Load:
    """What a server did under load.

    Attributes
    ----------
    answered : int
        Requests.
    seconds : float
    p50, p99 : float
        Seconds from request to answer.
    cpu_seconds : float
        Processor time of all processes of the server, for these requests and for what they left to be done.
    """

    answered: int
    seconds: float
    p50: float
    p99: float
    cpu_seconds: float

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.answered / self.seconds

    @property
    def cpu_per_request(self) -> float:
        """Seconds of processor time per request."""
        return self.cpu_seconds / self.answered


@dataclass(frozen=True)
class Client:
    """What puts load on a server.

    Attributes
    ----------
    server : Server
    command : callable
        Returns the command line for so many concurrent requests, so many seconds, from the request after a position.
    finish : callable
        Returns when the server has done what requests left to be done.
    environment : mapping of str to str
    """

    server: Server
    command: Callable[[int, float, int], Sequence[str]]
    environment: dict[str, str]
    finish: Callable[[], None] = lambda: None

    def load(self, concurrency: int, seconds: float, position: int) -> Load:
        """Keep so many requests running.

        Raises
        ------
        LoadFailed
            If one was not answered, or with an error.
        """
        before = self.server.cpu_seconds()
        printed = run_process(self.command(concurrency, seconds, position), self.environment)
        self.finish()
        cpu_seconds = self.server.cpu_seconds() - before
        self.server.wait_until_idle()
        seen = json.loads(printed.splitlines()[-1])
        failed = seen.pop("failed")
        if failed or not seen["answered"]:
            raise LoadFailed(f"{self.server.recipe.name}: {failed} requests failed, {seen['answered']} were answered")
        return Load(**seen, cpu_seconds=cpu_seconds)


def http_client(
    server: Server, bodies: Path, environment: dict[str, str], finish: Callable[[], None] = lambda: None
) -> Client:
    """Return a client that posts the JSON bodies of a file, a line each, over HTTP."""
    wrk = require_wrk()

    def command(concurrency: int, seconds: float, position: int) -> Sequence[str]:
        options = ["--threads", "1", "--connections", str(concurrency), "--duration", str(round(seconds))]
        given = ["--", str(bodies), str(position), KEY]
        return [wrk, *options, "--timeout", "10", "--script", str(SCRIPT), server.prediction_url, *given]

    return Client(server, command, environment, finish)


def grpc_client(
    server: Server, address: str, folder: Path, environment: dict[str, str], finish: Callable[[], None] = lambda: None
) -> Client:
    """Return a client that asks about the ads of a folder over gRPC."""
    module = [sys.executable, "-m", "benchmarks.serving.grpc_load", address, str(folder), KEY]
    return Client(
        server,
        lambda concurrency, seconds, position: [*module, str(position), str(concurrency), str(seconds)],
        environment,
        finish,
    )


def require_wrk() -> str:
    """Return the path of wrk.

    Raises
    ------
    WrkMissing
        If it is not installed.
    """
    found = shutil.which("wrk")
    if found is None:
        raise WrkMissing("wrk, which puts the load on HTTP, is not installed: apt-get install wrk (brew install wrk)")
    return found
