"""The command line, against a real MLflow database."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from resources import versions
from resources.model_registry import PRODUCTION, ModelRegistry
from tests.resources.registered import register

ROOT = Path(__file__).parents[2]


@pytest.fixture
def registry(tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    """Two promoted versions below HOUSING_STORAGE."""
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    registry = ModelRegistry(tracking_uri=tracking_uri)
    for fingerprint in ("aa", "bb"):
        tags = {"data_fingerprint": fingerprint, "decision": "promoted", "sklearn": "not shown"}
        registry.promote(register(registry, tmp_path, tags=tags))
    monkeypatch.delenv("MLFLOW_TRACKING_URI")  # mlflow.set_tracking_uri sets it
    return registry


def production(registry: ModelRegistry) -> int:
    version = registry.with_alias(PRODUCTION)
    assert version is not None
    return version.number


@pytest.mark.parametrize("arguments", [[], ["list"]])
def test_versions_are_listed_newest_first_with_aliases_and_provenance(
    registry: ModelRegistry, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert versions.main(arguments) == 0

    newest, oldest = capsys.readouterr().out.split("\n\n")
    run_id = registry.versions()[0].run_id
    assert newest.splitlines() == [
        "version 2  production",
        "  data_fingerprint  bb",
        "  decision          promoted",
        f"  mlflow run        {run_id}",
    ]
    assert oldest.splitlines()[:2] == ["version 1", "  data_fingerprint  aa"]


def test_a_fine_tuned_version_is_listed_with_the_forest_it_goes_back_to_and_what_became_of_its_promotion(
    registry: ModelRegistry, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    register(registry, tmp_path, tags={"fine_tuned_from": "cc", "decision": "to be promoted"})

    versions.main([])

    assert capsys.readouterr().out.splitlines()[:3] == [
        "version 3",
        "  fine_tuned_from   cc",
        "  decision          to be promoted",
    ]


def test_rollback_says_what_changed_and_the_list_shows_why(
    registry: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert versions.main(["rollback", "--reason", "complaints"]) == 0

    assert capsys.readouterr().out == "production: version 2 -> version 1\n"
    assert production(registry) == 1
    versions.main(["list"])
    shown = capsys.readouterr().out
    assert "version 1  production" in shown
    assert "to version 1: complaints" in shown


def test_rollback_to_an_unknown_version_fails_and_says_what_there_is(
    registry: ModelRegistry, capsys: pytest.CaptureFixture[str]
) -> None:
    assert versions.main(["rollback", "--to", "7"]) == 1

    assert "not rolled back" in (shown := capsys.readouterr().out)
    assert "version 7" in shown
    assert production(registry) == 2


def test_without_a_version_the_list_says_how_to_make_one(
    tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri)

    assert versions.main([]) == 0
    assert "make materialize" in capsys.readouterr().out
    assert versions.main(["rollback"]) == 1


@pytest.mark.parametrize(("arguments", "code"), [(["rollback", "--to", "1"], 0), (["rollback", "--to", "7"], 1)])
def test_the_module_runs_as_a_command_with_its_exit_code(
    registry: ModelRegistry, tmp_path: Path, arguments: list[str], code: int
) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "resources.versions", *arguments],
        cwd=ROOT,
        env={**os.environ, "HOUSING_STORAGE": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert ended.returncode == code, ended.stderr
    assert production(registry) == (1 if code == 0 else 2)
