"""Local scores: what the likest homes of the same block say, in a number for each question asked of the listings.

It is what a valuer does with comparables. In each block, an area say, kernel regression (a Gaussian process's mean;
Rasmussen & Williams 2006, chapter 2) weighs the training rows by how alike they are. Here the scores are applied;
``features/local_score_learning.py`` learns them.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np

from housing_assets.inference.hashing import MAX_HASH, NO_TEXT
from housing_assets.inference.market import Market
from housing_assets.inference.score_units import FURTHEST, STEPS, UNITS
from housing_assets.inference.scores import LOG_PRICE_SCALE, score_names

MAX_BLOCK_ROWS = 2_000
"""Rows that a block remembers. Learning takes time with their cube, and an answer as many steps as there are rows."""

MAX_ROWS = 500_000
"""More than any model remembers."""

MAX_WEIGHT = 1e6
"""More than any weight of a kernel that is learned."""

MAX_TAUGHT = 2**31
"""More than any row is weighed by, in units: so many that their sums over a million rows stay exact."""


class LocalInputs(NamedTuple):
    """What the kernel reads of listings.

    Attributes
    ----------
    blocks : ndarray of shape (n_rows,), int64
        Hash of each row's block, ``NO_TEXT`` where it is missing.
    numbers : ndarray of shape (n_rows, n_numbers), float64
        NaN where missing.
    texts : ndarray of shape (n_rows, n_texts), int64
        Their hashes, ``NO_TEXT`` where missing.
    """

    blocks: np.ndarray
    numbers: np.ndarray
    texts: np.ndarray


@dataclass(frozen=True)
class Kernel:
    """How alike two homes are.

    It is the sum of two rational quadratic kernels, 1 / (1 + d), of weights of their own – one tells near homes apart,
    the other goes far –, a constant, and the product of the numbers. It needs nothing but + - * /, so that every
    machine gives the same bits.

    Attributes
    ----------
    near_numbers, far_numbers : ndarray of shape (n_numbers,), float64
        What a squared difference of one standard deviation adds to the distance d.
    near_texts, far_texts : ndarray of shape (n_texts + n_told_missing,), float64
        What a different text adds; then, for each number that training rows may lack, what it adds that one lacks it.
    far : float
        Weight of the far kernel; that of the near one is 1.
    common : float
        The constant: how much a whole block may differ from all rows.
    product : float
        Weight of the numbers' product: how much slopes may differ from none.
    noise : float
        Variance of what no likeness explains; it is needed in learning alone.
    """

    near_numbers: np.ndarray
    near_texts: np.ndarray
    far_numbers: np.ndarray
    far_texts: np.ndarray
    far: float
    common: float
    product: float
    noise: float


@dataclass(frozen=True, eq=False)
class LocalScores:
    """What is remembered of the training rows, by block.

    Attributes
    ----------
    means, deviations : ndarray of shape (n_numbers,), float64
        Of the numbers, over the training rows.
    sloped : ndarray of shape (n_numbers,), int64
        1 for the numbers in the kernel's product; 0 for days: a slope over time leads far astray outside of the past.
    told_missing : ndarray of shape (n_told_missing,), int64
        Positions of the numbers that training rows may lack.
    kernel : Kernel
    blocks : ndarray of shape (n_blocks,), int64
        Hashes of the blocks, ascending.
    starts : ndarray of shape (n_blocks + 1,), int64
        Where the rows of each block start.
    numbers : ndarray of shape (n_remembered, n_numbers), int64
        In steps of 1 / STEPS standard deviations from the means.
    texts : ndarray of shape (n_remembered, n_texts + n_told_missing), int64
    weights : ndarray of shape (n_remembered, n_targets), int64
        What a row that is as alike as can be adds to each target, in units of 1 / UNITS.
    levels : ndarray of shape (n_targets,), float64
        Means of the targets, which a row of an unknown block has.
    """

    means: np.ndarray
    deviations: np.ndarray
    sloped: np.ndarray
    told_missing: np.ndarray
    kernel: Kernel
    blocks: np.ndarray
    starts: np.ndarray
    numbers: np.ndarray
    texts: np.ndarray
    weights: np.ndarray
    levels: np.ndarray

    def predict(self, inputs: LocalInputs) -> np.ndarray:
        """Return the targets of rows: float64 of shape (n_rows, n_targets); each as it would be alone."""
        from housing_assets.inference.local_walk import weigh_rows

        return weigh_rows(*inputs, *self._loop)

    @cached_property
    def _loop(self) -> tuple[Any, ...]:
        """What the loop reads of all that is remembered, in its order.

        The constant and the product are summed once, as integers: exact in any order.
        """
        blocks = [slice(first, last) for first, last in pairwise(self.starts)]
        summed = np.array([self.weights[rows].sum(axis=0) for rows in blocks])
        levels = self.kernel.common * summed / UNITS
        weighed = np.array([self.weights[rows].T @ self.numbers[rows] for rows in blocks])
        slopes = weighed / (UNITS * STEPS) * (self.kernel.product * self.sloped)
        kernel = self.kernel
        known_texts, codes = np.unique(self.texts, return_inverse=True)
        return (
            self.blocks,
            self.starts,
            self.means,
            self.deviations,
            self.told_missing,
            known_texts,
            np.ascontiguousarray(self.numbers.T / STEPS, dtype=np.float32),
            np.ascontiguousarray(codes.reshape(self.texts.shape).T, dtype=np.int32),
            np.ascontiguousarray(self.weights.T / UNITS),
            np.concatenate([levels, np.zeros((1, levels.shape[1]))]) + self.levels,
            np.concatenate([slopes, np.zeros((1, *slopes.shape[1:]))]),
            *(
                each.astype(np.float32)
                for each in (kernel.near_numbers, kernel.near_texts, kernel.far_numbers, kernel.far_texts)
            ),
            kernel.far,
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the scores as JSON types."""
        stored = {
            each.name: getattr(self, each.name).tolist()
            for each in fields(self)
            if each.name not in ("kernel", "texts")
        }
        distinct, codes = np.unique(self.texts, return_inverse=True)
        kernel = {
            name: value.tolist() if isinstance(value, np.ndarray) else value
            for name, value in vars(self.kernel).items()
        }
        return {
            **stored,
            "kernel": kernel,
            "distinct_texts": distinct.tolist(),
            "texts": codes.reshape(self.texts.shape).tolist(),
        }

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any], market: Market) -> Self:
        """Read back what ``to_dict`` wrote.

        Raises
        ------
        ValueError
            If its sizes do not fit each other or the market, or a value is none that is learned.
        """
        if market.local is None:
            raise ValueError(f"it has local scores, and {market.name} declares no kernel")
        n_numbers, n_texts = len(market.local.numbers), len(market.local.texts)
        told_missing = _whole(stored, "told_missing", (-1,), 0, n_numbers - 1)
        n_texts += len(told_missing)
        blocks = _whole(stored, "blocks", (-1,), -MAX_HASH - 1, MAX_HASH)
        starts = _whole(stored, "starts", (len(blocks) + 1,), 0, MAX_ROWS)
        sizes = np.diff(starts)
        if not len(blocks) or (np.diff(blocks) <= 0).any():
            raise ValueError("its blocks do not ascend")
        if starts[0] != 0 or not (1 <= sizes.min() <= sizes.max() <= MAX_BLOCK_ROWS):
            raise ValueError(f"a block remembers {sizes.min()} to {sizes.max()} rows, expected 1 to {MAX_BLOCK_ROWS:,}")
        n_rows = int(starts[-1])
        distinct = _whole(stored, "distinct_texts", (-1,), -MAX_HASH - 1, NO_TEXT)
        codes = _whole(stored, "texts", (n_rows, n_texts), 0, max(len(distinct) - 1, 0))
        weights = _whole(stored, "weights", (n_rows, -1), -MAX_TAUGHT, MAX_TAUGHT)
        n_targets, n_asked = weights.shape[1], len(score_names(market))
        if n_targets - n_asked not in ((0, 1) if market.has_price else (0,)):
            raise ValueError(f"it has {n_targets} targets, the market asks {n_asked} questions")
        told = stored["kernel"]
        kernel = Kernel(
            near_numbers=_real(told, "near_numbers", (n_numbers,), 0, MAX_WEIGHT),
            near_texts=_real(told, "near_texts", (n_texts,), 0, MAX_WEIGHT),
            far_numbers=_real(told, "far_numbers", (n_numbers,), 0, MAX_WEIGHT),
            far_texts=_real(told, "far_texts", (n_texts,), 0, MAX_WEIGHT),
            **{name: float(_real(told, name, (), 0, MAX_WEIGHT)) for name in ("far", "common", "product", "noise")},
        )
        furthest = int(FURTHEST * STEPS)
        return cls(
            means=_real(stored, "means", (n_numbers,)),
            deviations=_real(stored, "deviations", (n_numbers,), np.finfo(np.float64).tiny),
            sloped=_whole(stored, "sloped", (n_numbers,), 0, 1),
            told_missing=told_missing,
            kernel=kernel,
            blocks=blocks,
            starts=starts,
            numbers=_whole(stored, "numbers", (n_rows, n_numbers), -furthest, furthest),
            texts=distinct[codes] if n_texts else codes,
            weights=weights,
            levels=_real(stored, "levels", (n_targets,)),
        )


def standardize(
    inputs: LocalInputs, means: np.ndarray, deviations: np.ndarray, told_missing: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return numbers in standard deviations, 0 where missing, and texts with those that tell what is missing."""
    deviates = np.clip((inputs.numbers - means) / deviations, -FURTHEST, FURTHEST)
    steps = np.rint(np.nan_to_num(deviates, nan=0.0) * STEPS)
    missing = np.isnan(inputs.numbers[:, told_missing]).astype(np.int64)
    return steps / STEPS, np.concatenate([inputs.texts, missing], axis=1)


def local_score_names(market: Market, *, with_amount: bool = False) -> tuple[str, ...]:
    """Return what the columns of the local scores are called; none where the market declares no kernel.

    Parameters
    ----------
    market : Market
    with_amount : bool
        Whether the natural log of the price is among them, beside the answers to what the linear scores are asked.
    """
    if market.local is None:
        return ()
    amount = ("local_score_amount",) if with_amount else ()
    return (*(f"local_{name}" for name in score_names(market)), *amount)


def rise_with_prices(market: Market, *, with_amount: bool = False) -> np.ndarray:
    """Return what each local score rises by where the natural log of all prices rises by 1: float64 of shape (n,).

    The scores of categories do not: a band is of amounts, and of how much of it lies above an edge at other prices
    the listings of one level say nothing.
    """
    amount = (1.0,) if with_amount else ()
    of_category = [0.0] * (len(score_names(market)) - 1)
    return np.array([*of_category, 1.0 / LOG_PRICE_SCALE, *amount])


def _whole(stored: Mapping[str, Any], name: str, shape: tuple[int, ...], lowest: float, highest: float) -> np.ndarray:
    """Return stored integers, int64, of a shape that may leave one size open by -1."""
    found = np.array(stored[name])
    if found.size and found.dtype.kind != "i":
        raise ValueError(f"{name} are no integers")
    return _checked(found.astype(np.int64), name, shape, lowest, highest)


def _real(
    stored: Mapping[str, Any],
    name: str,
    shape: tuple[int, ...],
    lowest: float = -np.finfo(np.float64).max,
    highest: float = np.finfo(np.float64).max,
) -> np.ndarray:
    return _checked(np.array(stored[name], dtype=np.float64), name, shape, lowest, highest)


def _checked(found: np.ndarray, name: str, shape: tuple[int, ...], lowest: float, highest: float) -> np.ndarray:
    if not found.size and 0 in shape:
        found = found.reshape(shape)
    if found.ndim != len(shape) or any(
        wanted not in (-1, size) for wanted, size in zip(shape, found.shape, strict=True)
    ):
        raise ValueError(f"{name} have the shape {found.shape}, expected {shape}")
    if not ((found >= lowest) & (found <= highest)).all():  # NaN is not within either
        raise ValueError(f"{name} are not all within {lowest:g} and {highest:g}")
    return found
