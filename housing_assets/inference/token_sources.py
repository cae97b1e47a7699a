"""Which texts fill a bucket of the hashed block: what an explanation credits it to where a listing does not fill it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np

from housing_assets.inference.plain_arrays import ArraysDamaged, load_arrays

FILE = "token_sources.npz"

_DTYPES = {"buckets": np.int32, "texts": np.int16, "shares": np.float32}


@dataclass(frozen=True)
class TokenSources:
    """Shares of the texts in what fills buckets, over the training listings; ``features/token_counts.py`` counts them.

    Attributes
    ----------
    buckets : ndarray of shape (n_pairs,), int32
    texts : ndarray of shape (n_pairs,), int16
        Indices into ``Market.encoded_texts``.
    shares : ndarray of shape (n_pairs,), float32
        They sum to 1 for each bucket.
    """

    buckets: np.ndarray
    texts: np.ndarray
    shares: np.ndarray

    def save(self, folder: Path) -> None:
        """Write ``token_sources.npz`` to a folder."""
        arrays: dict[str, Any] = {name: np.asarray(getattr(self, name), dtype) for name, dtype in _DTYPES.items()}
        np.savez(folder / FILE, **arrays)

    @classmethod
    def load(cls, folder: Path, n_texts: int, n_buckets: int) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        ValueError
            If it is damaged.
        """
        try:
            arrays = load_arrays(folder / FILE, _DTYPES, {})
        except ArraysDamaged as fault:
            raise ValueError(f"{FILE}: not the sources of tokens: {fault}") from None
        _validate(arrays, n_texts, n_buckets)
        return cls(**arrays)


def _validate(arrays: Mapping[str, np.ndarray], n_texts: int, n_buckets: int) -> None:
    buckets, texts, shares = arrays["buckets"], arrays["texts"], arrays["shares"]
    if not len(buckets) == len(texts) == len(shares):
        raise ValueError(f"{FILE}: its arrays differ in length")
    if not (((buckets >= 0) & (buckets < n_buckets)).all() and ((texts >= 0) & (texts < n_texts)).all()):
        raise ValueError(f"{FILE}: a bucket or a text is out of bounds")
    if not ((shares >= 0) & (shares <= 1)).all():
        raise ValueError(f"{FILE}: a share is not within 0 to 1")
