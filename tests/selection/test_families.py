"""Families of classifiers: fitted alike, and only what an artifact can hold is said to be served."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from housing_assets.inference.forest import FlatForest
from housing_assets.selection.families import FAMILIES, TRAINED_FOREST, Choice, Family
from housing_assets.selection.judged_folds import JudgedFold
from housing_assets.training.parameters import TUNED, ForestParameters

EVERY = [*FAMILIES.values(), TRAINED_FOREST]


@pytest.mark.parametrize("family", FAMILIES.values(), ids=list(FAMILIES))
def test_a_family_gives_probabilities_that_tell_categories_apart(family: Family, folds: list[JudgedFold]) -> None:
    fold = folds[0]
    fitted = family.fit(fold.training, family.default, _size(family), 1)
    probabilities = fitted.predict_proba(fold.X)
    assert probabilities.shape == (len(fold.y), 3)
    assert probabilities.sum(axis=1) == pytest.approx(1)
    assert (probabilities.argmax(axis=1) == fold.y).mean() > 0.6
    assert isinstance(fitted, FlatForest) == family.served


@pytest.mark.parametrize("family", EVERY, ids=lambda family: family.name)
def test_the_default_setting_lies_in_the_space_that_is_searched(family: Family) -> None:
    assert set(family.default) == set(family.space)
    for name, setting in family.space.items():
        value: Any = family.default[name]
        inside = value in setting.values if isinstance(setting, Choice) else setting.low <= value <= setting.high
        assert inside, name


def test_the_forest_s_default_settings_are_those_that_it_is_trained_with() -> None:
    defaults = ForestParameters().model_dump(include=set(TUNED))
    assert {**defaults, **TRAINED_FOREST.default} == defaults


@pytest.mark.parametrize("name", ["logistic_regression", "gradient_boosting"])
def test_weights_of_rows_matter_to_what_is_compared_only(name: str, folds: list[JudgedFold]) -> None:
    family, training = FAMILIES[name], folds[0].training
    heavy = replace(training, weights=np.where(training.y == 2, 50.0, 1.0))
    plain, weighed = (
        family.fit(each, family.default, _size(family), 1).predict_proba(folds[0].X) for each in (training, heavy)
    )
    assert weighed[:, 2].mean() > plain[:, 2].mean()


@pytest.mark.filterwarnings("error")
def test_a_regression_that_would_need_more_iterations_is_judged_without_a_warning(folds: list[JudgedFold]) -> None:
    family = FAMILIES["logistic_regression"]
    shares = family.fit(folds[0].training, {"C": 1.0}, 5, 1).predict_proba(folds[0].X)
    assert np.allclose(shares.sum(axis=1), 1)


def _size(family: Family) -> int:
    """Return few rounds, but as many as the regression needs to converge."""
    return 3 * family.size if family.name == "logistic_regression" else 30
