"""Runs are launched for the market that the settings name."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from housing_assets.command_line import runs
from housing_assets.command_line.processes import end, program, run, run_known, start
from resources.mlflow.registry import ModelRegistry
from resources.ports import free_port
from resources.run_plans import planned_assets
from resources.settings import Settings
from tests.command_line.conftest import Housing
from tests.resources.mlflow_database import new_database
from tests.resources.registered import register

pytestmark = pytest.mark.acceptance

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def launched(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[str], dict[str, str]]]:
    """The commands that would have been run, each with its environment."""
    found: list[tuple[list[str], dict[str, str]]] = []

    def record(command: list[str], environment: dict[str, str]) -> int:
        found.append((command, environment))
        return 3

    monkeypatch.setattr(runs, "run", record)
    monkeypatch.setattr(runs, "run_known", lambda *of_launch: (record(*of_launch), os.getpid()))
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


def test_a_training_is_left_to_the_daemon_where_it_is_to_wait_in_the_queue(
    housing: Housing, launched: list[tuple[list[str], dict[str, str]]], tmp_path: Path
) -> None:
    workspace = tmp_path / "workspace.yaml"
    assert housing("materialize", "--queue", "--workspace", str(workspace)).exit_code == 3

    ((command, _),) = launched
    assert command == ["dagster", "job", "launch", "--workspace", str(workspace), "--job", "retraining"]


@pytest.mark.trial
def test_a_training_that_is_put_into_the_queue_waits_there_for_the_daemon(
    housing: Housing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home, port = tmp_path / "home", free_port()
    home.mkdir()
    shutil.copy(PROJECT / "dagster.yaml", home)
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    server = {"host": "127.0.0.1", "port": port, "location_name": "housing"}
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(json.dumps({"load_from": [{"grpc_server": server}]}))
    serve = ["dagster", "api", "grpc", "--port", str(port), "--module-name", "housing_assets.definitions"]
    code_location = start([*serve, "--attribute", "defs"], os.environ)
    try:
        await_server(port)
        housing("materialize", "--queue", "--workspace", str(workspace))
    finally:
        end(code_location)

    with dg.DagsterInstance.from_config(str(home)) as instance:
        (launched,) = instance.get_runs()
        assert launched.status == dg.DagsterRunStatus.QUEUED
        assert launched.tags["housing/market"] == "istanbul"
        planned = {key.to_user_string() for key in planned_assets(instance, launched)}
    assert {"raw_listings", "price_forest", "price_bento"} <= planned
    assert "drift_report" not in planned


def await_server(port: int) -> None:
    deadline = time.monotonic() + 60
    while True:
        with socket.socket() as asking:
            if asking.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_nothing_is_trained_while_the_newest_version_is_young(
    housing: Housing, launched: list[tuple[list[str], dict[str, str]]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    registry = ModelRegistry(tracking_uri=new_database(tmp_path / "storage"))
    assert housing("materialize", "--if-older-than", "7").exit_code == 3
    register(registry, tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # mlflow.set_tracking_uri sets it

    shown = housing("materialize", "--if-older-than", "7")

    assert (shown.exit_code, len(launched)) == (0, 1)
    assert shown.stdout.startswith("version 1 was registered at ")
    assert housing("materialize", "--if-older-than", "0").exit_code == 3
    assert housing("materialize").exit_code == 3
    assert len(launched) == 3


def test_a_day_is_judged_yesterday_by_default(
    housing: Housing, launched: list[tuple[list[str], dict[str, str]]]
) -> None:
    before = datetime.now(UTC).date() - timedelta(days=1)
    housing("judge")
    assert housing("judge", "2026-03-01").exit_code == 3

    assert [command[:4] for command, _ in launched] == [["dg", "launch", "--job", "daily_monitoring"]] * 2
    assert launched[0][0][-1] in (f"{before}", f"{before + timedelta(days=1)}")
    assert launched[1][0][-1] == "2026-03-01"


def test_a_day_that_is_not_watched_is_refused(
    housing: Housing, launched: list[tuple[list[str], dict[str, str]]]
) -> None:
    for day in ("2025-12-31", "2999-01-01"):
        assert f"the day is {day}: expected one from 2026-01-01" in housing("judge", day).stderr
    assert not launched


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

    @dg.asset
    def price_forest() -> None:
        pass

    @dg.asset_check(asset=price_forest, blocking=True)
    def plausible() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description="3 rows: expected 1,000")

    def fail(command: list[str], environment: dict[str, str]) -> tuple[int, int]:
        with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
            found = [raw_listings, price_bands, price_forest, plausible]
            dg.materialize(found, instance=instance, raise_on_error=False)
        return 1, os.getpid()

    monkeypatch.setattr(runs, "run_known", fail)
    shown = housing("materialize")

    assert shown.exit_code == 1
    told = [line for line in shown.stderr.splitlines() if line.startswith("housing: ")]
    assert sorted(told)[:1] == ["housing: plausible of price_forest: 3 rows: expected 1,000"]
    assert sorted(each for each in told if "price_forest" not in each) == [
        "housing: price_bands: ValueError: no price",
        "housing: raw_listings: ads.csv: no such file",
    ]


RETRAINING = """
import dagster as dg

@dg.asset
def price_forest():
    pass

with dg.DagsterInstance.get() as instance:
    dg.materialize([price_forest], instance=instance)
"""


def test_what_was_found_in_a_day_is_said_after_all_that_was_logged_whatever_else_was_launched(
    housing: Housing, monkeypatch: pytest.MonkeyPatch
) -> None:
    @dg.asset
    def drift_report() -> None:
        pass

    @dg.asset_check(asset=drift_report)
    def psi_within_limit() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, severity=dg.AssetCheckSeverity.WARN, description="Drift: district")

    @dg.asset_check(asset=drift_report)
    def features_valid() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=True)

    def judge(command: list[str], environment: dict[str, str]) -> tuple[int, int]:
        with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
            dg.materialize([drift_report, psi_within_limit, features_valid], instance=instance)
            of_a_sensor = subprocess.run([sys.executable, "-c", RETRAINING], env=environment, check=False)
        assert of_a_sensor.returncode == 0
        return 0, os.getpid()

    monkeypatch.setattr(runs, "run_known", judge)
    shown = housing("judge", "2026-03-01")

    assert shown.exit_code == 0
    assert shown.stdout == (
        "\n2026-03-01: 1 of 2 checks failed\n  psi_within_limit of drift_report (WARN): Drift: district\n"
    )


def test_without_a_bento_none_is_named(tmp_path: Path) -> None:
    storage = {"HOUSING_STORAGE": str(tmp_path / "storage")}
    found = subprocess.run(program(["housing", "bento"]), env=storage, capture_output=True, text=True)

    assert found.returncode == 1
    home = tmp_path / "storage" / "bentoml"
    assert found.stderr == f"housing: no bento is in {home}: make materialize builds one of what it registers\n"


def test_programs_are_those_of_this_environment() -> None:
    assert program(["dg", "dev"]) == [str(Path(sys.executable).parent / "dg"), "dev"]
    assert run(["python", "-c", "import os; raise SystemExit(int(os.environ['CODE']))"], {"CODE": "7"}) == 7


def test_a_program_that_was_run_is_known_by_its_process(tmp_path: Path) -> None:
    written = tmp_path / "pid"
    code, process = run_known(["python", "-c", f"import os; open({str(written)!r}, 'w').write(str(os.getpid()))"], {})
    assert (code, process) == (0, int(written.read_text()))
