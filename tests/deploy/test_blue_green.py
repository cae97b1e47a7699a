"""Real services swapped behind a real nginx under load: a bad release costs no request, and no record."""

import threading
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from deploy.release.history import History
from deploy.release.probes import Probe, read_golden
from deploy.release.proxy import Switch
from deploy.release.sides import Address, Side
from deploy.release.swap import Limits, Swaps
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.market import Market
from housing_assets.inference.prediction import UnusableListing
from resources.ports import free_port
from resources.predictions.tables import PREDICTIONS, open_store
from tests.bento_service.ads import sample_ads
from tests.bento_service.breaking import kill
from tests.bento_service.load import GrpcConnection, HttpConnection, Load
from tests.bento_service.serving import KEY, Service, serving
from tests.bento_service.versions import of_fewer_trees
from tests.databases import new_sqlite
from tests.deploy.proxies import needs_nginx, proxied

LIMITS = Limits(start=60, watch=2.5, drain=10)
CRASHES_AFTER = 1.0


class Processes:
    """Runs the service as processes of this machine: each release is an environment."""

    def __init__(self, folder: Path, addresses: Mapping[Side, Address], releases: Mapping[str, Mapping[str, str]]):
        self._folder = folder
        self._addresses = addresses
        self._releases = releases
        self._running: dict[Side, tuple[AbstractContextManager[Service], Service]] = {}

    def start(self, side: Side, release: str) -> None:
        held = serving(self._folder / side, self._releases[release], wait=False, ports=self._addresses[side])
        self._running[side] = held, held.__enter__()

    def is_running(self, side: Side) -> bool:
        return side in self._running and self._running[side][1].process.poll() is None

    def keep(self, side: Side) -> None:
        pass

    def stop(self, side: Side) -> None:
        if side in self._running:
            self._running.pop(side)[0].__exit__(None, None, None)

    def log(self, side: Side) -> str:
        return self._running[side][1].log.read_text()[-1_000:] if side in self._running else ""

    def kill(self, side: Side) -> None:
        kill(self._running[side][1])


@pytest.mark.trial
@needs_nginx
def test_bad_releases_cost_no_request_and_are_taken_back(
    saved: Path, artifact: ModelArtifact, market: Market, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    of_fewer_trees(artifact, 5).save(other)
    store = {"HOUSING_PREDICTION_STORE": new_sqlite(tmp_path)}
    good = {"HOUSING_MODEL_FOLDER": str(saved), **store}
    releases = {
        "first": good,
        "never ready": {"HOUSING_MODEL_FOLDER": str(tmp_path / "nothing"), **store},
        "wrong": {"HOUSING_MODEL_FOLDER": str(other), **store},
        "crashes": good,
        "second": good,
    }
    addresses = {side: Address(free_port(), free_port()) for side in Side}
    told = tmp_path / "switch"
    told.mkdir()
    switch = Switch(told)
    with ExitStack() as running:
        host = Processes(tmp_path, addresses, releases)
        for side in Side:
            running.callback(host.stop, side)
        probes = {side: Probe(address, KEY) for side, address in addresses.items()}
        swaps = Swaps(host, switch, probes, read_golden(saved), History(told / "history.jsonl"), LIMITS)
        assert swaps.swap("first").outcome == "accepted"
        listens = running.enter_context(proxied(tmp_path, switch, addresses))
        behind = Service(None, listens.port, listens.grpc_port, tmp_path, tmp_path / "log")  # type: ignore[arg-type]
        moments: list[float] = []

        def crash() -> None:
            while switch.live is not Side.BLUE:
                time.sleep(0.01)
            time.sleep(CRASHES_AFTER)
            moments.append(time.monotonic())
            host.kill(Side.BLUE)
            while switch.live is Side.BLUE:
                time.sleep(0.005)
            moments.append(time.monotonic())

        usable = _usable(artifact, market)
        http, rpc = Load(usable, behind, [HttpConnection] * 2), Load(usable, behind, [GrpcConnection])
        with http, rpc:
            impatient = replace(swaps, limits=replace(LIMITS, start=8))
            assert "was not ready within" in impatient.swap("never ready").reason
            assert "golden request 0 is answered with" in swaps.swap("wrong").reason
            crashing = threading.Thread(target=crash)
            crashing.start()
            assert swaps.swap("crashes").outcome == "rolled back"
            crashing.join()
            assert (swaps.swap("second").outcome, switch.live) == ("accepted", Side.BLUE)
        for side in Side:
            host.stop(side)
    back = moments[1] - moments[0]
    exchanges = [*http.exchanges, *rpc.exchanges]
    failed = [exchange.failure for exchange in exchanges if exchange.failure]
    again = [sum(each.lost_connections + each.refusals for each in load.exchanges) for load in (http, rpc)]
    answered = {answer.prediction_id for exchange in exchanges for answer in exchange.answers}
    deadline = time.monotonic() + 20
    while (lost := answered - _stored(store["HOUSING_PREDICTION_STORE"])) and time.monotonic() < deadline:
        time.sleep(0.5)  # what ships records ends a little later than the service
    print(
        f"{len(http.exchanges)} requests sent over HTTP and {len(rpc.exchanges)} over gRPC, {len(failed)} failed, "
        f"{again[0]} and {again[1]} sent again; {len(answered)} predictions answered, {len(lost)} lost; "
        f"rolled back {back:.2f} s after the crash"
    )
    assert not failed
    assert not lost
    assert len(answered) == sum(len(exchange.asked) for exchange in exchanges)
    assert again[0] == 0
    assert again[1] <= 1  # a call that was on its way when the release was killed: nginx does not keep its body
    assert back < 3


def _usable(artifact: ModelArtifact, market: Market) -> list[dict[str, object]]:
    usable = []
    for ad in sample_ads(market, 60):
        try:
            artifact.predict_one(ad)
        except UnusableListing:
            continue
        usable.append(ad)
    return usable


def _stored(url: str) -> set[str]:
    engine = open_store(url)
    with engine.connect() as connection:
        found = set(connection.execute(select(PREDICTIONS.c.prediction_id)).scalars())
    engine.dispose()
    return found
