"""Dagster's configuration in production, beside the local one."""

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.instance.config import dagster_instance_config

from resources.compute_logs import S3ComputeLogs
from resources.object_store import ObjectStore
from tests.databases import new_database, server_of

ROOT = Path(__file__).parents[2]


def test_it_differs_from_the_local_one_in_storage_retries_and_retention_alone() -> None:
    local, production = (yaml.safe_load((ROOT / at).read_text()) for at in ("dagster.yaml", "deploy/dagster.yaml"))

    assert {*production} - {*local} == {"storage", "compute_logs", "retention"}
    assert [key for key in local if local[key] != production[key]] == ["run_retries"]


@pytest.fixture
def home(tmp_path: Path, s3_endpoint: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Path:
    region = {"LocationConstraint": "eu-central-1"}
    ObjectStore().client().create_bucket(Bucket="housing", CreateBucketConfiguration=region)
    monkeypatch.setenv(
        "HOUSING_DAGSTER_STORE", new_database(server_of(request.session).get_uri(), "postgresql+psycopg2")
    )
    monkeypatch.setenv("HOUSING_OBJECT_STORE", "s3://housing/team/")
    (tmp_path / "dagster.yaml").symlink_to(ROOT / "deploy/dagster.yaml")
    return tmp_path


def test_runs_lie_in_postgresql_and_what_they_print_in_the_bucket(home: Path) -> None:
    @dg.asset
    def talkative() -> None:
        print("a line of the step")

    with dg.DagsterInstance.from_config(str(home)) as instance:
        run = dg.materialize([talkative], instance=instance)
        logs = instance.compute_log_manager
        assert isinstance(logs, S3ComputeLogs)
        assert logs.stored_bytes() > 0
        logged = instance.all_logs(run.run_id, of_type=dg.DagsterEventType.LOGS_CAPTURED)[0]
        key = [run.run_id, "compute_logs", str(logged.get_dagster_event().logs_captured_data.file_key)]
        stdout, _ = logs.get_log_data(key).stdout, None
        assert b"a line of the step" in (stdout or b"")

    stored = ObjectStore().client().list_objects_v2(Bucket="housing", Prefix="team/logs/")["Contents"]
    assert any(entry["Key"].endswith(".out") for entry in stored)
    assert not list(home.rglob("*.db"))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.get_run_by_id(run.run_id) is not None


def test_the_configuration_is_one_that_dagster_knows(home: Path) -> None:
    told, _ = dagster_instance_config(str(home))

    assert told["retention"]["sensor"]["purge_after_days"]["skipped"] == 3
