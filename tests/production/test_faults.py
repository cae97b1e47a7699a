"""Databases and object stores that fail in the middle of training and of serving: nothing lost, everything resumed.

The processes are those of production: a daemon, runs launched beside it, the service under load. Each test prints what
befell them and how long they took to recover.
"""

import asyncio
import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg
import pytest

from demo.processes import PROJECT, Processes
from housing_assets.command_line.processes import program
from housing_assets.traffic.rows import sample_rows
from housing_assets.traffic.sending import Plan, Tally, send
from resources.checkpoints import FOREST, MANIFEST, Checkpoints
from tests.acceptance.platform import Served, days_ago
from tests.bento_service.models.registries import wait_until
from tests.bento_service.serving import KEY
from tests.production.platform import ROWS, ProductionPlatform, wait_for_version
from tests.production.stack import BUCKET, Stack
from tests.resources.faulty_s3 import Fault

pytestmark = pytest.mark.trial

TREES = 300
CONFIG = {
    "ops": {
        "price_forest": {"config": {"n_trees": TREES}},
        "model_evaluation": {"config": {"min_macro_f1": 0.5, "min_recall": 0.3, "max_calibration_error": 0.5}},
    }
}
AWAY = 8.0
"""Seconds for which something is away."""


@dataclass
class Plant:
    """A deployment with its daemon, and a first version that nothing befell."""

    stack: Stack
    environment: dict[str, str]
    processes: Processes
    platform: ProductionPlatform
    digest: str = ""

    @property
    def instance(self) -> dg.DagsterInstance:
        return self.platform.instance

    @property
    def mirror(self) -> Checkpoints:
        return Checkpoints(
            folder=str(self.platform.settings.market_storage / "checkpoints"),
            mirror=self.platform.settings.checkpoints_location,
        )

    def launch(self) -> "subprocess.Popen[bytes]":
        """Launch a whole training as `housing materialize` does."""
        command = ["dg", "launch", "--assets", 'key:"raw_listings"+', "--config-json", json.dumps(CONFIG)]
        with (self.stack.folder / "training.log").open("ab") as log:
            return subprocess.Popen(
                program(command), cwd=PROJECT, env=self.environment, stdout=log, stderr=log, start_new_session=True
            )

    def checkpointed(self) -> int:
        """Return how many checkpoints the mirror has parts of."""
        return sum(key.endswith(".npz") for key in self.stack.objects("team/checkpoints/"))

    def forest(self) -> dict[str, object]:
        event = self.instance.get_latest_materialization_event(dg.AssetKey("price_forest"))
        assert event is not None
        assert event.asset_materialization is not None
        return {name: entry.value for name, entry in event.asset_materialization.metadata.items()}

    def succeeded(self, before: int) -> bool:
        runs = self.instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
        return runs > before


@pytest.fixture(scope="module")
def plant(stack: Stack) -> Iterator[Plant]:
    with pytest.MonkeyPatch.context() as patch:
        environment = {**stack.environment(), "HOUSING_SAMPLE_ROWS": str(ROWS)}
        for name, value in environment.items():
            patch.setenv(name, value)
        environment = {**os.environ, **environment}
        with (
            dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance,
            Processes(stack.folder / "logs", environment) as processes,
        ):
            processes.start("daemon", ["dagster-daemon", "run", "-m", "housing_assets.definitions"])
            platform = ProductionPlatform("istanbul", Path(), Path(), instance)
            made = Plant(stack, environment, processes, platform)
            began = time.monotonic()
            assert made.launch().wait(300) == 0, (stack.folder / "training.log").read_text()[-3000:]
            made.digest = str(made.forest()["forest_digest"])
            print(f"\nan undisturbed training: {time.monotonic() - began:.1f} s, forest {made.digest[:12]}")
            yield made


@contextmanager
def database_away(plant: Plant) -> Iterator[None]:
    plant.stack.stop_database()
    try:
        yield
    finally:
        plant.stack.start_database()


def object_store_away(fault: Fault) -> Callable[[Plant], object]:
    def away(plant: Plant) -> object:
        plant.stack.s3.delay = 2.0
        return plant.stack.s3.failing(fault)

    away.__name__ = f"S3 {fault}"
    return away


FAULTS = [database_away, object_store_away("503"), object_store_away("slow"), object_store_away("cut off")]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_training_goes_on_to_the_very_same_forest(plant: Plant, fault: Callable[[Plant], object]) -> None:
    plant.mirror.remove(FOREST)
    known = plant.instance.get_runs_count(dg.RunsFilter(statuses=[dg.DagsterRunStatus.SUCCESS]))
    befallen = plant.stack.s3.befallen
    launched = plant.launch()
    wait_until(lambda: plant.checkpointed() >= 2, 180)

    with fault(plant):  # type: ignore[attr-defined]
        time.sleep(AWAY)
    mended, saved = time.monotonic(), plant.checkpointed()
    wait_until(lambda: plant.checkpointed() > saved or plant.succeeded(known), 600)
    resumed = time.monotonic() - mended
    wait_until(lambda: plant.succeeded(known), 600)
    seconds = time.monotonic() - mended
    launched.wait(60)

    forest = plant.forest()
    print(
        f"\n{fault.__name__} for {AWAY:.0f} s in training: the next checkpoint {resumed:.1f} s after it was back, done "
        f"after {seconds:.1f} s, "
        f"{forest['trees_from_checkpoint']} of {forest['trees']} trees taken from checkpoints, "
        f"{plant.stack.s3.befallen - befallen} requests befallen, `dg launch` ended with {launched.returncode}"
    )
    assert forest["forest_digest"] == plant.digest
    manifest = f"team/checkpoints/istanbul/{FOREST}/{MANIFEST}"
    stored = json.loads(plant.stack.bucket.get_object(Bucket=BUCKET, Key=manifest)["Body"].read())
    assert stored["manifest"]["n_trees"] == TREES


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_every_answer_is_given_and_kept(plant: Plant, fault: Callable[[Plant], object]) -> None:
    before = plant.stack.rows("predictions").get("predictions", 0)
    version = str(plant.platform.production().number)
    with plant.platform.following(plant.environment) as served:
        wait_for_version(served.http, version)
        stopped = threading.Event()
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(send_until, served, stopped)
            time.sleep(2)
            with fault(plant):  # type: ignore[attr-defined]
                time.sleep(AWAY)
            mended = time.monotonic()
            time.sleep(2)
            stopped.set()
            tallies = sending.result()
        answered, failed = sum(tally.answered for tally in tallies), sum(tally.failed for tally in tallies)
        served.wait_until_stored()
        seconds = time.monotonic() - mended

    stored = plant.stack.rows("predictions")["predictions"] - before
    print(
        f"\n{fault.__name__} for {AWAY:.0f} s under load: {answered} answered, {failed} failed, "
        f"{answered - stored} lost, all stored {seconds:.1f} s after it was back"
    )
    assert (failed, stored) == (0, answered)


def send_until(served: Served, stopped: threading.Event) -> list[Tally]:
    tallies = []
    while not stopped.is_set():
        rows = sample_rows(served.market, 100, seed=len(tallies), as_of=days_ago(0))
        tallies.append(asyncio.run(send(served.url, KEY, served.market, rows, Plan(rate=100, connections=4))))
    return tallies


def test_a_promotion_reaches_the_service_once_the_object_store_is_back(plant: Plant) -> None:
    with plant.platform.following(plant.environment) as served:
        old = plant.platform.production()
        wait_for_version(served.http, str(old.number))
        with plant.stack.s3.failing("503"):
            newest = plant.platform.registry.versions()[0]
            new = newest if newest.number != old.number else plant.platform.registry.versions()[1]
            plant.platform.registry.promote(new)
            time.sleep(AWAY)
            assert served.http.post("/predict", json=dict(served.market.example)).status_code == 200
        seconds = wait_for_version(served.http, str(new.number), 180)
    print(f"\nthe service follows a promotion {seconds:.1f} s after S3 was back")
