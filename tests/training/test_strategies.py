"""Strategies: what each makes of the training rows, and that the comparison judges on folds it has not learned from."""

from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_matrix

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.price_index_learning import PublishedIndex
from housing_assets.features.split import HELD_OUT, group_keys
from housing_assets.inference.declaration import Column, Role, Value
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.rules import Number
from housing_assets.markets.istanbul import MARKET
from housing_assets.training import strategies
from housing_assets.training.assets import balanced_training_set
from housing_assets.training.balancing import TrainingSet, target_counts
from housing_assets.training.forest import new_forest
from housing_assets.training.options import BalancingConfig
from housing_assets.training.parameters import STRATEGIES, Balancing, ForestParameters, Strategy
from housing_assets.training.strategies import N_FOLDS, balance, compare_strategies, synthesize_listings
from resources.external_index import ExternalIndex
from tests.monitoring.small_markets import FIVE_BANDS, draw

TINY = ForestParameters(n_trees=5, n_jobs=1)


class RecordingEncoder(ListingEncoder):
    """An encoder that remembers which listings it has learned from and which it has encoded."""

    fold_encoders: ClassVar[list["RecordingEncoder"]] = []

    @classmethod
    def like(cls, fitted: FittedEncoder) -> "RecordingEncoder":
        cls.fold_encoders.append(cls(fitted.market, fitted.n_buckets))
        return cls.fold_encoders[-1]

    def fit_transform(
        self,
        crossed: pd.DataFrame,
        labels: np.ndarray,
        log_prices: np.ndarray | None,
        groups: np.ndarray,
        amounts: np.ndarray | None = None,
    ) -> csr_matrix:
        self.learned = crossed["row"].to_numpy()
        return super().fit_transform(crossed, labels, log_prices, groups, amounts)

    def transform(self, crossed: pd.DataFrame) -> csr_matrix:
        self.encoded = crossed["row"].to_numpy()
        return super().transform(crossed)


@pytest.fixture(scope="module")
def train_rows(crossed: pd.DataFrame) -> pd.DataFrame:
    return crossed[~crossed[HELD_OUT]]


def balanced(encoded: EncodedListings, rows: pd.DataFrame, strategy: Strategy, min_rows: int = 30) -> TrainingSet:
    return balance(encoded.X_train, encoded.y_train, rows, encoded.encoder, Balancing(strategy, min_rows))


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_every_strategy_keeps_the_training_rows_first_and_unchanged(
    encoded: EncodedListings, train_rows: pd.DataFrame, strategy: Strategy
) -> None:
    training, n = balanced(encoded, train_rows, strategy), len(encoded.y_train)
    assert (training.X[:n] != encoded.X_train[:, training.columns]).nnz == 0
    assert np.array_equal(training.y[:n], encoded.y_train)
    assert len(training.y) == training.X.shape[0] == len(training.weights)
    assert training.X.dtype == np.float32
    assert training.y.dtype == np.int8
    assert training.strategy == strategy


@pytest.mark.parametrize("strategy", ["smote", "smotenc"])
def test_oversampling_reaches_the_target_counts_with_weights_of_one(
    encoded: EncodedListings, train_rows: pd.DataFrame, strategy: Strategy
) -> None:
    training = balanced(encoded, train_rows, strategy)
    assert dict(enumerate(np.bincount(training.y).tolist())) == target_counts(encoded.y_train, 3)
    assert (training.weights == 1).all()


def test_class_weights_weigh_once(encoded: EncodedListings, train_rows: pd.DataFrame) -> None:
    training = balanced(encoded, train_rows, "class_weight")
    assert len(training.y) == len(encoded.y_train)
    assert training.weights.mean() == pytest.approx(1.0)
    assert np.bincount(training.y, weights=training.weights) == pytest.approx(len(training.y) / 3)
    assert new_forest(TINY).class_weight is None
    assert (balanced(encoded, train_rows, "none").weights == 1).all()


def test_columns_are_chosen_from_the_real_rows_alone(encoded: EncodedListings, train_rows: pd.DataFrame) -> None:
    offered = [balanced(encoded, train_rows, strategy).columns.tolist() for strategy in STRATEGIES]
    filled = (encoded.X_train != 0).getnnz(axis=0)
    assert offered == [offered[0]] * len(STRATEGIES)
    assert offered[0] == np.flatnonzero(filled >= 30).tolist()


def test_smotenc_makes_legal_listings(encoded: EncodedListings, train_rows: pd.DataFrame) -> None:
    made, labels = synthesize_listings(MARKET, train_rows, encoded.y_train, seed=0)
    assert len(made) == len(labels) == sum(target_counts(encoded.y_train, 3).values()) - len(encoded.y_train)
    for value in MARKET.values():
        if value in (MARKET.target_value, MARKET.exact_value):
            assert value.name not in made
        elif value.is_number:
            found = made[value.name].dropna()
            assert found.between(value.minimum, value.maximum).all(), value.name
            assert (found <= train_rows[value.name].max() + 1e-9).all(), value.name
        elif value.is_text:
            assert made[value.name].dtype == train_rows[value.name].dtype, value.name
            assert set(made[value.name].dropna()) <= set(train_rows[value.name].dropna()), value.name
    days = [value.name for value in MARKET.values(Role.CLOCK)]
    assert set(made[days[0]].dropna()) <= set(train_rows[days[0]].dropna())


def test_smotenc_leaves_values_missing_as_often_as_real_listings_do(
    encoded: EncodedListings, train_rows: pd.DataFrame
) -> None:
    made, labels = synthesize_listings(MARKET, train_rows, encoded.y_train, seed=0)
    label = int(np.bincount(labels).argmax())
    real = train_rows[encoded.y_train == label]
    for name in ("title_status", "dues"):
        assert 0.5 < real[name].isna().mean() < 1
        assert made[name][labels == label].isna().mean() == pytest.approx(real[name].isna().mean(), abs=0.25)


def test_a_number_at_its_minimum_is_there_in_listings_made_by_smotenc() -> None:
    area = Column("Area", "81", Number(), (Value("area", Role.NUMERIC, 1, 10_000, scale=49),))  # 1 / 49 * 49 is below 1
    market = replace(FIVE_BANDS, columns=tuple(area if one.raw == "Area" else one for one in FIVE_BANDS.columns))
    listings = draw(FIVE_BANDS, 60, seed=0).assign(area=1.0)
    made, _ = synthesize_listings(market, listings, np.repeat([0, 1, 2, 3, 4], [20, 10, 10, 10, 10]), seed=0)
    assert made["area"].tolist() == [1.0] * 40


@pytest.mark.parametrize("strategy", ["smote", "smotenc"])
def test_too_few_listings_of_a_class_are_refused(
    encoded: EncodedListings, train_rows: pd.DataFrame, strategy: Strategy
) -> None:
    few = np.concatenate(
        [np.flatnonzero(encoded.y_train == label)[:count] for label, count in ((0, 40), (1, 40), (2, 4))]
    )
    with pytest.raises(ValueError, match=r"4 listings are 'high'.*choose the strategy 'class_weight'"):
        balance(
            encoded.X_train[few], encoded.y_train[few], train_rows.iloc[few], encoded.encoder,
            Balancing(strategy, 1),
        )  # fmt: skip


def test_a_training_set_without_an_offered_column_is_refused(
    encoded: EncodedListings, train_rows: pd.DataFrame
) -> None:
    with pytest.raises(ValueError, match=r"no column is filled by 100,000 of the [\d,]+ training rows"):
        balanced(encoded, train_rows, "none", min_rows=100_000)


def test_strategies_are_compared_on_grouped_folds_that_nothing_was_learned_from(
    crossed: pd.DataFrame, encoded: EncodedListings, monkeypatch: pytest.MonkeyPatch
) -> None:
    ads = crossed.iloc[np.arange(500)]
    copies = ads.iloc[:120].assign(price=ads["price"] * 1.01, row=np.arange(10_000, 10_120))
    listings = pd.concat([ads, copies], ignore_index=True).astype(crossed.dtypes)
    key_of_row = dict(zip(listings["row"].tolist(), group_keys(MARKET, listings).tolist(), strict=True))
    monkeypatch.setattr(strategies, "ListingEncoder", RecordingEncoder)
    monkeypatch.setattr(RecordingEncoder, "fold_encoders", [])
    lines: list[str] = []
    scores = compare_strategies(
        listings,
        encoded.labels,
        encoded.encoder,
        ("none", "class_weight"),
        TINY,
        min_rows=10,
        seed=0,
        report=lines.append,
    )
    assert {name: len(found) for name, found in scores.items()} == {"none": N_FOLDS, "class_weight": N_FOLDS}
    assert all(0.3 < score <= 1 for found in scores.values() for score in found)
    assert len(lines) == 2 * N_FOLDS
    judged = [encoder.encoded for encoder in RecordingEncoder.fold_encoders]
    assert len(judged) == N_FOLDS
    assert sorted(np.concatenate(judged).tolist()) == sorted(listings["row"].tolist())
    for encoder in RecordingEncoder.fold_encoders:
        assert len(encoder.learned) + len(encoder.encoded) == len(listings)
        learned_keys = {key_of_row[row] for row in encoder.learned.tolist()}
        assert not learned_keys & {key_of_row[row] for row in encoder.encoded.tolist()}


@pytest.mark.trial
def test_all_strategies_can_be_compared_and_again_with_the_same_scores(
    crossed: pd.DataFrame, encoded: EncodedListings
) -> None:
    few = crossed.iloc[:400]
    first, again = (
        compare_strategies(few, encoded.labels, encoded.encoder, STRATEGIES, TINY, min_rows=10, seed=3)
        for _ in range(2)
    )
    assert first == again
    assert set(first) == set(STRATEGIES)


def test_held_out_listings_do_not_choose_a_strategy(
    crossed: pd.DataFrame, encoded: EncodedListings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    judged: list[pd.DataFrame] = []
    indexes: list[PublishedIndex] = []

    def recording(rows: pd.DataFrame, *_: object, published: PublishedIndex, **__: object) -> dict[str, list[float]]:
        judged.append(rows)
        indexes.append(published)
        return {"none": [0.5]}

    monkeypatch.setattr(strategies, "compare_strategies", recording)  # as it is, it takes minutes
    config = BalancingConfig(strategy="none", min_rows=10, compare=True)
    index = tmp_path / "index.csv"
    index.write_text("month,index\n2014-05,100\n2014-06,101\n")
    made = balanced_training_set(dg.build_asset_context(), config, encoded, crossed, ExternalIndex(location=str(index)))
    assert made.metadata["macro_f1_none"] == 0.5
    assert len(judged[0]) == len(encoded.y_train)
    assert not judged[0][HELD_OUT].any()
    assert len(indexes[0].months) == 2
