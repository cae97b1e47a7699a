"""Growing: checkpoints, threads and stops do not change the forest."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from housing_assets.inference.forest import FlatForest
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.flattening import flatten
from housing_assets.training.forest import Progress, grow_forest, new_forest, splittable
from housing_assets.training.parameters import ForestParameters
from tests.training.conftest import SMALL


def digest(forest: object, training: TrainingSet) -> str:
    return flatten(forest, training.columns, training.n_columns).digest()  # type: ignore[arg-type]


@pytest.mark.parametrize("checkpoint_every", [1, 3, 7, 20, 1000])
def test_a_forest_with_checkpoints_is_the_one_grown_in_one_go(
    training: TrainingSet, forest: FlatForest, tmp_path: Path, checkpoint_every: int
) -> None:
    parameters = SMALL.model_copy(update={"checkpoint_every": checkpoint_every})
    grown = grow_forest(training, parameters, tmp_path)
    assert digest(grown.forest, training) == forest.digest()
    assert (grown.n_resumed, grown.refusals) == (0, [])


def test_threads_do_not_change_the_forest(training: TrainingSet, forest: FlatForest, tmp_path: Path) -> None:
    for n_jobs in (2, -1):
        grown = grow_forest(training, SMALL.model_copy(update={"n_jobs": n_jobs}), tmp_path / str(n_jobs))
        assert digest(grown.forest, training) == forest.digest()


def test_the_seed_changes_the_forest(training: TrainingSet, forest: FlatForest, tmp_path: Path) -> None:
    other = grow_forest(training, SMALL.model_copy(update={"seed": 1}), tmp_path)
    assert digest(other.forest, training) != forest.digest()


def test_weights_change_the_forest(training: TrainingSet, forest: FlatForest, tmp_path: Path) -> None:
    weighted = replace(training, weights=np.where(training.y == 2, 5.0, 1.0))
    assert digest(grow_forest(weighted, SMALL, tmp_path).forest, training) != forest.digest()


def test_progress_is_reported_after_each_checkpoint(training: TrainingSet, tmp_path: Path) -> None:
    reports: list[Progress] = []
    grow_forest(training, SMALL.model_copy(update={"n_trees": 13}), tmp_path, report=reports.append)
    assert [(each.n_done, each.n_grown, each.n_trees) for each in reports] == [(5, 5, 13), (10, 10, 13), (13, 13, 13)]
    assert all(later.seconds > earlier.seconds > 0 for earlier, later in pairwise(reports))


def test_progress_tells_rate_and_time_left_of_the_new_trees() -> None:
    assert str(Progress(n_done=60, n_trees=100, n_grown=20, seconds=10.0)) == "60/100 trees, 2.0 trees/s, 20 s left"


def test_resumed_growth_reports_its_own_trees(training: TrainingSet, tmp_path: Path) -> None:
    grow_forest(training, SMALL.model_copy(update={"n_trees": 10}), tmp_path)
    reports: list[Progress] = []
    grown = grow_forest(training, SMALL, tmp_path, report=reports.append)
    assert grown.n_resumed == 10
    assert [(each.n_done, each.n_grown) for each in reports] == [(15, 5), (20, 10)]


def test_depth_leaf_and_column_parameters_reach_the_trees(training: TrainingSet, tmp_path: Path) -> None:
    parameters = ForestParameters(n_trees=3, max_depth=2, min_samples_leaf=40, max_features="log2", seed=4, n_jobs=1)
    forest = grow_forest(training, parameters, tmp_path).forest
    assert all(tree.tree_.max_depth <= 2 for tree in forest.estimators_)
    assert all(tree.tree_.n_node_samples.min() >= 40 // 2 for tree in forest.estimators_)
    assert (forest.max_features, forest.random_state) == ("log2", 4)
    assert new_forest(ForestParameters(max_depth=0)).max_depth is None


def test_rows_too_many_to_be_dense_are_split_as_columns(training: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(splittable(training.X), np.ndarray)
    monkeypatch.setattr("housing_assets.training.forest.DENSE_BYTES", 1000)
    columns = splittable(training.X)
    assert columns.format == "csc"
    assert np.array_equal(columns.toarray(), training.X.toarray())


def test_what_a_checkpoint_was_written_for_names_later_parameters_only_where_they_are_used() -> None:
    assert ForestParameters().growth() == {"max_features": "sqrt", "min_samples_leaf": 1, "max_depth": 0, "seed": 0}
    later = ForestParameters(kind="extra_trees", column_share=0.1)
    assert later.growth() == {**ForestParameters().growth(), "kind": "extra_trees", "column_share": 0.1}
    logged = {name: str(value) for name, value in {**later.model_dump(), "balancing": "smote"}.items()}
    assert ForestParameters.of_run(logged) == later
    assert ForestParameters.of_run({"max_depth": "3"}) == ForestParameters(max_depth=3)
