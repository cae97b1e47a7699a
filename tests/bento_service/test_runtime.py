"""What a worker tells of itself: to whoever looks often, and of a registry that never spoke."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from bento_service.errors import Kind, ServiceError
from bento_service.protocols import http
from bento_service.protocols.http import HttpAdapter, HttpApi
from bento_service.runtime import Runtime
from housing_assets.inference.artifact import ModelArtifact
from resources.serving_settings import ServingSettings

T = TypeVar("T")


@asynccontextmanager
async def running(storage: Path, **settings: Any) -> AsyncIterator[Runtime]:
    runtime = Runtime(ServingSettings(storage=storage, **settings), None, "127.0.0.1")
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


def ask(storage: Path, question: Callable[[Runtime], T], **settings: Any) -> T:
    """Return what a worker answers that has been started for the question."""

    async def run() -> T:
        async with running(storage, **settings) as runtime:
            return question(runtime)

    return asyncio.run(run())


def registry_age(runtime: Runtime) -> float:
    (line,) = [
        line
        for line in runtime.expose_metrics().decode().splitlines()
        if line.startswith("housing_registry_age_seconds")
    ]
    return float(line.rpartition(" ")[2])


def test_a_registry_that_never_answered_is_as_old_as_the_worker(saved: Path, tmp_path: Path) -> None:
    assert ask(tmp_path, registry_age, model_folder=saved, MLFLOW_TRACKING_URI="http://127.0.0.1:9") > 0


def test_where_there_is_no_registry_it_has_no_age(saved: Path, tmp_path: Path) -> None:
    assert ask(tmp_path, registry_age, model_folder=saved) == 0


def test_whoever_asks_for_health_again_and_again_does_not_make_the_model_work(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replays: list[ModelArtifact] = []
    monkeypatch.setattr(ModelArtifact, "replay_golden", lambda artifact: replays.append(artifact))

    def look(runtime: Runtime) -> list[str]:
        replays.clear()  # loading replays them, too
        return [runtime.check_health(hosts=True)["golden_rows"] for _ in range(5)]

    assert ask(tmp_path, look, model_folder=saved) == ["as evaluated"] * 5
    assert len(replays) == 1


HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}


@pytest.mark.parametrize(
    ("path", "batch"),
    [
        ("/predict_batch", {"listings": [HOME] * 300}),
        (
            "/v2/models/HousingPriceClassifier/infer",
            {
                "inputs": [
                    {"name": name, "shape": [300], "datatype": "BYTES", "data": [cell] * 300}
                    for name, cell in HOME.items()
                ]
            },
        ),
    ],
    ids=["predict_batch", "infer"],
)
def test_a_batch_that_takes_too_long_is_told_to_come_back(
    path: str, batch: dict[str, Any], saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BentoML would give it an answer of another shape, and the client has set no deadline."""
    monkeypatch.setattr(http, "ANSWER_SECONDS", 0.001)

    async def reply() -> httpx.Response:
        api = HttpApi()
        async with (
            running(tmp_path, model_folder=saved, open_endpoints=["predict_batch"]) as api.service,
            httpx.AsyncClient(transport=httpx.ASGITransport(HttpAdapter(None, api)), base_url="http://x") as client,
        ):
            return await client.post(path, json=batch)

    found = asyncio.run(reply())
    assert (found.status_code, found.headers["retry-after"]) == (503, "1")
    assert (found.json()["type"], "listings were done" in found.text) == (Kind.OVERLOADED.urn, True)


def test_probes_and_metrics_are_answered_while_requests_are_turned_away(saved: Path, tmp_path: Path) -> None:
    def refuse() -> None:
        raise ServiceError(Kind.OVERLOADED, "requests wait", retry_after=1)

    async def statuses() -> list[int]:
        api = HttpApi()
        async with (
            running(tmp_path, model_folder=saved) as api.service,
            httpx.AsyncClient(transport=httpx.ASGITransport(HttpAdapter(None, api)), base_url="http://x") as client,
        ):
            api.service.require_capacity = refuse  # type: ignore[method-assign]
            return [(await client.get(path)).status_code for path in ("/model", "/readyz", "/metrics")]

    assert asyncio.run(statuses()) == [503, 200, 200]


def test_predictions_wait_for_their_turn_and_probes_do_not(saved: Path, tmp_path: Path) -> None:
    async def statuses() -> list[int]:
        api, turn = HttpApi(), asyncio.Event()
        async with (
            running(tmp_path, model_folder=saved) as api.service,
            httpx.AsyncClient(transport=httpx.ASGITransport(HttpAdapter(None, api)), base_url="http://x") as client,
        ):
            before = await client.post("/predict", json=HOME)
            api.service.wait_for_turn = turn.wait
            predicting = asyncio.create_task(client.post("/predict", json=HOME))
            await asyncio.sleep(0.1)  # many times what a prediction takes
            assert not predicting.done()
            probed = await client.get("/readyz")
            turn.set()
            return [each.status_code for each in (before, probed, await predicting)]

    assert asyncio.run(statuses()) == [200, 200, 200]
