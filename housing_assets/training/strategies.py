"""Makes a training set by one of the balancing strategies, and compares them on folds."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.confusion import count_confusion, macro_f1
from housing_assets.features.crossing import cross_frame
from housing_assets.features.encoder import ListingEncoder
from housing_assets.features.folds import grouped_folds
from housing_assets.features.frame_encoding import encode_frame
from housing_assets.features.price_index_learning import PublishedIndex, learn_again
from housing_assets.features.split import amounts, group_keys, label_rows, log_prices
from housing_assets.inference.declaration import FEATURE_NUMBERS, TEXTS, Role
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.training.balancing import (
    SMOTE_NEIGHBOURS,
    TrainingSet,
    balanced_weights,
    oversample,
    require_neighbours,
    supported_columns,
    target_counts,
)
from housing_assets.training.parameters import Balancing, Strategy

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

    from housing_assets.training.parameters import ForestParameters

N_FOLDS = 5


def balance(
    X: "csr_matrix",
    y: np.ndarray,
    crossed: "pd.DataFrame",
    encoder: FittedEncoder,
    balancing: Balancing,
) -> TrainingSet:
    """Balance training rows.

    Parameters
    ----------
    X : csr_matrix of shape (n_rows, n_columns)
        Encoded training rows.
    y : ndarray of shape (n_rows,)
    crossed : DataFrame of shape (n_rows, n_values)
        The same rows before encoding; only ``smotenc`` reads them.
    encoder : FittedEncoder
        Fitted on these rows.
    balancing : Balancing

    Raises
    ------
    ValueError
        If no column is offered, or a class that is to grow has too few rows to have neighbours.
    """
    from scipy.sparse import vstack

    strategy, min_rows, seed = balancing
    market = encoder.market
    n_classes = len(market.categories)
    columns = supported_columns(X, min_rows)
    if not len(columns):
        raise ValueError(
            f"no column is filled by {min_rows:,} of the {X.shape[0]:,} training rows: "
            "lower min_rows, or bring more listings"
        )
    rows, labels = X, y
    if strategy == "smote":
        rows, labels = oversample(X, y, columns, market.categories, seed)
    elif strategy == "smotenc":
        synthetic, labels_added = synthesize_listings(market, crossed, y, seed)
        encoded = encode_frame(encoder, cross_frame(market, synthetic))
        rows, labels = vstack([X, encoded], format="csr"), np.concatenate([y, labels_added])
    weights = balanced_weights(y) if strategy == "class_weight" else np.ones(len(labels))
    return TrainingSet(rows, labels, weights, columns, n_classes, strategy, min_rows, seed)


def synthesize_listings(
    market: Market, listings: "pd.DataFrame", y: np.ndarray, seed: int
) -> "tuple[pd.DataFrame, np.ndarray]":
    """Return new listings made by SMOTE-NC (Chawla et al. 2002) from base columns, and their labels.

    Numbers are interpolated, texts are the commonest of the neighbours'. A missing number is a value just below the
    declared minimum while neighbours are sought, and becomes missing again.
    """
    import pandas as pd
    from imblearn.over_sampling import SMOTENC

    require_neighbours(y, market.categories)
    numbers = list(market.values(*FEATURE_NUMBERS))
    texts = [value.name for value in market.values(*TEXTS)]
    clocks = [value.name for value in market.values(Role.CLOCK)]
    base = np.column_stack(
        [
            np.nan_to_num(listings[value.name].to_numpy() / value.scale, nan=_below(value.minimum, value.scale))
            for value in numbers
        ]
        + [listings[name].cat.codes.to_numpy() for name in texts]
        + [listings[name].to_numpy().astype("datetime64[D]").astype(np.int64) for name in clocks]
    )
    discrete = list(range(len(numbers), base.shape[1]))
    sampler = SMOTENC(
        categorical_features=discrete,
        sampling_strategy=target_counts(y, len(market.categories)),
        k_neighbors=SMOTE_NEIGHBOURS,
        random_state=seed,
    )
    rows, labels = sampler.fit_resample(base, y)
    rows, labels = rows[len(y) :], labels[len(y) :]
    columns: dict[str, object] = {}
    for position, value in enumerate(numbers):
        found, is_missing = rows[:, position] * value.scale, rows[:, position] < value.minimum / value.scale
        columns[value.name] = np.where(is_missing, np.nan, np.maximum(found, value.minimum))
    for position, name in enumerate(texts, len(numbers)):
        categories = listings[name].cat.categories
        columns[name] = pd.Categorical.from_codes(rows[:, position].astype(int), categories)
    for position, name in enumerate(clocks, len(numbers) + len(texts)):
        columns[name] = rows[:, position].astype(np.int64).astype("datetime64[D]").astype("datetime64[s]")
    return pd.DataFrame(columns), labels.astype(np.int8)


@dataclass(frozen=True)
class EncodedFold:
    """A fold with all that was learned for it from the other ones.

    Attributes
    ----------
    X, y : csr_matrix of shape (n_learned, n_columns), ndarray of shape (n_learned,)
        Rows to learn from, and their categories.
    rows : DataFrame of shape (n_learned, n_values)
        The same before encoding.
    encoder : FittedEncoder
        Fitted on these rows.
    X_judged, y_judged : csr_matrix of shape (n_judged, n_columns), ndarray of shape (n_judged,)
        Rows to judge by.
    """

    X: "csr_matrix"
    y: np.ndarray
    rows: "pd.DataFrame"
    encoder: FittedEncoder
    X_judged: "csr_matrix"
    y_judged: np.ndarray


def encode_folds(
    crossed: "pd.DataFrame",
    labels: LabelScheme,
    encoder: FittedEncoder,
    n_folds: int,
    seed: int,
    published: PublishedIndex | None = None,
) -> Iterator[EncodedFold]:
    """Yield grouped, stratified folds of listings, each encoded by an encoder that was fitted on the other ones.

    Where the market's price index was learned together with a published one, that of each fold is, too.
    """
    market = encoder.market
    groups, indices = group_keys(market, crossed), label_rows(market, labels, crossed)
    clipped, logs = log_prices(market, labels, crossed), amounts(market, crossed)
    for learn, judge in grouped_folds(indices, groups, n_folds, seed):
        learner = ListingEncoder.like(encoder)
        learner.index = learn_again(learner.index, market, crossed[learn], published)
        of_fold, logs_of_fold = (None if each is None else each[learn] for each in (clipped, logs))
        X = learner.fit_transform(crossed[learn], indices[learn], of_fold, groups[learn], logs_of_fold)
        judged = learner.transform(crossed[judge])
        yield EncodedFold(X, indices[learn], crossed[learn], learner.fitted_, judged, indices[judge])


def compare_strategies(
    crossed: "pd.DataFrame",
    labels: LabelScheme,
    encoder: FittedEncoder,
    strategies: Sequence[Strategy],
    parameters: "ForestParameters",
    *,
    min_rows: int,
    seed: int,
    published: PublishedIndex | None = None,
    report: Callable[[str], None] = lambda line: None,
) -> dict[str, list[float]]:
    """Return the macro-F1 of each strategy on each of ``N_FOLDS`` grouped, stratified folds of listings.

    Everything that is learned is learned from the other folds: the scores, the offered columns, the forest.
    """
    from housing_assets.training.forest import grow_at_once

    n_classes = len(labels.categories)
    scores: dict[str, list[float]] = {strategy: [] for strategy in strategies}
    for number, fold in enumerate(encode_folds(crossed, labels, encoder, N_FOLDS, seed, published), 1):
        for strategy in strategies:
            training = balance(fold.X, fold.y, fold.rows, fold.encoder, Balancing(strategy, min_rows, seed))
            predicted = grow_at_once(training, parameters).predict_proba(fold.X_judged).argmax(axis=1)
            score = float(macro_f1(count_confusion(fold.y_judged, predicted, n_classes)))
            scores[strategy].append(score)
            report(f"fold {number}/{N_FOLDS}, {strategy}: macro-F1 {score:.4f}")
    return scores


def _below(minimum: float, scale: float) -> float:
    return minimum / scale - 1.0
