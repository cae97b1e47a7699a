"""Faults of everything around the service while requests keep coming: each is answered, and no answer is lost.

``make trials`` runs them and prints a table of what was seen.
"""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from bento_service.models.availability import Model
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.prediction import UnusableListing
from housing_assets.market_loading import load_market
from resources.settings import MODEL_NAME
from tests.bento_service.ads import sample_ads
from tests.bento_service.breaking import (
    filled,
    flooded_with_headers,
    health,
    journal_bytes,
    kill,
    locked,
    mounted,
    postgresql,
    settable,
    store_error,
    workers,
)
from tests.bento_service.load import HttpConnection, Load
from tests.bento_service.models.registries import ModelSource, RegisteredModel, Registry, flip_byte, wait_until
from tests.bento_service.serving import PROJECT, Service, serving
from tests.bento_service.trial import CALM, Outcome, Trials, table
from tests.bento_service.versions import of_fewer_trees
from tests.databases import new_database, new_sqlite

pytestmark = pytest.mark.trial

N_LISTINGS = 200
LONGEST_MS = 3_000
"""What a request may take on a machine that does other things, too: less than any timeout of what fails here."""

READY_SECONDS = 10.0
"""Within which a service is ready whatever its registry does: it waits half of one for that, the rest is slowness."""

FIRST, SECOND, DAMAGED, POISON = 1, 2, 3, 4
"""Registered versions."""

KINDS = ("first", "second", "damaged", "poison")
"""Of model, in the order of their versions."""

KILLER = """
import os, signal, sys

def die(event, arguments):
    if event == "open" and str(arguments[0]).endswith("golden.json"):
        with open(os.path.join(os.path.dirname(arguments[0]), "manifest.json")) as manifest:
            if '"kind": "poison"' in manifest.read():
                os.kill(os.getpid(), signal.SIGKILL)

sys.addaudithook(die)
"""
"""Kills a process that loads the version of this kind, as one does whose files make a library crash."""

STORM = [HttpConnection] * 40
STORM_BATCH = 500


@pytest.fixture(scope="module")
def shared(artifact: ModelArtifact, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trials]:
    folder = tmp_path_factory.mktemp("faults")
    registry = Registry(folder)
    try:
        source = ModelSource(registry.url, registry.database, folder)
        models = {
            "first": artifact,
            "second": of_fewer_trees(artifact, 8),
            "baked": of_fewer_trees(artifact, 11),
            "poison": replace(artifact, provenance={**artifact.provenance, "kind": "poison"}),
        }
        folders = {kind: folder / kind / "artifact" for kind in (*models, "damaged")}
        for kind, path in folders.items():
            path.mkdir(parents=True)
            models.get(kind, artifact).save(path)
        flip_byte(folders["damaged"] / "forest.npz")
        for kind in KINDS:
            source.log(kind, folders[kind])
        versions = RegisteredModel(source, MODEL_NAME)
        versions.register(*KINDS)
        listings = usable_examples(artifact)
        served: dict[tuple[str, str], Model] = {
            ("production", str(FIRST)): models["first"],
            ("production", str(SECOND)): models["second"],
            ("baked", "baked"): models["baked"],
            ("rule", "baked"): artifact.rule,
        }
        expected = {named: [probabilities(model, cells) for cells in listings] for named, model in served.items()}
        trials = Trials(registry, versions, folders["baked"], listings, expected, [])
        yield trials
        print(table(trials.outcomes))
    finally:
        registry.kill()


@pytest.fixture
def trials(shared: Trials) -> Trials:
    """Give what the trials share, with the first version in production."""
    shared.versions.point("production", FIRST)
    return shared


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """Give a file system of its own that is soon full."""
    with mounted(tmp_path / "small", "1m") as folder:
        yield folder


def probabilities(model: Model, cells: Mapping[str, Any]) -> dict[str, float]:
    return dict(zip(model.labels.categories, model.predict_one(cells).probabilities, strict=True))


def usable_examples(artifact: ModelArtifact) -> list[dict[str, Any]]:
    found = []
    for cells in sample_ads(load_market(artifact.market.name), N_LISTINGS):
        try:
            artifact.predict_one(cells)
        except UnusableListing:
            continue
        found.append(cells)
    return found


def assert_undisturbed(outcome: Outcome) -> None:
    """Make sure that no client had to try again, was told to wait, or waited for anything that takes its time."""
    assert outcome.sent_again == outcome.told_to_wait == 0
    assert outcome.slowest_ms < LONGEST_MS


def test_a_service_that_is_killed_while_the_registry_is_gone_comes_back_with_the_same_version(
    trials: Trials, tmp_path: Path
) -> None:
    store = new_sqlite(tmp_path)
    with ExitStack() as running:
        killed = running.enter_context(serving(tmp_path, trials.settings()))
        with trials.load(killed) as load:
            trials.registry.kill()
            wait_until(lambda: health(killed)["models"]["registry"]["last_error"])
            with locked(tmp_path):  # so that the journal has something to bring back
                load.keep_on(CALM)
                kill(killed)
            service = running.enter_context(serving(tmp_path, trials.settings()))
            load.turn_to(service)
            load.wait_for("production", FIRST)
            trials.registry.start()
            trials.versions.point("production", SECOND)
            load.wait_for("production", SECOND)
    outcome = trials.judge("registry killed, service killed and started, registry back", load, store)
    assert outcome.answered_by == "production 1, production 2"


def test_a_registry_that_hangs_for_half_a_minute_holds_nothing_up(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    with serving(tmp_path, trials.settings()) as service, trials.load(service) as load:
        with trials.registry.frozen():
            load.keep_on(30)
        trials.versions.point("production", SECOND)
        load.wait_for("production", SECOND)
    outcome = trials.judge("registry hangs for 30 s", load, store)
    assert outcome.answered_by == "production 1, production 2"
    assert_undisturbed(outcome)


def test_a_damaged_version_is_not_taken_and_the_next_one_is(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    with serving(tmp_path, trials.settings()) as service, trials.load(service) as load:
        trials.versions.point("production", DAMAGED)
        wait_until(lambda: health(service)["models"]["tiers"]["production"]["status"] == "refused")
        load.keep_on(CALM)
        trials.versions.point("production", SECOND)
        load.wait_for("production", SECOND)
    outcome = trials.judge("damaged version promoted, then a whole one", load, store)
    assert outcome.answered_by == "production 1, production 2"
    assert_undisturbed(outcome)


@pytest.mark.parametrize("tier", ["baked", "rule"])
def test_a_service_that_starts_without_its_registry_answers_at_once_and_follows_it_later(
    trials: Trials, tmp_path: Path, tier: str
) -> None:
    store = new_sqlite(tmp_path)
    baked = Path(shutil.copytree(trials.baked, tmp_path / "baked"))
    if tier == "rule":
        flip_byte(baked / "forest.npz")
    with ExitStack() as running:
        with trials.registry.frozen():
            begun = time.monotonic()
            service = running.enter_context(serving(tmp_path, trials.settings(model_folder=baked)))
            ready = time.monotonic() - begun
            load = running.enter_context(trials.load(service, tier))
        load.wait_for("production", FIRST)
    print(f"ready without a registry after {ready:.1f} s, answered by {tier}")
    assert ready < READY_SECONDS
    outcome = trials.judge(f"registry hangs at the start ({tier}), then answers", load, store)
    assert outcome.answered_by == f"{tier} baked, production 1"
    assert_undisturbed(outcome)


def test_a_flood_of_headers_holds_no_answer_up_and_takes_no_memory(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    with serving(tmp_path, trials.settings()) as service, trials.load(service) as load:
        load.keep_on(CALM)
        before = sum(each.memory_info().rss for each in workers(service))
        with flooded_with_headers(service, connections=20):
            load.keep_on(5 * CALM)
            assert sum(each.memory_info().rss for each in workers(service)) - before < 20 << 20
        load.keep_on(CALM)
    assert_undisturbed(trials.judge("headers without end on 20 connections", load, store))


def test_promotions_and_rollbacks_are_followed_under_load(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    with serving(tmp_path, trials.settings()) as service, trials.load(service) as load:
        for number in (SECOND, FIRST, SECOND, FIRST, SECOND):
            trials.versions.point("production", number)
            load.wait_for("production", number)
            load.keep_on(CALM / 2)
    outcome = trials.judge("3 promotions, 2 rollbacks", load, store)
    assert outcome.answered_by == "production 1, production 2"
    assert_undisturbed(outcome)


def test_a_locked_store_holds_no_answer_up(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    with serving(tmp_path, trials.settings()) as service, trials.load(service) as load:
        wait_until(lambda: health(service)["prediction_store"]["shipped"])
        with locked(tmp_path):
            load.keep_on(6)
            assert "locked" in store_error(service)
        wait_until(lambda: not store_error(service))
    assert_undisturbed(trials.judge("store locked for 6 s", load, store))


def test_a_clock_that_is_set_takes_no_record(trials: Trials, tmp_path: Path) -> None:
    """Set a day forward and two days back: what is waited for and shipped goes by the time that passes."""
    store, clock = new_sqlite(tmp_path), tmp_path / "clock"
    clock.write_text("0")
    with (
        serving(tmp_path, {**trials.settings(), **settable(clock)}) as service,
        trials.load(service) as load,
    ):
        for ahead in (86_400, -86_400, 0):
            shipped = health(service)["prediction_store"]["shipped"]
            clock.write_text(str(ahead))
            load.keep_on(CALM)
            wait_until(lambda before=shipped: health(service)["prediction_store"]["shipped"] > before)
    assert_undisturbed(trials.judge("clock set a day forward, two back, and right again", load, store))


def test_a_full_store_holds_no_answer_up(trials: Trials, tmp_path: Path, small_disk: Path) -> None:
    store = new_sqlite(small_disk)
    with serving(tmp_path, trials.settings(prediction_store=store)) as service, trials.load(service) as load:
        wait_until(lambda: "full" in store_error(service))
        load.keep_on(2 * CALM)
        subprocess.run(["mount", "-o", "remount,size=500m", small_disk], check=True)
        wait_until(lambda: not store_error(service))
    assert_undisturbed(trials.judge("store full, then with room", load, store))


def test_a_store_that_is_gone_holds_no_answer_up(trials: Trials, tmp_path: Path) -> None:
    with ExitStack() as stack:
        # PostgreSQL's own user may enter this folder; pytest closes its own ones to others.
        data = Path(stack.enter_context(TemporaryDirectory())) / "postgresql"
        with postgresql(data) as url:
            store = new_database(url)
        with serving(tmp_path, trials.settings(prediction_store=store)) as service, trials.load(service) as load:
            with postgresql(data):
                wait_until(lambda: health(service)["prediction_store"]["shipped"])
                load.keep_on(CALM)
            wait_until(lambda: store_error(service))
            load.keep_on(2 * CALM)
            stack.enter_context(postgresql(data))
            wait_until(lambda: not store_error(service))
        assert_undisturbed(trials.judge("PostgreSQL gone twice", load, store))


def test_a_worker_that_is_killed_leaves_its_requests_and_records_to_the_other(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    with serving(tmp_path, trials.settings(workers=2)) as service:
        wait_until(lambda: len(workers(service)) == 2)
        with trials.load(service) as load:
            with locked(tmp_path):  # so that its journal has something to bring back
                load.keep_on(CALM)
                victim = max(workers(service), key=journal_bytes)
                assert journal_bytes(victim) > 0
                victim.kill()
            killed = time.monotonic()
            wait_until(lambda: len(workers(service)) == 2 and victim not in workers(service), 60)
            print(f"the supervisor started another worker after {time.monotonic() - killed:.1f} s")
    trials.judge("one of two workers killed", load, store)


def test_a_service_that_is_ended_answers_what_has_begun_and_leaves_the_rest_to_its_replica(
    trials: Trials, tmp_path: Path
) -> None:
    store = new_sqlite(tmp_path)
    settings = trials.settings(prediction_store=store)
    with serving(tmp_path / "ended", settings, wait=False) as ended, serving(tmp_path / "replica", settings) as replica:
        ended.wait_until_ready()
        with trials.load(ended) as load:
            load.turn_to(replica)
            begun = time.monotonic()
            assert ended.stop() == 0
            print(f"the service ended after {time.monotonic() - begun:.1f} s")
    assert not list((tmp_path / "ended").rglob("*.journal"))
    trials.judge("service ended beside a replica", load, store)


def test_a_disk_that_is_full_ends_no_process_and_loses_nothing(trials: Trials, tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "64m") as disk:
        store = new_sqlite(disk)
        with serving(disk, trials.settings(storage=disk)) as service, trials.load(service) as load:
            before = workers(service)
            with filled(disk):
                wait_until(lambda: 'status="503"' in httpx.get(f"{service.url}/metrics").text)
                load.keep_on(2 * CALM)
            load.wait_for("production", FIRST)
            assert workers(service) == before
        outcome = trials.judge("disk full, then with room", load, store)
    assert outcome.sent_again == 0
    assert outcome.told_to_wait > 0


def test_a_registry_that_is_emptied_takes_nothing_out_of_production(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    try:
        with ExitStack() as running:
            first = running.enter_context(serving(tmp_path, trials.settings()))
            with trials.load(first) as load:
                trials.versions.delete()
                wait_until(lambda: health(first)["models"]["registry"]["last_error"])
                load.keep_on(2 * CALM)
                kill(first)
                second = running.enter_context(serving(tmp_path, trials.settings()))
                load.turn_to(second)
                load.keep_on(4 * CALM)
                assert health(second)["models"]["champion"]["version"] == str(FIRST)
                trials.versions.create()
                trials.versions.register(*KINDS)
                trials.versions.point("production", SECOND)
                load.wait_for("production", SECOND)
    finally:
        trials.versions.restore(*KINDS)
    outcome = trials.judge("registry emptied, service killed and started, registry filled again", load, store)
    assert outcome.answered_by == "production 1, production 2"


def test_a_version_that_kills_what_loads_it_is_given_up(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    (tmp_path / "killer").mkdir()
    (tmp_path / "killer" / "sitecustomize.py").write_text(KILLER)
    settings = trials.settings() | {"PYTHONPATH": f"{tmp_path / 'killer'}:{PROJECT}"}
    with serving(tmp_path, settings) as service, trials.load(service) as load:
        trials.versions.point("production", POISON)
        wait_until(lambda: "quarantine" in production_reason(service), 90)
        load.keep_on(CALM)
        trials.versions.point("production", SECOND)
        load.wait_for("production", SECOND)
    outcome = trials.judge("version that kills its process promoted, then a whole one", load, store)
    assert outcome.answered_by == "production 1, production 2"


def production_reason(service: Service) -> str:
    try:
        return str(health(service)["models"]["tiers"]["production"]["reason"])
    except httpx.TransportError:  # its worker is dead, and the next one not there yet
        return ""


def test_a_storm_of_batches_is_answered_in_its_turn(trials: Trials, tmp_path: Path) -> None:
    store = new_sqlite(tmp_path)
    with (
        serving(tmp_path, trials.settings()) as service,
        trials.load(service) as load,
        Load(trials.listings, service, STORM, singles=0, batch=STORM_BATCH) as storm,
    ):
        storm.keep_on(8)
    outcome = trials.judge(f"{len(STORM)} clients with batches of {STORM_BATCH}", load, store, storm)
    assert outcome.sent_again == 0
    assert outcome.told_to_wait > 0
