"""The hashing trick: ``column=value`` tokens to signed buckets, as scikit-learn's ``FeatureHasher`` does it.

Each distinct token of a frame is hashed once; rows are assembled by code. ``token_hashing.py`` has the same for all
tokens of one listing.
"""

from collections.abc import Iterable

import mmh3
import numpy as np

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
