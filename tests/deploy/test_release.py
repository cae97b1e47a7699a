"""Swaps of releases that do one thing wrong: each is kept out, or taken back, and the former one answers on."""

import fcntl
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from deploy.release.__main__ import main
from deploy.release.history import Entry, History
from deploy.release.probes import Probe, read_golden
from deploy.release.proxy import Switch
from deploy.release.sides import Address, Side
from deploy.release.swap import Limits, Swaps
from housing_assets.inference.artifact import ModelArtifact
from resources.ports import free_port
from tests.deploy.proxies import needs_nginx, proxied
from tests.deploy.tiny_releases import DIES_AFTER, GOLDEN, TinyHost, TinyRelease

pytestmark = pytest.mark.acceptance

LIMITS = Limits(end=0.2, start=0.5, watch=0.5, poll=0.03, failed_requests=3, drain=0.1)


class Machine:
    """Two sides with tiny releases, and what swaps them."""

    def __init__(self, folder: Path) -> None:
        self.addresses = {side: Address(free_port(), free_port()) for side in Side}
        self.host = TinyHost(self.addresses)
        self.switch = Switch(folder)
        self.history = History(folder / "history.jsonl")
        self.said: list[str] = []
        probes = {side: Probe(address, "key", seconds=0.3) for side, address in self.addresses.items()}
        self.swaps = Swaps(self.host, self.switch, probes, GOLDEN, self.history, LIMITS, self.said.append)

    def swap(self, release: str) -> Entry:
        return self.swaps.swap(release)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    try:
        yield machine
    finally:
        for side in Side:
            machine.host.stop(side)


def test_releases_take_turns_and_the_former_one_ends(machine: Machine) -> None:
    for release, side in (("good#1", Side.GREEN), ("good#2", Side.BLUE), ("good#3", Side.GREEN)):
        entry = machine.swap(release)

        assert (entry.outcome, entry.side, machine.switch.live) == ("accepted", side, side)
        assert not machine.switch.is_watched
        assert machine.host.is_running(side)
        assert not machine.host.is_running(side.other)
        assert machine.host.kept == {side: "good"}
    assert [entry.release for entry in machine.history.entries()] == ["good#1", "good#2", "good#3"]


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        ("no such image", "no such image"),
        ("ends", "it ended before it was ready"),
        ("never ready", "it was not ready within 0.5 s"),
        ("wrong", "golden request 0 is answered with {'low': 0.25, 'high': 0.75} by version 7"),
        ("keeps its metrics", "/metrics is answered 401"),
    ],
)
def test_a_release_that_fails_before_it_is_asked_is_never_asked(machine: Machine, release: str, reason: str) -> None:
    machine.swap("good")

    entry = machine.swap(release)

    assert entry.outcome == "refused"
    assert reason in entry.reason
    assert (machine.switch.live, machine.switch.is_watched) == (Side.GREEN, False)
    assert machine.host.is_running(Side.GREEN)
    assert not machine.host.is_running(Side.BLUE)
    assert machine.history.entries()[-1].reason == entry.reason


@pytest.mark.parametrize(
    ("release", "reason"),
    [
        ("dies", "it ended while it was watched"),
        ("turns wrong", "golden request 0 is answered with"),
        ("stops being ready", "2 probes in a row found it not ready"),
        ("fails", "it failed to answer 3 of 3 requests"),
    ],
)
def test_a_release_that_fails_while_it_is_watched_is_taken_back(machine: Machine, release: str, reason: str) -> None:
    machine.swap("good")

    def disturb() -> None:
        while machine.switch.live is not Side.BLUE:
            time.sleep(0.01)
        time.sleep(DIES_AFTER)
        running = machine.host.release(Side.BLUE)
        if release == "dies":
            running.end()
        elif release == "stops being ready":
            running.name = "never ready"
        elif release == "fails":
            url = f"http://127.0.0.1:{machine.addresses[Side.BLUE].port}/predict"
            for _ in range(3):
                client.post(url, json={})

    with httpx.Client(verify=False) as client:  # made before, and without certificates: it takes longer than the watch
        disturbing = threading.Thread(target=disturb)
        disturbing.start()
        entry = machine.swap(release)
        disturbing.join()

    assert (entry.outcome, machine.switch.live, machine.switch.is_watched) == ("rolled back", Side.GREEN, False)
    assert reason in entry.reason
    assert machine.host.is_running(Side.GREEN)
    assert not machine.host.is_running(Side.BLUE)
    assert any("has printed" in line for line in machine.said)


def test_what_else_answers_on_the_ports_of_a_side_is_not_taken_for_the_release(machine: Machine) -> None:
    left = TinyRelease("good", machine.addresses[Side.GREEN])
    try:
        assert "something else listens on the ports of green" in machine.swap("good").reason
    finally:
        left.end()
    assert machine.swap("good").outcome == "accepted"


def test_a_first_release_that_fails_is_left_as_there_is_no_other(machine: Machine) -> None:
    entry = machine.swap("turns wrong")

    assert (entry.outcome, machine.switch.live, machine.switch.is_watched) == ("rolled back", Side.GREEN, False)
    assert machine.host.is_running(Side.GREEN)


def test_what_an_interrupted_swap_has_left_is_taken_back_by_the_next(machine: Machine) -> None:
    machine.swap("good#1")
    machine.host.start(Side.BLUE, "good#2")
    machine.switch.turn_to(Side.BLUE)  # as far as a swap came that was killed

    entry = machine.swap("good#3")

    assert (entry.outcome, entry.side) == ("accepted", Side.BLUE)
    assert any("never judged" in line for line in machine.said)
    assert [each.release for each in machine.history.entries()] == ["good#1", "good#3"]


def test_a_swap_that_is_interrupted_goes_back_first(machine: Machine) -> None:
    machine.swap("good#1")

    def interrupt(line: str) -> None:
        if "watched for" in line:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        replace(machine.swaps, say=interrupt).swap("good#2")

    assert (machine.switch.live, machine.switch.is_watched) == (Side.GREEN, False)
    assert not machine.host.is_running(Side.BLUE)


def test_records_that_wait_when_the_former_release_ends_are_told_of(machine: Machine) -> None:
    machine.swap("keeps records")
    machine.swap("good")

    assert "7 bytes of records on green wait there for the next release" in machine.said


def test_going_back_goes_one_release_further_each_time(machine: Machine) -> None:
    history = machine.history
    with pytest.raises(LookupError, match="name the one to go back to"):
        history.former_release()
    for release in ("1", "2", "3"):
        history.add(Entry(release, Side.BLUE, "accepted"))
    history.add(Entry("4", Side.BLUE, "rolled back", "it ended"))
    for expected in ("2", "1"):
        assert history.former_release() == expected
        history.add(Entry(expected, Side.BLUE, "accepted", goes_back=True))
    with pytest.raises(LookupError):
        history.former_release()
    history.add(Entry("4", Side.BLUE, "accepted"))
    assert history.former_release() == "1"


def test_golden_requests_are_those_of_the_model(saved: Path, artifact: ModelArtifact, tmp_path: Path) -> None:
    golden = read_golden(saved)

    assert [request.cells for request in golden] == [row.cells for row in artifact.golden]
    assert [tuple(request.probabilities.values()) for request in golden] == [
        row.probabilities for row in artifact.golden
    ]
    assert {tuple(request.probabilities) for request in golden} == {artifact.market.categories}
    (tmp_path / "golden.json").write_text("[]")
    (tmp_path / "labels.json").write_text(json.dumps({"categories": ["low", "high"]}))
    with pytest.raises(ValueError, match="no golden rows"):
        read_golden(tmp_path)


def test_the_command_needs_nothing_but_python(tmp_path: Path) -> None:
    command = [sys.executable, "-I", "-S", "-c", "import sys; sys.path.insert(0, sys.argv.pop(1)); "]
    command[-1] += "import runpy; runpy.run_module('deploy.release', run_name='__main__')"
    project = str(Path(__file__).parents[2])
    shown = subprocess.run(
        [*command, project, "--folder", tmp_path, "status"], capture_output=True, text=True, check=True
    )
    assert shown.stdout == f"nothing was released here: {tmp_path} has no history\n"


def test_the_command_asks_for_its_key(saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("RELEASE_API_KEY", raising=False)
    with pytest.raises(SystemExit, match="housing keys new release"):
        main(["--folder", str(tmp_path), "swap", "image", "--golden", str(saved)])


def test_a_second_release_on_a_machine_waits_for_nobody(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RELEASE_API_KEY", "key")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(SystemExit, match="another release is under way"):
            main(["--folder", str(tmp_path), "swap", "image", "--golden", str(saved)])


@needs_nginx
def test_requests_follow_the_switch_at_once_and_on_the_same_connection(machine: Machine, tmp_path: Path) -> None:
    for side in Side:
        machine.host.start(side, "good")
    asked = {side: machine.host.release(side).asked for side in Side}
    with (
        proxied(tmp_path, machine.switch, machine.addresses) as listens,
        httpx.Client(base_url=f"http://127.0.0.1:{listens.port}", verify=False) as client,
    ):
        for side in (Side.BLUE, Side.GREEN, Side.BLUE):
            before = len(asked[side])
            machine.switch.turn_to(side)
            assert client.post("/predict", json={}).status_code == 200
            assert len(asked[side]) == before + 1
        assert len(client._transport._pool.connections) == 1  # type: ignore[attr-defined]
        assert client.get("/metrics").status_code == 404


@needs_nginx
def test_while_a_release_is_watched_the_other_one_answers_for_it(machine: Machine, tmp_path: Path) -> None:
    machine.host.start(Side.BLUE, "good")
    machine.host.start(Side.GREEN, "fails")
    with (
        proxied(tmp_path, machine.switch, machine.addresses) as listens,
        httpx.Client(base_url=f"http://127.0.0.1:{listens.port}", verify=False) as client,
    ):
        machine.switch.turn_to(Side.GREEN)
        assert client.post("/predict", json={}).status_code == 200
        (first,), (second,) = (machine.host.release(side).asked for side in (Side.GREEN, Side.BLUE))
        assert first["idempotency-key"] == second["idempotency-key"] != ""
        own = client.post("/predict", json={}, headers={"idempotency-key": "of the client"})
        assert own.status_code == 200
        assert machine.host.release(Side.BLUE).asked[-1]["idempotency-key"] == "of the client"
        machine.host.stop(Side.GREEN)
        assert {client.post("/predict", json={}).status_code for _ in range(20)} == {200}
        machine.host.stop(Side.BLUE)
        refused = client.post("/predict", json={})
        assert (refused.status_code, refused.json()["status"], refused.headers["retry-after"]) == (503, 503, "1")
        machine.host.start(Side.GREEN, "fails")
        machine.switch.settle()
        assert client.post("/predict", json={}).status_code == 500  # as the release says it, with nobody to ask
