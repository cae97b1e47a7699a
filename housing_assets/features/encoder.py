"""Fits the encoder.

What it learns is a ``FittedEncoder`` (``inference/encoder.py``), whose tables encode a single request and a frame of
millions alike: the one implementation for training, serving and monitoring. ``frame_encoding.py`` applies it to frames.
"""

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.features.folds import grouped_folds
from housing_assets.features.frame_encoding import (
    encode_frame,
    encode_with_prices,
    hash_frame,
    levels_of,
    linear_numbers,
    local_inputs,
    stack_blocks,
    to_own_months,
)
from housing_assets.features.local_score_learning import Learned, learn_local_scores
from housing_assets.features.score_learning import learn_scores
from housing_assets.features.split import group_keys
from housing_assets.inference.declaration import Role
from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.hashing import N_BUCKETS, hash_texts
from housing_assets.inference.local_scores import rise_with_prices
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import PriceIndex
from housing_assets.inference.scores import LOG_PRICE_SCALE, LinearScores, score_names
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix


class ListingEncoder:
    """Encodes crossed listings (see ``crossing.py``) as a sparse float32 matrix.

    Parameters
    ----------
    market : Market
    n_buckets : int
        Columns of the hashed block.
    n_folds : int
        Folds of the out-of-fold scores.
    inverse_penalty : float
        Of the linear scores.
    seed : int
    engine : Engine
        What rows are hashed on; what is learned of all of them is learned here.
    index : PriceIndex
        By it prices are brought to one month before local scores are learned from them, and back after.

    Attributes
    ----------
    fitted_ : FittedEncoder
        Learned by ``fit``.
    log_prices_left_out_ : ndarray of shape (n_rows,), float64, or None
        Learned by ``fit_transform``: ``EncodedListing.log_price`` of each training row, learned without it and its
        copies. None where it is None.

    Examples
    --------
    >>> encoder = ListingEncoder(market).fit(crossed, labels, log_prices)  # doctest: +SKIP
    >>> encoder.transform(crossed).shape[1] == encoder.fitted_.n_columns  # doctest: +SKIP
    True
    """

    fitted_: FittedEncoder
    log_prices_left_out_: np.ndarray | None

    def __init__(
        self,
        market: Market,
        n_buckets: int = N_BUCKETS,
        n_folds: int = 5,
        inverse_penalty: float = 0.5,
        seed: int = 0,
        engine: Engine = LOCAL,
        index: PriceIndex | None = None,
    ) -> None:
        self.market = market
        self.n_buckets = n_buckets
        self.n_folds = n_folds
        self.inverse_penalty = inverse_penalty
        self.seed = seed
        self.engine = engine
        self.index = PriceIndex.none() if index is None else index

    @classmethod
    def like(cls, fitted: FittedEncoder) -> Self:
        """Return a new encoder with the parameters and the price index of a fitted one, to be fitted on other rows."""
        return cls(fitted.market, **fitted.parameters, index=fitted.index)

    def parameters(self) -> dict[str, Any]:
        """Return what the encoder was made with beside the market, by the names of ``__init__``."""
        return {name: getattr(self, name) for name in ("n_buckets", "n_folds", "inverse_penalty", "seed")}

    def fit(
        self,
        crossed: "pd.DataFrame",
        labels: np.ndarray,
        log_prices: np.ndarray | None,
        amounts: np.ndarray | None = None,
    ) -> Self:
        """Learn the scores from training rows.

        Parameters
        ----------
        crossed : DataFrame of shape (n_rows, n_values)
        labels : ndarray of shape (n_rows,)
            Index of each row's category.
        log_prices : ndarray of shape (n_rows,) or None
            ``LabelScheme.log_prices``; None where rows have classes.
        amounts : ndarray of shape (n_rows,), float64, optional
            Natural logs of the prices, NaN where a price tells its category but no amount. Without them no local score
            tells an amount.
        """
        hashed = hash_frame(self.market, crossed, self.n_buckets, self.engine)
        groups = None if self.market.local is None else group_keys(self.market, crossed)
        self._fit(crossed, hashed, labels, log_prices, amounts, groups)
        return self

    def fit_transform(
        self,
        crossed: "pd.DataFrame",
        labels: np.ndarray,
        log_prices: np.ndarray | None,
        groups: np.ndarray,
        amounts: np.ndarray | None = None,
    ) -> "csr_matrix":
        """Fit, and return the training rows with scores that were learned without them.

        It differs from ``fit(...).transform(...)`` on purpose: there, a row's score has seen its own label.

        Parameters
        ----------
        crossed : DataFrame of shape (n_rows, n_values)
        labels : ndarray of shape (n_rows,)
        log_prices : ndarray of shape (n_rows,) or None
        groups : ndarray of shape (n_rows,)
            Copies of one home share a group, and a fold.
        amounts : ndarray of shape (n_rows,), float64, optional
            As for ``fit``.
        """
        hashed = hash_frame(self.market, crossed, self.n_buckets, self.engine)
        numbers = linear_numbers(self.market, crossed)
        learned = self._fit(crossed, hashed, labels, log_prices, amounts, groups)
        self.log_prices_left_out_ = levels_of(self.index, crossed)
        if learned is not None and amounts is not None:
            self.log_prices_left_out_ = learned.left_out[:, -1]
        scores = np.zeros((len(labels), len(score_names(self.market))), dtype=np.float32)
        for learn, apply in grouped_folds(labels, groups, self.n_folds, self.seed):
            of_fold = None if log_prices is None else log_prices[learn]
            fold_scores = self._learn(hashed[learn], labels[learn], of_fold, numbers[learn])
            scores[apply] = fold_scores.score(hashed[apply], numbers[apply])
        return stack_blocks(self.market, crossed, scores, None if learned is None else learned.left_out, hashed)

    def transform(self, crossed: "pd.DataFrame") -> "csr_matrix":
        """Return the encoded rows; see ``encode_frame``."""
        return encode_frame(self.fitted_, crossed, self.engine)

    def transform_with_prices(self, crossed: "pd.DataFrame") -> "tuple[csr_matrix, np.ndarray | None]":
        """Return the encoded rows, and what is known of their prices; see ``encode_with_prices``."""
        return encode_with_prices(self.fitted_, crossed, self.engine)

    def _fit(
        self,
        crossed: "pd.DataFrame",
        hashed: "csr_matrix",
        labels: np.ndarray,
        log_prices: np.ndarray | None,
        amounts: np.ndarray | None,
        groups: np.ndarray | None,
    ) -> Learned | None:
        scores = self._learn(hashed, labels, log_prices, linear_numbers(self.market, crossed))
        learned = None if groups is None else self._learn_local(crossed, labels, log_prices, amounts, groups)
        known, local = _known_tokens(self.market, crossed), None if learned is None else learned.scores
        self.fitted_ = FittedEncoder(self.market, self.parameters(), scores, known, local, self.index)
        if learned is None:
            return None
        return learned._replace(left_out=to_own_months(self.fitted_, learned.left_out, crossed))

    def _learn_local(
        self,
        crossed: "pd.DataFrame",
        labels: np.ndarray,
        log_prices: np.ndarray | None,
        amounts: np.ndarray | None,
        groups: np.ndarray,
    ) -> Learned | None:
        kernel = self.market.local
        if kernel is None:
            return None
        if log_prices is None:
            asked = [labels == category for category in range(len(self.market.categories))]
        else:
            asked = [labels > edge for edge in range(len(self.market.categories) - 1)]
            asked += [log_prices / LOG_PRICE_SCALE, *([] if amounts is None else [amounts])]
        days = {value.name for value in self.market.values(Role.CLOCK)}
        sloped = np.array([number.of not in days for number in kernel.numbers], dtype=np.int64)
        targets = np.column_stack(asked).astype(np.float64)
        levels = levels_of(self.index, crossed)
        if levels is not None:
            targets -= np.outer(levels, rise_with_prices(self.market, with_amount=amounts is not None))
        return learn_local_scores(local_inputs(self.market, crossed), targets, groups, sloped, self.seed)

    def _learn(
        self, hashed: "csr_matrix", labels: np.ndarray, log_prices: np.ndarray | None, numbers: np.ndarray
    ) -> LinearScores:
        return learn_scores(
            hashed,
            labels,
            log_prices,
            numbers,
            n_classes=len(self.market.categories),
            inverse_penalty=self.inverse_penalty,
            seed=self.seed,
        )


def _known_tokens(market: Market, crossed: "pd.DataFrame") -> frozenset[int]:
    known: set[int] = set()
    for name in market.declared_texts:
        texts = crossed[name].cat
        present = np.unique(texts.codes.to_numpy())
        known.update(hash_texts(name, texts.categories[present[present >= 0]].tolist()).tolist())
    return frozenset(known)
