"""The fitted encoder that turns listings into the forest's columns.

It is the one implementation for training, serving and monitoring.

Columns of the encoded matrix, in order: declared numbers and quotients, linear scores, hashed tokens. It is sparse: 0
is «missing» for a number, and every present number is at least 1.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from housing_assets.features.crossing import crossed_name
from housing_assets.features.folds import grouped_folds
from housing_assets.features.hashing import (
    N_BUCKETS,
    bucket,
    bucket_keys,
    count_buckets,
    hash_texts,
    hash_token,
    token,
)
from housing_assets.features.linear import N_SCORES, LinearScores
from housing_assets.listings.columns import BINS, CROSSES, NUMBERS, QUOTIENTS, TARGET, TEXTS, Role, values

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

FORMAT = 3
EPOCH_YEAR = 2000
"""Clocks are encoded as months since January of this year; older ads count as of then."""

MONTHS_PER_YEAR = 12

MAX_ENCODED = 1e10
"""Above every declared number; only a quotient by next to nothing is cut off here, before float32 makes it infinite."""

SCORES = ("score_above_low", "score_above_medium", "score_price")


class EncodedListing(NamedTuple):
    """One encoded listing.

    Attributes
    ----------
    columns : ndarray of shape (n_filled,), int32
        The filled columns of its row; the others are 0.
    cells : ndarray of shape (n_filled,), float32
    unseen : tuple of str
        Names of the declared texts (a district, an address) that no training row had.
    """

    columns: np.ndarray
    cells: np.ndarray
    unseen: tuple[str, ...]


class ListingEncoder:
    """Encodes crossed listings (see ``crossing.py``) as a sparse float32 matrix.

    Parameters
    ----------
    n_buckets : int
        Columns of the hashed block.
    n_folds : int
        Folds of the out-of-fold scores.
    inverse_penalty : float
        Of the linear scores.
    seed : int

    Attributes
    ----------
    scores_ : LinearScores
        Learned by ``fit``.
    known_ : frozenset of int
        Hashes of the tokens of the declared texts that the training rows had.

    Examples
    --------
    >>> encoder = ListingEncoder().fit(crossed, labels, bands.log_prices(prices))  # doctest: +SKIP
    >>> encoder.transform(crossed).shape[1] == encoder.n_columns  # doctest: +SKIP
    True
    """

    scores_: LinearScores
    known_: frozenset[int]

    def __init__(
        self, n_buckets: int = N_BUCKETS, n_folds: int = 5, inverse_penalty: float = 0.5, seed: int = 0
    ) -> None:
        self.n_buckets = n_buckets
        self.n_folds = n_folds
        self.inverse_penalty = inverse_penalty
        self.seed = seed

    def parameters(self) -> dict[str, Any]:
        """Return what the encoder was made with, by the names of ``__init__``."""
        return {name: getattr(self, name) for name in ("n_buckets", "n_folds", "inverse_penalty", "seed")}

    def unfitted(self) -> "ListingEncoder":
        """Return a new encoder with the same parameters, to be fitted on other rows."""
        return ListingEncoder(**self.parameters())

    def fit(self, crossed: "pd.DataFrame", labels: np.ndarray, log_prices: np.ndarray) -> Self:
        """Learn the scores from training rows.

        Parameters
        ----------
        crossed : DataFrame of shape (n_rows, n_values)
        labels : ndarray of shape (n_rows,)
            Index into ``CATEGORIES``.
        log_prices : ndarray of shape (n_rows,)
            ``PriceBands.log_prices``.
        """
        self.scores_ = self._learn(self._hash(crossed), labels, log_prices)
        self.known_ = _known_tokens(crossed)
        return self

    def fit_transform(
        self, crossed: "pd.DataFrame", labels: np.ndarray, log_prices: np.ndarray, groups: np.ndarray
    ) -> "csr_matrix":
        """Fit, and return the training rows with scores that were learned without them.

        It differs from ``fit(...).transform(...)`` on purpose: there, a row's score has seen its own label.

        Parameters
        ----------
        crossed : DataFrame of shape (n_rows, n_values)
        labels : ndarray of shape (n_rows,)
        log_prices : ndarray of shape (n_rows,)
        groups : ndarray of shape (n_rows,)
            Copies of one ad share a group, and a fold.
        """
        hashed = self._hash(crossed)
        self.scores_ = self._learn(hashed, labels, log_prices)
        self.known_ = _known_tokens(crossed)
        scores = np.zeros((len(labels), N_SCORES), dtype=np.float32)
        for learn, apply in grouped_folds(labels, groups, self.n_folds, self.seed):
            scores[apply] = self._learn(hashed[learn], labels[learn], log_prices[learn]).score(hashed[apply])
        return self._stack(crossed, scores, hashed)

    def transform(self, crossed: "pd.DataFrame") -> "csr_matrix":
        """Return the encoded rows: csr_matrix of shape (n_rows, n_columns), float32, sorted indices."""
        hashed = self._hash(crossed)
        return self._stack(crossed, self.scores_.score(hashed), hashed)

    def transform_one(self, crossed: Mapping[str, Any]) -> EncodedListing:
        """Encode one crossed listing: equal to its row of ``transform``."""
        columns: list[int] = []
        numbers: list[float] = []
        for index, (name, minimum, scale) in enumerate(_NUMBERS):
            number = _as_number(crossed.get(name))
            if number is not None:
                columns.append(index)
                numbers.append(min(1.0 + max(number - minimum, 0.0) / scale, MAX_ENCODED))
        hashes: list[int] = []
        unseen: list[str] = []
        for position, (name, prefix) in enumerate(_PREFIXES):
            text = crossed.get(name)
            if text is not None:
                hashed = hash_token(prefix + text)
                hashes.append(hashed)
                if position < _N_DECLARED_TEXTS and hashed not in self.known_:
                    unseen.append(name)
        counted = count_buckets(hashes, self.n_buckets)
        buckets = np.fromiter(counted, dtype=np.int32, count=len(counted))
        counts = np.fromiter(counted.values(), dtype=np.float64, count=len(counted))
        scores = self.scores_.score_one(buckets, counts)
        return EncodedListing(
            np.concatenate((np.array(columns, dtype=np.int32), _SCORE_COLUMNS, buckets + _FIRST_BUCKET)),
            np.concatenate((numbers, scores, counts)).astype(np.float32),
            tuple(unseen),
        )

    @property
    def n_columns(self) -> int:
        """Columns of the encoded matrix."""
        return _FIRST_BUCKET + self.n_buckets

    @property
    def column_names(self) -> list[str]:
        """Names of the encoded columns; a bucket is named by its number."""
        return [name for name, _, _ in _NUMBERS] + [*SCORES] + [f"bucket {i}" for i in range(self.n_buckets)]

    def to_json(self) -> str:
        """Return the fitted encoder as JSON."""
        stored = {
            "format": FORMAT,
            "columns": declared_features(),
            "parameters": self.parameters(),
            "scores": self.scores_.to_dict(),
            "known_tokens": sorted(self.known_),
        }
        return json.dumps(stored, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Read back what ``to_json`` wrote.

        Raises
        ------
        ValueError
            If it was fitted on other declared columns than this version of the package has.
        """
        stored = json.loads(text)
        if stored["format"] != FORMAT:
            raise ValueError(f"the encoder's format is {stored['format']}, this version reads {FORMAT}")
        if stored["columns"] != declared_features():
            raise ValueError("the encoder was fitted on other columns than listings/columns.py declares")
        encoder = cls(**stored["parameters"])
        encoder.scores_ = LinearScores.from_dict(stored["scores"])
        encoder.known_ = frozenset(map(int, stored["known_tokens"]))
        return encoder

    def common_tokens(self, crossed: "pd.DataFrame") -> dict[int, str]:
        """Return for each encoded column that a bucket fills the commonest token in it, to name it by."""
        commonest: dict[int, tuple[int, str]] = {}
        for name in text_names():
            counts = crossed[name].value_counts()
            for text, count in counts[counts > 0].items():
                column = _FIRST_BUCKET + bucket(hash_token(token(name, str(text))), self.n_buckets)[0]
                commonest[column] = max(commonest.get(column, (0, "")), (int(count), token(name, str(text))))
        return {column: named for column, (_, named) in commonest.items()}

    def _learn(self, hashed: "csr_matrix", labels: np.ndarray, log_prices: np.ndarray) -> LinearScores:
        return LinearScores.learn(hashed, labels, log_prices, inverse_penalty=self.inverse_penalty, seed=self.seed)

    def _hash(self, crossed: "pd.DataFrame") -> "csr_matrix":
        from scipy.sparse import csr_matrix

        names, absent = text_names(), np.int32(np.iinfo(np.int32).max)
        keys = np.empty((len(crossed), len(names)), dtype=np.int32)
        for position, name in enumerate(names):
            texts = crossed[name].cat
            distinct = bucket_keys(hash_texts(name, texts.categories.tolist()), self.n_buckets).astype(np.int32)
            keys[:, position] = np.append(distinct, absent)[texts.codes.to_numpy()]
        keys.sort(axis=1)
        present = keys != absent
        indptr = np.concatenate([[0], np.cumsum(present.sum(axis=1))])
        found = keys[present]
        signs = np.where(found & 1, np.float32(-1), np.float32(1))
        matrix = csr_matrix((signs, found >> 1, indptr), shape=(len(crossed), self.n_buckets))
        matrix.has_sorted_indices = True  # saves sorting them again, which costs as much as all of the above
        matrix.sum_duplicates()
        return matrix

    def _stack(self, crossed: "pd.DataFrame", scores: np.ndarray, hashed: "csr_matrix") -> "csr_matrix":
        from scipy.sparse import csr_matrix, hstack

        numbers = np.zeros((len(crossed), _FIRST_SCORE), dtype=np.float32)
        for index, (name, minimum, scale) in enumerate(_NUMBERS):
            column = _as_number_array(crossed[name])
            encoded = np.minimum(1.0 + np.maximum(column - minimum, 0.0) / scale, MAX_ENCODED)
            numbers[:, index] = np.where(np.isnan(column), 0.0, encoded)
        return hstack([csr_matrix(numbers), csr_matrix(scores), hashed], format="csr", dtype=np.float32)


def text_names() -> list[str]:
    """Return the names of the texts that are hashed: categories, high-cardinality texts, bins and crosses."""
    declared = [value.name for value in values() if value.role in TEXTS]
    return [*declared, *(bin_.name for bin_ in BINS), *(crossed_name(names) for names in CROSSES)]


def declared_features() -> list[str]:
    """Return the names of all numbers and texts that are encoded, in order."""
    return [name for name, _, _ in _NUMBERS] + text_names()


def _numbers() -> Iterator[tuple[str, float, float]]:
    """Yield name, lowest value and scale of each encoded number."""
    for value in values():
        if value.role in NUMBERS and value.name != TARGET:
            yield value.name, value.minimum, value.scale
        elif value.role is Role.CLOCK:
            yield value.name, 0.0, MONTHS_PER_YEAR
    for quotient in QUOTIENTS:
        yield quotient.name, 0.0, quotient.scale


def _known_tokens(crossed: "pd.DataFrame") -> frozenset[int]:
    known: set[int] = set()
    for name, _ in _PREFIXES[:_N_DECLARED_TEXTS]:
        texts = crossed[name].cat
        present = np.unique(texts.codes.to_numpy())
        known.update(hash_texts(name, texts.categories[present[present >= 0]].tolist()).tolist())
    return frozenset(known)


def _as_number(value: float | date | None) -> float | None:
    if isinstance(value, date):
        return float((value.year - EPOCH_YEAR) * MONTHS_PER_YEAR + value.month - 1)
    return value


def _as_number_array(column: "pd.Series") -> np.ndarray:
    if column.dtype.kind != "M":
        return column.to_numpy()
    months = column.to_numpy().astype("datetime64[M]")
    epoch = np.datetime64(f"{EPOCH_YEAR}-01", "M")
    return np.where(np.isnat(months), np.nan, (months - epoch).astype(np.float64))


_NUMBERS = tuple(_numbers())
_PREFIXES = tuple((name, token(name, "")) for name in text_names())
_N_DECLARED_TEXTS = sum(value.role in TEXTS for value in values())
_FIRST_SCORE = len(_NUMBERS)
_FIRST_BUCKET = _FIRST_SCORE + N_SCORES
_SCORE_COLUMNS = np.arange(_FIRST_SCORE, _FIRST_BUCKET, dtype=np.int32)
