"""A day of traffic at speed: whether the service's memory stays flat, and its store grows by the same per prediction.

``python -m benchmarks.soak`` sends what a service gets in 24 hours that is asked once a second, with its probes,
scrapes and feedback, while it follows a registry and moves its records into SQLite.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import orjson

from benchmarks.measure import child_environment, run_module
from benchmarks.report import machine
from benchmarks.serving.files import REGISTRY, REQUESTS
from benchmarks.serving.load import LoadFailed
from benchmarks.serving.servers import KEY, Recipe, Server, bentoml_recipe, running
from benchmarks.serving.store import require_all_stored, wait_until_stored
from bento_service.auth import digest
from resources.mlflow.server import SERVER_ENVIRONMENT, server_command

DAY = 24 * 60 * 60
ROWS = 2_000
"""Synthetic ads to train on."""

READY_EVERY, SCRAPE_EVERY, FEEDBACK_EVERY, REFRESH_EVERY = 5, 15, 50, 10
"""Simulated seconds, which are predictions, between two probes, scrapes, prices that come back, and looks at the
registry."""

SPEED = 400
"""Simulated seconds in one of ours. It is held: BentoML keeps some kilobytes of each request until its time limit is
over, so that the same traffic at changing speed would take changing memory."""

CONNECTIONS = 4
SAMPLES, SHOWN_EVERY = 40, 4
SETTLING, SETTLED = 0.2, 0.5
"""Shares of the day after which memory grows less, and no more: the first thousands of scrapes and of looks at the
registry take some megabytes, which later ones use again."""

MAX_SLOPE = 0.1
"""Megabytes for 10,000 predictions that count as flat: less than one a day."""

MIN_R2 = 0.999
"""Of a straight line through the store's size."""


@dataclass(frozen=True)
class Sample:
    """How the service stood after some predictions: bytes, with nothing left in the journal to be stored."""

    predictions: int
    rss: int
    store: int
    journal: int


def main(argv: Sequence[str] | None = None) -> None:
    """Send the day, print how the service stood meanwhile, and exit with an error if it has grown."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.soak", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--predictions", type=int, default=DAY, help="one a simulated second (default: a day of them)")
    n_predictions = parser.parse_args(argv).predictions
    print("| predictions | memory | prediction store | journal |\n| --- | --- | --- | --- |", flush=True)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        samples = run_day(Path(folder), n_predictions)
    print(
        f"\n{n_predictions:,} predictions and what goes with them in {time.perf_counter() - started:.0f} s; {machine()}"
    )
    settling, settled = (memory_slope(samples[round(share * SAMPLES) :]) for share in (SETTLING, SETTLED))
    r2 = store_linearity(samples)
    flat, linear = settled <= MAX_SLOPE, r2 >= MIN_R2
    growth = (samples[-1].store - samples[0].store) / n_predictions
    print(
        f"memory: {settling:+.3f} MB per 10,000 predictions after {SETTLING:.0%} of the day, "
        f"{settled:+.3f} after {SETTLED:.0%}: {'' if flat else 'not '}flat"
    )
    print(f"store: {growth:,.0f} bytes per prediction, R² {r2:.6f}: {'' if linear else 'not '}linear")
    sys.exit(not (flat and linear))


def run_day(folder: Path, n_predictions: int) -> list[Sample]:
    """Send the predictions to a new service, and return how it stood at the start and in even steps.

    Raises
    ------
    LoadFailed
        If a request is not answered as it must be, or what was answered is not stored.
    """
    environment = child_environment(folder)
    run_module("benchmarks.serving.inputs", folder, ROWS, environment=environment)
    _promote(f"sqlite:///{folder / REGISTRY}")
    bodies = (folder / REQUESTS).read_bytes().splitlines()
    with running(_registry_recipe(folder), folder, environment) as registry:
        recipe = bentoml_recipe("service", "bento_service.service:HousingPriceClassifier", folder, digest(KEY).hex())
        followed = {
            "MLFLOW_TRACKING_URI": registry.url,
            "HOUSING_REFRESH_SECONDS": str(REFRESH_EVERY / SPEED),
        }
        recipe = replace(recipe, environment={**recipe.environment, **followed})
        with running(recipe, folder, environment) as server, ThreadPoolExecutor(CONNECTIONS) as executor:
            clients = [Client(server, bodies) for _ in range(CONNECTIONS)]
            samples = [take_sample(server, 0)]
            for number in range(1, SAMPLES + 1):
                start, end = samples[-1].predictions, n_predictions * number // SAMPLES
                shares = [range(start + first, end, CONNECTIONS) for first in range(CONNECTIONS)]
                list(executor.map(Client.send, clients, shares))
                samples.append(take_sample(server, end))
                if number % SHOWN_EVERY == 0:
                    show(samples[-1])
            require_all_stored(server, n_predictions, 0)
        looks = (registry.folder / "server.log").read_text().count("registered-models/get")
        print(f"\nThe service looked {looks:,} times at the registry.")
    return samples


class Client:
    """A connection to the service.

    Parameters
    ----------
    server : Server
    bodies : sequence of bytes
        Listings to ask about in turn, as JSON.
    """

    def __init__(self, server: Server, bodies: Sequence[bytes]):
        self._connection = HTTPConnection("127.0.0.1", server.port, timeout=30)
        self._bodies = bodies

    def send(self, numbers: Iterable[int]) -> None:
        """Send the predictions of these simulated seconds at their time, and what goes with them."""
        begun = time.monotonic()
        for done, number in enumerate(numbers):
            time.sleep(max(0.0, begun + done * CONNECTIONS / SPEED - time.monotonic()))
            answer = self._ask("POST", "/predict", self._bodies[number % len(self._bodies)])
            if number % READY_EVERY == 0:
                self._ask("GET", "/readyz")
            if number % SCRAPE_EVERY == 0:
                self._ask("GET", "/metrics")
            if number % FEEDBACK_EVERY == 0:
                prediction_id = orjson.loads(answer)["prediction_id"]
                self._ask("POST", "/feedback", orjson.dumps({"prediction_id": prediction_id, "price": 3_100_000}))

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self._connection.request(
            method, path, body, {"content-type": "application/json", "authorization": f"Bearer {KEY}"}
        )
        reply = self._connection.getresponse()
        found = reply.read()
        if not 200 <= reply.status < 300:
            raise LoadFailed(f"{method} {path} was answered {reply.status}: {found[:300]!r}")
        return found


def take_sample(server: Server, n_predictions: int) -> Sample:
    """Wait until everything is stored, and read how the service stands."""
    wait_until_stored(server)
    store = sum(path.stat().st_size for path in server.folder.glob("predictions.db*"))
    journal = sum(path.stat().st_size for path in (server.folder / "serving" / "journal").iterdir())
    return Sample(n_predictions, server.worker_memory().rss, store, journal)


def show(sample: Sample) -> None:
    """Print a row of the table."""
    megabytes = " | ".join(f"{size / 1e6:.1f} MB" for size in (sample.rss, sample.store, sample.journal))
    print(f"| {sample.predictions:,} | {megabytes} |", flush=True)


def memory_slope(samples: Sequence[Sample]) -> float:
    """Return by how much memory grows: megabytes for 10,000 predictions."""
    predictions = [sample.predictions for sample in samples]
    return float(np.polyfit(predictions, [sample.rss for sample in samples], 1)[0]) * 10_000 / 1e6


def store_linearity(samples: Sequence[Sample]) -> float:
    """Return R² of a straight line through the store's size over the predictions."""
    return float(
        np.corrcoef([sample.predictions for sample in samples], [sample.store for sample in samples])[0, 1] ** 2
    )


def _promote(database: str) -> None:
    from mlflow import MlflowClient

    MlflowClient(tracking_uri=database).set_registered_model_alias("HousingPriceClassifier", "production", "1")


def _registry_recipe(folder: Path) -> Recipe:
    command = (sys.executable, "-m", *server_command(f"sqlite:///{folder / REGISTRY}", "{port}"))
    return Recipe("registry", command, SERVER_ENVIRONMENT | {"PYTHONUNBUFFERED": "1"}, "", "/health")


if __name__ == "__main__":
    main()
