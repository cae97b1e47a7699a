"""The platform in its containers: the loop goes round, and a stranger is let in nowhere."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from deploy.new_secrets import write_secrets
from tests.deploy.here import DEPLOY, OTHERS, PLATFORM, compose_here
from tests.test_container import base_image, docker

PROJECT = "housing_under_test"
START_SECONDS, TRAINING_SECONDS, REPAIR_SECONDS = 240, 600, 600
SETTINGS = {
    "HOUSING_SAMPLE_ROWS": "3000",
    "HOUSING_SENSOR_SECONDS": "5",
    "HOUSING_REFRESH_SECONDS": "2",
    "HOUSING_RETRAIN_WINDOWS_NEEDED": "1",
}

pytestmark = pytest.mark.trial


class Platform(NamedTuple):
    """Running containers."""

    file: Path
    secrets: Path

    def compose(self, *arguments: str) -> str:
        ended = subprocess.run(
            ["docker-compose", "-p", PROJECT, "-f", self.file, *arguments], capture_output=True, text=True, check=False
        )
        assert ended.returncode == 0, f"{ended.stdout[-3_000:]}\n{ended.stderr[-3_000:]}"
        return ended.stdout

    def run(self, service: str, *command: str) -> str:
        """Run a command in a service's container, with the secrets that the service has."""
        entrypoint = ["sh", "/platform/deploy/platform/entrypoint.sh"]
        return self.compose("exec", "-T", service, *entrypoint, *command)

    def secret(self, name: str) -> str:
        return (self.secrets / name).read_text()


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    if shutil.which("docker-compose") is None or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("no docker engine and docker-compose run here")
    docker("build", "--quiet", "--network", "host", "--tag", OTHERS, str(Path(__file__).parent))
    arguments = ["--build-arg", *base_image()] if base_image() else []
    file = str(DEPLOY / "platform" / "Dockerfile")
    docker("build", "--quiet", "--network", "host", "--tag", PLATFORM, "--file", file, *arguments, str(DEPLOY.parent))
    folder = tmp_path_factory.mktemp("compose")
    write_secrets(folder / "secrets")
    (folder / "compose.yaml").write_text(compose_here(folder / "secrets", **SETTINGS))
    running = Platform(folder / "compose.yaml", folder / "secrets")
    started = time.monotonic()
    try:
        running.compose("up", "--detach")
        wait_until(lambda: is_up("http://127.0.0.1:8080/health"), START_SECONDS)
        wait_until(lambda: is_up("http://127.0.0.1:3100/livez"), START_SECONDS)
        print(f"\nup after {time.monotonic() - started:.0f} s")
        yield running
    finally:
        (folder / "log").write_text(running.compose("logs", "--no-color"))
        print(f"logs in {folder / 'log'}")
        running.compose("down", "--volumes", "--timeout", "20")


def is_up(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.TransportError:
        return False


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)


def test_a_stranger_is_let_in_nowhere(platform: Platform) -> None:
    strangers = {
        "http://127.0.0.1:8080/": 401,
        "http://127.0.0.1:8080/graphql": 401,
        "http://127.0.0.1:8081/": 401,
        "http://127.0.0.1:5000/api/2.0/mlflow/experiments/search?max_results=1": 401,
        "http://127.0.0.1:3100/model": 401,
        "http://127.0.0.1:3100/metrics": 401,
    }
    assert {url: httpx.get(url).status_code for url in strangers} == strangers
    known = httpx.BasicAuth("housing", platform.secret("web_password"))
    assert httpx.get("http://127.0.0.1:8080/server_info", auth=known).status_code == 200
    assert "Housing console" in httpx.get("http://127.0.0.1:8081/", auth=known).text
    default = httpx.BasicAuth("admin", "password1234")
    experiments = "http://127.0.0.1:5000/api/2.0/mlflow/experiments/search?max_results=1"
    assert httpx.get(experiments, auth=default).status_code == 401


def test_the_lineage_page_changes_nothing(platform: Platform) -> None:
    known = httpx.BasicAuth("housing", platform.secret("web_password"))
    asked = {"query": 'mutation { startSensor(sensorSelector: {repositoryName: "x", repositoryLocationName: "x", '
             'sensorName: "x"}) { __typename } }'}  # fmt: skip
    answered = httpx.post("http://127.0.0.1:8080/graphql", json=asked, auth=known).text
    assert "UnauthorizedError" in answered


def test_the_loop_goes_round(platform: Platform) -> None:
    started = time.monotonic()
    platform.run("code", "housing", "materialize")
    key = {"authorization": f"Bearer {platform.secret('client_key')}"}
    home = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}

    def version() -> str:
        answered = httpx.post("http://127.0.0.1:3100/predict", json=home, headers=key, timeout=10)
        return str(answered.json()["model_version"]) if answered.is_success else ""

    wait_until(lambda: version() == "1", 60)
    print(f"trained and served after {time.monotonic() - started:.0f} s")

    yesterday = datetime.now(UTC).date() - timedelta(days=1)
    environment = {**os.environ, "TRAFFIC_API_KEY": platform.secret("operator_key")}
    drifted = time.monotonic()
    send = [".venv/bin/housing", "traffic", "--day", f"{yesterday}", "--requests", "1500", "--rate", "300"]
    shift = ["--label-share", "0.9", "--shift", "price_inflation=0.5"]
    told = subprocess.run([*send, *shift], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    assert "0 failed" in told.stdout, told.stdout  # some of the synthetic rows are refused, as real ones are
    operator = {"authorization": f"Bearer {platform.secret('operator_key')}"}
    deep = "http://127.0.0.1:3100/health/deep"
    wait_until(lambda: httpx.get(deep, headers=operator).json()["prediction_store"]["pending_bytes"] == 0, 60)
    platform.run("code", "housing", "judge")
    wait_until(lambda: version() == "2", REPAIR_SECONDS)
    print(f"followed the retrained version {time.monotonic() - drifted:.0f} s after the first drifted request")

    known = httpx.BasicAuth("housing", platform.secret("MLFLOW_TRACKING_PASSWORD"))
    found = httpx.get("http://127.0.0.1:5000/api/2.0/mlflow/registered-models/search", auth=known).json()
    assert [each["name"] for each in found["registered_models"]] == ["HousingPriceClassifier"]
    measured = httpx.get("http://127.0.0.1:9090/api/v1/query", params={"query": "up"}).json()["data"]["result"]
    assert [each["value"][1] for each in measured] == ["1"] * len(measured) != []


def test_containers_run_with_nothing_that_they_do_not_need(platform: Platform) -> None:
    names = platform.compose("ps", "--services").split()
    for name in sorted(set(names) - {"bucket"}):
        (container,) = platform.compose("ps", "--quiet", name).split()
        found = docker("inspect", "--format", "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.Memory}}", container)
        read_only, memory = found.split()
        assert read_only == "true", name
        assert int(memory) > 0, name


def test_every_container_that_is_asked_how_it_is_says_healthy(platform: Platform) -> None:
    def states() -> set[str]:
        told = "{{if .State.Health}}{{.State.Health.Status}}{{else}}not asked{{end}}"
        return {docker("inspect", "--format", told, one).strip() for one in platform.compose("ps", "--quiet").split()}

    wait_until(lambda: states() <= {"healthy", "not asked"}, 120)
    assert "healthy" in states()
