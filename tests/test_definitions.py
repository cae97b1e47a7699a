"""The code location: it loads anywhere, and nothing in its graph changes unseen."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap

from housing_assets.definitions import build_defs
from resources.settings import Settings

ROOT = Path(__file__).parents[1]

GRAPH = {
    "raw_listings": ("listings", {"pandas", "parquet"}, set()),
    "listings": ("listings", {"pandas", "parquet"}, {"raw_listings"}),
    "quarantined_listings": ("listings", {"pandas", "parquet"}, {"raw_listings"}),
    "price_bands": ("features", {"python"}, {"listings"}),
    "crossed_features": ("features", {"pandas", "parquet"}, {"listings"}),
    "hashed_features": ("features", {"scikitlearn", "numpy"}, {"crossed_features", "price_bands"}),
    "balanced_training_set": ("training", {"scikitlearn"}, {"crossed_features", "hashed_features"}),
    "price_forest": ("training", {"scikitlearn", "mlflow"}, {"balanced_training_set", "hashed_features"}),
    "model_evaluation": (
        "training",
        {"scikitlearn", "mlflow"},
        {"price_forest", "hashed_features", "crossed_features"},
    ),
    "registered_model": (
        "registry",
        {"mlflow"},
        {"price_forest", "model_evaluation", "hashed_features", "listings", "reference_profile"},
    ),
    "reference_profile": ("monitoring", {"python"}, {"listings", "hashed_features", "model_evaluation"}),
    "production_predictions": ("monitoring", {"sqlalchemy", "parquet"}, set()),
    "production_profile": ("monitoring", {"python"}, {"production_predictions"}),
    "drift_report": ("monitoring", {"python"}, {"production_profile"}),
    "feature_validation_report": ("monitoring", {"python"}, {"production_profile"}),
    "production_labels": ("monitoring", {"sqlalchemy", "parquet"}, set()),
    "performance_report": ("monitoring", {"python", "mlflow"}, {"production_labels", "production_profile"}),
    "retraining_decisions": ("monitoring", set(), set()),
    "new_listings_decisions": ("monitoring", set(), set()),
    "rollback_decisions": ("monitoring", set(), set()),
    "price_bento": (
        "serving",
        {"bentoml"},
        {"registered_model", "raw_listings", "price_forest", "hashed_features", "model_evaluation"},
    ),
}
"""Each asset's group, kinds and upstream assets."""

CHECKS = {
    ("listings", "every_row_accounted_for"): True,
    ("listings", "obeys_contract"): True,
    ("model_evaluation", "macro_f1_high_enough"): True,
    ("model_evaluation", "every_recall_high_enough"): True,
    ("model_evaluation", "calibrated"): True,
    ("price_bento", "no_training_serving_skew"): True,
    ("drift_report", "psi_within_limit"): False,
    ("drift_report", "prediction_drift_within_limit"): False,
    ("drift_report", "no_unseen_categories"): False,
    ("drift_report", "cardinality_growth_within_limit"): False,
    ("drift_report", "missing_values_within_limit"): False,
    ("feature_validation_report", "features_valid"): False,
    ("performance_report", "performance_held"): False,
}
"""Whether each check blocks what lies downstream."""

OFF, ON = dg.DefaultSensorStatus.STOPPED, dg.DefaultSensorStatus.RUNNING
SENSORS = {
    "mlflow_run_of_failure_run": ON,
    "mlflow_run_of_canceled_run": ON,
    "retrain_on_failed_drift_checks": ON,
    "roll_back_on_worse_performance": ON,
    "alert_on_failures": ON,
    "materialize_on_new_listings": OFF,
}
SCHEDULES = {
    "daily_monitoring": dg.DefaultScheduleStatus.RUNNING,
    "weekly_retraining": dg.DefaultScheduleStatus.STOPPED,
}
"""Whether each is on where nobody has switched it."""

DECISIONS = {"retraining_decisions", "new_listings_decisions", "rollback_decisions"}

HEAVY = (
    "numpy bentoml boto3 dask dagster_aws dagster_mlflow imblearn matplotlib mlflow numba pandas pandera scipy sklearn"
)

LOAD = """
import socket, sys

def refuse(*_, **__):
    raise AssertionError("the code location uses the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
from housing_assets.definitions import defs
print(len(defs.resolve_asset_graph().get_all_asset_keys()))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return build_defs(settings=Settings(storage=tmp_path_factory.mktemp("storage")))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[int, set[str], Path]:
    """Load the code location without network and environment; return asset count, imported packages, its folder."""
    folder = tmp_path_factory.mktemp("empty")
    ended = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    count, packages = ended.stdout.splitlines()
    return int(count), set(packages.split()), folder


def test_the_code_location_loads_without_network_secrets_or_environment(loaded: tuple[int, set[str], Path]) -> None:
    assert loaded[0] == len(GRAPH)


def test_loading_writes_nothing(loaded: tuple[int, set[str], Path]) -> None:
    assert list(loaded[2].iterdir()) == []


@pytest.mark.parametrize("library", HEAVY.split())
def test_loading_leaves_heavy_libraries_to_the_steps_that_use_them(
    loaded: tuple[int, set[str], Path], library: str
) -> None:
    assert library not in loaded[1]


def test_the_graph_is_the_one_that_was_designed(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    nodes = {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}
    found = {
        name: (node.group_name, set(node.kinds), {parent.to_user_string() for parent in node.parent_keys})
        for name, node in nodes.items()
    }
    assert found == GRAPH


def test_what_a_day_is_judged_by_can_be_made_for_each_day_of_the_past_and_for_today(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    daily = {key.to_user_string() for key in graph.get_all_asset_keys() if graph.get(key).is_partitioned}

    assert daily == {name for name, (group, _, _) in GRAPH.items() if group == "monitoring"} - {
        "reference_profile",
        *DECISIONS,
    }
    for name in daily:
        days = graph.get(dg.AssetKey(name)).partitions_def
        assert isinstance(days, dg.DailyPartitionsDefinition)
        assert days.get_first_partition_key() == "2026-01-01"
        assert days.get_last_partition_key() == f"{datetime.now(UTC):%Y-%m-%d}"


def test_retraining_runs_no_report_that_may_have_called_for_it(defs: dg.Definitions) -> None:
    selected = dg.AssetSelection.assets("raw_listings").downstream().resolve(defs.resolve_asset_graph())

    assert {key.to_user_string() for key in selected} == {
        name for name, (group, _, _) in GRAPH.items() if group != "monitoring" or name == "reference_profile"
    }


def test_the_checks_are_those_that_were_designed(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    found = {(key.asset_key.to_user_string(), key.name): graph.get(key).blocking for key in graph.asset_check_keys}
    assert found == CHECKS


def test_the_sensors_and_schedules_are_those_that_were_designed(defs: dg.Definitions) -> None:
    assert {sensor.name: sensor.default_status for sensor in defs.sensors or ()} == SENSORS
    schedules = defs.get_repository_def().schedule_defs
    assert {schedule.name: schedule.default_status for schedule in schedules} == SCHEDULES


def test_each_night_makes_every_daily_asset(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    daily = {key for key in graph.get_all_asset_keys() if graph.get(key).is_partitioned}

    job = defs.resolve_job_def("daily_monitoring")
    assert job.asset_layer.selected_asset_keys == daily


def test_a_landing_place_is_watched_and_read(tmp_path: Path) -> None:
    landing = str(tmp_path / "landing")
    defs = build_defs(settings=Settings(storage=tmp_path, landing=landing))

    (sensor,) = [sensor for sensor in defs.sensors or () if sensor.name == "materialize_on_new_listings"]
    assert sensor.default_status == ON
    assert (defs.resources or {})["source"].location == landing


def test_every_asset_and_check_says_what_it_is(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in [*graph.get_all_asset_keys(), *graph.asset_check_keys]:
        assert len(graph.get(key).description or "") > 20, key


def test_a_resource_can_be_replaced(tmp_path: Path) -> None:
    io_manager = dg.mem_io_manager

    defs = build_defs(settings=Settings(storage=tmp_path), resource_overrides={"io_manager": io_manager})

    assert (defs.resources or {})["io_manager"] is io_manager


def test_the_default_settings_come_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # mlflow.set_tracking_uri sets it

    resources = build_defs().resources or {}

    assert resources["io_manager"].folder == str(tmp_path / "assets")
    assert resources["registry"].tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_password_in_the_environment_is_not_shown_in_the_lineage_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    monkeypatch.setenv("HOUSING_SOURCE", "postgresql+psycopg://bob:geheim@db/ads#SELECT * FROM ads")
    monkeypatch.setenv("HOUSING_PREDICTION_STORE", "postgresql://bob:geheim@db/predictions")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://bob:geheim@mlflow.example")
    repository = build_defs().get_repository_def()
    shown = dg.serialize_value(RepositorySnap.from_def(repository))
    assert "HOUSING_SOURCE" in shown
    assert "geheim" not in shown
