"""The encoded matrix of frames of crossed listings, block by block and shard by shard.

A single request is ``FittedEncoder``'s own; its tables are the same.
"""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.features.clock import clock_months
from housing_assets.inference.encoder import EPOCH_YEAR, MAX_ENCODED, FittedEncoder
from housing_assets.inference.hashing import NO_TEXT, bucket_keys, hash_texts
from housing_assets.inference.local_scores import LocalInputs
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import PriceIndex
from housing_assets.shards import split_frame
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix


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


def hash_frame(market: Market, crossed: "pd.DataFrame", n_buckets: int, engine: Engine = LOCAL) -> "csr_matrix":
    """Return the hashed block: csr_matrix of shape (n_rows, n_buckets), float32; each distinct text is hashed once."""
    texts = crossed[list(market.encoded_texts)]
    return _join(list(engine.map_shards(partial(_hash_shard, market, n_buckets), split_frame(texts, engine))))


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
    # Contiguous, as those of one listing are: numba compiles the loop anew for each memory layout.
    return LocalInputs(np.ascontiguousarray(texts[:, 0]), numbers, np.ascontiguousarray(texts[:, 1:]))


def levels_of(index: PriceIndex, crossed: "pd.DataFrame") -> np.ndarray | None:
    """Return the level of each listing's month in a price index: float64 of shape (n_rows,), None without an index."""
    return index.level(clock_months(crossed, index.clock)) if index.exists else None


def to_own_months(encoder: FittedEncoder, local: np.ndarray, crossed: "pd.DataFrame") -> np.ndarray:
    """Return local scores of the index's base month as of each listing's own."""
    levels = levels_of(encoder.index, crossed)
    return local if levels is None else local + np.outer(levels, encoder.rises)


def stack_blocks(
    market: Market,
    crossed: "pd.DataFrame",
    scores: np.ndarray,
    local: np.ndarray | None,
    hashed: "csr_matrix",
) -> "csr_matrix":
    """Return a frame's blocks side by side, in the order of ``FittedEncoder``'s columns.

    Parameters
    ----------
    market : Market
    crossed : DataFrame of shape (n_rows, n_values)
        Its numbers are encoded here.
    scores : ndarray of shape (n_rows, n_scores), float32
        Linear scores.
    local : ndarray of shape (n_rows, n_local_scores), float64, or None
    hashed : csr_matrix of shape (n_rows, n_buckets), float32
    """
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
    return stack_blocks(encoder.market, crossed, scores, local, hashed), known


def _local_scores(encoder: FittedEncoder, crossed: "pd.DataFrame") -> np.ndarray | None:
    if encoder.local is None:
        return None
    return to_own_months(encoder, encoder.local.predict(local_inputs(encoder.market, crossed)), crossed)


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
