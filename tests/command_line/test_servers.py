"""Servers that a command starts end with it, whatever they have started themselves and however it is asked to end."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import typer

from housing_assets.command_line import servers
from housing_assets.command_line.faults import CommandError
from housing_assets.command_line.processes import STOPPED, stopping
from resources.mlflow.server import server_command
from resources.ports import free_port

ROOT = Path(__file__).parents[2]

SERVER = """
import signal, subprocess, sys, time
if sys.argv[1] == "parent":
    subprocess.Popen([sys.executable, __file__, "child"])
    if len(sys.argv) > 2:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
time.sleep(600)
"""

COMMAND = """
import sys
import typer
from housing_assets.command_line import processes, servers
processes.GRACE_SECONDS = 1
processes.program = lambda command: command
app = typer.Typer()

@app.command()
def go() -> None:
    with servers._Servers() as running:
        for extra in ([], ["stubborn"]):
            running.start([sys.executable, sys.argv[1], "parent", *extra], {"STARTED_BY": sys.argv[1]})
        print("up", flush=True)
        running.wait()

app(args=[])
"""


def started_by(mark: str, variable: str = "STARTED_BY") -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(variable) == mark and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
        except psutil.Error:
            continue
    return found


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def taken() -> Iterator[int]:
    """Listen on a port as servers do that share theirs among processes."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


@pytest.mark.parametrize("setting", ["HOUSING_PORT", "HOUSING_GRPC_PORT"])
def test_a_service_takes_no_port_of_another_one(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    ports = {"HOUSING_PORT": free_port(), "HOUSING_GRPC_PORT": free_port()} | {setting: taken}
    for name, value in {"HOUSING_STORAGE": tmp_path, **ports}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(
        CommandError, match=f"port {taken} on 127.0.0.1 is not available .*: choose another one in {setting}"
    ):
        servers.serve(free_port())


def test_an_address_that_the_machine_does_not_have_is_told_by_the_setting_of_the_address(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports = {"HOUSING_PORT": free_port(), "HOUSING_GRPC_PORT": free_port()}
    for name, value in {"HOUSING_STORAGE": tmp_path, "HOUSING_HOST": "192.0.2.1", **ports}.items():
        monkeypatch.setenv(name, str(value))
    with pytest.raises(CommandError, match=r"^HOUSING_HOST: this machine does not have the address 192.0.2.1$"):
        servers.serve(free_port())


def test_a_second_lineage_page_is_refused_before_a_daemon_runs(
    taken: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    with pytest.raises(
        CommandError, match=f"port {taken} on 127.0.0.1 is not available .*: choose another one with --port"
    ):
        servers.dev(taken, free_port())


def test_whoever_watches_a_folder_is_told_that_another_source_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(servers, "start", lambda command, environment: subprocess.Popen(["true"]))
    for name, value in {
        "STORAGE": tmp_path,
        "LANDING": "incoming",
        "SOURCE": "postgresql://me:secret@host/ads#q",
    }.items():
        monkeypatch.setenv(f"HOUSING_{name}", str(value))
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.example")
    with pytest.raises(typer.Exit):
        servers.dev(free_port(), free_port())
    said = capsys.readouterr().out
    assert said.startswith("what lands in incoming (HOUSING_LANDING) starts trainings that read HOUSING_SOURCE: leave")
    assert "secret" not in said


def test_an_mlflow_of_another_storage_is_no_registry_of_this_one(taken: int, tmp_path: Path) -> None:
    database = f"sqlite:///{tmp_path}/mlflow.db"
    with (
        servers._Servers() as started,
        pytest.raises(CommandError, match=f"port {taken} is taken, and not by an MLflow"),
    ):
        started.start_mlflow(database, taken, {})
    with running_like(server_command(database, taken)), servers._Servers() as started:
        assert started.start_mlflow(database, taken, {}) == f"http://127.0.0.1:{taken}"


SLOW_SERVER = """
import socket, sys, time
time.sleep(float(sys.argv[2]))
with socket.create_server(("127.0.0.1", int(sys.argv[1]))):
    time.sleep(600)
"""


def test_two_commands_that_start_mlflow_at_once_share_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    port, seconds = free_port(), iter(["0.5", "1.5"])
    script = tmp_path / "server.py"
    script.write_text(SLOW_SERVER)
    monkeypatch.setattr("housing_assets.command_line.processes.program", list)
    monkeypatch.setattr(
        "resources.mlflow.server.server_command", lambda _, port: [sys.executable, str(script), str(port)]
    )
    started = servers._Servers.start
    monkeypatch.setattr(
        servers._Servers, "start", lambda self, command, env: started(self, [*command, next(seconds)], env)
    )
    with servers._Servers() as first, servers._Servers() as second, ThreadPoolExecutor(2) as threads:
        at_once = [threads.submit(each.start_mlflow, "sqlite:///mlflow.db", port, {}) for each in (first, second)]
        assert {each.result() for each in at_once} == {f"http://127.0.0.1:{port}"}
        assert sorted([len(first._running), len(second._running)]) == [0, 1]
    assert capsys.readouterr().out == f"MLflow runs on port {port}: `make dev` and `make serve` share it\n"


@contextmanager
def running_like(command: list[str]) -> Iterator[None]:
    """Run a process that has the arguments of a command, and waits."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)", *command[1:]])
    try:
        yield
    finally:
        process.kill()
        process.wait()


@pytest.mark.acceptance
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_stopped_leaves_nothing(tmp_path: Path, sent: signal.Signals) -> None:
    server = tmp_path / "server.py"
    server.write_text(SERVER)
    # As a shell starts what runs in the background: with SIGINT ignored, which programs inherit.
    ignoring = (
        "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_IGN); os.execv(sys.argv[1], sys.argv[1:])"
    )
    command = subprocess.Popen(
        [sys.executable, "-c", ignoring, sys.executable, "-c", COMMAND, str(server)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "up\n"
    wait_until(lambda: len(started_by(str(server))) == 4, 20)

    command.send_signal(sent)

    assert command.wait(timeout=20) == STOPPED
    assert started_by(str(server)) == []


def test_a_second_signal_does_not_cut_short_what_the_first_one_began() -> None:
    ended = False
    with stopping():
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            signal.raise_signal(signal.SIGTERM)  # make, say, passes on what its own group was sent
            ended = True
    assert ended


@pytest.mark.trial
def test_a_server_that_ends_ends_the_others(tmp_path: Path) -> None:
    server = tmp_path / "server.py"
    server.write_text(SERVER)
    command = subprocess.Popen(
        [sys.executable, "-c", COMMAND, str(server)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "up\n"
    wait_until(lambda: len(started_by(str(server))) == 4, 20)
    first = next(each for each in started_by(str(server)) if each.cmdline()[2:] == ["parent"])

    first.kill()

    _, told = command.communicate(timeout=20)
    assert command.returncode == 256 - signal.SIGKILL
    assert f"{server} has ended with exit code -9, and the other servers with it" in told
    assert started_by(str(server)) == []


@pytest.mark.acceptance
def test_dev_ends_on_sigterm_and_leaves_nothing(tmp_path: Path) -> None:
    storage = tmp_path / "storage"
    ports = ["--port", str(free_port()), "--mlflow-port", str(free_port())]
    with (tmp_path / "log").open("w") as log:
        dev = subprocess.Popen(
            [sys.executable, "-m", "housing_assets.command_line", "dev", *ports],
            cwd=ROOT,
            env={**os.environ, "HOUSING_STORAGE": str(storage)},
            stdout=log,
            stderr=log,
        )
        wait_until(lambda: "Serving dagster-webserver" in (tmp_path / "log").read_text(), 240)
        dev.terminate()
        code = dev.wait(timeout=60)

    assert code == STOPPED
    assert started_by(str(storage), "HOUSING_STORAGE") == []
