"""Finds rows that equal an earlier one, wherever that lies: each row becomes a hash, and hashes are compared by shares.

Equal rows have equal hashes, and so are in the same share, which one worker can judge without the others.
"""

import hashlib
from typing import Any

import numpy as np
import pandas as pd

from housing_assets.listings.distinct_cells import distinct_cells
from housing_assets.shards import split_frame
from resources.compute.engines import LOCAL, Engine

_HASH_BYTES = 16

_MULTIPLIERS = (np.uint64(0x9E3779B97F4A7C15), np.uint64(0xC2B2AE3D27D4EB4F))
"""Odd, one for each half of a hash: 2**64 over the golden ratio (Knuth), and a prime of xxHash64 (Collet)."""


def find_duplicates(cells: pd.DataFrame, engine: Engine = LOCAL) -> np.ndarray:
    """Return which rows equal an earlier one in every column: a boolean mask, as ``cells.duplicated()``.

    Parameters
    ----------
    cells : DataFrame of shape (n_rows, n_columns)
        Texts (best as categories), numbers or days; missing cells equal each other.
    engine : Engine
    """
    return repeated(np.concatenate(list(engine.map_shards(hash_rows, split_frame(cells, engine)))), engine)


def hash_rows(cells: pd.DataFrame) -> np.ndarray:
    """Return a hash of 128 bits for each row: uint64 of shape (n_rows, 2).

    Among a billion different rows the odds that any two share one are 1 in 10**21 (birthday bound, n² / 2**129). Each
    distinct cell of a column is hashed once (BLAKE2b, RFC 7693).
    """
    hashes = np.zeros((2, len(cells)), dtype=np.uint64)
    for name in cells:
        codes, distinct = distinct_cells(cells[name])
        found = b"".join(bytes(_HASH_BYTES) if cell is None else _digest(cell) for cell in distinct)
        halves = np.frombuffer(found, dtype="<u8").reshape(-1, 2)
        for half, multiplier in enumerate(_MULTIPLIERS):
            mixed = hashes[half]
            mixed ^= halves[codes, half]
            mixed *= multiplier
            mixed ^= mixed >> np.uint64(32)
    return hashes.T


def repeated(hashes: np.ndarray, engine: Engine = LOCAL) -> np.ndarray:
    """Return which hashes are not the first of their value: a boolean mask.

    Parameters
    ----------
    hashes : ndarray of shape (n_rows, 2), uint64
    engine : Engine
    """
    n_shares = len(engine.blocks(len(hashes)))
    share_of = hashes[:, 0] % np.uint64(n_shares)
    rows = np.split(np.argsort(share_of, kind="stable"), np.cumsum(np.bincount(share_of.astype(np.int64)))[:-1])
    mask = np.zeros(len(hashes), dtype=bool)
    for share, found in zip(rows, engine.map_shards(_repeats, (hashes[share] for share in rows)), strict=True):
        mask[share] = found
    return mask


def _repeats(hashes: np.ndarray) -> np.ndarray:
    return pd.DataFrame(hashes).duplicated().to_numpy()


def _digest(cell: Any) -> bytes:
    return hashlib.blake2b(_spelled(cell).encode("utf-8", "surrogatepass"), digest_size=_HASH_BYTES).digest()


def _spelled(cell: Any) -> str:
    """Return a text that two cells share just if they are equal: 1, 1.0 and True are."""
    if isinstance(cell, str):
        return f"'{cell}"
    try:
        return "{}/{}".format(*cell.as_integer_ratio())
    except (AttributeError, OverflowError):  # a day, or infinity
        return f"{type(cell).__name__} {cell!r}"
