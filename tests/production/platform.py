"""The platform in production: its code location in this process, its service in another."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from typing import Any

import httpx

from housing_assets.definitions import build_defs
from housing_assets.market_loading import load_market
from housing_assets.traffic.rows import sample_rows
from housing_assets.traffic.sending import Plan, Tally, send
from resources.settings import Settings
from tests.acceptance.platform import Platform, Served
from tests.bento_service.protocols.grpc_client import calling
from tests.bento_service.serving import KEY, serving

ROWS = 2_500
"""Synthetic ads that are trained on: enough for the gates."""


@dataclass
class ProductionPlatform(Platform):
    """As ``Platform``, with the deployment that the environment names."""

    def __post_init__(self) -> None:
        self.market = load_market(self.declared)
        self.settings = Settings(market=self.declared, sample_rows=ROWS, retrain_windows_needed=1)
        self.storage = self.settings.storage
        self.defs = build_defs(self.market, settings=self.settings)

    @contextmanager
    def following(self, environment: dict[str, str]) -> Iterator[Served]:
        """Serve what the registry has in production."""
        followed = {**environment, "HOUSING_MARKET": self.declared, "HOUSING_REFRESH_SECONDS": "1"}
        with (
            serving(
                self.storage / "service", {**followed, "HOUSING_STORAGE": str(self.storage / "service")}
            ) as service,
            calling(service.grpc_port) as stub,
            service.client() as http,
        ):
            yield Served(self.market, service.url, http, stub)


def send_day(served: Served, day: date, rows: int, *, seed: int, inflation: float = 0.0) -> Tally:
    """Replay a day of synthetic requests with labels, and wait until all of it is in the prediction store."""
    drawn = sample_rows(served.market, rows, seed=seed, as_of=day, shift={"price_inflation": inflation})
    plan = Plan(rate=1_000, seed=seed, label_share=0.9, day=day)
    tally = asyncio.run(send(served.url, KEY, served.market, drawn, plan))
    assert tally.failed == 0, tally.describe()
    served.wait_until_stored()
    return tally


def wait_for_version(http: httpx.Client, version: str, seconds: float = 60) -> float:
    """Wait until a version answers from the registry, and return the seconds that it took."""
    began = time.monotonic()
    while (champion(http)["tier"], champion(http)["model_version"]) != ("production", version):
        assert time.monotonic() - began < seconds, champion(http)
        time.sleep(0.1)
    return time.monotonic() - began


def champion(http: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = http.get("/model").json()["champion"]
    return found
