"""Summary of a text's values: how often each occurs, exactly, up to a bound on how many are kept apart."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.inference.declaration import Value
from housing_assets.inference.hashing import hash_texts, hash_token

if TYPE_CHECKING:
    import pandas as pd

MAX_VALUES = 50_000
"""Distinct values kept apart: thirty times the address paths of a city's ads, in a few MB.

Beyond it the values of the smallest hashes stay, with their exact counts: a random sample of values, the same in every
profile (bottom-k, Cohen & Kaplan 2007), so that merging stays exact. Two profiles are then compared on the rows whose
values both of them sample; nothing is estimated for the others. A share of values is off by about 0.5 % of itself."""

N_RANKS = 2**32


@dataclass(frozen=True, eq=False)
class TextProfile:
    """A mergeable summary of the values of one text.

    Attributes
    ----------
    counts : mapping of str to int
        Occurrences by value; by the hash of its token where the value is personal. With 50,000 values the odds are one
        in four that two of them share a hash, and then count as one.
    present, missing : int
        Values that are there, kept apart or not, and rows without one.
    ceiling : int
        Values whose rank lies below it are kept apart; ``N_RANKS`` where all are.
    """

    counts: Mapping[str, int]
    present: int
    missing: int
    ceiling: int = N_RANKS

    @classmethod
    def of(cls, texts: "pd.Series", value: Value) -> Self:
        """Summarize values.

        Parameters
        ----------
        texts : Series of shape (n_rows,)
            Best as categories.
        value : Value
            Their declaration; ``personal`` values are kept as hashes only.
        """
        import pandas as pd

        coded = pd.Categorical(texts)
        found = np.bincount(coded.codes.astype(np.int64) + 1, minlength=1)
        used = np.flatnonzero(found[1:])
        names = coded.categories[used].tolist()
        if value.personal:
            names = list(map(str, hash_texts(value.name, names).tolist()))
        counts: Counter[str] = Counter()
        for name, count in zip(names, found[used + 1].tolist(), strict=True):
            counts[name] += count
        missing = int(found[0])
        return cls(counts, len(coded) - missing, missing)._bounded()

    def merge(self, other: Self) -> Self:
        """Return the summary of both."""
        ceiling = min(self.ceiling, other.ceiling)
        counts = self.sampled(ceiling)
        for name, count in other.sampled(ceiling).items():
            counts[name] = counts.get(name, 0) + count
        return type(self)(counts, self.present + other.present, self.missing + other.missing, ceiling)._bounded()

    def sampled(self, ceiling: int) -> dict[str, int]:
        """Return the counts of the values whose rank lies below a ceiling; a copy."""
        if ceiling >= self.ceiling:
            return dict(self.counts)
        return {name: count for name, count in self.counts.items() if _rank(name) < ceiling}

    def to_dict(self) -> dict[str, Any]:
        """Return the summary as JSON types."""
        return {
            "counts": dict(self.counts),
            "present": self.present,
            "missing": self.missing,
            "ceiling": self.ceiling,
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> Self:
        """Read back what ``to_dict`` returned."""
        return cls(dict(stored["counts"]), int(stored["present"]), int(stored["missing"]), int(stored["ceiling"]))

    def _bounded(self) -> Self:
        if len(self.counts) <= MAX_VALUES:
            return self
        ceiling = sorted(map(_rank, self.counts))[MAX_VALUES]
        return type(self)(self.sampled(ceiling), self.present, self.missing, ceiling)


def _rank(name: str) -> int:
    return hash_token(name) % N_RANKS
