"""The fitted encoder that turns listings into the forest's columns.

It is the one implementation for training, serving and monitoring.

Columns of the encoded matrix, in order: declared numbers and quotients, linear scores, hashed tokens. It is sparse: 0
is «missing» for a number, and every present number is at least 1.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.features.crossing import crossed_name
from housing_assets.features.folds import grouped_folds
from housing_assets.features.hashing import N_BUCKETS, add_tokens, bucket, hash_distinct, token
from housing_assets.features.linear import N_SCORES, LinearScores
from housing_assets.listings.columns import BINS, CROSSES, NUMBERS, QUOTIENTS, TARGET, TEXTS, Role, values

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

FORMAT = 1
EPOCH_YEAR = 2000
"""Clocks are encoded as months since January of this year; older ads count as of then."""

MONTHS_PER_YEAR = 12

MAX_ENCODED = 1e10
"""Above every declared number; only a quotient by next to nothing is cut off here, before float32 makes it infinite."""

SCORES = tuple(f"score_above_{edge}" for edge in ("low", "medium"))


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

    Examples
    --------
    >>> encoder = ListingEncoder().fit(crossed, labels)  # doctest: +SKIP
    >>> encoder.transform(crossed).shape[1] == encoder.n_columns  # doctest: +SKIP
    True
    """

    scores_: LinearScores

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

    def fit(self, crossed: "pd.DataFrame", labels: np.ndarray) -> Self:
        """Learn the scores from training rows.

        Parameters
        ----------
        crossed : DataFrame of shape (n_rows, n_values)
        labels : ndarray of shape (n_rows,)
            Index into ``CATEGORIES``.
        """
        self.scores_ = self._learn(self._hash(crossed), labels)
        return self

    def fit_transform(self, crossed: "pd.DataFrame", labels: np.ndarray, groups: np.ndarray) -> "csr_matrix":
        """Fit, and return the training rows with scores that were learned without them.

        It differs from ``fit(...).transform(...)`` on purpose: there, a row's score has seen its own label.

        Parameters
        ----------
        crossed : DataFrame of shape (n_rows, n_values)
        labels : ndarray of shape (n_rows,)
        groups : ndarray of shape (n_rows,)
            Copies of one ad share a group, and a fold.
        """
        hashed = self._hash(crossed)
        self.scores_ = self._learn(hashed, labels)
        scores = np.zeros((len(labels), N_SCORES), dtype=np.float32)
        for learn, apply in grouped_folds(labels, groups, self.n_folds, self.seed):
            scores[apply] = self._learn(hashed[learn], labels[learn]).score(hashed[apply])
        return self._stack(crossed, scores, hashed)

    def transform(self, crossed: "pd.DataFrame") -> "csr_matrix":
        """Return the encoded rows: csr_matrix of shape (n_rows, n_columns), float32, sorted indices."""
        hashed = self._hash(crossed)
        return self._stack(crossed, self.scores_.score(hashed), hashed)

    def transform_one(self, crossed: Mapping[str, Any]) -> dict[int, float]:
        """Return the filled columns of one crossed listing: equal to its row of ``transform``."""
        encoded = {}
        for index, (name, minimum, scale) in enumerate(_numbers()):
            number = _as_number(crossed.get(name))
            if number is not None:
                encoded[index] = _encode(number, minimum, scale)
        texts = ((name, crossed.get(name)) for name in text_names())
        counts = add_tokens((token(name, text) for name, text in texts if text is not None), self.n_buckets)
        for index, score in enumerate(self.scores_.score_one(counts)):
            encoded[self._first_score + index] = score
        for index, count in counts.items():
            encoded[self._first_bucket + index] = count
        return encoded

    @property
    def n_columns(self) -> int:
        """Columns of the encoded matrix."""
        return self._first_bucket + self.n_buckets

    @property
    def column_names(self) -> list[str]:
        """Names of the encoded columns; a bucket is named by its number."""
        return [name for name, _, _ in _numbers()] + [*SCORES] + [f"bucket {i}" for i in range(self.n_buckets)]

    def to_json(self) -> str:
        """Return the fitted encoder as JSON."""
        stored = {
            "format": FORMAT,
            "columns": declared_features(),
            "parameters": self.parameters(),
            "scores": self.scores_.to_dict(),
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
        return encoder

    def common_tokens(self, crossed: "pd.DataFrame") -> dict[int, str]:
        """Return for each encoded column that a bucket fills the commonest token in it, to name it by."""
        commonest: dict[int, tuple[int, str]] = {}
        for name in text_names():
            counts = crossed[name].value_counts()
            for text, count in counts[counts > 0].items():
                column = self._first_bucket + bucket(token(name, str(text)), self.n_buckets)[0]
                commonest[column] = max(commonest.get(column, (0, "")), (int(count), token(name, str(text))))
        return {column: named for column, (_, named) in commonest.items()}

    @property
    def _first_score(self) -> int:
        return len(list(_numbers()))

    @property
    def _first_bucket(self) -> int:
        return self._first_score + N_SCORES

    def _learn(self, hashed: "csr_matrix", labels: np.ndarray) -> LinearScores:
        return LinearScores.learn(hashed, labels, inverse_penalty=self.inverse_penalty, seed=self.seed)

    def _hash(self, crossed: "pd.DataFrame") -> "csr_matrix":
        from scipy.sparse import csr_matrix

        names, absent = text_names(), np.int32(np.iinfo(np.int32).max)
        keys = np.empty((len(crossed), len(names)), dtype=np.int32)
        for position, name in enumerate(names):
            texts = crossed[name].cat
            distinct = hash_distinct(name, texts.categories.tolist(), self.n_buckets).astype(np.int32)
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

        numbers = np.zeros((len(crossed), self._first_score), dtype=np.float32)
        for index, (name, minimum, scale) in enumerate(_numbers()):
            column = _as_number_array(crossed[name])
            encoded = _encode(column, minimum, scale)
            numbers[:, index] = np.where(np.isnan(column), 0.0, encoded)
        return hstack([csr_matrix(numbers), csr_matrix(scores), hashed], format="csr", dtype=np.float32)


def text_names() -> list[str]:
    """Return the names of the texts that are hashed: categories, high-cardinality texts, bins and crosses."""
    declared = [value.name for value in values() if value.role in TEXTS]
    return [*declared, *(bin_.name for bin_ in BINS), *(crossed_name(names) for names in CROSSES)]


def declared_features() -> list[str]:
    """Return the names of all numbers and texts that are encoded, in order."""
    return [name for name, _, _ in _numbers()] + text_names()


def _numbers() -> Iterator[tuple[str, float, float]]:
    """Yield name, lowest value and scale of each encoded number."""
    for value in values():
        if value.role in NUMBERS and value.name != TARGET:
            yield value.name, value.minimum, value.scale
        elif value.role is Role.CLOCK:
            yield value.name, 0.0, MONTHS_PER_YEAR
    for quotient in QUOTIENTS:
        yield quotient.name, 0.0, quotient.scale


def _encode(number: Any, minimum: float, scale: float) -> Any:
    return np.minimum(1.0 + np.maximum(number - minimum, 0.0) / scale, MAX_ENCODED)


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
