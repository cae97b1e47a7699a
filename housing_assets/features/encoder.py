"""Fits the encoder, and applies it to frames.

What it learns is a ``FittedEncoder`` (``inference/encoder.py``), whose tables encode a single request and a frame of
millions alike: the one implementation for training, serving and monitoring.
"""

from functools import partial
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.features.clock import clock_months
from housing_assets.features.folds import grouped_folds
from housing_assets.features.local_score_learning import Learned, learn_local_scores
from housing_assets.features.score_learning import learn_scores
from housing_assets.features.split import group_keys
from housing_assets.inference.declaration import Role
from housing_assets.inference.encoder import EPOCH_YEAR, MAX_ENCODED, FittedEncoder
from housing_assets.inference.hashing import N_BUCKETS, NO_TEXT, bucket, bucket_keys, hash_texts, hash_token, token
from housing_assets.inference.local_scores import LocalInputs, rise_with_prices
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import PriceIndex
from housing_assets.inference.scores import LOG_PRICE_SCALE, LinearScores, score_names
from housing_assets.shards import split_frame
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
        return _stack(self.market, crossed, scores, None if learned is None else learned.left_out, hashed)

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
        return learned._replace(left_out=_to_months(self.fitted_, learned.left_out, crossed))

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


def encode_frame(encoder: FittedEncoder, crossed: "pd.DataFrame", engine: Engine = LOCAL) -> "csr_matrix":
    """Return crossed listings encoded: csr_matrix of shape (n_rows, n_columns), float32, sorted indices."""
    return encode_with_prices(encoder, crossed, engine)[0]


def encode_with_prices(
    encoder: FittedEncoder, crossed: "pd.DataFrame", engine: Engine = LOCAL
) -> "tuple[csr_matrix, np.ndarray | None]":
    """Return crossed listings encoded, and what is known of their prices.

    Parameters
    ----------
    encoder : FittedEncoder
    crossed : DataFrame of shape (n_rows, n_values)
    engine : Engine

    Returns
    -------
    encoded : csr_matrix of shape (n_rows, n_columns), float32
        See ``encode_frame``.
    log_prices : ndarray of shape (n_rows,), float64, or None
        ``EncodedListing.log_price`` of each; None where it is None.
    """
    read = crossed[list(_names_read(encoder))]
    shards = list(engine.map_shards(partial(_encode_shard, encoder), split_frame(read, engine)))
    known = [log_prices for _, log_prices in shards if log_prices is not None]
    return _join([encoded for encoded, _ in shards]), np.concatenate(known) if known else None


def levels_of(index: PriceIndex, crossed: "pd.DataFrame") -> np.ndarray | None:
    """Return the level of each listing's month in a price index: float64 of shape (n_rows,), None without an index."""
    return index.level(clock_months(crossed, index.clock)) if index.exists else None


def _names_read(encoder: FittedEncoder) -> dict[str, None]:
    market = encoder.market
    kernel = market.local
    numbers = (*market.linear, *(() if kernel is None else kernel.numbers))
    clock = (encoder.index.clock,) if encoder.index.exists else ()
    names = (
        *clock,
        *(name for name, _, _ in market.encoded_numbers),
        *(number.of for number in numbers),
        *market.encoded_texts,
    )
    return dict.fromkeys(names)


def _encode_shard(encoder: FittedEncoder, crossed: "pd.DataFrame") -> "tuple[csr_matrix, np.ndarray | None]":
    hashed = _hash_shard(encoder.market, encoder.n_buckets, crossed)
    scores = encoder.scores.score(hashed, linear_numbers(encoder.market, crossed))
    local = _local_scores(encoder, crossed)
    # A copy of the column alone, not a view that keeps all of them.
    known = local[:, -1].copy() if local is not None and encoder.learned_amounts else levels_of(encoder.index, crossed)
    return _stack(encoder.market, crossed, scores, local, hashed), known


def _local_scores(encoder: FittedEncoder, crossed: "pd.DataFrame") -> np.ndarray | None:
    if encoder.local is None:
        return None
    return _to_months(encoder, encoder.local.predict(local_inputs(encoder.market, crossed)), crossed)


def _to_months(encoder: FittedEncoder, local: np.ndarray, crossed: "pd.DataFrame") -> np.ndarray:
    """Return local scores of the index's base month as of each listing's own."""
    levels = levels_of(encoder.index, crossed)
    return local if levels is None else local + np.outer(levels, encoder.rises)


def linear_numbers(market: Market, crossed: "pd.DataFrame") -> np.ndarray:
    """Return what the linear scores weigh of a frame's numbers: float64 of shape (n_rows, n_linear), NaN if missing."""
    numbers = np.empty((len(crossed), len(market.linear)))
    for position, number in enumerate(market.linear):
        column = crossed[number.of].to_numpy(np.float64)
        numbers[:, position] = np.log1p(column) if number.log else column
    return numbers


def local_inputs(market: Market, crossed: "pd.DataFrame") -> LocalInputs:
    """Return what the market's kernel reads of crossed listings.

    Raises
    ------
    ValueError
        If the market declares no kernel.
    """
    kernel = market.local
    if kernel is None:
        raise ValueError(f"{market.name} declares no kernel")
    numbers = np.empty((len(crossed), len(kernel.numbers)))
    for position, number in enumerate(kernel.numbers):
        column = _as_days(crossed[number.of])
        numbers[:, position] = np.log1p(column) if number.log else column
    texts = np.empty((len(crossed), 1 + len(kernel.texts)), dtype=np.int64)
    for position, name in enumerate((kernel.block, *kernel.texts)):
        coded = crossed[name].cat
        texts[:, position] = np.append(hash_texts(name, coded.categories.tolist()), NO_TEXT)[coded.codes.to_numpy()]
    return LocalInputs(texts[:, 0], numbers, texts[:, 1:])


def hash_frame(market: Market, crossed: "pd.DataFrame", n_buckets: int, engine: Engine = LOCAL) -> "csr_matrix":
    """Return the hashed block: csr_matrix of shape (n_rows, n_buckets), float32; each distinct text is hashed once."""
    texts = crossed[list(market.encoded_texts)]
    return _join(list(engine.map_shards(partial(_hash_shard, market, n_buckets), split_frame(texts, engine))))


def _join(parts: "list[csr_matrix]") -> "csr_matrix":
    from scipy.sparse import vstack

    if len(parts) == 1:
        return parts[0]
    matrix = vstack(parts, format="csr")
    matrix.has_canonical_format = True  # as each part is
    return matrix


def _hash_shard(market: Market, n_buckets: int, crossed: "pd.DataFrame") -> "csr_matrix":
    from scipy.sparse import csr_matrix

    names, absent = market.encoded_texts, np.int32(np.iinfo(np.int32).max)
    keys = np.empty((len(crossed), len(names)), dtype=np.int32)
    for position, name in enumerate(names):
        texts = crossed[name].cat
        distinct = bucket_keys(hash_texts(name, texts.categories.tolist()), n_buckets).astype(np.int32)
        keys[:, position] = np.append(distinct, absent)[texts.codes.to_numpy()]
    keys.sort(axis=1)
    present = keys != absent
    indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
    found = keys[present]
    signs = np.where(found & 1, np.float32(-1), np.float32(1))
    matrix = csr_matrix((signs, found >> 1, indptr), shape=(len(crossed), n_buckets))
    matrix.has_sorted_indices = True  # saves sorting them again, which costs as much as all of the above
    matrix.sum_duplicates()
    return matrix


def common_tokens(encoder: FittedEncoder, crossed: "pd.DataFrame") -> dict[int, str]:
    """Return for each encoded column that a bucket fills the commonest token in it, to name it by.

    Tokens of personal values are all the same: their column is told, not the value.
    """
    commonest: dict[int, tuple[int, str]] = {}
    for name in encoder.market.encoded_texts:
        personal = name in encoder.market.personal_names
        counts = crossed[name].value_counts()
        for text, count in counts[counts > 0].items():
            column = encoder.first_bucket + bucket(hash_token(token(name, str(text))), encoder.n_buckets)[0]
            told = token(name, "***" if personal else str(text))
            commonest[column] = max(commonest.get(column, (0, "")), (int(count), told))
    return {column: named for column, (_, named) in commonest.items()}


def _stack(
    market: Market,
    crossed: "pd.DataFrame",
    scores: np.ndarray,
    local: np.ndarray | None,
    hashed: "csr_matrix",
) -> "csr_matrix":
    from scipy.sparse import csr_matrix, hstack

    numbers = np.zeros((len(crossed), len(market.encoded_numbers)), dtype=np.float32)
    for index, (name, minimum, scale) in enumerate(market.encoded_numbers):
        column = _as_numbers(crossed[name])
        encoded = np.minimum(1.0 + np.maximum(column - minimum, 0.0) / scale, MAX_ENCODED)
        numbers[:, index] = np.where(np.isnan(column), 0.0, encoded)
    blocks = [csr_matrix(numbers), csr_matrix(scores)]
    if local is not None:
        blocks.append(csr_matrix(local.astype(np.float32)))
    return hstack([*blocks, hashed], format="csr", dtype=np.float32)


def _known_tokens(market: Market, crossed: "pd.DataFrame") -> frozenset[int]:
    known: set[int] = set()
    for name in market.declared_texts:
        texts = crossed[name].cat
        present = np.unique(texts.codes.to_numpy())
        known.update(hash_texts(name, texts.categories[present[present >= 0]].tolist()).tolist())
    return frozenset(known)


def _as_numbers(column: "pd.Series") -> np.ndarray:
    if column.dtype.kind != "M":
        return column.to_numpy()
    months = column.to_numpy().astype("datetime64[M]")
    epoch = np.datetime64(f"{EPOCH_YEAR}-01", "M")
    return np.where(np.isnat(months), np.nan, (months - epoch).astype(np.float64))


def _as_days(column: "pd.Series") -> np.ndarray:
    if column.dtype.kind != "M":
        return column.to_numpy(np.float64)
    days = column.to_numpy().astype("datetime64[D]")
    epoch = np.datetime64(f"{EPOCH_YEAR}-01-01", "D")
    return np.where(np.isnat(days), np.nan, (days - epoch).astype(np.float64))
