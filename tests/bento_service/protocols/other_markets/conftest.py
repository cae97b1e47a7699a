"""The service as a real process, for a market with prices and for one with classes, as all tests here ask it."""

from collections.abc import Iterator

import pytest

from housing_assets.inference.market import Market
from tests.bento_service.hand_built import model_of, save
from tests.bento_service.serving import Service, serving
from tests.other_markets import PARCELS, THREE_GRADES, with_kind


@pytest.fixture(scope="package", params=[with_kind(PARCELS, "paid"), THREE_GRADES], ids=lambda market: market.name)
def market(request: pytest.FixtureRequest) -> Market:
    found: Market = request.param
    return found


@pytest.fixture(scope="package")
def service(market: Market, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve a model that is built by hand, whose market the service has no code of."""
    folder = tmp_path_factory.mktemp("market")
    settings = {"HOUSING_MODEL_FOLDER": str(save(model_of(market), folder / "model")), "HOUSING_MARKET": market.name}
    with serving(folder, settings) as service:
        yield service
