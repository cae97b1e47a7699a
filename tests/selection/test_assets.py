"""The assets of the selection, run by Dagster on a storage of their own."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from housing_assets.definitions import build_defs
from housing_assets.markets.istanbul import MARKET
from housing_assets.training.best_params import BestParams
from resources.settings import Settings
from tests.resources.mlflow_database import new_database

FEATURES = ["raw_listings", "labelled_listings", "listings", "price_bands", "crossed_features", "price_index"]
SMALL = {"folds": 2, "n_jobs": 1, "min_rows": 20}
pytestmark = pytest.mark.acceptance


class Trainer:
    """Materializes some assets of the real definitions."""

    def __init__(self, storage: Path, instance: dg.DagsterInstance) -> None:
        self.settings = Settings(storage=storage, sample_rows=800, MLFLOW_TRACKING_URI=new_database(storage))
        self.instance = instance
        self.defs = build_defs(MARKET, settings=self.settings)

    def run(self, selection: list[str], **config: dict[str, Any]) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [*(self.defs.assets or ())],
            resources=dict(self.defs.resources or {}),
            instance=self.instance,
            selection=selection,
            run_config={"ops": {name: {"config": said} for name, said in config.items()}},
        )

    def stored(self, name: str) -> Any:
        return (self.defs.resources or {})["io_manager"].last(dg.AssetKey(name))


@pytest.fixture(scope="module")
def trainer(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trainer]:
    with dg.DagsterInstance.ephemeral() as instance:
        trained = Trainer(tmp_path_factory.mktemp("selection"), instance)
        trained.run([*FEATURES, "hashed_features", "balanced_training_set"], balanced_training_set={"min_rows": 20})
        yield trained


def metadata_of(result: dg.ExecuteInProcessResult, asset: str) -> dict[str, Any]:
    return {name: one.value for name, one in result.asset_materializations_for_node(asset)[0].metadata.items()}


def test_a_forest_is_grown_with_its_configuration_where_nothing_was_searched_for(trainer: Trainer) -> None:
    assert trainer.stored("best_params") is None
    alone = metadata_of(trainer.run(["price_forest"], price_forest={"n_trees": 2, "n_jobs": 1}), "price_forest")
    assert (alone["settings_from"], alone["parameters"]["kind"]) == ("config", "random_forest")

    assert metadata_of(trainer.run(["best_params"]), "best_params")["searched"] is False
    assert trainer.stored("best_params") == BestParams()
    assert trainer.run(["price_forest"], price_forest={"n_trees": 2, "n_jobs": 1}).success


@pytest.mark.trial
def test_what_a_sweep_has_found_is_kept_read_by_training_and_forgotten_on_demand(trainer: Trainer) -> None:
    found = metadata_of(trainer.run(["best_params"], best_params={**SMALL, "trials": 2, "n_trees": 5}), "best_params")
    swept: BestParams = trainer.stored("best_params")
    assert (found["searched"], found["finished"], found["study"]) == (True, 2, swept.study)
    trainer.run(["best_params"])
    assert trainer.stored("best_params") == swept

    # Whether two trials find something better is chance: that something was found is said for them.
    io_manager, chosen = (trainer.defs.resources or {})["io_manager"], {"kind": "extra_trees", "column_share": 0.2}
    better = BestParams(parameters=chosen, found=chosen, study="abc")

    @dg.asset(name="best_params")
    def found_before() -> BestParams:
        return better

    assert dg.materialize([found_before], instance=trainer.instance, resources={"io_manager": io_manager}).success
    trainer.run(["best_params"])
    grown = metadata_of(trainer.run(["price_forest"], price_forest={"n_trees": 2, "n_jobs": 1}), "price_forest")
    assert grown["settings_from"] == "sweep abc: kind, column_share"
    assert {name: grown["parameters"][name] for name in chosen} == chosen
    refused = trainer.run(["price_forest"], price_forest={"n_trees": 2, "n_jobs": 1, "max_depth": 0})  # the default
    told = metadata_of(refused, "price_forest")
    assert (told["settings_from"], told["parameters"]["kind"]) == ("config", "random_forest")
    assert told["parameters"]["column_share"] == 0

    for file in Path(io_manager.folder).glob("**/best_params.json"):
        file.write_text('{"of_a_later_release": 1}')
    with pytest.raises(dg.Failure, match=r"of_a_later_release.*forget: true goes back to the default settings"):
        trainer.run(["best_params"])
    with pytest.raises(dg.Failure, match=r"best_params in .* cannot be read"):
        trainer.run(["price_forest"], price_forest={"n_trees": 2, "n_jobs": 1})
    unread = trainer.run(["price_forest"], price_forest={"n_trees": 2, "n_jobs": 1, "use_best": False})
    assert metadata_of(unread, "price_forest")["settings_from"] == "config"
    study = (trainer.defs.resources or {})["studies"].path_of("price_forest")
    assert study.exists()
    trainer.run(["best_params"], best_params={"forget": True})
    assert trainer.stored("best_params") == BestParams()
    assert not study.exists()


@pytest.mark.trial
def test_families_are_compared_on_demand_alone(trainer: Trainer) -> None:
    idle = trainer.run(["model_comparison"])
    assert idle.success
    assert idle.asset_materializations_for_node("model_comparison") == []

    sizes = {"random_forest": 5, "extra_trees": 5, "gradient_boosting": 5}
    config = {**SMALL, "compare": True, "sizes": sizes, "families": [*sizes], "trials": 1}
    told = metadata_of(trainer.run(["model_comparison"], model_comparison=config), "model_comparison")
    assert told["winner"] in sizes
    assert [record.data["family"] for record in told["families"].records]
    assert told["finding"].startswith("Settings were chosen on listings of these folds")
    assert f"{told['winner']} wins" in told["finding"]
    features = trainer.stored("hashed_features")
    assert told["rows"] == len(features.y_train)  # none that is held out
    client = (trainer.defs.resources or {})["tracking"].client()
    run = client.get_run(told["mlflow_run"])
    children = client.search_runs([run.info.experiment_id], f"tags.`mlflow.parentRunId` = '{run.info.run_id}'")
    assert {child.info.run_name: child.info.status for child in children} == dict.fromkeys(sizes, "FINISHED")
    assert all(child.data.metrics["macro_f1"] > 0.3 for child in children)
    assert {file.path for file in client.list_artifacts(run.info.run_id)} == {"model_comparison.json", "plots"}


def test_a_family_that_there_is_not_is_refused(trainer: Trainer) -> None:
    with pytest.raises(dg.Failure, match="no family perceptron: expected some of logistic_regression, random_forest"):
        trainer.run(["model_comparison"], model_comparison={"compare": True, "families": ["perceptron"]})
