"""Counts which texts fill the buckets that a forest compares (``inference/token_sources.py``)."""

from typing import TYPE_CHECKING

import numpy as np

from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.hashing import bucket_keys, hash_texts
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
