"""Which model answers, with a real MLflow server behind a network that fails; models know of which kind they are."""

import errno
import gc
import json
import logging
import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from bento_service.answers import Tier
from bento_service.models.cascade import ModelCascade
from bento_service.models.registry import MlflowRegistry
from bento_service.models.snapshot import ServedModel
from bento_service.models.version_cache import VersionCache
from housing_assets.inference import artifact as artifact_module
from housing_assets.inference import plain_arrays
from housing_assets.inference.artifact import MANIFEST, ModelArtifact
from housing_assets.inference.fallback import FallbackRule
from resources.signatures import new_key_pair
from tests.bento_service.models.registries import FaultProxy, RegisteredModel, flip_byte, wait_until

pytest_plugins = ["tests.bento_service.models.registry_fixtures"]

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[3]
REFRESH = 0.05
HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}
KINDS = {"1": "first", "2": "second", "3": "third"}


@pytest.fixture
def baked(saved: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(saved, tmp_path / "baked"))


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def cascade_of(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path | None = None, **options: Any
) -> ModelCascade:
    registry = MlflowRegistry(
        proxy.url,
        registered.name,
        timeout=options.pop("timeout", 10.0),
        attempts=options.pop("attempts", 1),
        breaker_failures=options.pop("breaker_failures", 1_000),
    )
    return ModelCascade(registry, baked, cache, **{"refresh_seconds": REFRESH, "startup_wait_seconds": 20.0} | options)


@contextmanager
def following(cascade: ModelCascade) -> Iterator[ModelCascade]:
    cascade.start()
    try:
        yield cascade
    finally:
        cascade.stop()


def answering(served: ServedModel | None) -> tuple[str, str]:
    """Return the version and tier that answer, having made sure that the model is the one of that version."""
    assert served is not None
    if served.tier in (Tier.PRODUCTION, Tier.STAGING):
        assert isinstance(served.model, ModelArtifact)
        assert served.model.provenance["kind"] == KINDS[served.version]
    assert sum(served.model.predict_one(HOME).probabilities) == pytest.approx(1)
    return served.version, str(served.tier)


def status_of(cascade: ModelCascade, tier: str) -> tuple[str, str | None]:
    found = cascade.state()["tiers"][tier]
    return found["status"], found["reason"]


# Without a registry


def test_without_a_registry_the_baked_model_answers_at_once(baked: Path, cache: Path) -> None:
    cascade = ModelCascade(None, baked, cache)
    begun = time.monotonic()
    with following(cascade):
        took = time.monotonic() - begun
        assert answering(cascade.snapshot.champion) == ("baked", "baked")
        state = cascade.state()
    print(f"started without a registry in {took:.2f} s")
    assert took < 2
    assert state["status"] == "degraded"
    assert status_of(cascade, "production") == ("absent", "no registry is configured")
    assert status_of(cascade, "baked") == ("serving", None)
    assert status_of(cascade, "rule") == ("available", None)


def test_a_baked_model_has_the_version_that_it_was_registered_as(baked: Path, cache: Path) -> None:
    (baked / "registration.json").write_text('{"version": 7, "promoted": true, "reason": "better"}')
    cascade = ModelCascade(None, baked, cache)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("7", "baked")


def test_where_the_baked_forest_is_damaged_its_rule_answers(baked: Path, cache: Path) -> None:
    flip_byte(baked / "forest.npz")
    cascade = ModelCascade(None, baked, cache)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("baked", "rule")
    assert isinstance(cascade.snapshot.champion, ServedModel)
    assert isinstance(cascade.snapshot.champion.model, FallbackRule)
    status, reason = status_of(cascade, "baked")
    assert status == "refused"
    assert reason == "forest.npz is damaged: its checksum differs from the manifest's"
    again = cascade.snapshot
    cascade.refresh_now()
    assert cascade.snapshot is again


def test_where_the_rule_is_damaged_too_nothing_answers_and_the_state_says_why(baked: Path, cache: Path) -> None:
    flip_byte(baked / "rule.json")
    cascade = ModelCascade(None, baked, cache)
    with following(cascade):
        assert cascade.snapshot.champion is None
        state = cascade.state()
    assert state["status"] == "failing"
    assert status_of(cascade, "rule") == ("refused", "rule.json is damaged: its checksum differs from the manifest's")


def test_without_any_model_the_service_is_failing_and_says_what_mends_it(
    cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cascade = ModelCascade(None, None, cache)
    with following(cascade):
        cascade.refresh_now()
    assert [record.getMessage() for record in caplog.records] == [
        "no model answers, so requests are refused (503): no registry is configured. `make materialize` trains and "
        "registers a version; once one is in production it is followed without a restart"
    ]
    assert cascade.state()["status"] == "failing"
    assert {tier: each["status"] for tier, each in cascade.state()["tiers"].items()} == dict.fromkeys(Tier, "absent")


# Starting


def test_at_start_the_version_in_production_answers(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first", "second")
    registered.point("staging", 1)
    registered.point("production", 2)
    with following(cascade_of(proxy, registered, cache, baked, refresh_seconds=10.0)) as cascade:
        assert answering(cascade.snapshot.champion) == ("2", "production")
        state = cascade.state()
    assert state["status"] == "healthy"
    assert state["reasons"] == []
    assert state["registry"]["aliases"] == {"production": 2, "staging": 1}
    assert {tier: each["status"] for tier, each in state["tiers"].items()} == {
        "production": "serving",
        "staging": "available",
        "baked": "available",
        "rule": "available",
    }


@pytest.mark.parametrize(
    "fault", ["hang", *(pytest.param(each, marks=pytest.mark.trial) for each in ("down", "trickle", "500", "page"))]
)
def test_a_registry_that_fails_delays_the_start_by_two_seconds_at_most(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path, fault: str
) -> None:
    registered.register("first")
    registered.point("production", 1)
    if fault == "down":
        proxy.down()
    else:
        proxy.fail(fault)
    cascade = cascade_of(proxy, registered, cache, baked, attempts=3, startup_wait_seconds=2.0)
    begun = time.monotonic()
    with following(cascade):
        took = time.monotonic() - begun
        print(f"started with a registry that fails ({fault}) in {took:.2f} s")
        assert took < 3
        assert answering(cascade.snapshot.champion) == ("baked", "baked")
        assert cascade.state()["status"] == "degraded"
        assert status_of(cascade, "production")[0] == "unreachable"
        if fault == "down":
            proxy.up()
        proxy.heal()
        wait_until(lambda: cascade.state()["status"] == "healthy")
        assert answering(cascade.snapshot.champion) == ("1", "production")


def test_stopping_does_not_wait_for_a_registry_that_hangs(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    proxy.fail("hang")
    cascade = cascade_of(proxy, registered, cache, baked, timeout=30.0, startup_wait_seconds=0.2)
    cascade.start()
    begun = time.monotonic()
    cascade.stop()
    assert time.monotonic() - begun < 1.5
    assert answering(cascade.snapshot.champion) == ("baked", "baked")


def test_where_nothing_is_in_production_staging_answers_then_what_is_baked(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first")
    cascade = cascade_of(proxy, registered, cache, baked)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("baked", "baked")
    assert status_of(cascade, "production") == ("absent", "no version has the alias production")
    registered.point("staging", 1)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "staging")
    assert cascade.state()["status"] == "degraded"
    registered.point("production", 1)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")
    assert proxy.count(MANIFEST) == 1


# Following


def test_promotion_and_rollback_are_followed_while_requests_see_one_version_each(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register("first", "second", "third")
    registered.point("production", 1)
    registered.point("staging", 2)
    done = threading.Event()
    seen: list[set[tuple[str, str]]] = []
    longest: list[float] = []
    with following(cascade_of(proxy, registered, cache, follow_challenger=True)) as cascade:

        def hammer() -> None:
            versions, slowest = set(), 0.0
            while not done.is_set():
                begun = time.perf_counter()
                snapshot = cascade.snapshot
                slowest = max(slowest, time.perf_counter() - begun)
                champion, challenger = answering(snapshot.champion), snapshot.challenger
                if challenger is not None:
                    assert answering(challenger)[0] != champion[0]
                versions.add(champion)
            seen.append(versions)
            longest.append(slowest)

        threads = [threading.Thread(target=hammer) for _ in range(4)]
        for thread in threads:
            thread.start()
        for number in (2, 3, 2, 1, 3, 1, 2):
            registered.point("production", number)
            wait_until(lambda: answering(cascade.snapshot.champion) == (str(number), "production"))  # noqa: B023
            time.sleep(0.1)
        done.set()
        for thread in threads:
            thread.join()
        assert cascade.snapshot.challenger is None  # staging is in production
    print(f"longest read of the snapshot {max(longest) * 1e3:.1f} ms")
    assert len(seen) == 4
    assert all(versions == {(number, "production") for number in "123"} for versions in seen)
    assert proxy.count(MANIFEST) == 3


def test_reading_the_snapshot_and_the_state_never_waits_for_a_refresh(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    proxy.fail("hang")
    cascade = cascade_of(proxy, registered, cache, baked, startup_wait_seconds=0.1)
    with following(cascade):
        wait_until(lambda: proxy.count("") == 1)  # a refresh is under way, and stays so
        begun = time.monotonic()
        for _ in range(1_000):
            assert cascade.snapshot.champion is not None
            assert cascade.state()["status"] == "degraded"
        assert time.monotonic() - begun < 1
        assert proxy.count("") == 1


@pytest.mark.parametrize("kind", ["damaged", "incomplete"])
def test_a_refused_version_leaves_the_last_good_one_and_is_fetched_once(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path, kind: str
) -> None:
    registered.register("first", kind)
    registered.point("production", 1)
    cascade = cascade_of(proxy, registered, cache, baked)
    cascade.refresh_now()
    before = cascade.snapshot.champion
    registered.point("production", 2)
    for _ in range(5):
        cascade.refresh_now()
    assert cascade.snapshot.champion is before
    assert proxy.count(MANIFEST) == 2
    state = cascade.state()
    assert state["status"] == "degraded"
    assert state["tiers"]["production"]["status"] == "refused"
    assert state["tiers"]["production"]["version"] == "2"
    assert str(cache) not in json.dumps(state)
    registered.point("production", 1)
    cascade.refresh_now()
    assert cascade.state()["status"] == "healthy"
    registered.point("production", 2)
    cascade.refresh_now()
    assert proxy.count(MANIFEST) == 3


def test_a_version_that_was_damaged_on_its_way_is_fetched_again_after_its_time(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first")
    registered.point("production", 1)
    proxy.fail("flip", where="forest.npz")
    cascade = cascade_of(proxy, registered, cache, baked, refusal_seconds=0.5)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("baked", "baked")
    assert status_of(cascade, "production")[0] == "refused"
    assert [path.name for path in cache.iterdir()] == ["aliases.json"]
    proxy.heal()
    cascade.refresh_now()
    assert proxy.count(MANIFEST) == 1
    time.sleep(0.5)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")


def test_where_production_is_refused_at_start_staging_answers(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first", "damaged")
    registered.point("production", 2)
    registered.point("staging", 1)
    with following(cascade_of(proxy, registered, cache, baked)) as cascade:
        assert answering(cascade.snapshot.champion) == ("1", "staging")
        assert status_of(cascade, "production")[0] == "refused"
        assert status_of(cascade, "staging") == ("serving", None)


def test_a_version_with_another_manifest_than_registered_is_refused(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first", tag="0" * 64)
    registered.point("production", 1)
    cascade = cascade_of(proxy, registered, cache, baked)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("baked", "baked")
    assert status_of(cascade, "production") == (
        "refused",
        "manifest.json is not the one that version 1 was registered with",
    )


def test_a_version_whose_download_fails_leaves_the_last_good_one_until_it_succeeds(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first", "second")
    registered.point("production", 1)
    cascade = cascade_of(proxy, registered, cache, baked, refresh_seconds=10.0)
    cascade.refresh_now()
    registered.point("production", 2)
    proxy.fail("truncate", where="forest.npz")
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")
    assert status_of(cascade, "production")[0] == "unreachable"
    assert cascade.state()["status"] == "degraded"
    proxy.heal()
    # A connection that broke just before may cost one more look.
    wait_until(lambda: cascade.refresh_now() or answering(cascade.snapshot.champion) == ("2", "production"))
    assert cascade.state()["status"] == "healthy"


def test_a_forest_is_not_given_up_for_the_rule(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    flip_byte(baked / "forest.npz")
    registered.register("first", "damaged")
    registered.point("staging", 1)
    cascade = cascade_of(proxy, registered, cache, baked)
    cascade.refresh_now()
    registered.point("staging", 2)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "staging")
    assert cascade.state()["status"] == "degraded"
    assert status_of(cascade, "staging")[0] == "refused"


@pytest.mark.parametrize("reset", ["the model is gone", "the alias is gone"])
def test_a_registry_that_has_forgotten_what_is_in_production_is_not_believed(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path, reset: str
) -> None:
    registered.register("first")
    registered.point("production", 1)
    cascade = cascade_of(proxy, registered, cache, baked)
    cascade.refresh_now()
    before, remembered = cascade.snapshot, (cache / "aliases.json").read_bytes()
    if reset == "the model is gone":
        registered.delete()
    else:
        registered.unpoint("production")
    for _ in range(2):
        cascade.refresh_now()
        assert cascade.snapshot is before
        state = cascade.state()
        assert state["status"] == "degraded"
        assert "it no longer knows production, which was version 1" in " ".join(state["reasons"])
        assert not state["registry"]["aliases_confirmed"]
        assert (cache / "aliases.json").read_bytes() == remembered
        cascade = cascade_of(proxy, registered, cache, baked)  # a process that starts meanwhile
        with following(cascade):
            assert answering(cascade.snapshot.champion) == ("1", "production")
            before = cascade.snapshot
    if reset == "the model is gone":
        registered.create()
        registered.register("second")
    registered.point("production", 1)
    cascade = cascade_of(proxy, registered, cache, baked, refresh_seconds=10.0)
    cascade.refresh_now()
    assert cascade.state()["status"] == "healthy"
    assert cascade.snapshot.champion is not None
    assert isinstance(cascade.snapshot.champion.model, ModelArtifact)
    expected = "second" if reset == "the model is gone" else "first"
    assert cascade.snapshot.champion.model.provenance["kind"] == expected


def test_a_registry_that_is_gone_for_a_while_changes_nothing_but_the_state(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registered.register("first", "second")
    registered.point("production", 1)
    with following(cascade_of(proxy, registered, cache)) as cascade:
        assert answering(cascade.snapshot.champion) == ("1", "production")
        before = cascade.snapshot
        with caplog.at_level(logging.WARNING, logger="housing.models"):
            proxy.fail("500")
            wait_until(lambda: cascade.state()["status"] == "degraded")
            time.sleep(0.5)
        warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(warnings) == 1  # said when it began, not again with each refresh
        state = cascade.state()
        assert cascade.snapshot is before
        assert state["registry"]["last_error"] == "answered with status 500"
        assert state["registry"]["age_seconds"] > 0.4
        registered.point("production", 2)
        proxy.heal()
        wait_until(lambda: answering(cascade.snapshot.champion) == ("2", "production"))
        wait_until(lambda: cascade.state()["status"] == "healthy")


@pytest.mark.filterwarnings("ignore:coroutine:RuntimeWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_following_goes_on_after_the_process_ran_out_of_files(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registered.register("first", "second")
    registered.point("production", 1)
    caplog.set_level(logging.CRITICAL + 1)  # a record would keep the event loop that could not be made
    with following(cascade_of(proxy, registered, cache)) as cascade:
        before = cascade.snapshot
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1, limits[1]))
        try:
            wait_until(lambda: "Too many open files" in str(cascade.state()["reasons"]))
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert cascade.snapshot is before
        registered.point("production", 2)
        wait_until(lambda: answering(cascade.snapshot.champion) == ("2", "production"))
        assert "Too many open files" not in str(cascade.state()["reasons"])
    gc.collect()  # so that it complains here, not in another test


# The cache


def test_a_worker_that_restarts_while_the_registry_is_gone_answers_with_the_same_version(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first", "second")
    registered.point("production", 2)
    cascade_of(proxy, registered, cache, baked).refresh_now()
    proxy.fail("500")
    with following(cascade_of(proxy, registered, cache, baked)) as cascade:
        assert answering(cascade.snapshot.champion) == ("2", "production")
        state = cascade.state()
        assert not state["registry"]["aliases_confirmed"]
        assert state["registry"]["age_seconds"] > 0
        assert state["registry"]["aliases"] == {"production": 2}
        wait_until(lambda: cascade.state()["status"] == "degraded")
        assert proxy.count(MANIFEST) == 1
        proxy.heal()
        wait_until(lambda: cascade.state()["registry"]["aliases_confirmed"])
        assert answering(cascade.snapshot.champion) == ("2", "production")
        assert proxy.count(MANIFEST) == 1


def test_a_version_is_on_the_disk_before_it_has_its_name(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered.register("first")
    registered.point("production", 1)
    flushed: list[Path] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        fsync(descriptor)
        flushed.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", note)
    cascade_of(proxy, registered, cache).refresh_now()
    (folder,) = cache.glob("1-*")
    in_it = [path for path in flushed if path.parent.name == folder.name]
    assert {path.name for path in in_it} == {path.name for path in folder.iterdir()}
    assert all(path.parent.parent.name.startswith(".unfinished-") for path in in_it)
    assert in_it[0].parent in flushed


@pytest.mark.parametrize("damage", ["changed", "incomplete", "without its manifest"])
def test_a_damaged_version_in_the_cache_is_fetched_anew(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path, damage: str
) -> None:
    registered.register("first")
    registered.point("production", 1)
    cascade_of(proxy, registered, cache, baked).refresh_now()
    (folder,) = cache.glob("1-*")
    if damage == "changed":
        (folder / "encoder.json").write_text("{}")
    else:
        (folder / (MANIFEST if damage == "without its manifest" else "encoder.json")).unlink()
    cascade = cascade_of(proxy, registered, cache, baked)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")
    assert proxy.count(MANIFEST) == 2
    ModelArtifact.load(next(cache.glob("1-*")))


def lack_memory(_: Path) -> Any:
    raise MemoryError


def lack_files(path: Path) -> Any:
    raise OSError(errno.EMFILE, "Too many open files", str(path))


@pytest.mark.parametrize(
    ("reader", "name", "lack", "why"),
    [
        (Path, "read_bytes", lack_files, "Too many open files"),
        (plain_arrays, "ZipFile", lack_files, "Too many open files"),
        (plain_arrays, "ZipFile", lack_memory, "MemoryError"),
        (ModelArtifact, "load", lack_files, "Too many open files"),
        (ModelArtifact, "load", lack_memory, "MemoryError"),
    ],
)
def test_a_version_that_the_process_lacks_something_to_load_stays_in_the_cache_and_is_loaded_at_the_next_look(
    proxy: FaultProxy,
    registered: RegisteredModel,
    cache: Path,
    monkeypatch: pytest.MonkeyPatch,
    reader: Any,
    name: str,
    lack: Callable[[Path], Any],
    why: str,
) -> None:
    registered.register("first")
    registered.point("production", 1)
    cascade_of(proxy, registered, cache).refresh_now()
    (folder,) = cache.glob("1-*")
    proxy.fail("500")
    cascade = cascade_of(proxy, registered, cache)
    with monkeypatch.context() as patched:
        patched.setattr(reader, name, lack)
        cascade.refresh_now()
    assert status_of(cascade, "production") == ("unreachable", f"it cannot be loaded now: {why}")
    assert folder.is_dir()
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")


def test_the_forest_of_a_whole_version_in_the_cache_is_checked_once(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registered.register("first")
    registered.point("production", 1)
    cascade_of(proxy, registered, cache).refresh_now()
    checked: list[Path] = []
    sha256 = artifact_module.sha256
    monkeypatch.setattr(artifact_module, "sha256", lambda path: checked.append(path) or sha256(path))  # type: ignore[func-returns-value]
    cascade = cascade_of(proxy, registered, cache)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")
    assert [path.name for path in checked].count("forest.npz") == 1


@pytest.mark.parametrize("reader", [(ModelArtifact, "load"), (plain_arrays, "ZipFile"), (Path, "read_bytes")])
def test_a_baked_model_that_could_not_be_loaded_is_loaded_at_the_next_look(
    baked: Path, cache: Path, monkeypatch: pytest.MonkeyPatch, reader: tuple[Any, str]
) -> None:
    cascade = ModelCascade(None, baked, cache)
    with monkeypatch.context() as patched:
        patched.setattr(*reader, lack_files)
        cascade.refresh_now()
        assert cascade.snapshot.champion is None or answering(cascade.snapshot.champion)[1] == "rule"
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("baked", "baked")


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b"\xff", b'{"origin": 1, "versions": 2, "confirmed_at": "x"}'])
def test_a_damaged_memory_of_the_aliases_is_as_good_as_none(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path, content: bytes
) -> None:
    cache.mkdir()
    (cache / "aliases.json").write_bytes(content)
    registered.register("first")
    registered.point("production", 1)
    with following(cascade_of(proxy, registered, cache, baked)) as cascade:
        assert answering(cascade.snapshot.champion) == ("1", "production")
    assert json.loads((cache / "aliases.json").read_text())["versions"]["production"]["number"] == 1


def test_another_registrys_version_of_the_same_number_is_not_taken_for_ours(
    proxy: FaultProxy, registered: RegisteredModel, model_source: Any, cache: Path, baked: Path
) -> None:
    registered.register("first")
    registered.point("production", 1)
    cascade_of(proxy, registered, cache, baked).refresh_now()
    other = RegisteredModel(model_source, f"{registered.name}-other")
    other.register("second")
    other.point("production", 1)
    proxy.fail("500")
    cascade = cascade_of(proxy, other, cache, baked)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("baked", "baked")
    proxy.heal()
    cascade.refresh_now()
    assert cascade.snapshot.champion is not None
    assert isinstance(cascade.snapshot.champion.model, ModelArtifact)
    assert cascade.snapshot.champion.model.provenance["kind"] == "second"


def test_workers_that_start_together_share_the_cache(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register("first", "second", "third")
    registered.point("production", 1)
    cascades = [cascade_of(proxy, registered, cache) for _ in range(6)]
    threads = [threading.Thread(target=cascade.start) for cascade in cascades]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    try:
        for number in ("1", "2", "3"):
            registered.point("production", int(number))
            for cascade in cascades:
                wait_until(lambda: answering(cascade.snapshot.champion) == (number, "production"))  # noqa: B023
    finally:
        for cascade in cascades:
            cascade.stop()
    assert sorted(path.name.split("-")[0] for path in cache.glob("*-*") if path.is_dir()) == ["1", "2", "3"]


def test_the_versions_in_use_and_the_newest_few_stay_in_the_cache(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register(*["first", "second", "third"] * 3)
    cascade = cascade_of(proxy, registered, cache)
    registered.point("staging", 1)
    for number in range(1, 9):
        registered.point("production", number)
        cascade.refresh_now()
    registered.point("production", 9)
    abandoned = cache / ".unfinished-long-ago"
    abandoned.mkdir()
    os.utime(abandoned, (0, 0))
    cascade.refresh_now()
    assert {int(path.name.split("-")[0]) for path in cache.glob("[0-9]*-*")} == {9, 1, 8, 7, 6, 5}
    assert not abandoned.exists()


def test_a_worker_that_is_killed_while_it_downloads_leaves_no_half_version(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register("first")
    registered.point("production", 1)
    proxy.fail("trickle", where="forest.npz")
    program = f"""
from pathlib import Path
from bento_service.models.cascade import ModelCascade
from bento_service.models.registry import MlflowRegistry
ModelCascade(MlflowRegistry({proxy.url!r}, {registered.name!r}), None, Path({str(cache)!r})).refresh_now()
"""
    worker = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    wait_until(lambda: proxy.count("forest.npz") == 1)
    time.sleep(0.3)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not list(cache.glob("1-*"))
    assert list(cache.glob(".unfinished-*"))
    proxy.heal()
    cascade = cascade_of(proxy, registered, cache)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")


FOLLOW = """if True:
    import os, signal, sys
    from pathlib import Path
    from bento_service.models.cascade import ModelCascade
    from bento_service.models.registry import MlflowRegistry

    def die(event, arguments):
        # Where a version's golden rows are read, its other files have been.
        if event == "open" and str(arguments[0]).endswith("golden.json"):
            if '"kind": "second"' in Path(arguments[0]).with_name("manifest.json").read_text():
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(die)
    cascade = ModelCascade(MlflowRegistry({url!r}, {name!r}), None, Path({cache!r}), startup_wait_seconds=20.0)
    cascade.start()
    served = cascade.snapshot.champion
    print(served.version, served.tier, cascade.state()["tiers"]["production"]["reason"])
    cascade.stop()
"""


@pytest.mark.trial
def test_a_version_that_kills_what_loads_it_is_quarantined_and_the_one_before_it_answers(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    program = FOLLOW.format(url=proxy.url, name=registered.name, cache=str(cache))

    def start() -> "subprocess.CompletedProcess[str]":
        return subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)

    registered.register("first", "second", "third")
    registered.point("production", 1)
    assert start().stdout == "1 production None\n"
    registered.point("production", 2)
    assert [start().returncode for _ in range(2)] == [-signal.SIGKILL, -signal.SIGKILL]
    fetched = proxy.count("version=2&path")
    for _ in range(2):
        ended = start()
        assert ended.returncode == 0, ended.stderr
        assert ended.stdout.startswith("1 production 2 processes died while they loaded it: it is in quarantine")
    assert proxy.count("version=2&path") == fetched
    registered.point("production", 3)
    assert start().stdout == "3 production None\n"
    registered.point("production", 2)  # whoever points to it once more wants it tried once more
    assert start().returncode == -signal.SIGKILL


def test_a_process_that_is_killed_once_while_it_loads_a_version_does_not_put_it_into_quarantine(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register("second")
    registered.point("production", 1)
    program = FOLLOW.format(url=proxy.url, name=registered.name, cache=str(cache))
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT).returncode == -signal.SIGKILL
    assert len(list(cache.glob(".loading-1-*"))) == 1
    cascade = cascade_of(proxy, registered, cache, refresh_seconds=10.0)
    cascade.refresh_now()
    assert cascade.state()["status"] == "healthy"
    assert not list(cache.glob(".loading-*"))


def test_a_process_that_starts_anew_serves_the_last_good_version_where_the_newest_is_refused(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first", "damaged", *["third"] * 6)
    registered.point("production", 1)
    cascade_of(proxy, registered, cache, baked).refresh_now()
    registered.point("production", 2)
    for number in range(3, 9):  # versions that challenged meanwhile do not drive it out of the cache
        registered.point("staging", number)
        cascade_of(proxy, registered, cache, baked, follow_challenger=True).refresh_now()
    with following(cascade_of(proxy, registered, cache, baked)) as cascade:
        wait_until(lambda: status_of(cascade, "production")[0] == "refused")
        assert answering(cascade.snapshot.champion) == ("1", "production")
        assert cascade.state()["status"] == "degraded"


@pytest.mark.parametrize("is_full", [False, True])
def test_a_process_starts_though_the_last_good_version_is_damaged(
    proxy: FaultProxy,
    registered: RegisteredModel,
    cache: Path,
    baked: Path,
    is_full: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    registered.register("first", "damaged")
    for number in (1, 2):
        registered.point("production", number)
        cascade_of(proxy, registered, cache, baked).refresh_now()
    (folder,) = cache.glob("1-*")
    (folder / MANIFEST).unlink()
    proxy.fail("500")

    def lack_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    if is_full:
        monkeypatch.setattr(VersionCache, "discard", lack_room)
    with following(cascade_of(proxy, registered, cache, baked, startup_wait_seconds=0.1)) as cascade:
        assert answering(cascade.snapshot.champion) == ("baked", "baked")
        assert folder.exists() == is_full
        assert ("No space left" in str(cascade.state()["registry"]["cache_error"])) == is_full


def test_a_version_without_the_digest_of_its_manifest_is_refused_unless_that_is_allowed(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first", tag="")
    registered.point("production", 1)
    cascade = cascade_of(proxy, registered, cache, baked)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("baked", "baked")
    status, reason = status_of(cascade, "production")
    assert status == "refused"
    assert "registered without the tag artifact_sha256" in str(reason)
    assert proxy.count("get-artifact") == 0
    cascade = cascade_of(proxy, registered, cache, baked, allow_unverified=True)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")


def test_where_signatures_are_required_a_version_is_served_only_if_somebody_trusted_has_signed_it(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    (ours, known), (retired, also_known), (foreign, _) = (new_key_pair() for _ in range(3))
    trusted = [known, also_known]
    registered.register("first", signing_key=ours)
    registered.register("second", signing_key=retired)
    registered.register("third")
    registered.register("third", signing_key=foreign)
    registered.register("first", tag="0" * 64, signing_key=ours)
    for number in (1, 2):
        registered.point("production", number)
        cascade = cascade_of(proxy, registered, cache, baked, trusted_signers=trusted)
        cascade.refresh_now()
        assert answering(cascade.snapshot.champion) == (str(number), "production")
    fetched = proxy.count("get-artifact")
    for number in (3, 4):
        registered.point("production", number)
        cascade.refresh_now()
        assert answering(cascade.snapshot.champion) == ("2", "production")
        assert "none of HOUSING_TRUSTED_SIGNERS has signed it" in str(status_of(cascade, "production")[1])
    assert proxy.count("get-artifact") == fetched
    registered.point("production", 5)  # the signature fits the digest, which does not fit the manifest
    cascade.refresh_now()
    assert status_of(cascade, "production") == (
        "refused",
        "manifest.json is not the one that version 5 was registered with",
    )
    anybody = cascade_of(proxy, registered, cache, baked)
    registered.point("production", 4)
    anybody.refresh_now()
    assert anybody.snapshot.champion is not None
    assert anybody.snapshot.champion.version == "4"
    # What was loaded while nobody had to sign is refused as soon as somebody must have.
    again = cascade_of(proxy, registered, cache, baked, trusted_signers=trusted)
    again.refresh_now()
    assert answering(again.snapshot.champion) == ("baked", "baked")


def test_a_version_whose_files_were_exchanged_in_the_cache_is_fetched_anew(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    registered.register("first", "second")
    for number in (1, 2):
        registered.point("production", number)
        cascade_of(proxy, registered, cache, baked).refresh_now()
    (first,), (second,) = cache.glob("1-*"), cache.glob("2-*")
    shutil.rmtree(second)
    shutil.copytree(first, second)
    cascade = cascade_of(proxy, registered, cache, baked)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("2", "production")


def test_a_cache_that_cannot_be_written_is_said_and_what_is_baked_answers(
    proxy: FaultProxy, registered: RegisteredModel, tmp_path: Path, baked: Path
) -> None:
    registered.register("first")
    registered.point("production", 1)
    (tmp_path / "file").touch()
    with following(cascade_of(proxy, registered, tmp_path / "file" / "cache", baked)) as cascade:
        assert answering(cascade.snapshot.champion) == ("baked", "baked")
        assert cascade.state()["registry"]["cache_error"] is not None
        assert status_of(cascade, "production")[0] == "refused"


# The challenger


def test_the_version_in_staging_challenges_and_is_promoted_without_being_loaded_again(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register("first", "second", "third")
    registered.point("production", 1)
    registered.point("staging", 1)
    cascade = cascade_of(proxy, registered, cache, follow_challenger=True)
    cascade.refresh_now()
    assert cascade.snapshot.challenger is None
    registered.point("staging", 2)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")
    assert answering(cascade.snapshot.challenger) == ("2", "staging")
    challenger = cascade.snapshot.challenger
    assert challenger is not None
    registered.point("production", 2)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("2", "production")
    assert cascade.snapshot.champion is not None
    assert cascade.snapshot.champion.model is challenger.model
    assert cascade.snapshot.challenger is None
    assert proxy.count(MANIFEST) == 2


def test_a_challenger_that_is_refused_does_not_touch_the_champion(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register("first", "second", "damaged")
    registered.point("production", 1)
    registered.point("staging", 3)
    cascade = cascade_of(proxy, registered, cache, follow_challenger=True, refresh_seconds=10.0)
    cascade.refresh_now()
    assert answering(cascade.snapshot.champion) == ("1", "production")
    assert cascade.snapshot.challenger is None
    assert cascade.state()["status"] == "degraded"
    assert status_of(cascade, "staging")[0] == "refused"
    registered.point("staging", 2)
    cascade.refresh_now()
    assert cascade.state()["status"] == "healthy"
    registered.point("staging", 3)
    cascade.refresh_now()
    assert answering(cascade.snapshot.challenger) == ("2", "staging")
    registered.unpoint("staging")
    cascade.refresh_now()
    assert cascade.snapshot.challenger is None


def test_a_promoted_challenger_does_not_challenge_itself_while_its_successor_is_on_its_way(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register("first", "second", "third")
    registered.point("production", 1)
    registered.point("staging", 2)
    cascade = cascade_of(proxy, registered, cache, follow_challenger=True)
    cascade.refresh_now()
    assert answering(cascade.snapshot.challenger) == ("2", "staging")
    registered.point("production", 2)
    registered.point("staging", 3)
    proxy.fail("hang", where="version=3&path")
    refreshing = threading.Thread(target=cascade.refresh_now)
    refreshing.start()
    wait_until(lambda: proxy.count("version=3&path") == 1)
    assert answering(cascade.snapshot.champion) == ("2", "production")
    assert cascade.snapshot.challenger is None
    proxy.heal()
    refreshing.join()
    cascade.refresh_now()
    assert answering(cascade.snapshot.challenger) == ("3", "staging")


def test_a_challenger_that_cannot_be_had_is_said_once(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path, caplog: pytest.LogCaptureFixture
) -> None:
    registered.register("first", "second")
    registered.point("production", 1)
    registered.point("staging", 2)
    proxy.fail("500", where="version=2&path")
    cascade = cascade_of(proxy, registered, cache, follow_challenger=True)
    for _ in range(3):
        cascade.refresh_now()
        assert status_of(cascade, "staging") == ("unreachable", "answered with status 500")
    assert answering(cascade.snapshot.champion) == ("1", "production")
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == [
        "staging, version 2, is unreachable: answered with status 500"
    ]
    proxy.heal()
    cascade.refresh_now()
    assert answering(cascade.snapshot.challenger) == ("2", "staging")
    assert status_of(cascade, "staging") == ("serving", None)


def test_a_challenger_that_nobody_asked_for_is_not_fetched(
    proxy: FaultProxy, registered: RegisteredModel, cache: Path
) -> None:
    registered.register("first", "second")
    registered.point("production", 1)
    registered.point("staging", 2)
    cascade = cascade_of(proxy, registered, cache)
    cascade.refresh_now()
    assert cascade.snapshot.challenger is None
    assert proxy.count(MANIFEST) == 1


def test_the_state_is_json_without_credentials(
    model_source: Any, registered: RegisteredModel, cache: Path, baked: Path
) -> None:
    url = model_source.url.replace("//", "//ali:secret@")
    cascade = ModelCascade(MlflowRegistry(url, registered.name), baked, cache)
    cascade.refresh_now()
    text = json.dumps(cascade.state())
    assert "secret" not in text
    assert cascade.state()["registry"]["breakers"] == {"look_ups": "closed", "downloads": "closed"}
