"""Traffic from the command line: against a server that keeps what it is sent, and against the real service."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from housing_assets.command_line.traffic import KEY_VARIABLE
from resources.predictions.tables import FEEDBACK, PREDICTIONS
from tests.bento_service.serving import KEY, PROJECT, Service, serving
from tests.bento_service.stored import read_store
from tests.command_line.conftest import Housing
from tests.traffic.recorder import recording

SHOPS = "town,area,rooms,grade\nEde,100 m2,3+1,A\nUden,200 m2,2+1,B\n"


@pytest.fixture
def shops(tmp_path: Path) -> list[str]:
    """Arguments for a market of your own whose rows lie in a file."""
    market, file = tmp_path / "shops.py", tmp_path / "shops.csv"
    market.write_text("from tests.traffic.shops import MARKET\n")
    file.write_text(SHOPS)
    return ["--market", str(market), "--source", str(file)]


def test_rows_of_a_file_are_sent_for_any_market(
    housing: Housing, shops: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "secret")
    options = "--requests 20 --rate 1000 --label-share 1 --day yesterday --scale area=2 --set rooms=1+1 --only town=Ede"
    with recording() as recorder:
        shown = housing("traffic", "--url", recorder.url, *shops, *options.split())

    assert shown.exit_code == 0
    assert "20 answered; 0 refused; 0 failed" in shown.stdout
    assert recorder.bodies("/predict") == [{"town": "Ede", "area": 200.0, "rooms": "1+1"}] * 20
    assert {body["price_category"] for body in recorder.bodies("/feedback")} == {"A"}
    assert {headers["authorization"] for headers in recorder.headers("/predict")} == {"Bearer secret"}


def test_synthetic_rows_are_shifted_and_changed(housing: Housing) -> None:
    options = "--requests 50 --rate 1000 --shift only_district=sile --missing HeatingType=1 --label-share 1"
    with recording() as recorder:
        housing("traffic", "--url", recorder.url, *options.split(), "--scale", "price=1.4")

    sent = recorder.bodies("/predict")
    assert {body["district"] for body in sent if "district" in body} == {"sile"}
    assert not any("HeatingType" in body for body in sent)
    prices = [body["price"] for body in recorder.bodies("/feedback")]
    assert sum(isinstance(price, float) for price in prices) > 40  # what is no price in lira is no number


def test_no_service_is_an_error(housing: Housing) -> None:
    shown = housing("traffic", "--requests", "3", "--url", "http://127.0.0.1:9")
    assert shown.exit_code == 1
    assert "3 failed" in shown.stdout
    assert "housing: nothing answers on http://127.0.0.1:9: start the service (make serve)" in shown.stderr


def test_where_nothing_answers_the_rest_is_not_tried(housing: Housing) -> None:
    shown = housing("traffic", "--requests", "5000", "--rate", "5000", "--url", "http://127.0.0.1:9")
    assert int(shown.stdout.partition(" failed")[0].split()[-1]) < 20


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("--shift price_inflation=-2", "price_inflation is -2.0: expected -0.9 to 1000"),
        ("--shift prices=2", "there is no shift 'prices': expected one of price_inflation"),
        ("--scale price", "--scale is 'price': expected NAME=VALUE"),
        ("--scale price=much", "--scale price is 'much': expected a number"),
        ("--scale district=2", "scale names the column 'district': expected one of price"),
        ("--missing price=2", "missing price is 2: expected a share from 0 to 1"),
        ("--only district=ankara", "only district is 'ankara', which no row has"),
        ("--day someday", "the day is 'someday'"),
        ("--source nothing.csv", "nothing.csv: there is no such file or folder"),
        ("--source ads.csv --shift price_inflation=1", "--shift is for synthetic rows"),
    ],
)
def test_a_wrong_argument_is_refused_in_one_line(housing: Housing, arguments: str, said: str) -> None:
    shown = housing("traffic", "--url", "http://127.0.0.1:9", "--requests", "3", *arguments.split())

    assert shown.exit_code == 1
    assert shown.stderr.startswith(f"housing: {said}")
    assert len(shown.stderr.splitlines()) == 1


def test_a_market_without_a_sample_needs_a_source(housing: Housing, shops: list[str]) -> None:
    shown = housing("traffic", *shops[:2])
    assert shown.exit_code == 1
    assert "shops has no synthetic sample: name listings of yours with --source" in shown.stderr


@pytest.fixture(scope="module")
def service(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("traffic"), {"HOUSING_MODEL_FOLDER": str(saved)}) as running:
        yield running


def run(service: Service, *arguments: str, key: str = KEY) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "housing_assets.command_line", "traffic", "--url", service.url, *arguments],
        cwd=PROJECT,
        env={**os.environ, KEY_VARIABLE: key},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.acceptance
def test_a_replayed_day_is_stored_over_that_day_with_its_prices(service: Service) -> None:
    ended = run(service, "--requests", "300", "--rate", "2000", "--day", "2026-03-05", "--label-share", "0.5")
    assert ended.returncode == 0, ended.stderr
    assert "300/300" in ended.stderr  # the progress bar
    answered = int(ended.stdout.split(" answered")[0])
    fed_back = int(ended.stdout.split(" labels fed back")[0].split()[-1])
    assert answered > 270
    assert 100 < fed_back < 200
    day = PREDICTIONS.c.predicted_at.between(datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC))
    prices = FEEDBACK.c.received_at.between(datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC))
    for counted, expected in (
        (select(func.count()).select_from(PREDICTIONS).where(day), answered),
        (select(func.count()).select_from(FEEDBACK).where(prices), fed_back),
    ):
        read_store(service.storage, counted, until=lambda rows, n=expected: rows == [(n,)])


@pytest.mark.acceptance
def test_a_shift_reaches_the_service(service: Service) -> None:
    ended = run(service, "--requests", "50", "--rate", "1000", "--shift", "outside_range=true")
    assert ended.stdout.startswith("0 answered")


@pytest.mark.acceptance
def test_a_day_is_not_replayed_without_a_key(service: Service) -> None:
    ended = run(service, "--requests", "500", "--day", "2026-03-05", key="wrong")
    assert re.match(r"0 answered; \d\d? refused", ended.stdout), "the first refusal ends it"
    assert ended.returncode == 1
    said = ended.stderr.splitlines()[-1]
    assert said.startswith(
        "housing: TRAFFIC_API_KEY is to have an API key, and the service does not know that: `housing"
    )
    assert "--scope replay" in said
