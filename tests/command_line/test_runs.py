"""Runs are launched for the market that the settings name."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from housing_assets.command_line import runs
from housing_assets.command_line.processes import program, run
from resources.settings import Settings
from tests.command_line.conftest import Housing


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """The commands that would have been run, each with its environment."""
    found: list[tuple[list[str], dict[str, str]]] = []

    def record(command: list[str], environment: dict[str, str]) -> int:
        found.append((command, environment))
        return 3

    monkeypatch.setattr(runs, "run", record)
    return found


def test_a_training_starts_at_the_listings_of_the_market(tmp_path: Path) -> None:
    assert runs.training_selection(Settings(storage=tmp_path)) == 'key:"raw_listings"+'
    assert (
        runs.training_selection(Settings(storage=tmp_path, market="king_county")) == 'key:"king_county/raw_listings"+'
    )


def test_materialize_launches_it_and_ends_as_it_ends(
    housing: Housing, launched: list[tuple[list[str], dict[str, str]]], tmp_path: Path
) -> None:
    assert housing("materialize").exit_code == 3

    ((command, environment),) = launched
    assert command[:3] == ["dg", "launch", "--assets"]
    storage = tmp_path / "storage"
    assert environment["DAGSTER_HOME"] == str(storage / "dagster")
    assert environment["MLFLOW_TRACKING_URI"] == f"sqlite:///{storage / 'mlflow.db'}"
    assert environment["DAGSTER_DISABLE_TELEMETRY"] == "yes"


def test_a_day_is_judged_yesterday_by_default(
    housing: Housing, launched: list[tuple[list[str], dict[str, str]]]
) -> None:
    before = datetime.now(UTC).date() - timedelta(days=1)
    housing("judge")
    assert housing("judge", "2026-03-01").exit_code == 3

    assert [command[:4] for command, _ in launched] == [["dg", "launch", "--job", "daily_monitoring"]] * 2
    assert launched[0][0][-1] in (f"{before}", f"{before + timedelta(days=1)}")
    assert launched[1][0][-1] == "2026-03-01"


def test_a_day_that_is_none_is_refused(housing: Housing, launched: list[tuple[list[str], dict[str, str]]]) -> None:
    shown = housing("judge", "someday")
    assert shown.exit_code == 1
    assert "the day is 'someday': expected one such as 2026-03-01, or yesterday" in shown.stderr
    assert not launched


def test_what_failed_is_said_in_a_line_after_all_that_was_logged(
    housing: Housing, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset
    def raw_listings() -> None:
        raise dg.Failure("ads.csv: no such file")

    @dg.asset
    def price_bands() -> None:
        raise ValueError("no price\nat all")

    def fail(command: list[str], environment: dict[str, str]) -> int:
        with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
            dg.materialize([raw_listings, price_bands], instance=instance, raise_on_error=False)
        return 1

    monkeypatch.setattr(runs, "run", fail)
    shown = housing("materialize")

    assert shown.exit_code == 1
    told = [line for line in shown.stderr.splitlines() if line.startswith("housing: ")]
    assert sorted(told) == [
        "housing: price_bands: ValueError: no price",
        "housing: raw_listings: ads.csv: no such file",
    ]


def test_without_a_bento_none_is_named(tmp_path: Path) -> None:
    storage = {"HOUSING_STORAGE": str(tmp_path / "storage")}
    found = subprocess.run(program(["housing", "bento"]), env=storage, capture_output=True, text=True)

    assert found.returncode == 1
    home = tmp_path / "storage" / "bentoml"
    assert found.stderr == f"housing: no bento is in {home}: make materialize builds one of what it registers\n"


def test_programs_are_those_of_this_environment() -> None:
    assert program(["dg", "dev"]) == [str(Path(sys.executable).parent / "dg"), "dev"]
    assert run(["python", "-c", "import os; raise SystemExit(int(os.environ['CODE']))"], {"CODE": "7"}) == 7
