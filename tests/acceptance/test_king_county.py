"""The package's second market, on real sales, by its commands and processes: house prices of King County."""

import json
import os
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import pytest

from demo.processes import PROJECT, Processes, answers
from housing_assets.command_line.traffic import KEY_VARIABLE
from resources.judgements import newest_of_each_window, read_history
from resources.mlflow.server import SERVER_ENVIRONMENT
from resources.ports import free_port
from tests.acceptance.platform import Judged, Platform, Served, days_ago, failed
from tests.bento_service.protocols.grpc_client import calling
from tests.bento_service.serving import KEY, KEYS

pytestmark = [pytest.mark.trial, pytest.mark.real_data]

MARKET = "king_county"
ORDINARY, DEARER, ELSEWHERE = days_ago(3), days_ago(2), days_ago(1)
SMALL_FOREST = {"ops": {"price_forest": {"config": {"n_trees": 50}}}}

A_HOUSE = {"sqft_living": "1,180 sqft", "zipcode": 98178, "grade": "7", "lat": "47.5112", "long": "122.257° W"}


@pytest.fixture(scope="module")
def sales(real_data_folder: Path) -> Path:
    file = real_data_folder / "king_county_2014.csv.gz"
    if not file.is_file():
        pytest.skip(f"no sales of King County: {file} is no file")
    return file


@pytest.fixture(scope="module")
def platform(sales: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    storage = tmp_path_factory.mktemp("king_county")
    home = storage / "dagster"
    home.mkdir()
    (home / "dagster.yaml").symlink_to(PROJECT / "dagster.yaml")
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield Platform(MARKET, sales, storage, instance)


@pytest.fixture(scope="module")
def environment(platform: Platform) -> dict[str, str]:
    """Give the settings of a user who has chosen the market and named the file."""
    inherited = {name: text for name, text in os.environ.items() if not name.startswith(("HOUSING_", "MLFLOW_"))}
    return {
        **inherited,
        **SERVER_ENVIRONMENT,
        "HOUSING_MARKET": MARKET,
        "HOUSING_SOURCE": str(platform.source),
        "HOUSING_STORAGE": str(platform.storage),
        "HOUSING_PORT": str(free_port()),
        "HOUSING_GRPC_PORT": str(free_port()),
        "HOUSING_API_KEYS": KEYS,
        "DAGSTER_HOME": str(platform.storage / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_TRACKING_URI": platform.settings.mlflow_uri,
        "MLFLOW_PORT": str(free_port()),
        KEY_VARIABLE: KEY,
    }


@pytest.fixture(scope="module")
def processes(platform: Platform, environment: dict[str, str]) -> Iterator[Processes]:
    with Processes(platform.storage / "logs", environment) as processes:
        yield processes


@pytest.fixture(scope="module")
def served(platform: Platform, processes: Processes, environment: dict[str, str]) -> Iterator[Served]:
    """Train by `dg launch`, which is what `housing materialize` runs, and serve what was registered."""
    everything = f'key:"{MARKET}/raw_listings"+'
    processes.run("training", ["dg", "launch", "--assets", everything, "--config-json", json.dumps(SMALL_FOREST)])
    processes.start("service", ["housing", "serve"])
    url = f"http://127.0.0.1:{environment['HOUSING_PORT']}"
    processes.wait_until(lambda: answers(f"{url}/readyz"), "the service is ready", 120)
    processes.wait_until(lambda: champion(url)["tier"] == "production", "the service follows the registry", 60)
    with (
        httpx.Client(base_url=url, timeout=10) as http,
        calling(int(environment["HOUSING_GRPC_PORT"])) as stub,
    ):
        yield Served(platform.market, url, http, stub)


def champion(url: str) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{url}/model", timeout=10).json()["champion"]
    return found


def replay(platform: Platform, processes: Processes, served: Served, day: date, rows: int, *changes: str) -> None:
    """Send a day of the file's rows, each of which is labelled."""
    of_the_file = ["--source", str(platform.source), "--requests", str(rows), "--label-share", "1"]
    command = ["housing", "traffic", "--url", served.url, *of_the_file, "--rate", "1000", "--day", day.isoformat()]
    processes.run("traffic", [*command, *changes])
    served.wait_until_stored()


def judge(platform: Platform, processes: Processes, day: date) -> dict[str, Judged]:
    """Judge a day by the command, and read what the sensors read of it."""
    processes.run("monitoring", ["housing", "judge", day.isoformat()])
    checks = [key for key in platform.defs.resolve_asset_graph().asset_check_keys if key.asset_key.path[0] == MARKET]
    judged = newest_of_each_window(read_history(platform.instance, checks, datetime.now(UTC)).judgements)
    return {one.check: Judged(one.passed, one.verdict) for one in judged if one.window == day.isoformat()}


def test_sales_are_classified_with_bands_in_dollars(platform: Platform, served: Served) -> None:
    version = platform.production()
    assert (version.number, platform.registry.model_name) == (1, "HousingPriceClassifier_king_county")
    assert float(version.tags["macro_f1"]) > 0.8
    answer = served.predict(A_HOUSE)
    assert (answer["tier"], answer["model_version"]) == ("production", "1")
    assert answer["band"]["currency"] == "USD"
    assert set(served.listing_schema()) == {column.raw for column in platform.market.columns}


def test_a_day_of_sales_passes_all_checks(platform: Platform, processes: Processes, served: Served) -> None:
    replay(platform, processes, served, ORDINARY, 600)

    checks = judge(platform, processes, ORDINARY)

    assert failed(checks) == {}
    assert len(checks) == 13
    assert platform.decide()[0].outcome == "nothing found"


def test_dearer_sales_fail_what_judges_by_their_prices_alone_and_call_for_a_retraining(
    platform: Platform, processes: Processes, served: Served
) -> None:
    replay(platform, processes, served, DEARER, 1_000, "--scale", "price=1.5")

    checks = judge(platform, processes, DEARER)

    assert set(failed(checks)) == {"performance_held", "performance_held_everywhere", "estimates_held"}
    decision, request = platform.decide()
    assert decision.outcome == "retrain", decision.reason
    assert request is not None
    assert request.tags["housing/market"] == MARKET
    assert request.tags["housing/windows"] == DEARER.isoformat()


def test_sales_of_one_zip_code_fail_the_check_of_the_distributions(
    platform: Platform, processes: Processes, served: Served
) -> None:
    replay(platform, processes, served, ELSEWHERE, 300, "--only", "zipcode=98103")

    verdict = platform.judge(ELSEWHERE)["psi_within_limit"].verdict

    assert verdict.counts_toward_retraining
    assert {"zipcode", "lat", "long"} <= set(verdict.columns)
