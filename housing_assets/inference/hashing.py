"""The hashing trick: ``column=value`` tokens to signed buckets, as scikit-learn's ``FeatureHasher`` does it.

Each distinct token of a frame is hashed once; rows are assembled by code. ``token_hashing.py`` has the same for all
tokens of one listing.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import mmh3
import numpy as np

from housing_assets.inference.declaration import SEPARATOR

if TYPE_CHECKING:
    from housing_assets.inference.market import Market

N_BUCKETS = 2**16
"""Columns of the hashed block. 20,000 ads have about 40,000 distinct tokens, most of them of crosses; in 2**14 buckets
they collide so often that it costs 0.6 points of macro-F1."""


MAX_HASH = 2**31 - 1
"""The largest hash of a token; the lowest is 1 less than minus that."""

NO_TEXT = MAX_HASH + 1
"""Stands for the hash of a text that is missing: none is as large."""


def hash_token(token: str) -> int:
    """Return the MurmurHash3 (32 bit, seed 0, signed) of a token's UTF-8 bytes."""
    # Given a str that UTF-8 cannot hold (half a surrogate pair, which JSON lets through), mmh3 kills the process.
    return mmh3.hash(token.encode("utf-8", "surrogatepass"))


def bucket(hashed: int, n_buckets: int = N_BUCKETS) -> tuple[int, float]:
    """Return the bucket of a token's hash and the sign it is counted with.

    Equal to ``FeatureHasher(n_buckets, input_type="string")``: the bucket is the hash's absolute value modulo
    ``n_buckets``, the sign that of the hash (Weinberger et al. 2009), so that tokens that share a bucket cancel on
    average instead of adding up.
    """
    return abs(hashed) % n_buckets, 1.0 if hashed >= 0 else -1.0


def hash_texts(column: str, texts: Iterable[str]) -> np.ndarray:
    """Return ``hash_token`` of each text's token: int64."""
    prefix = token(column, "")
    return np.fromiter(map(mmh3.hash, ((prefix + text).encode("utf-8", "surrogatepass") for text in texts)), np.int64)


def bucket_keys(hashed: np.ndarray, n_buckets: int = N_BUCKETS) -> np.ndarray:
    """Return a key for each hash, int64: twice its bucket, and 1 more where it is counted with a minus.

    Equal to ``bucket`` of each; sorted keys are sorted buckets.
    """
    return 2 * (np.abs(hashed) % n_buckets) + (hashed < 0)


def token(column: str, value: str) -> str:
    """Return the token of a value; the column's name keeps ``unknown`` in two columns apart."""
    return f"{column}={value}"


class TokenHasher:
    """Hashes the texts of one listing, and its crosses, of which no text is made.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: "Market") -> None:
        crosses = dict(market.named_crosses)
        parts = [crosses.get(name, (name,)) for name in market.encoded_texts]
        prefixes = [token(name, "").encode() for name in market.encoded_texts]
        self._texts = tuple(dict.fromkeys(name for names in parts for name in names))
        self._plan = (
            np.frombuffer(b"".join(prefixes), np.uint8),
            _starts(prefixes),
            np.array([self._texts.index(name) for names in parts for name in names], np.int64),
            _starts(parts),
            np.frombuffer(SEPARATOR.encode(), np.uint8),
        )

    def hash(self, listing: Mapping[str, Any]) -> np.ndarray:
        """Return the hashes of the market's ``encoded_texts``: int64, ``NO_TEXT`` for one that is missing.

        Parameters
        ----------
        listing : mapping
            Texts, bins and grids by name, None or absent where there is none.
        """
        from housing_assets.inference.token_hashing import END, MISSING, hash_tokens

        missing, end = bytes((MISSING,)), bytes((END,))
        told = (listing.get(name) for name in self._texts)
        texts = [missing if text is None else text.encode("utf-8", "surrogatepass") for text in told]
        ended = end.join([*texts, b""])
        return hash_tokens(np.frombuffer(ended, np.uint8), *self._plan)


def _starts(read: Sequence[Sequence[Any]]) -> np.ndarray:
    return np.cumsum([0, *map(len, read)])
