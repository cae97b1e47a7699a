"""What the MLflow run of a forest says of it."""

from types import SimpleNamespace
from typing import Any, cast

from housing_assets.training.best_params import BestParams
from housing_assets.training.forest import Grown
from housing_assets.training.forest_run import run_parameters, run_tags
from housing_assets.training.parameters import ForestParameters

TRAINING = cast(Any, SimpleNamespace(strategy="smote", seed=7, min_rows=3, fingerprint=lambda: "rows"))
FEATURES = cast(
    Any,
    SimpleNamespace(encoder=SimpleNamespace(parameters={"n_folds": 5}), labels=SimpleNamespace(lineage="first")),
)


def test_a_run_says_how_the_forest_was_grown_and_where_the_settings_are_from() -> None:
    chosen = ForestParameters(n_trees=40)

    by_default = run_parameters(chosen, None, TRAINING, FEATURES)
    assert (by_default["n_trees"], by_default["balancing"], by_default["encoder_n_folds"]) == (40, "smote", 5)
    assert (by_default["min_rows"], by_default["balancing_seed"]) == (3, 7)
    read_back = ForestParameters.of_run({name: str(value) for name, value in by_default.items()})
    assert read_back.growth() == chosen.growth()
    assert by_default["settings_from"] == run_parameters(chosen, BestParams(), TRAINING, FEATURES)["settings_from"]
    assert by_default["settings_from"] == "config"

    searched = BestParams({"max_depth": 20, "column_share": 0.2}, study="of May")
    assert run_parameters(chosen, searched, TRAINING, FEATURES)["settings_from"] == (
        "sweep of May: max_depth, column_share"
    )


def test_a_fine_tuned_forest_names_the_one_that_it_goes_back_to() -> None:
    anew = Grown(cast(Any, None), TRAINING, 0, [], (), "line")
    known_by = {
        "forest_digest": "digest",
        "forest_line": "line",
        "training_fingerprint": "rows",
        "lineage": "first",
    }
    assert run_tags(anew, "digest", TRAINING, FEATURES) == known_by

    tuned = Grown(cast(Any, None), TRAINING, 0, [], ("oldest", "parent"), "line")
    assert run_tags(tuned, "digest", TRAINING, FEATURES) == known_by | {"fine_tuned_from": "parent"}
