"""Families of classifiers that are compared: how each is fitted on encoded rows, and the settings that it may have.

Those whose ``kind`` is a forest's give the arrays that are served; the others are fitted, judged and thrown away.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, get_args

import numpy as np

from housing_assets.training.balancing import TrainingSet
from housing_assets.training.forest import grow_at_once
from housing_assets.training.parameters import ForestKind, ForestParameters

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Setting = str | int | float
Settings = Mapping[str, Setting]

REFERENCE = "random_forest"
"""The family that the others are held against: the one that is trained where nobody says otherwise."""


class Classifier(Protocol):
    """What was fitted."""

    def predict_proba(self, encoded: "csr_matrix") -> np.ndarray:
        """Return class probabilities of shape (n_rows, n_classes) of encoded rows with all columns."""


@dataclass(frozen=True)
class Choice:
    """A setting that has one of some values."""

    values: tuple[Setting, ...]


@dataclass(frozen=True)
class Between:
    """A setting between two ends, both included: a whole number where both are; searched by its logarithm or not."""

    low: float
    high: float
    log: bool = False


@dataclass(frozen=True)
class Family:
    """A family of classifiers.

    Attributes
    ----------
    name : str
    fit : callable
        Takes a training set, settings, a number of trees or rounds, and threads.
    default : mapping
        Settings that do well on the markets that come with the platform.
    space : mapping of str to Choice or Between
        What a sweep searches; its names are those of ``default``.
    size : int
        Trees or rounds where nothing is said.
    """

    name: str
    fit: Callable[[TrainingSet, Settings, int, int], Classifier]
    default: Settings
    space: Mapping[str, Choice | Between]
    size: int = 0

    @property
    def served(self) -> bool:
        """Whether what is fitted is what an artifact holds."""
        return self.name in get_args(ForestKind)


@dataclass(frozen=True)
class OfOffered:
    """A fitted classifier of scikit-learn's that sees the offered columns of encoded rows."""

    columns: np.ndarray
    model: Any
    dense: bool

    def predict_proba(self, encoded: "csr_matrix") -> np.ndarray:
        """Return class probabilities of shape (n_rows, n_classes), float64."""
        rows = encoded[:, self.columns]
        return self.model.predict_proba(rows.toarray() if self.dense else rows)


def _fit_logistic(training: TrainingSet, settings: Settings, size: int, n_jobs: int) -> OfOffered:
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(with_mean=False), LogisticRegression(C=settings["C"], max_iter=size))
    with warnings.catch_warnings():
        # Iterations are this family's size: a setting that would need more of them is judged by what these give.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(training.X, training.y, logisticregression__sample_weight=training.weights)
    return OfOffered(training.columns, model, dense=False)


def _fit_boosting(training: TrainingSet, settings: Settings, size: int, n_jobs: int) -> OfOffered:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from threadpoolctl import threadpool_limits

    model = HistGradientBoostingClassifier(max_iter=size, early_stopping=False, random_state=0, **settings)
    with threadpool_limits(n_jobs if n_jobs > 0 else None):
        model.fit(training.X.toarray(), training.y, sample_weight=training.weights)
    return OfOffered(training.columns, model, dense=True)


def _fit_forest(training: TrainingSet, settings: Settings, size: int, n_jobs: int) -> Classifier:
    parameters = ForestParameters.model_validate({**settings, "n_trees": size, "n_jobs": n_jobs})
    return grow_at_once(training, parameters)


def _forest(kind: ForestKind, default: Settings) -> Family:
    return Family(kind, _fit_forest, {"kind": kind, **default}, {"kind": Choice((kind,)), **_FOREST_SPACE}, size=200)


_FOREST_SPACE: Mapping[str, Choice | Between] = {
    "column_share": Choice((0.0, 0.03, 0.05, 0.1, 0.2, 0.4)),
    "min_samples_leaf": Between(1, 8),
    "max_depth": Choice((0, 20, 30)),
}

FAMILIES: Mapping[str, Family] = {
    family.name: family
    for family in (
        Family("logistic_regression", _fit_logistic, {"C": 0.005}, {"C": Between(1e-4, 1.0, log=True)}, size=300),
        _forest("random_forest", {"column_share": 0.0, "min_samples_leaf": 1, "max_depth": 0}),
        _forest("extra_trees", {"column_share": 0.1, "min_samples_leaf": 1, "max_depth": 0}),
        Family(
            "gradient_boosting",
            _fit_boosting,
            {
                "learning_rate": 0.06,
                "max_leaf_nodes": 31,
                "min_samples_leaf": 20,
                "l2_regularization": 1.0,
                "max_features": 0.3,
            },
            {
                "learning_rate": Between(0.02, 0.2, log=True),
                "max_leaf_nodes": Between(7, 63, log=True),
                "min_samples_leaf": Between(5, 100, log=True),
                "l2_regularization": Between(0.01, 30.0, log=True),
                "max_features": Between(0.05, 1.0, log=True),
            },
            size=200,
        ),
    )
}
"""The families, the floor first."""

TRAINED_FOREST = Family(
    "price_forest",
    _fit_forest,
    {"kind": "random_forest", "column_share": 0.0, "min_samples_leaf": 1, "max_depth": 0},
    {"kind": Choice(get_args(ForestKind)), **_FOREST_SPACE},
    size=200,
)
"""The forest that is trained, of either kind: its default settings are those of ``ForestParameters``."""
