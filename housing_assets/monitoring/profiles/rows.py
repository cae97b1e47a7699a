"""Summary of whole rows: how many different ones there are, from the smallest of their hashes."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.inference.hashing import hash_texts

if TYPE_CHECKING:
    import pandas as pd

N_HASHES = 1_024
"""Hashes kept: the number of different rows is exact below it, and beyond it off by 3 % or so (1 / √N_HASHES)."""


@dataclass(frozen=True, eq=False)
class RowProfile:
    """A mergeable summary of the different rows: the smallest hashes (bottom-k, Bar-Yossef et al. 2002).

    Attributes
    ----------
    hashes : ndarray of shape (n_hashes,), uint64
        Of different rows, ascending.
    """

    hashes: np.ndarray

    @classmethod
    def of(cls, rows: "pd.DataFrame") -> Self:
        """Summarize rows, which are alike if all their values are; texts are best as categories."""
        import pandas as pd

        if not len(rows.columns):
            return cls.none()
        coded = pd.DataFrame({name: _without_texts(rows[name]) for name in rows}, index=rows.index)
        return cls._smallest(pd.util.hash_pandas_object(coded, index=False).to_numpy(np.uint64))

    @classmethod
    def none(cls) -> Self:
        """Return the summary of no rows, the neutral element of ``merge``."""
        return cls(np.zeros(0, dtype=np.uint64))

    def merge(self, other: Self) -> Self:
        """Return the summary of both."""
        return self._smallest(np.concatenate([self.hashes, other.hashes]))

    @property
    def distinct(self) -> float:
        """Number of different rows."""
        if len(self.hashes) < N_HASHES:
            return float(len(self.hashes))
        return (N_HASHES - 1) / (float(self.hashes[-1]) / 2**64)

    def compare(self, other: Self) -> tuple[int, int]:
        """Return how many of these rows are among the other ones, and of how many that is known.

        Both have all hashes up to the lower of what each has kept: these are a sample of both.
        """
        full = [one.hashes[-1] for one in (self, other) if len(one.hashes) == N_HASHES]
        sample = self.hashes[self.hashes <= min(full)] if full else self.hashes
        return int(np.isin(sample, other.hashes).sum()), len(sample)

    def to_list(self) -> list[int]:
        """Return the summary as JSON types."""
        return [int(each) for each in self.hashes]

    @classmethod
    def from_list(cls, stored: list[Any]) -> Self:
        """Read back what ``to_list`` returned."""
        return cls(np.array(stored, dtype=np.uint64))

    @classmethod
    def _smallest(cls, hashes: np.ndarray) -> Self:
        return cls(np.unique(hashes)[:N_HASHES])


def _without_texts(values: "pd.Series") -> Any:
    """Return the hashes of texts, which need not be valid Unicode; numbers and days as they are."""
    import pandas as pd

    if pd.api.types.is_datetime64_any_dtype(values):
        return values.to_numpy().astype("datetime64[s]")  # the unit that is read back from a file is another
    if pd.api.types.is_numeric_dtype(values):
        return values.to_numpy()
    texts = pd.Categorical(values)
    return np.append(hash_texts("", texts.categories.tolist()), 0)[texts.codes]
