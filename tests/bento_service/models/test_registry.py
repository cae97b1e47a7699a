"""The registry's client against a real MLflow server, behind a network that fails."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from bento_service.models.mlflow_rest import RegisteredVersion, RegistryFault, RegistryUnreachable
from bento_service.models.registry import MlflowRegistry
from housing_assets.inference.artifact import MANIFEST, ArtifactRefused, ModelArtifact, files_named
from tests.bento_service.models.registries import FaultProxy, ModelSource, RegisteredModel

pytest_plugins = ["tests.bento_service.models.registry_fixtures"]

pytestmark = pytest.mark.acceptance

ROOT = Path(__file__).parents[3]


def client(proxy: FaultProxy, registered: RegisteredModel, **options: float) -> MlflowRegistry:
    return MlflowRegistry(proxy.url, registered.name, **options)  # type: ignore[arg-type]


def version_one(registry: MlflowRegistry, registered: RegisteredModel, *kinds: str) -> RegisteredVersion:
    registered.register(*kinds)
    registered.point("production", 1)
    return registry.resolve("production")["production"]


def test_each_alias_is_resolved_to_the_version_that_it_names(proxy: FaultProxy, registered: RegisteredModel) -> None:
    registry = client(proxy, registered)
    registered.register("first", "second")

    assert registry.resolve("production", "staging") == {}
    registered.point("staging", 2)
    assert {alias: version.number for alias, version in registry.resolve("production", "staging").items()} == {
        "staging": 2
    }
    registered.point("production", 1)
    found = registry.resolve("production", "staging")
    assert {alias: version.number for alias, version in found.items()} == {"production": 1, "staging": 2}
    assert found["production"].key != found["staging"].key


def test_a_model_that_is_not_registered_has_no_versions(proxy: FaultProxy) -> None:
    assert MlflowRegistry(proxy.url, "never-registered").resolve("production") == {}
    assert proxy.count("") == 1


def test_a_fetched_version_is_the_model_that_was_registered(
    proxy: FaultProxy, registered: RegisteredModel, tmp_path: Path
) -> None:
    registry = client(proxy, registered)
    version = version_one(registry, registered, "second")
    registry.fetch(version, tmp_path)

    assert ModelArtifact.load(tmp_path).provenance["kind"] == "second"
    assert {path.name for path in tmp_path.iterdir()} == {MANIFEST, *files_named(tmp_path)}


@pytest.mark.parametrize("fault", ["500", "503", "429", "hang", "truncate"])
def test_a_failing_registry_is_asked_as_often_as_told(
    proxy: FaultProxy, registered: RegisteredModel, fault: str
) -> None:
    proxy.fail(fault)
    with pytest.raises(RegistryUnreachable):
        client(proxy, registered, attempts=3, timeout=0.3).resolve("production")
    assert proxy.count("") == 3


def test_a_registry_that_refuses_connections_is_unreachable(proxy: FaultProxy, registered: RegisteredModel) -> None:
    proxy.down()
    try:
        with pytest.raises(RegistryUnreachable, match="ConnectError"):
            client(proxy, registered, attempts=2).resolve("production")
    finally:
        proxy.up()


def test_an_answer_after_two_failures_counts(proxy: FaultProxy, registered: RegisteredModel) -> None:
    registered.register("first")
    registered.point("production", 1)
    proxy.fail("500", times=2)

    assert client(proxy, registered).resolve("production")["production"].number == 1
    assert proxy.count("registered-models/get") == 3


@pytest.mark.parametrize(
    ("fault", "message"),
    [("403", "status 403"), ("404", "status 404"), ("page", "not MLflow's"), ("gzip", "is compressed")],
)
def test_a_refusal_is_not_asked_for_again_and_is_no_absence(
    proxy: FaultProxy, registered: RegisteredModel, fault: str, message: str
) -> None:
    registry = client(proxy, registered, breaker_failures=1)
    proxy.fail(fault)
    with pytest.raises(RegistryFault, match=message) as caught:
        registry.resolve("production")
    assert not isinstance(caught.value, RegistryUnreachable)
    assert proxy.count("") == 1
    assert registry.breakers["look_ups"] == "closed"


def test_a_server_that_trickles_is_cut_off_when_the_time_of_the_whole_load_is_over(
    proxy: FaultProxy, registered: RegisteredModel, tmp_path: Path
) -> None:
    registry = client(proxy, registered, attempts=1, timeout=1.0)
    version = version_one(registry, registered, "first")
    proxy.fail("trickle", where="forest.npz")
    begun = time.monotonic()
    with pytest.raises(RegistryUnreachable, match="no complete answer within 1 s"):
        registry.fetch(version, tmp_path)
    assert 0.9 < time.monotonic() - begun < 1.8
    assert not (tmp_path / "forest.npz").exists()


def test_a_further_attempt_asks_only_for_the_files_that_are_not_complete(
    proxy: FaultProxy, registered: RegisteredModel, tmp_path: Path
) -> None:
    registry = client(proxy, registered)
    version = version_one(registry, registered, "first")
    proxy.fail("truncate", where="forest.npz", times=2)
    registry.fetch(version, tmp_path)

    assert ModelArtifact.load(tmp_path).provenance["kind"] == "first"
    assert [proxy.count(f"artifact%2F{name}") for name in (MANIFEST, "encoder.json", "forest.npz")] == [1, 1, 3]


def test_five_failures_open_the_breaker_and_its_time_closes_it(proxy: FaultProxy, registered: RegisteredModel) -> None:
    registry = client(proxy, registered, attempts=3, breaker_failures=5, breaker_seconds=1.5)
    proxy.fail("500")
    for expected in (3, 5, 5, 5):
        with pytest.raises(RegistryUnreachable):
            registry.resolve("production")
        assert proxy.count("") == expected
    assert registry.breakers == {"look_ups": "open", "downloads": "closed"}

    time.sleep(1.5)
    with pytest.raises(RegistryUnreachable):  # a trial that fails opens it again at once
        registry.resolve("production")
    assert proxy.count("") == 6
    assert registry.breakers["look_ups"] == "open"

    proxy.heal()
    with pytest.raises(RegistryUnreachable, match="circuit breaker is open"):
        registry.resolve("production")
    assert proxy.count("") == 6
    time.sleep(1.5)
    assert registry.resolve("production") == {}
    assert registry.breakers["look_ups"] == "closed"


def test_a_version_that_cannot_be_delivered_does_not_keep_its_rollback_from_being_seen(
    proxy: FaultProxy, registered: RegisteredModel, tmp_path: Path
) -> None:
    registry = client(proxy, registered, attempts=3, breaker_failures=2)
    version = version_one(registry, registered, "first", "second")
    proxy.fail("500", where="get-artifact")
    with pytest.raises(RegistryUnreachable):
        registry.fetch(version, tmp_path)
    assert registry.breakers == {"look_ups": "closed", "downloads": "open"}
    registered.point("production", 2)
    assert registry.resolve("production")["production"].number == 2


def test_a_version_with_more_bytes_than_allowed_is_refused(
    proxy: FaultProxy, registered: RegisteredModel, tmp_path: Path
) -> None:
    registry = client(proxy, registered)
    version = version_one(registry, registered, "first")
    enough, small = (tmp_path / name for name in ("enough", "small"))
    for folder in (enough, small):
        folder.mkdir()
    registry.fetch(version, enough)
    size = sum(path.stat().st_size for path in enough.iterdir())
    with pytest.raises(ArtifactRefused, match="larger than the"):
        client(proxy, registered, max_bytes=size - 1).fetch(version, small)
    client(proxy, registered, max_bytes=size).fetch(version, small)


def test_a_version_that_lacks_a_file_is_refused_by_its_name(
    proxy: FaultProxy, registered: RegisteredModel, tmp_path: Path
) -> None:
    registry = client(proxy, registered)
    version = version_one(registry, registered, "incomplete")
    with pytest.raises(ArtifactRefused, match=r"golden.json is missing"):
        registry.fetch(version, tmp_path)
    assert proxy.count("golden.json") == 1


def test_a_manifest_other_than_the_registered_one_is_refused_before_anything_else_is_fetched(
    proxy: FaultProxy, registered: RegisteredModel, tmp_path: Path
) -> None:
    registry = client(proxy, registered)
    registered.register("first", tag="0" * 64)
    registered.point("production", 1)
    with pytest.raises(ArtifactRefused, match=r"manifest.json is not the one that version 1 was registered with"):
        registry.fetch(registry.resolve("production")["production"], tmp_path)
    assert proxy.count("get-artifact") == 1


@pytest.mark.parametrize(
    ("environment", "userinfo", "header"),
    [
        ({"USERNAME": "ali", "PASSWORD": "pass", "TOKEN": "not this"}, "", "Basic YWxpOnBhc3M="),
        ({"TOKEN": "t0ken"}, "", "Bearer t0ken"),
        ({"USERNAME": "not", "PASSWORD": "this"}, "ali:pass@", "Basic YWxpOnBhc3M="),
        ({}, "", None),
    ],
)
def test_credentials_are_sent_as_mlflow_does_and_not_shown(
    proxy: FaultProxy,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    environment: dict[str, str],
    userinfo: str,
    header: str | None,
) -> None:
    for name, text in environment.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", text)
    registry = MlflowRegistry(proxy.url.replace("//", f"//{userinfo}"), "model")
    with caplog.at_level("DEBUG"):
        registry.resolve("production")

    assert "pass" not in caplog.text
    assert proxy.headers[0].get("Authorization") == header
    assert registry.url == proxy.url


@pytest.mark.parametrize("url", ["sqlite:///mlflow.db", "postgresql://ali:secret@host/mlflow", "", "http://"])
def test_a_url_that_is_not_that_of_a_server_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ValueError, match="must be an MLflow server") as caught:
        MlflowRegistry(url, "model")
    assert "secret" not in str(caught.value)


def test_a_closed_client_does_not_wait_for_its_next_attempt(proxy: FaultProxy, registered: RegisteredModel) -> None:
    registry = client(proxy, registered, attempts=10, breaker_failures=100, timeout=0.5)
    proxy.fail("hang")
    threading.Timer(0.6, registry.close).start()
    begun = time.monotonic()
    with pytest.raises(RegistryUnreachable):
        registry.resolve("production")
    assert time.monotonic() - begun < 2


def test_versions_are_fetched_where_mlflow_cannot_be_imported(
    model_source: ModelSource, registered: RegisteredModel, tmp_path: Path
) -> None:
    registered.register("third")
    registered.point("production", 1)
    program = f"""
import sys
for name in ("mlflow", "dagster", "sklearn", "pandas"):
    sys.modules[name] = None
from pathlib import Path
from bento_service.models.cascade import ModelCascade
from bento_service.models.registry import MlflowRegistry
cascade = ModelCascade(MlflowRegistry({model_source.url!r}, {registered.name!r}), None, Path({str(tmp_path)!r}))
cascade.refresh_now()
print(cascade.snapshot.champion.model.provenance["kind"])
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout == "third\n"
