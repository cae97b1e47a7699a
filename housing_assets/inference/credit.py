"""Whose merit an encoded column is: the declared columns that it was made of, and in which parts.

- A number is its column's; a quotient, a bin, a cell of a grid and a cross are that of their parts, in equal parts.
- A linear score is that of the columns in proportion to what each adds to it. Where what they add cancels out, the
  proportions are bounded: no column has more than twice its part of all that is added, whatever the sign.
- A local score, and the log price that estimates begin with, are that of the kernel's columns. The block is credited
  with what it says alone, for the others speak within a block only (asymmetric Shapley values, Frye et al. 2020); each
  of these with the mean of what it adds to the block alone and to all others. What is left over of the price goes to
  them in proportion to the size of that; local scores are theirs in proportion to it, bounded as above.
- A bucket of the hashed block is that of the listing's texts in it, in equal parts; one that the listing does not fill,
  that of the texts that fill it in training.
"""

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np

from housing_assets.inference.encoder import FittedEncoder
from housing_assets.inference.hashing import bucket, hash_token, token
from housing_assets.inference.market import Market
from housing_assets.inference.score_units import STEPS
from housing_assets.inference.scores import score_names
from housing_assets.inference.token_sources import TokenSources


class CreditRules:
    """Credits encoded columns to declared ones.

    Parameters
    ----------
    encoder : FittedEncoder
    sources : TokenSources
    columns : ndarray of shape (n_used,), int32
        The encoded columns that are credited, ascending.
    """

    def __init__(self, encoder: FittedEncoder, sources: TokenSources, columns: np.ndarray) -> None:
        self._encoder = encoder
        self._sources = sources
        self._columns = columns
        self._parts = parts_of(encoder.market)
        numbers = [name for name, _, _ in encoder.market.encoded_numbers]
        self._first_score = len(numbers)
        self._numbers = np.array([self._parts[name] for name in numbers]).reshape(len(numbers), -1)
        self._slots = {int(column): slot for slot, column in enumerate(columns)}

    def declare(self, crossed: Mapping[str, Any], contributions: np.ndarray) -> np.ndarray:
        """Return the contributions of the declared columns: float64 of shape (n_inputs, n_outputs), in order.

        Parameters
        ----------
        crossed : mapping
            The listing.
        contributions : ndarray of shape (n_used, n_outputs), float64
            Of the encoded columns.
        """
        remaining = contributions.copy()
        declared = np.zeros((self._numbers.shape[1], contributions.shape[1]))
        local = self._local_scores(crossed) if self._encoder.local_names else []
        for column, shares in (*self._filled_buckets(crossed), *self._scores(crossed), *local):
            slot = self._slots.get(column)
            if slot is not None:
                declared += np.outer(shares, remaining[slot])
                remaining[slot] = 0.0
        return np.asarray(declared + self._usual.T @ remaining)

    def declare_known(self, crossed: Mapping[str, Any]) -> tuple[np.ndarray, float]:
        """Return what the declared columns add to the log price that an estimate begins with, and where that begins.

        Parameters
        ----------
        crossed : mapping
            The listing.

        Returns
        -------
        added : ndarray of shape (n_inputs,), float64
        base : float
            The log price of a listing that says nothing; 0 where estimates begin with none.
        """
        base = self._encoder.encode({}).log_price
        known = None if base is None else self._encoder.encode(crossed).log_price
        if base is None or known is None:
            return np.zeros(self._numbers.shape[1]), 0.0
        changes = self._local_changes(crossed)[:, -1]
        left_over = known - base - changes.sum()
        return changes + left_over * self._of_kernel(np.abs(changes)), base

    @cached_property
    def _usual(self) -> np.ndarray:
        """Shares that do not depend on the listing, zero for scores: float64 of shape (n_used, n_inputs)."""
        first_bucket = self._encoder.first_bucket
        texts = np.array([self._parts[name] for name in self._encoder.market.encoded_texts])
        usual = np.zeros((len(self._columns), self._numbers.shape[1]))
        for slot, column in enumerate(self._columns.tolist()):
            if column < self._first_score:
                usual[slot] = self._numbers[column]
            elif column >= first_bucket:
                usual[slot] = texts.mean(axis=0)  # of a bucket that no training listing fills any more
        known = np.isin(self._sources.buckets + first_bucket, self._columns)
        slots = np.searchsorted(self._columns, self._sources.buckets[known] + first_bucket)
        usual[slots] = 0.0
        np.add.at(usual, slots, texts[self._sources.texts[known]] * self._sources.shares[known, None])
        return usual

    def _filled_buckets(self, crossed: Mapping[str, Any]) -> list[tuple[int, np.ndarray]]:
        """Return the encoded columns of the buckets that a listing fills, with their shares."""
        filled: dict[int, list[np.ndarray]] = {}
        for name, found, _ in self._tokens(crossed):
            filled.setdefault(self._encoder.first_bucket + found, []).append(self._parts[name])
        return [(column, np.mean(parts, axis=0)) for column, parts in filled.items()]

    def _scores(self, crossed: Mapping[str, Any]) -> list[tuple[int, np.ndarray]]:
        """Return the encoded columns of the linear scores, with their shares."""
        market, scores = self._encoder.market, self._encoder.scores
        added = np.zeros((self._numbers.shape[1], scores.coefficients.shape[1]))
        for name, found, sign in self._tokens(crossed):
            added += np.outer(self._parts[name], sign * scores.coefficients[found])
        if scores.numbers is not None:
            told = ((number, crossed.get(number.of)) for number in market.linear)
            weighed = np.array([np.nan if value is None else number.value(value) for number, value in told])
            steps = scores.numbers.standardize(weighed) / STEPS
            for number, step, coefficients in zip(market.linear, steps, scores.numbers.coefficients, strict=True):
                added += np.outer(self._parts[number.of], step * coefficients)
        return [(self._first_score + score, proportions(added[:, score])) for score in range(len(score_names(market)))]

    def _local_scores(self, crossed: Mapping[str, Any]) -> list[tuple[int, np.ndarray]]:
        """Return the encoded columns of the local scores, with their shares."""
        first, changes = self._first_local, self._local_changes(crossed)
        return [(first + score, self._of_kernel(changes[:, score])) for score in range(changes.shape[1] - 1)]

    def _local_changes(self, crossed: Mapping[str, Any]) -> np.ndarray:
        """Return what columns add to the local scores and the log price: float64 of shape (n_inputs, n_local + 1)."""
        names = self._kernel_names
        nothing = {**crossed, **dict.fromkeys(names)}
        blocks = names[: 0 if self._encoder.market.local is None else 1]
        alone = {**nothing, **{block: crossed.get(block) for block in blocks}}
        of_nothing, of_block, of_all = map(self._local_values, (nothing, alone, crossed))
        changes = np.zeros((self._numbers.shape[1], len(of_all)))
        for block in blocks:
            changes += np.outer(self._parts[block], of_block - of_nothing)
        for name in names[len(blocks) :]:
            if crossed.get(name) is not None:
                first = self._local_values({**alone, name: crossed[name]}) - of_block
                last = of_all - self._local_values({**crossed, name: None})
                changes += np.outer(self._parts[name], (first + last) / 2)
        return changes

    def _local_values(self, crossed: Mapping[str, Any]) -> np.ndarray:
        encoded = self._encoder.encode(crossed)
        values = np.zeros(self._encoder.first_bucket - self._first_local + 1)
        local = (encoded.columns >= self._first_local) & (encoded.columns < self._encoder.first_bucket)
        values[encoded.columns[local] - self._first_local] = encoded.cells[local]
        values[-1] = encoded.log_price or 0.0
        return values

    def _of_kernel(self, changes: np.ndarray) -> np.ndarray:
        """Return the shares of the columns; equal parts of the kernel's where none of them changes anything."""
        parts = [self._parts[name] for name in self._kernel_names]
        return proportions(changes) if changes.any() else np.asarray(np.mean(parts, axis=0))

    @cached_property
    def _first_local(self) -> int:
        return self._first_score + len(score_names(self._encoder.market))

    @cached_property
    def _kernel_names(self) -> tuple[str, ...]:
        kernel, clock = self._encoder.market.local, self._encoder.index.clock
        dated = (clock,) if clock else ()
        if kernel is None:
            return dated
        return tuple(dict.fromkeys((kernel.block, *(number.of for number in kernel.numbers), *kernel.texts, *dated)))

    def _tokens(self, crossed: Mapping[str, Any]) -> list[tuple[str, int, float]]:
        """Return the listing's texts by name, with the bucket and the sign of each."""
        n_buckets = self._encoder.n_buckets
        told = ((name, crossed.get(name)) for name in self._encoder.market.encoded_texts)
        return [(name, *bucket(hash_token(token(name, text)), n_buckets)) for name, text in told if text is not None]


def parts_of(market: Market) -> dict[str, np.ndarray]:
    """Return for each value, and each feature made of values, its parts of the input columns, which sum to 1."""
    declared = [{value.name for value in column.values} for column in market.inputs]
    parts = {
        value.name: np.array([1.0 if value.name in names else 0.0 for names in declared])
        for column in market.inputs
        for value in column.values
    }

    def put_together(names: Sequence[str]) -> np.ndarray:
        return np.asarray(np.mean([parts[name] for name in names], axis=0))

    parts |= {bin_.name: parts[bin_.of] for bin_ in market.bins}
    parts |= {grid.name: put_together([grid.latitude, grid.longitude]) for grid in market.grids}
    parts |= {name: put_together(names) for name, names in market.named_crosses}
    parts |= {each.name: put_together([each.dividend, each.divisor]) for each in market.quotients}
    return parts


def proportions(added: np.ndarray) -> np.ndarray:
    """Return the shares of columns in a sum, given what each adds to it; they sum to 1.

    They are ``added`` over its sum where all have one sign. The more they cancel out, the more the absolute values
    count, so that no share is beyond twice its part of these.
    """
    total = np.abs(added).sum()
    if not total:
        return np.full(len(added), 1 / len(added))
    ratio = added.sum() / total
    return np.asarray((np.abs(added) * (1 - abs(ratio)) + np.copysign(1.0, ratio) * added) / total)
