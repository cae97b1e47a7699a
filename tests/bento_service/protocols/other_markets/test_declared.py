"""The endpoints as BentoML knows them: its clients, its schema, its page, and the methods themselves."""

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bentoml
import httpx
import pytest
from bentoml.exceptions import BentoMLException

from housing_assets.inference.market import Market
from tests.bento_service.hand_built import LARGE_HOME, SMALL_HOME, model_of, save
from tests.bento_service.serving import KEY, Service

pytestmark = pytest.mark.acceptance


@pytest.fixture
def client(service: Service) -> Iterator[bentoml.SyncHTTPClient]:
    with bentoml.SyncHTTPClient(service.url, token=KEY) as client:
        yield client


def feedback_on(market: Market, answer: Any) -> dict[str, Any]:
    truth: dict[str, Any] = {"price": 221_900} if market.has_price else {"price_category": "A"}
    return {"prediction_id": answer["prediction_id"], **truth}


def test_bentomls_client_is_answered_as_everybody_is(
    client: bentoml.SyncHTTPClient, service: Service, market: Market
) -> None:
    answer = client.predict(SMALL_HOME)
    over_http = httpx.post(f"{service.url}/predict", json=SMALL_HOME).json()
    assert answer == over_http | {"prediction_id": answer["prediction_id"]}
    assert answer["price_category"] == market.categories[0]
    accepted = client.feedback(feedback_on(market, answer))
    assert accepted["prediction_id"] == answer["prediction_id"]
    assert client.model() == httpx.get(f"{service.url}/model").json() | {"source": client.model()["source"]}


def test_bentomls_client_gets_errors_of_a_batch_in_their_place(client: bentoml.SyncHTTPClient, market: Market) -> None:
    found = client.predict_batch(listings=[SMALL_HOME, {"colour": 1}, LARGE_HOME])["answers"]
    assert [each.get("price_category") for each in found] == [market.categories[0], None, market.categories[-1]]
    assert found[1]["error"]["errors"][0]["field"] == "colour"


def test_bentomls_client_knows_the_columns_of_the_market_that_is_served(
    client: bentoml.SyncHTTPClient, market: Market
) -> None:
    with pytest.raises(TypeError, match="colour"):
        client.predict(SMALL_HOME | {"colour": "red"})
    with pytest.raises(TypeError, match=market.required[0]):
        client.predict({})
    with pytest.raises(BentoMLException, match="urn:housing-price-platform:invalid"):
        client.predict(SMALL_HOME | {"sqft_living": "huge"})


def test_the_schema_has_the_columns_and_categories_of_the_market_that_is_served(
    service: Service, market: Market
) -> None:
    schema = httpx.get(f"{service.url}/schema.json").json()
    routes = {route["name"]: route for route in schema["routes"]}
    assert {name: route["route"] for name, route in routes.items()} == {
        name: f"/{name}" for name in ("predict", "explain", "predict_batch", "feedback", "model")
    }
    assert routes["predict"]["input"]["properties"].keys() == market.known_names
    assert routes["predict"]["output"]["properties"]["price_category"] == {"enum": list(market.categories)}
    assert routes["predict_batch"]["input"]["properties"]["listings"]["maxItems"] == 500
    assert ("price" if market.has_price else "price_category") in routes["feedback"]["input"]["required"]
    assert "$ref" not in str(routes["predict"]) + str(routes["predict_batch"]) + str(routes["model"])


def test_bentomls_page_and_all_that_it_loads_are_there(service: Service) -> None:
    with service.client() as http:
        page = http.get("/")
        assert page.headers["content-type"].startswith("text/html")
        loaded = re.findall(r'(?:src|href)="\./([^"]+)"', page.text)
        assert len(loaded) > 2
        for name in (*loaded, "docs.json"):
            assert http.get(f"/{name}").status_code == 200, name


def test_a_service_that_depends_on_this_one_is_answered_in_its_types(service: Service, market: Market) -> None:
    from bento_service.service import HousingPriceClassifier

    HousingPriceClassifier.inject_config()  # type: ignore[attr-defined]

    async def ask() -> Any:
        proxy: Any = bentoml.depends(HousingPriceClassifier, url=service.url).get()  # type: ignore[call-overload]
        await proxy.__aenter__()  # as BentoML does when the other service starts
        try:
            return await proxy.predict(LARGE_HOME)
        finally:
            await proxy.close()

    answer = asyncio.run(ask())
    assert answer["price_category"] == market.categories[-1]
    assert answer["tier"] == "baked"


def test_the_methods_answer_by_themselves(market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from bento_service import service as module
    from resources.serving_settings import ServingSettings

    model = save(model_of(market), tmp_path / "model")
    settings = ServingSettings(market=market.name, storage=tmp_path, model_folder=model, grpc_port=0)
    monkeypatch.setattr(module, "SETTINGS", settings)
    monkeypatch.setattr(module, "listening_host", lambda: "127.0.0.1")  # there is no server around it

    async def ask() -> tuple[Any, ...]:
        classifier = module.HousingPriceClassifier()  # type: ignore[operator]
        await classifier.start()
        try:
            answer = await classifier.predict(SMALL_HOME)
            batch = await classifier.predict_batch([LARGE_HOME])
            return answer, batch, await classifier.feedback(feedback_on(market, answer)), await classifier.model()
        finally:
            await classifier.stop()

    answer, batch, accepted, models = asyncio.run(ask())
    assert answer["price_category"] == market.categories[0]
    assert batch["answers"][0]["price_category"] == market.categories[-1]
    assert accepted["prediction_id"] == answer["prediction_id"]
    assert models["champion"]["model_version"] == answer["model_version"]
