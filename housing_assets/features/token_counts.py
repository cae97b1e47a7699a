"""Counts which texts fill the buckets: their shares (``inference/token_sources.py``), and the commonest by name."""

from typing import TYPE_CHECKING

import numpy as np

from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.hashing import bucket, bucket_keys, hash_texts, hash_token, token
from housing_assets.inference.token_sources import TokenSources

if TYPE_CHECKING:
    import pandas as pd


def count_token_sources(encoder: FittedEncoder, crossed: "pd.DataFrame", columns: np.ndarray) -> TokenSources:
    """Return the shares of the texts in each bucket that a forest compares.

    Parameters
    ----------
    encoder : FittedEncoder
    crossed : DataFrame of shape (n_rows, n_values)
        The training listings.
    columns : ndarray of shape (n_used,), int32
        Of the encoded matrix, that the forest compares.
    """
    texts = encoder.market.encoded_texts
    counts = np.zeros((encoder.n_buckets, len(texts)), dtype=np.float64)
    for position, name in enumerate(texts):
        counted = crossed[name].value_counts()
        buckets = bucket_keys(hash_texts(name, counted.index.tolist()), encoder.n_buckets) >> 1
        np.add.at(counts[:, position], buckets, counted.to_numpy())
    used = columns[columns >= encoder.first_bucket] - encoder.first_bucket
    of_used = counts[used]
    rows, found = np.nonzero(of_used)
    shares = of_used[rows, found] / of_used.sum(axis=1)[rows]
    return TokenSources(used[rows].astype(np.int32), found.astype(np.int16), shares.astype(np.float32))


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
