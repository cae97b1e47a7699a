"""The loop goes round on PostgreSQL, S3 and an MLflow server; nothing of it is on the machine's disk alone."""

import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from resources.decision_log import DecisionLogs, Log
from resources.run_history import measure_history
from tests.acceptance.platform import days_ago, failed, why
from tests.production.platform import ProductionPlatform, champion, send_day, wait_for_version
from tests.production.stack import Stack

pytestmark = pytest.mark.trial

SHIFTED = days_ago(1)
NOT_SERVED = ("price_bento",)
"""The service follows the registry: a bento, which takes as long as a training, is for containers."""


@pytest.fixture
def platform(environment: dict[str, str]) -> Iterator[ProductionPlatform]:
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        yield ProductionPlatform("istanbul", Path(), Path(environment["HOUSING_STORAGE"]), instance)


def test_a_drifted_day_leads_to_a_version_that_the_service_follows(
    platform: ProductionPlatform, stack: Stack, environment: dict[str, str]
) -> None:
    began = time.monotonic()
    trained = platform.train(without=NOT_SERVED)
    assert trained.success, why(trained)
    seconds = {"trained": time.monotonic() - began}

    with platform.following(environment) as served:
        wait_for_version(served.http, "1")
        seconds["served"] = time.monotonic() - began
        tally = send_day(served, SHIFTED, 1_200, seed=3, inflation=0.6)
        checks = platform.judge(SHIFTED)
        assert "performance_held" in failed(checks)
        decision, request = platform.decide()
        assert decision.outcome == "retrain", decision.reason
        assert request is not None
        seconds["decided"] = time.monotonic() - began
        retrained = platform.train(without=NOT_SERVED, tags=request.tags)
        assert retrained.success, why(retrained)
        seconds["retrained"] = time.monotonic() - began
        wait_for_version(served.http, "2")
        seconds["followed"] = time.monotonic() - began
        assert champion(served.http)["model_version"] == "2"

    print(json.dumps({name: round(value, 1) for name, value in seconds.items()}))
    rows = stack.rows("predictions")
    assert rows["predictions"] == tally.answered > 1_100
    assert not [*platform.storage.rglob("*.db")]
    assert {key.split("/")[1] for key in stack.objects()} == {"assets", "checkpoints", "logs", "mlflow"}
    assert measure_history(platform.instance).log_bytes > 0


def test_another_machine_with_an_empty_disk_has_everything(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = stack.environment("another machine")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        elsewhere = ProductionPlatform("istanbul", Path(), Path(), instance)

        result = elsewhere._materialize(
            dg.AssetSelection.assets("price_forest"), run_config={"ops": {"price_forest": {"config": {"n_trees": 40}}}}
        )

        assert result.success, why(result)
        (forest,) = result.asset_materializations_for_node("price_forest")
        assert forest.metadata["trees_from_checkpoint"].value == 40
        assert elsewhere.production().number == 2
        assert elsewhere.decide()[0].outcome == "waiting"  # it knows of the retraining, which made no bento


def test_what_was_wiped_is_restored_and_the_loop_goes_on(
    platform: ProductionPlatform, stack: Stack, environment: dict[str, str], tmp_path: Path
) -> None:
    """As docs/operations.md says: dump the databases, copy the bucket; wipe both; restore, and go on."""
    before = {name: stack.rows(name) for name in stack.databases}
    objects = stack.objects()
    saved = tmp_path / "saved"
    urls = {name: url.replace("+psycopg2", "") for name, url in stack.databases.items()}
    for name, url in urls.items():
        run_tool(stack, "pg_dump", "--format=custom", f"--file={saved}-{name}", url)
    copies = {key: stack.bucket.get_object(Bucket="housing", Key=key)["Body"].read() for key in objects}
    platform.instance.dispose()
    stack.stop_mlflow()

    for name, url in urls.items():
        run_tool(stack, "psql", "--quiet", "--command=DROP SCHEMA public CASCADE; CREATE SCHEMA public", url)
        assert stack.rows(name) == {}
    for key in objects:
        stack.bucket.delete_object(Bucket="housing", Key=key)
    shutil.rmtree(platform.storage / "cache")
    assert stack.objects() == []

    began = time.monotonic()
    for name, url in urls.items():
        run_tool(stack, "pg_restore", "--clean", "--if-exists", "--exit-on-error", f"--dbname={url}", f"{saved}-{name}")
    for key, content in copies.items():
        stack.bucket.put_object(Bucket="housing", Key=key, Body=content)
    stack.start_mlflow()
    seconds = time.monotonic() - began

    after = {name: stack.rows(name) for name in stack.databases}
    assert after == before
    assert stack.objects() == objects
    told = {name: sum(rows.values()) for name, rows in before.items()}
    print(
        f"restored in {seconds:.1f} s: rows {told} before, { ({n: sum(r.values()) for n, r in after.items()}) } after"
    )

    with dg.DagsterInstance.from_config(environment["DAGSTER_HOME"]) as instance:
        again = ProductionPlatform("istanbul", Path(), Path(), instance)
        assert again.production().number == 2
        assert "performance_held" in again.judge(SHIFTED)
        assert again.decide()[0].outcome == "nothing found"  # of the version that the day has led to
        outcomes = [one.decision.outcome for one in DecisionLogs().read(instance, Log.RETRAINING, 10)]
        assert "retrain" in outcomes


def run_tool(stack: Stack, program: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own programs."""
    subprocess.run([stack.postgres.bin_path / program, *arguments], check=True, capture_output=True, timeout=120)
