"""The container image, made by ``make container`` and started as the README tells: read-only and not as root."""

import json
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import httpx
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bento_service.auth import new_key
from deploy.audit.secrets import search
from deploy.release.containers import Containers
from deploy.release.probes import Probe, read_golden
from deploy.release.sides import Address, Refused, Side
from deploy.release.swap import Limits
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.market import Market
from housing_assets.listings.samples import load_sample
from housing_assets.packaging.batch import PRICE_CATEGORY, REASON, predict_frame, probability_names
from housing_assets.packaging.bento import build_bento
from housing_assets.packaging.registration import Registration
from resources.ports import free_port
from tests.bento_service.serving import KEY, KEYS

PROJECT = Path(__file__).parents[1]
IMAGE = "housing_price_classifier_under_test"
VERSION = "v7-0123456789ab"
TRAINING_STACK = {"dagster", "mlflow", "scikit-learn", "imbalanced-learn", "pandas", "scipy", "pyarrow", "uv", "pip"}
START_SECONDS = 60
HOME = {"district": "kadikoy", "GrossSquareMeters": "110 m2"}
WORKER = "_bentoml_impl.worker.service"

pytestmark = pytest.mark.acceptance


def docker(*arguments: str) -> str:
    ended = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def logs(container: str) -> str:
    return subprocess.run(
        ["docker", "logs", container], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    ).stdout


@pytest.fixture(scope="module")
def image(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if shutil.which("docker") is None or subprocess.run(["docker", "version"], capture_output=True).returncode:
        pytest.skip("no docker engine runs here")
    storage = tmp_path_factory.mktemp("storage")
    baked = storage / "baked"
    shutil.copytree(saved, baked)
    Registration(7, True, "first version").save(baked)
    build_bento(baked, VERSION, {"model_version": "7"}, storage / "bentoml")
    made = subprocess.run(
        ["make", "-o", "setup", "container", f"HOUSING_STORAGE={storage}", f"IMAGE={IMAGE}", *base_image()],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    yield f"{IMAGE}:latest"
    docker("image", "rm", f"{IMAGE}:latest", f"{IMAGE}:{VERSION}")


def base_image() -> list[str]:
    """Return what ``make`` is told where no registry is reached: the base image was made here, without a digest."""
    shown = ["docker", "image", "inspect", "--format", "{{len .RepoDigests}}", "python:3.11-slim"]
    found = subprocess.run(shown, capture_output=True, text=True, check=False).stdout.strip()
    return ["BASE_IMAGE=python:3.11-slim"] if found == "0" else []


class Container(NamedTuple):
    """A running container and where it listens."""

    name: str
    url: str
    grpc_address: str
    cpu_seconds_to_ready: float

    def run(self, *command: str) -> str:
        return docker("exec", self.name, *command)

    def inspect(self, template: str) -> str:
        return docker("inspect", "--format", template, self.name)

    def await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self.is_ready():
            assert self.inspect("{{.State.Running}}") == "true", logs(self.name)
            assert time.monotonic() < deadline, logs(self.name)
            time.sleep(0.05)

    def is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=2, verify=False).status_code == 200
        except httpx.TransportError:
            return False

    def cpu_seconds(self) -> float:
        """Return the CPU time of its processes: unlike the time on the clock, not that of whatever else runs here."""
        first = psutil.Process(int(self.inspect("{{.State.Pid}}")))
        return sum(sum(process.cpu_times()[:4]) for process in [first, *first.children(recursive=True)])

    def worker(self) -> int:
        """Return the process id of the worker, as the container numbers it."""
        program = (
            "from pathlib import Path\n"
            "for path in Path('/proc').glob('[0-9]*/cmdline'):\n"
            f"    if b'{WORKER}' in path.read_bytes():\n"
            "        print(path.parent.name)"
        )
        return int(self.run("python", "-c", program).splitlines()[0])


def start(image: str, *options: str, is_open: bool = True) -> Container:
    port, grpc_port = free_port(), free_port()
    ports = ["--env", f"HOUSING_PORT={port}", "--env", f"HOUSING_GRPC_PORT={grpc_port}"]
    if is_open:
        ports += ["--env", "HOUSING_OPEN_ENDPOINTS=predict,model,health,metrics"]
    hardened = ["--network", "host", "--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL"]
    name = docker("run", "--detach", *hardened, *ports, *options, image)
    container = Container(name, f"http://127.0.0.1:{port}", f"127.0.0.1:{grpc_port}", 0)
    try:
        container.await_ready()
    except BaseException:
        remove(container)
        raise
    return container._replace(cpu_seconds_to_ready=container.cpu_seconds())


def remove(container: Container) -> None:
    docker("rm", "--force", "--volumes", container.name)


@pytest.fixture(scope="module")
def container(image: str) -> Iterator[Container]:
    running = start(image)
    try:
        yield running
    finally:
        remove(running)


def predict(url: str, cells: Mapping[Any, Any]) -> dict[str, Any]:
    answer = httpx.post(f"{url}/predict", json={name: cell for name, cell in cells.items() if isinstance(cell, str)})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_the_container_is_ready_after_seconds_of_work(container: Container) -> None:
    assert 1 < container.cpu_seconds_to_ready < 10  # 4.4 on two busy cores


def test_the_container_answers_as_the_model_that_was_baked_predicts(
    container: Container, artifact: ModelArtifact, market: Market
) -> None:
    raw = load_sample(market).draw(30, seed=3)[[column.raw for column in market.inputs]]
    expected = predict_frame(artifact, raw)
    usable = expected[REASON].isna()
    assert usable.sum() >= 20
    for cells, wanted in zip(raw[usable].to_dict("records"), expected[usable].to_dict("records"), strict=True):
        answer = predict(container.url, cells)
        assert answer["price_category"] == wanted[PRICE_CATEGORY]
        assert list(answer["probabilities"]) == list(market.categories)
        assert list(answer["probabilities"].values()) == pytest.approx(
            [wanted[name] for name in probability_names(market.categories)], abs=1e-6
        )
        assert (answer["model_version"], answer["tier"]) == ("7", "baked")


def test_the_container_serves_grpc_and_says_so(container: Container) -> None:
    with grpc.insecure_channel(container.grpc_address) as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)

    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_the_engine_finds_the_container_healthy(container: Container) -> None:
    deadline = time.monotonic() + 60
    while (status := container.inspect("{{.State.Health.Status}}")) == "starting":
        assert time.monotonic() < deadline
        time.sleep(1)
    assert status == "healthy"


def test_the_container_is_not_root_and_cannot_write_but_where_it_must(container: Container) -> None:
    assert container.run("id", "-u") == "1034"
    assert container.inspect("{{.HostConfig.ReadonlyRootfs}}") == "true"
    files = container.run("find", "/data", "/tmp", "-type", "f")
    assert "/data/" in files
    writable = container.run("sh", "-c", "find / -xdev -writable -not -type l 2>/dev/null || true").splitlines()
    assert sorted(writable) == ["/data", "/tmp"]


def test_the_container_holds_no_training_stack_and_no_compiler(container: Container) -> None:
    program = "import importlib.metadata, json; print(json.dumps([d.name for d in importlib.metadata.distributions()]))"
    found = {name.lower() for name in json.loads(container.run("python", "-c", program))}

    assert {"bentoml", "numba", "sqlalchemy"} <= found
    assert found & TRAINING_STACK == set()
    assert container.run("sh", "-c", "command -v gcc cc c++ clang ld || true") == ""


@pytest.mark.trial  # make audit searches the layers, too
def test_no_layer_of_the_image_has_a_secret(image: str, tmp_path: Path) -> None:
    docker("save", "--output", str(tmp_path / "image.tar"), image)

    searched = search(tmp_path / "image.tar")

    assert searched.layers >= 3
    assert searched.files > 5_000
    assert searched.found == []


def test_nothing_is_compiled_when_the_container_starts(container: Container, artifact: ModelArtifact) -> None:
    predict(container.url, HOME)

    made, used = (
        sorted(container.run("find", folder, "-name", "*.nbc", "-printf", "%P %T@\n").splitlines())
        for folder in ("/app/kernels", "/tmp/kernels")
    )
    assert made
    assert used == made


def test_a_killed_worker_is_replaced(container: Container) -> None:
    killed = container.worker()
    container.run("python", "-c", f"import os; os.kill({killed}, 9)")

    deadline = time.monotonic() + START_SECONDS
    while container.worker() == killed or not container.is_ready():
        assert time.monotonic() < deadline, logs(container.name)
        time.sleep(0.1)
    assert predict(container.url, HOME)["tier"] == "baked"


def test_a_stopped_container_ends_well_within_the_ten_seconds_that_engines_give(image: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as hanging:  # a store that takes connections and never speaks
        store = f"postgresql://service@127.0.0.1:{hanging.getsockname()[1]}/predictions"
        running = start(image, "--env", f"HOUSING_PREDICTION_STORE={store}")
        try:
            predict(running.url, HOME)
            address = ("127.0.0.1", int(running.url.rpartition(":")[2]))
            with socket.create_connection(address) as slow:
                slow.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
                begun = time.monotonic()
                docker("stop", running.name)
            assert time.monotonic() - begun < 10
            assert running.inspect("{{.State.ExitCode}}") == "0", logs(running.name)
        finally:
            remove(running)


def test_a_container_is_closed_until_a_key_is_put_on_its_volume(image: str, tmp_path: Path) -> None:
    running = start(image, is_open=False)
    key, entry = new_key("mobile", ["predict"])
    authorized = {"authorization": f"Bearer {key}"}

    def status() -> int:
        return httpx.post(f"{running.url}/predict", json=HOME, headers=authorized).status_code

    try:
        assert status() == 401
        command = ["docker", "exec", "--interactive", running.name, "sh", "-c", "cat > /data/keys"]
        subprocess.run(command, input=f"{entry}\n", text=True, check=True)
        deadline = time.monotonic() + 10
        while status() != 200:
            assert time.monotonic() < deadline, logs(running.name)
            time.sleep(0.1)
        assert httpx.post(f"{running.url}/predict", json=HOME).status_code == 401
    finally:
        remove(running)


def test_a_release_is_a_container_on_the_ports_of_its_side(image: str, saved: Path) -> None:
    addresses = {side: Address(free_port(), free_port()) for side in Side}
    name = f"{IMAGE}_{os.getpid()}"
    options = ["--network", "host", "--env", f"HOUSING_API_KEYS={KEYS}"]
    host, probe = Containers(options, name=name, addresses=addresses), Probe(addresses[Side.GREEN], KEY)
    with pytest.raises(Refused, match="docker run"):
        host.start(Side.GREEN, "no_such_image:here")
    try:
        host.start(Side.GREEN, image)
        deadline = time.monotonic() + Limits().start
        while not probe.is_ready():
            assert host.is_running(Side.GREEN), host.log(Side.GREEN)
            assert time.monotonic() < deadline, host.log(Side.GREEN)
            time.sleep(0.1)
        probe.require_golden_answers(read_golden(saved))
        assert probe.counts() == (20, 0)
        host.keep(Side.GREEN)
        kept = docker("inspect", "--format", "{{.HostConfig.RestartPolicy.Name}} {{.State.Running}}", f"{name}-green")
        assert kept == "unless-stopped true"
        host.stop(Side.GREEN)
        assert not host.is_running(Side.GREEN)
        assert not host.is_running(Side.BLUE)
        assert "listening on" in host.log(Side.GREEN)
    finally:
        subprocess.run(["docker", "rm", "--force", f"{name}-green"], capture_output=True)
        docker("volume", "rm", "--force", f"{name}-green")


def test_the_records_of_a_container_outlive_it_on_its_volume(image: str) -> None:
    volume = f"{IMAGE}_{os.getpid()}"
    docker("volume", "create", volume)
    try:
        for _ in range(2):
            running = start(image, "--volume", f"{volume}:/data")
            predict(running.url, HOME)
            docker("stop", running.name)
            docker("rm", running.name)
        counting = "import sqlite3; print(sqlite3.connect('/data/predictions.db').execute(%r).fetchone()[0])"
        count = counting % "select count(*) from predictions"
        running = start(image, "--volume", f"{volume}:/data")  # it ships what the second had no time for
        try:
            deadline = time.monotonic() + START_SECONDS
            reading = ["docker", "exec", running.name, "python", "-c", count]
            while subprocess.run(reading, capture_output=True, text=True).stdout.strip() != "2":
                assert time.monotonic() < deadline, logs(running.name)
                time.sleep(0.2)
        finally:
            remove(running)
    finally:
        docker("volume", "rm", "--force", volume)
