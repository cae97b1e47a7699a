"""Rows of other markets all the way to a judged forest: five bands, three classes, two classes, by every strategy."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT
from housing_assets.inference.market import Market
from housing_assets.listings.source import RawListings
from housing_assets.training.balancing import target_counts
from housing_assets.training.estimate_learning import learn_estimator
from housing_assets.training.forest import grow_forest
from housing_assets.training.parameters import STRATEGIES, Balancing, ForestParameters, Strategy
from housing_assets.training.report import EvaluationReport
from housing_assets.training.strategies import N_FOLDS, balance, compare_strategies
from tests.conftest import crossed_listings
from tests.other_markets import PARCELS, THREE_GRADES, TWO_GRADES, drawn_sales
from tests.training.conftest import SMALL, encode

Side = tuple[pd.DataFrame, EncodedListings]


@pytest.fixture(scope="module", params=[PARCELS, THREE_GRADES, TWO_GRADES], ids=["5 bands", "3 classes", "2 classes"])
def side(request: pytest.FixtureRequest) -> Side:
    market: Market = request.param
    raw = drawn_sales(market, 1_200, seed=1, n_parcels=900)
    last = raw.index[raw[market.target_column.raw] == market.categories[-1]] if not market.has_price else []
    raw = raw.drop(index=list(last[: len(last) // 2])).reset_index(drop=True)  # a class that is to grow
    crossed = crossed_listings(market, RawListings.of_sample(market, raw).frame)
    return crossed, encode(market, crossed)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_rows_of_any_market_are_balanced_grown_and_judged(side: Side, strategy: Strategy, tmp_path: Path) -> None:
    crossed, encoded = side
    market = encoded.encoder.market
    n_classes = len(market.categories)
    training = balance(
        encoded.X_train,
        encoded.y_train,
        crossed[~crossed[HELD_OUT]],
        encoded.encoder,
        Balancing(strategy, 20, 0),
    )
    if strategy in ("smote", "smotenc"):
        assert dict(enumerate(np.bincount(training.y).tolist())) == target_counts(encoded.y_train, n_classes)
    elif strategy == "class_weight":
        assert np.bincount(training.y, weights=training.weights) == pytest.approx(len(training.y) / n_classes)
    grown = grow_forest(training, SMALL, tmp_path / "checkpoints")
    forest = grown.flatten()
    assert forest.n_classes == training.n_classes == n_classes
    again = grow_forest(training, SMALL, tmp_path / "checkpoints")
    assert (again.n_resumed, again.refusals) == (SMALL.n_trees, [])
    assert again.flatten().digest() == forest.digest()

    report = EvaluationReport.of(forest, encoded, crossed, learn_estimator(forest, encoded, crossed))
    assert report.probabilities.shape == (len(encoded.y_holdout), n_classes)
    assert {f"recall_{category}" for category in market.categories} <= set(report.metrics)
    assert report.metrics["macro_f1"] > 1.3 / n_classes + 0.1
    assert 0.7 < report.metrics["roc_auc_ovr"] <= 1
    assert set(report.segments["segment"]) == {"zip_code"}


@pytest.mark.trial
def test_strategies_are_compared_on_rows_with_classes_and_with_five_bands(side: Side) -> None:
    crossed, encoded = side
    scores = compare_strategies(
        crossed,
        encoded.labels,
        encoded.encoder,
        ("none", "smotenc"),
        ForestParameters(n_trees=3, n_jobs=1),
        min_rows=20,
        seed=0,
    )
    assert {name: len(found) for name, found in scores.items()} == {"none": N_FOLDS, "smotenc": N_FOLDS}
