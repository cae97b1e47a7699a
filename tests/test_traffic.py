"""Synthetic traffic against the real service."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import func, select

from resources.prediction_tables import FEEDBACK, PREDICTIONS, open_store
from tests.bento_service.serving import KEY, PROJECT, Service, serving


@pytest.fixture(scope="module")
def service(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with serving(tmp_path_factory.mktemp("traffic"), {"HOUSING_MODEL_FOLDER": str(saved)}) as running:
        yield running


def run(service: Service | str, *arguments: str, key: str = KEY) -> "subprocess.CompletedProcess[str]":
    url = service if isinstance(service, str) else service.url
    return subprocess.run(
        [sys.executable, "-m", "housing_assets.traffic", "--url", url, *arguments],
        cwd=PROJECT,
        env={**os.environ, "TRAFFIC_API_KEY": key},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_replayed_day_is_stored_over_that_day_with_its_prices(service: Service) -> None:
    ended = run(service, "--requests", "300", "--rate", "2000", "--day", "2026-03-05", "--label-share", "0.5")
    assert ended.returncode == 0, ended.stderr
    assert "300/300" in ended.stderr  # the progress bar
    answered = int(ended.stdout.split(" answered")[0])
    fed_back = int(ended.stdout.split(" prices fed back")[0].split()[-1])
    assert answered > 270
    assert 100 < fed_back < 200
    engine = open_store(f"sqlite:///{service.storage / 'predictions.db'}")
    day = PREDICTIONS.c.predicted_at.between(datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC))
    prices = FEEDBACK.c.received_at.between(datetime(2026, 3, 5, tzinfo=UTC), datetime(2026, 3, 6, tzinfo=UTC))
    deadline, stored = time.monotonic() + 20, (0, 0)
    while stored != (answered, fed_back):
        assert time.monotonic() < deadline, stored
        time.sleep(0.2)
        with engine.connect() as connection:
            stored = (
                connection.scalar(select(func.count()).select_from(PREDICTIONS).where(day)) or 0,
                connection.scalar(select(func.count()).select_from(FEEDBACK).where(prices)) or 0,
            )
    engine.dispose()


def test_the_rate_is_kept(service: Service) -> None:
    began = time.monotonic()
    assert run(service, "--requests", "60", "--rate", "20").returncode == 0
    assert time.monotonic() - began > 2.9


def test_a_shift_is_sent(service: Service) -> None:
    ended = run(service, "--requests", "50", "--rate", "1000", "--outside-range")
    assert " 0 answered" in f" {ended.stdout}"


def test_a_day_is_not_replayed_without_a_key(service: Service) -> None:
    ended = run(service, "--requests", "5", "--day", "2026-03-05", key="wrong")
    assert "0 answered, 5 refused" in ended.stdout.replace(";", ",")


def test_no_service_is_an_error() -> None:
    ended = run("http://127.0.0.1:9", "--requests", "3")
    assert ended.returncode == 1
    assert "3 failed" in ended.stdout


@pytest.mark.parametrize("argument", ["--price-inflation=-2", "--missing=nothing", "--day=someday"])
def test_a_wrong_argument_is_refused(argument: str) -> None:
    assert run("http://127.0.0.1:9", argument).returncode == 2
