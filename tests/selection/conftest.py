"""Small folds to judge classifiers on, cut from one training set of synthetic ads."""

from dataclasses import replace

import numpy as np
import pytest

from housing_assets.selection.judged_folds import JudgedFold
from housing_assets.training.balancing import TrainingSet
from tests.training.conftest import training_set


def cut(training: TrainingSet, n_folds: int) -> list[JudgedFold]:
    """Return folds of rows that are dealt out in turn: what they judge by is of no matter here."""
    folds = []
    for number in range(n_folds):
        judged = np.arange(len(training.y)) % n_folds == number
        learned = replace(
            training, encoded=training.encoded[~judged], y=training.y[~judged], weights=training.weights[~judged]
        )
        folds.append(JudgedFold(learned, training.encoded[judged], training.y[judged]))
    return folds


@pytest.fixture(scope="session")
def training() -> TrainingSet:
    return training_set(600, seed=5)


@pytest.fixture(scope="session")
def folds(training: TrainingSet) -> list[JudgedFold]:
    return cut(training, 3)
