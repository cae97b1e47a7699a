"""The registered versions, against a real MLflow database."""

import json
import re
from pathlib import Path

import pandas as pd
import pytest

from housing_assets.inference.artifact import MANIFEST
from housing_assets.markets.istanbul_sample import synthetic_listings
from housing_assets.packaging.card.document import ModelCard
from housing_assets.packaging.registration import Registration
from resources.mlflow.registry import PRODUCTION, ModelRegistry
from tests.command_line.conftest import Housing
from tests.resources.mlflow_database import new_database
from tests.resources.registered import new_run, register


@pytest.fixture
def tracking_uri(tmp_path: Path) -> str:
    return new_database(tmp_path / "storage")


@pytest.fixture
def registry(tracking_uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    """Two promoted versions below HOUSING_STORAGE."""
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


def test_versions_are_listed_newest_first_with_aliases_and_provenance(
    registry: ModelRegistry, housing: Housing
) -> None:
    newest, oldest = housing("versions").stdout.split("\n\n")

    assert newest.splitlines() == [
        "version 2  production",
        "  data_fingerprint  bb",
        "  decision          promoted",
        f"  mlflow run        {registry.versions()[0].run_id}",
    ]
    assert oldest.splitlines()[:2] == ["version 1", "  data_fingerprint  aa"]


def test_a_fine_tuned_version_is_listed_with_the_forest_it_goes_back_to_and_what_became_of_its_promotion(
    registry: ModelRegistry, tmp_path: Path, housing: Housing
) -> None:
    register(registry, tmp_path, tags={"fine_tuned_from": "cc", "decision": "to be promoted"})

    assert housing("versions").stdout.splitlines()[:3] == [
        "version 3",
        "  fine_tuned_from   cc",
        "  decision          to be promoted",
    ]


def test_versions_of_another_market_are_its_own(
    registry: ModelRegistry, housing: Housing, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOUSING_MARKET", "king_county")
    assert "no version is registered yet" in housing("versions").stdout


def test_rollback_says_what_changed_and_the_list_shows_why(registry: ModelRegistry, housing: Housing) -> None:
    shown = housing("rollback", "--reason", "complaints")

    assert (shown.exit_code, shown.stdout) == (0, "production: version 2 -> version 1\n")
    assert production(registry) == 1
    listed = housing("versions").stdout
    assert "version 1  production" in listed
    assert "to version 1: complaints" in listed


@pytest.mark.parametrize(("to", "why"), [("7", "no version 7"), ("2", "version 2 is in production already")])
def test_a_rollback_that_cannot_be_fails_and_says_why(
    registry: ModelRegistry, housing: Housing, to: str, why: str
) -> None:
    shown = housing("rollback", "--to", to)

    assert shown.exit_code == 1
    assert shown.stderr.startswith("housing: not rolled back")
    assert why in shown.stderr
    assert production(registry) == 2


def test_without_a_version_it_says_how_to_make_one(tracking_uri: str, housing: Housing, tmp_path: Path) -> None:
    assert housing("versions").stdout == "no version is registered yet: make materialize\n"
    assert housing("rollback").exit_code == 1
    shown = housing("versions", "export", str(tmp_path / "artifact"))
    assert shown.exit_code == 1
    assert "make materialize" in shown.stderr


def test_the_artifact_in_production_is_exported_over_another_one(
    registry: ModelRegistry, housing: Housing, tmp_path: Path
) -> None:
    folder = tmp_path / "artifact"
    folder.mkdir()
    (folder / MANIFEST).touch()

    shown = housing("versions", "export", str(folder))

    assert shown.stdout == f"version 2 -> {folder}\n"
    assert [file.name for file in folder.iterdir()] == ["answer.json"]


def test_a_version_is_evaluated_on_listings_of_a_file(
    registry: ModelRegistry, housing: Housing, saved: Path, tmp_path: Path
) -> None:
    run_id = new_run(registry, tmp_path)
    registry.register(
        saved,
        run_id,
        {},
        {},
        loader_module="housing_assets.packaging.pyfunc",
        requirements=["pandas"],
        example=pd.DataFrame({"district": ["şile"]}),
        answer={"price_category": "string"},
    )
    ads = tmp_path / "ads.csv"
    synthetic_listings(900, seed=3).to_csv(ads, index=False)

    first, *figures = housing("versions", "evaluate", str(ads), "--version", "3").stdout.splitlines()
    assert re.fullmatch(
        r"version 3 on 8\d\d listings of 20\d\d-\d\d-\d\d to 20\d\d-\d\d-\d\d; \d+ quarantined.*", first
    )
    told = {name: float(value) for name, value in map(str.split, figures)}
    assert 0.5 < told["macro_f1"] < 1
    assert 0 < told["price_mdape"] < 1
    later = json.loads(
        housing("versions", "evaluate", str(ads), "--version", "3", "--since", "2022-01-01", "--json").stdout
    )
    assert later["version"] == 3
    assert later["days"][0] >= "2022-01-01"
    assert later["listings"] < 900
    assert later["metrics"].keys() == told.keys()
    assert "has no version 9" in housing("versions", "evaluate", str(ads), "--version", "9").stderr
    assert "no such file" in housing("versions", "evaluate", str(tmp_path / "no.csv"), "--version", "3").stderr


def test_a_folder_with_something_else_in_it_is_left_alone(
    registry: ModelRegistry, housing: Housing, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()

    shown = housing("versions", "export", str(tmp_path / "mine"))

    assert shown.exit_code == 1
    assert "left alone" in shown.stderr
    assert [file.name for file in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_the_model_card_of_a_version_is_printed_or_written_to_a_new_file(
    registry: ModelRegistry, housing: Housing, tmp_path: Path
) -> None:
    card = ModelCard("a summary", "# Card\n", "<!doctype html>\n")
    (tmp_path / "card").mkdir()
    card.save(tmp_path / "card")
    registry.attach_card(registry.numbered(2), tmp_path / "card", card.summary)

    assert housing("versions", "card").stdout == card.markdown  # of the one in production
    assert housing("versions", "card", "2", "--html").stdout == card.page
    assert housing("versions", "card", "--out", str(tmp_path / "c.md")).stdout == f"version 2 -> {tmp_path / 'c.md'}\n"
    assert (tmp_path / "c.md").read_text() == card.markdown
    assert "cannot be written: File exists" in housing("versions", "card", "--out", str(tmp_path / "c.md")).stderr
    for number, why in (("1", "version 1 of HousingPriceClassifier has no model card"), ("7", "has no version 7")):
        shown = housing("versions", "card", number)
        assert shown.exit_code == 1
        assert why in shown.stderr


@pytest.mark.trial
def test_a_bento_is_built_of_the_version_in_production(
    registry: ModelRegistry, housing: Housing, tmp_path: Path
) -> None:
    version = registry.with_alias(PRODUCTION)
    assert version is not None
    registry.tag(version, {"reason": "no worse", "forest_digest": "0123456789abcdef"})

    shown = housing("versions", "bento")

    tag = shown.stdout.strip()
    assert tag.startswith("housing_price_classifier:v2-0123456789ab-")
    (model,) = (tmp_path / "storage" / "bentoml" / "models").rglob("registration.json")
    assert Registration.load(model.parent) == Registration(2, True, "no worse")
    assert (model.parent / "answer.json").exists()


def test_a_registry_that_is_down_is_told_in_one_line(housing: Housing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")

    shown = housing("versions")

    assert shown.exit_code == 1
    assert shown.stderr.splitlines()[-1].startswith("housing: MLflow: ")


def test_what_cannot_be_upgraded_is_told_in_one_line_and_production_stays(
    registry: ModelRegistry, housing: Housing
) -> None:
    shown = housing("versions", "upgrade")

    assert shown.exit_code == 1
    assert shown.stderr.startswith("housing: version 2 ")
    assert len(shown.stderr.splitlines()) == 1
    assert production(registry) == 2


def test_without_a_version_there_is_nothing_to_upgrade(tracking_uri: str, housing: Housing) -> None:
    assert housing("versions", "upgrade").exit_code == 0
