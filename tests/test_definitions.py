"""The code location: it loads anywhere, nothing in its graph changes unseen, and two of them share nothing."""

import difflib
import json
import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget

from housing_assets import definitions
from housing_assets.definitions import build_defs
from housing_assets.features.price_index_learning import read_published
from housing_assets.inference.declaration import DeclarationError
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import month_name
from housing_assets.market_loading import RESERVED_NAMES, load_market
from resources import retries
from resources.settings import Settings

ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_name("graph_snapshot.json")
UPDATE = "UPDATE_SNAPSHOTS"
REWRITE = f"{UPDATE}=1 python -m pytest tests/test_definitions.py -k snapshot"

MAY_BE_AWAY = {"predictions", "registry", "tracking", "checkpoints", "source", "compute"}
"""Resources that ask a server, or an object store."""

HEAVY = (
    "numpy bentoml boto3 dask distributed dagster_aws dagster_mlflow imblearn matplotlib mlflow numba pandas pandera "
    "scipy sklearn"
)

LOAD = """
import socket, sys, warnings

def refuse(*_, **__):
    raise AssertionError("the code location uses the network")

socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
import dagster as dg
warnings.simplefilter("error", dg.BetaWarning)
warnings.simplefilter("error", dg.PreviewWarning)
from housing_assets import definitions
for market in sys.argv[1:]:
    print(len(getattr(definitions, market).resolve_asset_graph().get_all_asset_keys()))
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


@pytest.fixture(scope="module")
def defs(tmp_path_factory: pytest.TempPathFactory) -> dg.Definitions:
    return of_market("istanbul", tmp_path_factory.mktemp("storage"))


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[int], set[str], Path]:
    """Load two code locations without network and environment; return asset counts, imported packages, the folder."""
    folder = tmp_path_factory.mktemp("empty")
    ended = subprocess.run(
        [sys.executable, "-c", LOAD, "defs", "king_county"],
        cwd=folder,
        env={"PATH": os.defpath, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    *counts, packages = ended.stdout.splitlines()
    return [int(count) for count in counts], set(packages.split()), folder


def of_market(name: str, storage: Path, **settings: Any) -> dg.Definitions:
    return build_defs(load_market(name), settings=Settings(market=name, storage=storage, **settings))


def name_of(key: dg.AssetKey) -> str:
    return key.to_user_string()


# -- loading -----------------------------------------------------------------------------------------------------------


def test_the_code_locations_load_without_network_secrets_or_environment(
    loaded: tuple[list[int], set[str], Path], defs: dg.Definitions
) -> None:
    n_assets = len(defs.resolve_asset_graph().get_all_asset_keys())
    assert loaded[0] == [n_assets, n_assets]


def test_loading_writes_nothing(loaded: tuple[list[int], set[str], Path]) -> None:
    assert list(loaded[2].iterdir()) == []


@pytest.mark.parametrize("library", HEAVY.split())
def test_loading_leaves_heavy_libraries_to_the_steps_that_use_them(
    loaded: tuple[list[int], set[str], Path], library: str
) -> None:
    assert library not in loaded[1]


# -- the graph ---------------------------------------------------------------------------------------------------------


def describe(defs: dg.Definitions) -> dict[str, Any]:
    """Return what a code location consists of, as JSON types."""
    repository = defs.get_repository_def()
    graph = repository.asset_graph
    jobs = [job for job in repository.get_all_jobs() if not job.name.startswith("__")]
    return {
        "assets": {
            name_of(key): {
                "group": node.group_name,
                "kinds": sorted(node.kinds),
                "owners": list(node.owners),
                "code_version": node.code_version,
                "described": bool(node.description),
                "materializable": node.is_materializable,
                "partitions": str(node.partitions_def) if node.partitions_def else None,
                "upstream": sorted(map(name_of, node.parent_keys)),
                "checks": {
                    check.name: {"blocking": graph.get(check).blocking}
                    for check in sorted(node.check_keys, key=lambda check: check.name)
                },
            }
            for key in sorted(graph.get_all_asset_keys())
            for node in [graph.get(key)]
        },
        "jobs": {job.name: sorted(map(name_of, job.asset_layer.selected_asset_keys)) for job in jobs},
        "schedules": {
            schedule.name: {"status": schedule.default_status.value, "cron": schedule.cron_schedule}
            for schedule in repository.schedule_defs
        },
        "sensors": {sensor.name: sensor.default_status.value for sensor in repository.sensor_defs},
    }


def test_the_graph_is_the_one_of_the_snapshot(defs: dg.Definitions) -> None:
    found = json.dumps(describe(defs), indent=2, sort_keys=True) + "\n"
    if os.environ.get(UPDATE):
        SNAPSHOT.write_text(found, encoding="utf-8")

    kept = SNAPSHOT.read_text(encoding="utf-8")
    lines = difflib.unified_diff(kept.splitlines(), found.splitlines(), SNAPSHOT.name, "definitions", lineterm="", n=4)
    assert found == kept, "\n".join([f"the graph has changed; if it should: {REWRITE}", *lines])


def test_every_asset_has_a_group_an_owner_and_a_description(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.get_all_asset_keys():
        asset = graph.get(key)
        assert asset.group_name not in (None, "default"), key
        assert asset.owners, key
        assert len(asset.description or "") > 20, key


def test_every_asset_that_a_run_makes_has_kinds_and_a_code_version(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    assert graph.materializable_asset_keys
    for key in graph.materializable_asset_keys:
        assert graph.get(key).kinds, key
        assert graph.get(key).code_version, key


def test_every_asset_and_check_that_talks_to_what_may_be_away_is_tried_again(defs: dg.Definitions) -> None:
    for one in [*(defs.assets or ()), *(defs.asset_checks or ())]:
        if isinstance(one, dg.AssetsDefinition) and one.is_executable and one.required_resource_keys & MAY_BE_AWAY:
            compute: Any = one.op.compute_fn
            assert Path(compute.decorated_fn.__code__.co_filename) == Path(retries.__file__), one.op.name


def test_every_check_says_what_passes(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    for key in graph.asset_check_keys:
        assert len(graph.get(key).description or "") > 20, key


def test_what_a_day_is_judged_by_can_be_made_for_each_day_of_the_past_and_for_today(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    watching = {key for key in graph.materializable_asset_keys if graph.get(key).group_name == "monitoring"}
    daily = {key for key in graph.get_all_asset_keys() if graph.get(key).is_partitioned}

    assert daily == watching - {dg.AssetKey("reference_profile")}
    for key in daily:
        days = graph.get(key).partitions_def
        assert isinstance(days, dg.DailyPartitionsDefinition)
        assert days.get_first_partition_key() == "2026-01-01"
        assert days.get_last_partition_key() == f"{datetime.now(UTC):%Y-%m-%d}"


def test_retraining_makes_all_but_the_reports_that_may_have_called_for_it(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    selected = dg.AssetSelection.assets("raw_listings").downstream().resolve(graph)

    clearing_up = {dg.AssetKey("storage_retention")}
    once = {key for key in graph.materializable_asset_keys if not graph.get(key).is_partitioned}
    assert selected == once - clearing_up


def test_each_night_makes_every_daily_asset(defs: dg.Definitions) -> None:
    graph = defs.resolve_asset_graph()
    daily = {key for key in graph.get_all_asset_keys() if graph.get(key).is_partitioned}

    job = defs.resolve_job_def("daily_monitoring")
    assert job.asset_layer.selected_asset_keys == daily


# -- settings and resources --------------------------------------------------------------------------------------------


def test_a_landing_place_is_watched_and_read(tmp_path: Path) -> None:
    landing = str(tmp_path / "landing")
    defs = of_market("istanbul", tmp_path, landing=landing)

    (sensor,) = [sensor for sensor in defs.sensors or () if sensor.name == "materialize_on_new_listings"]
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert (defs.resources or {})["source"].location == landing


@pytest.mark.parametrize("name", ["istanbul", "king_county"])
def test_a_retraining_after_drift_can_search_for_settings_first(name: str, tmp_path: Path) -> None:
    assert Settings(storage=tmp_path).retrain_sweep_trials == 0
    job = of_market(name, tmp_path).resolve_job_def(definitions.RETRAINING)
    config = definitions._sweeping(7)
    validated = dg.validate_run_config(job, config)
    assert validated["ops"]["best_params"]["config"]["trials"] == 7
    assert definitions._sweeping(0) is None


def test_answers_are_drawn_for_review_as_the_settings_say_that_were_given(tmp_path: Path) -> None:
    assert (of_market("istanbul", tmp_path, review_share=0.3).resources or {})["predictions"].review_share == 0.3


def test_a_markets_published_index_is_read_unless_a_setting_names_another(tmp_path: Path) -> None:
    def path_of(name: str, **settings: Any) -> Path | None:
        found: Path | None = (of_market(name, tmp_path, **settings).resources or {})["external_index"].path
        return found

    shipped, other = path_of("king_county"), tmp_path / "index.csv"
    assert shipped is not None
    assert month_name(int(read_published(shipped).months[-1])) == "2014-10"  # what was published when 2014 ended
    assert path_of("istanbul") is None
    other.touch()
    assert path_of("king_county", price_index=other) == other


def test_a_search_at_each_retraining_is_refused_where_optuna_is_not_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)  # as where it is not installed
    with pytest.raises(ValueError, match=r"RETRAIN_SWEEP_TRIALS is 7, .* housing-price-platform\[selection\]"):
        of_market("istanbul", tmp_path, retrain_sweep_trials=7)
    assert of_market("istanbul", tmp_path)


def test_a_resource_can_be_replaced(market: Market, tmp_path: Path) -> None:
    io_manager = dg.mem_io_manager

    defs = build_defs(market, settings=Settings(storage=tmp_path), resource_overrides={"io_manager": io_manager})

    assert (defs.resources or {})["io_manager"] is io_manager


def test_the_default_settings_come_from_the_environment(
    market: Market, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)  # mlflow.set_tracking_uri sets it

    resources = build_defs(market).resources or {}

    assert resources["io_manager"].folder == str(tmp_path / "assets")
    assert resources["registry"].tracking_uri == f"sqlite:///{tmp_path}/mlflow.db"


def test_a_password_in_the_environment_is_not_shown_in_the_lineage_page(
    market: Market, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    monkeypatch.setenv("HOUSING_SOURCE", "postgresql+psycopg://bob:geheim@db/ads#SELECT * FROM ads")
    monkeypatch.setenv("HOUSING_PREDICTION_STORE", "postgresql://bob:geheim@db/predictions")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://bob:geheim@mlflow.example")
    shown = dg.serialize_value(RepositorySnap.from_def(build_defs(market).get_repository_def()))
    assert "HOUSING_SOURCE" in shown
    assert "geheim" not in shown


def test_a_password_of_one_market_is_not_shown_in_the_lineage_page(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    monkeypatch.setenv("HOUSING_KING_COUNTY_SOURCE", "postgresql+psycopg://bob:geheim@db/ads#SELECT * FROM sales")
    monkeypatch.setenv("HOUSING_KING_COUNTY_PREDICTION_STORE", "postgresql://bob:geheim@db/predictions")
    repository = definitions.king_county.get_repository_def()
    assert "geheim" not in dg.serialize_value(RepositorySnap.from_def(repository))


# -- several markets ---------------------------------------------------------------------------------------------------


def test_the_code_location_of_another_market_is_the_same_graph_under_its_name(
    defs: dg.Definitions, tmp_path: Path
) -> None:
    def prefixed(name: str) -> str:
        return f"king_county/{name}"

    other, expected = describe(of_market("king_county", tmp_path)), describe(defs)

    expected["assets"] = {
        prefixed(name): asset | {"upstream": [*map(prefixed, asset["upstream"])]}
        for name, asset in expected["assets"].items()
    }
    expected["jobs"] = {name: [*map(prefixed, assets)] for name, assets in expected["jobs"].items()}
    assert other == expected


def test_two_markets_share_no_asset_file_database_model_or_experiment(tmp_path: Path) -> None:
    istanbul, king_county = (of_market(name, tmp_path) for name in ("istanbul", "king_county"))

    keys = [each.resolve_asset_graph().get_all_asset_keys() for each in (istanbul, king_county)]
    assert keys[0].isdisjoint(keys[1])
    ours, theirs = dict(istanbul.resources or {}), dict(king_county.resources or {})
    for resource, field in (
        ("checkpoints", "folder"),
        ("tracking", "experiment_name"),
        ("tracking", "artifact_folder"),
        ("registry", "model_name"),
        ("predictions", "url"),
        ("bentos", "folder"),
    ):
        assert getattr(ours[resource], field) != getattr(theirs[resource], field), (resource, field)
    assert ours["io_manager"].folder == theirs["io_manager"].folder  # below it, the keys tell values apart
    assert set(ours["io_manager"].values).isdisjoint(theirs["io_manager"].values)
    assert (ours["market"].name, theirs["market"].name) == ("istanbul", "king_county")


def test_a_market_that_is_not_there_is_refused_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match="'atlantis'; markets are istanbul, king_county"):
        definitions.atlantis  # noqa: B018


@pytest.mark.trial
def test_a_workspace_with_an_entry_for_each_market_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    (entry,) = yaml.safe_load((ROOT / "workspace.yaml").read_text(encoding="utf-8"))["load_from"]
    module = entry["python_module"] | {"working_directory": str(ROOT)}
    other = module | {"attribute": "king_county", "location_name": "king_county"}
    workspace = tmp_path / "workspace.yaml"
    workspace.write_text(yaml.safe_dump({"load_from": [{"python_module": module}, {"python_module": other}]}))

    with (
        dg.DagsterInstance.local_temp(str(tmp_path)) as instance,
        WorkspaceProcessContext(instance, WorkspaceFileTarget([str(workspace)])) as process,
    ):
        context = process.create_request_context()
        faults = [found.load_error for found in context.get_code_location_entries().values() if found.load_error]
        assert not faults
        repositories = {each.name: each.get_repository("__repository__") for each in context.code_locations}
        roots = {
            name: {node.asset_key.path[0] for node in repository.get_asset_node_snaps()}
            for name, repository in repositories.items()
        }

    assert roots["king_county"] == {"king_county"}
    assert "raw_listings" in roots["housing"]
    assert "king_county" not in roots["housing"]


def test_no_market_can_have_the_name_of_an_asset() -> None:
    names = {key.path[-1] for key in build_defs(load_market("istanbul")).resolve_asset_graph().get_all_asset_keys()}

    assert names <= RESERVED_NAMES


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_a_market_cannot_take_a_name_that_the_platform_uses(name: str, tmp_path: Path) -> None:
    market = replace(load_market("istanbul"), name=name)

    with pytest.raises(DeclarationError, match=f"the market's name is '{name}': .* such as 'my_{name}'"):
        build_defs(market, settings=Settings(storage=tmp_path))
