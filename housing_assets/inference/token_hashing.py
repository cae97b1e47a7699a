"""All tokens of one listing, those of its crosses too, hashed in one compiled loop, without making their texts."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numba import njit

from housing_assets.inference.declaration import SEPARATOR
from housing_assets.inference.hashing import NO_TEXT, token
from housing_assets.inference.market import Market

END, MISSING = 0xFF, 0xFE
"""Bytes that no UTF-8 has: what ends each text, and what stands for one that is missing."""


class TokenHasher:
    """Hashes the texts of one listing, and its crosses, of which no text is made.

    Parameters
    ----------
    market : Market
    """

    def __init__(self, market: Market) -> None:
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
        missing, end = bytes((MISSING,)), bytes((END,))
        told = (listing.get(name) for name in self._texts)
        texts = [missing if text is None else text.encode("utf-8", "surrogatepass") for text in told]
        ended = end.join([*texts, b""])
        return hash_tokens(np.frombuffer(ended, np.uint8), *self._plan)


def _starts(read: Sequence[Sequence[Any]]) -> np.ndarray:
    return np.cumsum([0, *map(len, read)])


@njit(cache=True, nogil=True, boundscheck=False)
def hash_tokens(
    texts: np.ndarray,
    prefixes: np.ndarray,
    prefix_starts: np.ndarray,
    parts: np.ndarray,
    part_starts: np.ndarray,
    separator: np.ndarray,
) -> np.ndarray:
    """Return ``hashing.hash_token`` of each token: int64 of shape (n_tokens,), ``NO_TEXT`` where a part is missing.

    Parameters
    ----------
    texts : ndarray, uint8
        The listing's texts in UTF-8, each followed by ``END``.
    prefixes : ndarray, uint8
        What the tokens begin with, one after the other.
    prefix_starts : ndarray of shape (n_tokens + 1,), int64
    parts : ndarray of shape (n_parts,), int64
        Which texts each token is made of.
    part_starts : ndarray of shape (n_tokens + 1,), int64
    separator : ndarray, uint8
        What stands between two parts.
    """
    starts = np.empty(np.count_nonzero(texts == END) + 1, dtype=np.int64)
    starts[0], n_ended = 0, 0
    for position in range(len(texts)):
        if texts[position] == END:
            n_ended += 1
            starts[n_ended] = position + 1
    hashes = np.empty(len(prefix_starts) - 1, dtype=np.int64)
    for each in range(len(hashes)):
        state, block, length = _absorb(
            np.uint64(0), np.uint64(0), 0, prefixes, prefix_starts[each], prefix_starts[each + 1]
        )
        is_missing = False
        for part in range(part_starts[each], part_starts[each + 1]):
            start, end = starts[parts[part]], starts[parts[part] + 1] - 1
            if texts[start] == MISSING:
                is_missing = True
                break
            if part > part_starts[each]:
                state, block, length = _absorb(state, block, length, separator, 0, len(separator))
            state, block, length = _absorb(state, block, length, texts, start, end)
        hashes[each] = NO_TEXT if is_missing else _finish(state, block, length)
    return hashes


_FULL = np.uint64(0xFFFFFFFF)


@njit(cache=True, nogil=True, boundscheck=False)
def _absorb(
    state: np.uint64, block: np.uint64, length: int, read: np.ndarray, start: int, end: int
) -> tuple[np.uint64, np.uint64, int]:
    """Read bytes into a MurmurHash3 (x86, 32 bit; Appleby 2011); ``block`` has those that make no block of 4 yet."""
    for position in range(start, end):
        block |= np.uint64(read[position]) << np.uint64(8 * (length & 3))
        length += 1
        if length & 3 == 0:
            state ^= _scramble(block)
            state = ((state << np.uint64(13)) | (state >> np.uint64(19))) & _FULL
            state = (state * np.uint64(5) + np.uint64(0xE6546B64)) & _FULL
            block = np.uint64(0)
    return state, block, length


@njit(cache=True, nogil=True, boundscheck=False)
def _scramble(block: np.uint64) -> np.uint64:
    block = (block * np.uint64(0xCC9E2D51)) & _FULL
    block = ((block << np.uint64(15)) | (block >> np.uint64(17))) & _FULL
    return (block * np.uint64(0x1B873593)) & _FULL


@njit(cache=True, nogil=True, boundscheck=False)
def _finish(state: np.uint64, block: np.uint64, length: int) -> int:
    """Return the signed hash of what was read."""
    state ^= _scramble(block) ^ (np.uint64(length) & _FULL)
    state ^= state >> np.uint64(16)
    state = (state * np.uint64(0x85EBCA6B)) & _FULL
    state ^= state >> np.uint64(13)
    state = (state * np.uint64(0xC2B2AE35)) & _FULL
    state ^= state >> np.uint64(16)
    return int(np.int32(np.uint32(state)))
