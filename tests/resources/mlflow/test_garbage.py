"""Files that deleted versions and runs have left, in a real MLflow database."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from resources.mlflow.garbage import find_garbage, remove_garbage
from resources.mlflow.registry import ModelRegistry
from resources.settings import MODEL_NAME
from tests.resources.registered import EXPERIMENT, new_run, register


@pytest.fixture
def registry(tracking_uri: str) -> ModelRegistry:
    return ModelRegistry(tracking_uri=tracking_uri)


def stored(folder: Path) -> int:
    return sum(path.stat().st_size for path in (folder / "mlartifacts").rglob("*") if path.is_file())


def test_files_of_deleted_versions_and_runs_go_and_registered_ones_stay(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    uri, later = registry.tracking_uri, datetime.now(UTC) + timedelta(seconds=1)
    kept, deleted = register(registry, tmp_path), register(registry, tmp_path)
    client = registry.client()
    run_id = new_run(registry, tmp_path)
    client.log_text(run_id, "plotted", "plot.txt")
    assert find_garbage(uri, EXPERIMENT, MODEL_NAME, later) == []
    before = stored(tmp_path)

    client.delete_model_version(MODEL_NAME, str(deleted.number))
    client.delete_run(run_id)
    garbage = find_garbage(uri, EXPERIMENT, MODEL_NAME, datetime.now(UTC) + timedelta(seconds=1))
    for one in garbage:
        remove_garbage(uri, one)

    assert len(garbage) == 2
    assert before - stored(tmp_path) == sum(one.n_bytes for one in garbage) > len("plotted")
    assert registry.read_text(kept, "answer.json")
    assert find_garbage(uri, EXPERIMENT, MODEL_NAME, datetime.now(UTC) + timedelta(seconds=1)) == []


def test_what_was_logged_lately_may_be_about_to_be_registered(registry: ModelRegistry, tmp_path: Path) -> None:
    version = register(registry, tmp_path)
    registry.client().delete_model_version(MODEL_NAME, str(version.number))

    assert find_garbage(registry.tracking_uri, EXPERIMENT, MODEL_NAME, datetime.now(UTC) - timedelta(days=1)) == []


def test_where_nothing_was_trained_there_is_none(registry: ModelRegistry) -> None:
    assert find_garbage(registry.tracking_uri, "no such experiment", MODEL_NAME, datetime.now(UTC)) == []
