"""The fitted encoder: what turns one listing into the forest's columns.

Columns of the encoded matrix, in order: declared numbers and quotients, linear scores, local scores where the market
declares a kernel, hashed tokens. It is sparse: 0 is "missing" for a number, and every present number is at least 1.
``features/encoder.py`` fits it, ``features/frame_encoding.py`` applies the same tables to frames.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np

from housing_assets.inference.declaration import LocalKernel, Role
from housing_assets.inference.hashing import NO_TEXT
from housing_assets.inference.local_scores import (
    LocalInputs,
    LocalScores,
    local_score_names,
    rise_with_prices,
)
from housing_assets.inference.market import MONTHS_PER_YEAR, Market
from housing_assets.inference.price_index import PriceIndex
from housing_assets.inference.scores import LinearScores, score_names

if TYPE_CHECKING:
    from housing_assets.inference.token_hashing import TokenHasher

FORMAT = 6
FORMER = (4, 5)
"""Formats that are still read: of encoders without local scores, and without a price index."""

EPOCH_YEAR = 2000
"""Clocks are encoded as months since January of this year; older ads count as of then."""

MAX_ENCODED = 1e10
"""Above every declared number; only a quotient by next to nothing is cut off here, before float32 makes it infinite."""


class EncodedListing(NamedTuple):
    """One encoded listing.

    Attributes
    ----------
    columns : ndarray of shape (n_filled,), int32
        The filled columns of its row; the others are 0.
    cells : ndarray of shape (n_filled,), float32
    unseen : tuple of str
        Names of the declared texts (an area, an address) that no training row had.
    log_price : float or None
        Natural log of the price that the likest homes of its block let expect in its month, in the market's currency,
        without bounds. Where the encoder has not learned amounts, the level of its month in the price index; None
        without either.
    """

    columns: np.ndarray
    cells: np.ndarray
    unseen: tuple[str, ...]
    log_price: float | None = None


@dataclass(frozen=True, eq=False)
class FittedEncoder:
    """An encoder that has learned.

    Attributes
    ----------
    market : Market
        Whose listings it encodes.
    parameters : mapping
        What it was fitted with, by the names of ``ListingEncoder``.
    scores : LinearScores
    known : frozenset of int
        Hashes of the tokens of the declared texts that the training rows had.
    local : LocalScores or None
        None where the market declares no kernel.
    index : PriceIndex
        By which prices that the local scores were learned from were brought to its base month; what they say of a
        price is brought from there to the month of the listing.
    """

    market: Market
    parameters: Mapping[str, Any]
    scores: LinearScores
    known: frozenset[int]
    local: LocalScores | None = None
    index: PriceIndex = field(default_factory=PriceIndex.none)

    def encode(self, derived: Mapping[str, Any]) -> EncodedListing:
        """Encode one listing: equal to its row of ``features.frame_encoding.encode_frame``.

        Parameters
        ----------
        derived : mapping
            Its values, bins, grids and quotients by name, as ``derive_listing`` returns them. Crosses are not read, but
            made of their parts.
        """
        from housing_assets.inference.row_filling import fill_row

        names, minimums, scales = self._numbers
        numbers = np.array([_as_number(derived.get(name)) for name in names], dtype=np.float64)
        hashes = self._tokens.hash(derived)
        unseen = [
            name
            for name, hashed in zip(self.market.declared_texts, hashes.tolist(), strict=False)
            if hashed != NO_TEXT and hashed not in self.known
        ]
        offsets = self.scores.offsets(self._linear_numbers(derived))
        local = _NO_LOCAL_SCORES
        log_price = level = self.index.level_on(derived.get(self.index.clock))
        if self.local is not None and self.market.local is not None:
            targets = self.local.predict(self._local_inputs(self.market.local, derived, hashes))[0]
            if level is not None:
                targets += level * self.rises
            local = targets.astype(np.float32)
            log_price = float(targets[-1]) if self.learned_amounts else level
        columns, cells = fill_row(
            numbers, minimums, scales, MAX_ENCODED, hashes, self.scores.coefficients, offsets, local
        )
        return EncodedListing(columns, cells, tuple(unseen), log_price)

    @cached_property
    def local_names(self) -> tuple[str, ...]:
        """Names of the local scores' columns."""
        return () if self.local is None else local_score_names(self.market, with_amount=self.learned_amounts)

    @cached_property
    def learned_amounts(self) -> bool:
        """Whether the last of the local scores is the natural log of the price."""
        return self.local is not None and len(self.local.levels) > len(local_score_names(self.market))

    @cached_property
    def rises(self) -> np.ndarray:
        """By how much each local score is moved by a level of the price index: float64 of shape (n_local,)."""
        return rise_with_prices(self.market, with_amount=self.learned_amounts)

    @property
    def n_buckets(self) -> int:
        """Columns of the hashed block."""
        return len(self.scores.coefficients)

    @property
    def n_columns(self) -> int:
        """Columns of the encoded matrix."""
        return self.first_bucket + self.n_buckets

    @cached_property
    def first_bucket(self) -> int:
        """Column of the first bucket."""
        return len(self.market.encoded_numbers) + len(score_names(self.market)) + len(self.local_names)

    @property
    def column_names(self) -> list[str]:
        """Names of the encoded columns; a bucket is named by its number."""
        numbers = [name for name, _, _ in self.market.encoded_numbers]
        return [*numbers, *score_names(self.market), *self.local_names, *(f"bucket {i}" for i in range(self.n_buckets))]

    def to_json(self) -> str:
        """Return the fitted encoder as JSON."""
        stored = {
            "format": FORMAT,
            "market": self.market.fingerprint,
            "parameters": dict(self.parameters),
            "scores": self.scores.to_dict(),
            "known_tokens": sorted(self.known),
        }
        if self.local is not None:
            stored["local_scores"] = self.local.to_dict()
        if self.index.exists:
            stored["price_index"] = self.index.to_dict()
        return json.dumps(stored, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, market: Market) -> Self:
        """Read back what ``to_json`` wrote.

        Raises
        ------
        ValueError
            If it was fitted for another declaration, or is damaged.
        """
        stored = json.loads(text)
        if stored["format"] not in (*FORMER, FORMAT):
            raise ValueError(
                f"the encoder's format is {stored['format']}, this version reads "
                f"{', '.join(map(str, FORMER))} and {FORMAT}"
            )
        if stored["market"] != market.fingerprint:
            raise ValueError(f"the encoder was fitted for another declaration than that of {market.name}")
        scores = LinearScores.from_dict(stored["scores"])
        if scores.coefficients.shape[1] != len(score_names(market)):
            raise ValueError(f"the encoder has {scores.coefficients.shape[1]} scores, not {len(score_names(market))}")
        n_numbers = 0 if scores.numbers is None else len(scores.numbers.means)
        if n_numbers != len(market.linear):
            raise ValueError(f"the encoder weighs {n_numbers} numbers, the market declares {len(market.linear)}")
        local = None
        if "local_scores" in stored:
            local = LocalScores.from_dict(stored["local_scores"], market)
        elif market.local is not None:
            raise ValueError(f"the encoder has no local scores, and {market.name} declares a kernel")
        index = PriceIndex.from_dict(stored["price_index"]) if "price_index" in stored else PriceIndex.none()
        if index.exists and index.clock not in {value.name for value in market.values(Role.CLOCK)}:
            raise ValueError(f"the price index goes by {index.clock!r}, which is no clock of {market.name}")
        return cls(market, stored["parameters"], scores, frozenset(map(int, stored["known_tokens"])), local, index)

    @cached_property
    def _tokens(self) -> "TokenHasher":
        from housing_assets.inference.token_hashing import TokenHasher

        return TokenHasher(self.market)

    @cached_property
    def _numbers(self) -> tuple[tuple[str, ...], np.ndarray, np.ndarray]:
        """Names, lowest values and scales of the encoded numbers."""
        declared = self.market.encoded_numbers
        lowest, scales = ([each[at] for each in declared] for at in (1, 2))
        return tuple(each[0] for each in declared), np.array(lowest, np.float64), np.array(scales, np.float64)

    def _linear_numbers(self, derived: Mapping[str, Any]) -> np.ndarray | None:
        if not self.market.linear:
            return None
        found = ((number, derived.get(number.of)) for number in self.market.linear)
        return np.array([np.nan if value is None else number.value(value) for number, value in found])

    def _local_inputs(self, kernel: LocalKernel, derived: Mapping[str, Any], hashes: np.ndarray) -> LocalInputs:
        """Return what the kernel reads of one listing; equal to its row of ``features.frame_encoding.local_inputs``."""
        numbers = np.empty((1, len(kernel.numbers)))
        for position, number in enumerate(kernel.numbers):
            value = derived.get(number.of)
            if isinstance(value, date):
                value = float(value.toordinal() - _EPOCH)
            numbers[0, position] = np.nan if value is None else number.value(value)
        texts = hashes[self._kernel_tokens]
        return LocalInputs(texts[:1], numbers, texts[None, 1:])

    @cached_property
    def _kernel_tokens(self) -> np.ndarray:
        """Positions of the kernel's block and texts among the hashed texts."""
        kernel = self.market.local
        names = () if kernel is None else (kernel.block, *kernel.texts)
        return np.array([self.market.encoded_texts.index(name) for name in names], dtype=np.int64)


_NO_LOCAL_SCORES = np.zeros(0, dtype=np.float32)
_EPOCH = date(EPOCH_YEAR, 1, 1).toordinal()


def _as_number(value: float | date | None) -> float:
    if value is None:
        return math.nan
    if isinstance(value, date):
        return float((value.year - EPOCH_YEAR) * MONTHS_PER_YEAR + value.month - 1)
    return value
