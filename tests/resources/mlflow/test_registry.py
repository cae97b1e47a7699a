"""Against a real MLflow database."""

import json
import logging
from pathlib import Path

import mlflow
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from resources.mlflow.registry import (
    DECISION,
    LINEAGE_CONTRACT,
    PRODUCTION,
    PROMOTED,
    REPLACED,
    STAGING,
    ModelRegistry,
)
from resources.settings import MODEL_NAME
from tests.resources.registered import new_run, register, status_of

pytestmark = pytest.mark.acceptance


@pytest.fixture
def registry(tracking_uri: str) -> ModelRegistry:
    return ModelRegistry(tracking_uri=tracking_uri)


def numbers_by_alias(registry: ModelRegistry) -> dict[str, int]:
    return {alias: version.number for version in registry.versions() for alias in version.aliases}


def test_an_empty_registry_has_no_versions_no_production_and_no_contract(registry: ModelRegistry) -> None:
    assert registry.versions() == []
    assert registry.with_alias(PRODUCTION) is None
    assert registry.lineage_contract() is None


def test_versions_are_numbered_and_listed_newest_first_with_their_audit_trail(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    register(registry, tmp_path, tags={"data_fingerprint": "aa", "decision": "promoted"})
    second = register(registry, tmp_path, tags={"data_fingerprint": "bb", "decision": "not promoted"})

    newest, oldest = registry.versions()

    assert (newest.number, oldest.number) == (2, 1)
    assert dict(newest.tags) == {
        "data_fingerprint": "bb",
        "decision": "not promoted",
        LINEAGE_CONTRACT: json.dumps({"lineage": "first"}),
    }
    assert newest.run_id == second.run_id != oldest.run_id


def test_registering_points_no_alias_anywhere(registry: ModelRegistry, tmp_path: Path) -> None:
    register(registry, tmp_path)

    assert numbers_by_alias(registry) == {}


def test_a_version_has_its_own_model_card_though_another_came_of_the_same_run(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = new_run(registry, tmp_path)
    monkeypatch.setattr("tests.resources.registered.new_run", lambda *_: run_id)
    (tmp_path / "card").mkdir()
    for summary in ("the first", "the second"):
        (tmp_path / "card" / "model_card.md").write_text(summary)
        registry.attach_card(register(registry, tmp_path), tmp_path / "card", summary)
    bare = register(registry, tmp_path)

    told = {number: registry.read_card(registry.numbered(number), "model_card.md") for number in (1, 2)}

    assert told == {1: "the first", 2: "the second"}
    described = registry.client().get_model_version(MODEL_NAME, "2").description
    assert described == "the second The model card is model_card/version-2 among the artifacts of the run."
    with pytest.raises(LookupError, match=r"version 3 of .* has no model card"):
        registry.read_card(bare, "model_card.md")
    with pytest.raises(LookupError, match="no version 7; there are 3, 2, 1"):
        registry.numbered(7)


@pytest.mark.parametrize("status", ["RUNNING", "FAILED", "FINISHED"])
def test_registering_leaves_the_status_of_the_run_that_trained_the_model(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, status: str
) -> None:
    run_id = new_run(registry, tmp_path)
    registry.client().update_run(run_id, status)
    monkeypatch.setattr("tests.resources.registered.new_run", lambda *_: run_id)

    version = register(registry, tmp_path)

    assert version.run_id == run_id
    assert status_of(registry, run_id) == status


def test_the_model_belongs_to_the_run_and_experiment_that_trained_it(registry: ModelRegistry, tmp_path: Path) -> None:
    version = register(registry, tmp_path)

    run = registry.client().get_run(version.run_id)
    (output,) = run.outputs.model_outputs
    model = registry.client().get_logged_model(output.model_id)
    assert model.experiment_id == run.info.experiment_id
    assert model.source_run_id == version.run_id
    assert model.status == "READY"


def test_a_registered_model_takes_texts_and_numbers_and_needs_no_column(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    version = register(registry, tmp_path)
    mlflow.set_tracking_uri(registry.tracking_uri)

    model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version.number}")

    for frame in (
        pd.DataFrame({"district": ["şile", None], "rooms": ["3+1", 3]}),
        pd.DataFrame({"rooms": [3.0, 4.0]}, index=[7, 7]),
        pd.DataFrame({"district": pd.Categorical(["şile", None])}),
    ):
        answer = model.predict(frame)
        assert answer["price_category"].tolist() == ["first", "first"]
        assert answer.index.tolist() == frame.index.tolist()


def test_a_required_column_may_hold_nulls_and_is_refused_by_name_where_it_is_absent(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    artifact = tmp_path / "artifact"
    artifact.mkdir()
    (artifact / "answer.json").write_text(json.dumps({"lineage": "first"}))
    version = registry.register(
        artifact,
        new_run(registry, tmp_path),
        {},
        {"lineage": "first"},
        loader_module="tests.resources.registered",
        requirements=["pandas"],
        example=pd.DataFrame({"district": ["şile"], "rooms": [3]}),
        answer={"price_category": "string"},
        required=["district"],
    )
    mlflow.set_tracking_uri(registry.tracking_uri)
    model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version.number}")

    for cells in (["şile", None], [None, None], [float("nan"), 3], pd.Categorical(["şile", None])):
        assert len(model.predict(pd.DataFrame({"district": cells}))) == 2
    for misnamed in (pd.DataFrame({"District": ["şile"], "rooms": [3]}), pd.DataFrame({"District": ["şile"]})):
        with pytest.raises(MlflowException, match=r"missing inputs \['district'\].* extra inputs: \['District'\]"):
            model.predict(misnamed)


def test_registering_and_loading_warn_of_nothing(
    registry: ModelRegistry, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    loggers = [logging.getLogger(name) for name in ("mlflow", "mlflow.pyfunc", "mlflow.models")]
    for logger in loggers:
        logger.addHandler(caplog.handler)
    try:
        version = register(registry, tmp_path)
        registry.download(version, tmp_path / "downloaded")
    finally:
        for logger in loggers:
            logger.removeHandler(caplog.handler)

    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING] == []
    errors = capfd.readouterr().err
    assert "Downloading artifacts" not in errors
    assert "input example" not in errors.replace("Validating input example against model signature", "")


def test_a_version_can_be_downloaded(registry: ModelRegistry, tmp_path: Path) -> None:
    version = register(registry, tmp_path)
    destination = tmp_path / "downloaded"
    destination.mkdir()

    folder = registry.download(version, destination)

    assert folder.is_relative_to(destination)
    assert json.loads((folder / "answer.json").read_text()) == {"lineage": "first"}


def test_staging_and_production_are_independent(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = register(registry, tmp_path), register(registry, tmp_path)
    registry.stage(first)
    registry.promote(first)

    registry.stage(second)

    assert numbers_by_alias(registry) == {STAGING: 2, PRODUCTION: 1}


def test_a_promoted_version_remembers_the_one_that_it_replaced(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = register(registry, tmp_path), register(registry, tmp_path)
    registry.promote(first)
    registry.promote(second)
    registry.promote(second)

    newest, oldest = registry.versions()
    assert newest.tags[REPLACED] == "1"
    assert REPLACED not in oldest.tags


def test_a_version_is_recorded_as_promoted_once_it_is_in_production(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    version = register(registry, tmp_path, tags={DECISION: "to be promoted"})
    with monkeypatch.context() as patched:
        patched.setattr(MlflowClient, "set_registered_model_alias", die)
        with pytest.raises(KeyboardInterrupt):
            registry.promote(version)

    assert registry.versions()[0].tags[DECISION] == "to be promoted"
    registry.promote(version)
    assert registry.versions()[0].tags[DECISION] == PROMOTED


def test_an_alias_that_no_version_has_names_none(registry: ModelRegistry, tmp_path: Path) -> None:
    register(registry, tmp_path)
    assert registry.with_alias(PRODUCTION) is None

    registry.stage(register(registry, tmp_path))
    registry.promote(registry.versions()[0])
    found = registry.with_alias(PRODUCTION)
    assert found == registry.versions()[0]
    assert found is not None
    assert found.aliases == (PRODUCTION, STAGING)


def test_a_registry_that_does_not_answer_is_not_taken_for_an_empty_one(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with pytest.raises(MlflowException, match=r"127\.0\.0\.1"):
        ModelRegistry(tracking_uri="http://127.0.0.1:9").with_alias(PRODUCTION)
    with pytest.raises(MlflowException, match="alias"):
        registry.with_alias("no alias can be named so: !")

    def failing(*_: object) -> None:
        raise MlflowException("the database is gone")

    monkeypatch.setattr(MlflowClient, "get_model_version_by_alias", failing)
    with pytest.raises(MlflowException, match="the database is gone"):
        registry.with_alias(PRODUCTION)


def test_tags_are_added_and_an_alias_is_pointed_without_a_record(registry: ModelRegistry, tmp_path: Path) -> None:
    first, second = (register(registry, tmp_path, tags={"lineage": "a"}) for _ in range(2))
    registry.promote(first)

    registry.tag(second, {"upgraded_from": "1", "lineage": "b"})
    registry.point(PRODUCTION, second)

    newest = registry.versions()[0]
    assert newest.aliases == (PRODUCTION,)
    assert (newest.tags["upgraded_from"], newest.tags["lineage"]) == ("1", "b")
    assert REPLACED not in newest.tags
    assert DECISION not in newest.tags


def test_the_bands_in_production_are_kept_before_those_of_newer_versions(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    first = register(registry, tmp_path, lineage="first")
    registry.promote(first)
    register(registry, tmp_path, lineage="second")

    assert registry.lineage_contract() == {"lineage": "first"}


def test_without_production_the_bands_of_the_newest_version_are_kept(registry: ModelRegistry, tmp_path: Path) -> None:
    register(registry, tmp_path, lineage="first")
    register(registry, tmp_path, lineage="second")

    assert registry.lineage_contract() == {"lineage": "second"}


def three_promoted(registry: ModelRegistry, folder: Path) -> None:
    for _ in range(3):
        registry.promote(register(registry, folder))


def test_a_rollback_goes_back_to_the_replaced_version_and_records_why(registry: ModelRegistry, tmp_path: Path) -> None:
    three_promoted(registry, tmp_path)

    old, new = registry.rollback(reason="complaints from Şile")

    assert (old.number, new.number) == (3, 2)
    assert numbers_by_alias(registry) == {PRODUCTION: 2}
    note = registry.versions()[0].tags["rolled_back"]
    assert note.endswith("UTC to version 2: complaints from Şile")


def test_repeated_rollbacks_go_further_back_until_there_is_nothing_left(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    three_promoted(registry, tmp_path)
    registry.rollback()
    registry.rollback()

    with pytest.raises(LookupError, match="no version that 1 replaced to go back to"):
        registry.rollback()
    assert numbers_by_alias(registry) == {PRODUCTION: 1}


def test_a_rollback_can_name_its_version(registry: ModelRegistry, tmp_path: Path) -> None:
    three_promoted(registry, tmp_path)

    registry.rollback(to=1)

    assert numbers_by_alias(registry) == {PRODUCTION: 1}
    assert registry.versions()[0].tags["rolled_back"].endswith("to version 1: no reason given")


def test_a_rollback_to_an_unknown_version_changes_nothing_and_names_those_there_are(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    three_promoted(registry, tmp_path)

    with pytest.raises(LookupError, match="no version 9 to go back to; there are 3, 2, 1"):
        registry.rollback(to=9)
    assert numbers_by_alias(registry) == {PRODUCTION: 3}


def test_a_rollback_to_the_version_in_production_is_refused(registry: ModelRegistry, tmp_path: Path) -> None:
    three_promoted(registry, tmp_path)

    with pytest.raises(LookupError, match="version 3 is in production"):
        registry.rollback(to=3)
    assert "rolled_back" not in registry.versions()[0].tags


def test_another_version_than_the_one_that_is_meant_is_not_rolled_back(registry: ModelRegistry, tmp_path: Path) -> None:
    for _ in range(3):
        registry.promote(register(registry, tmp_path))

    with pytest.raises(LookupError, match="version 3 is in production, not 2"):
        registry.rollback(to=1, replacing=2)
    assert numbers_by_alias(registry)[PRODUCTION] == 3


def test_a_file_that_is_not_there_is_told_from_one_that_cannot_be_read(registry: ModelRegistry, tmp_path: Path) -> None:
    version = register(registry, tmp_path)

    with pytest.raises(LookupError, match="has no reference"):
        registry.read_text(version, "reference.json")
    out_of_reach = ModelRegistry(tracking_uri=f"sqlite:///{tmp_path / 'nowhere' / 'mlflow.db'}")
    with pytest.raises(Exception) as fault:  # noqa: PT011 - whatever the registry raises, it is no LookupError
        out_of_reach.read_text(version, "reference.json")
    assert not isinstance(fault.value, LookupError)


def test_nothing_in_production_cannot_be_rolled_back(registry: ModelRegistry, tmp_path: Path) -> None:
    register(registry, tmp_path)

    with pytest.raises(LookupError, match=f"no version of {MODEL_NAME} is in production"):
        registry.rollback()
