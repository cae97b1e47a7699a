"""Learns the local scores (``inference/local_scores.py``): how much each value counts, and what each row teaches.

The weights of the kernel are those that predict training rows best which were left out (Rasmussen & Williams 2006,
section 5.3). The training rows' own scores are learned without them and without copies of them, so that the forest sees
them as unsure as they will be for new listings; the inverse of the kernel's matrix gives all of these at once.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from housing_assets.inference.hashing import NO_TEXT
from housing_assets.inference.local_scores import (
    MAX_BLOCK_ROWS,
    MAX_TAUGHT,
    MAX_WEIGHT,
    Kernel,
    LocalInputs,
    LocalScores,
    standardize,
)
from housing_assets.inference.score_units import STEPS, UNITS

SAMPLED_BLOCKS, SAMPLED_ROWS = 60, 300
"""Blocks, and homes of each, that the kernel's weights are learned from: more of them move the weights by little."""

FEWEST_SAMPLED = 5
"""Homes of a block to learn the kernel's weights from; of fewer there is nothing to leave out."""

MAX_STEPS = 25
"""Steps of the search for the weights."""

_PULL = 1e-3
"""How much the weights are drawn to where they start, per weight: it decides of those that the rows say nothing of."""

_STARTS = Kernel(
    near_numbers=np.array(0.3),
    near_texts=np.array(0.5),
    far_numbers=np.array(0.02),
    far_texts=np.array(0.1),
    far=1.0,
    common=1.0,
    product=0.005,
    noise=0.5,
)

_LOWEST, _HIGHEST = 1e-4, 150.0
_LEAST_NOISE = 1e-3
"""Copies of a home have the same row of the kernel's matrix, which cannot be inverted without noise."""


class Learned(NamedTuple):
    """Local scores, and the training rows' own.

    Attributes
    ----------
    scores : LocalScores
    left_out : ndarray of shape (n_rows, n_targets), float64
        Predicted for each training row without it and its copies.
    """

    scores: LocalScores
    left_out: np.ndarray


def learn_local_scores(
    inputs: LocalInputs, targets: np.ndarray, groups: np.ndarray, sloped: np.ndarray, seed: int
) -> Learned:
    """Learn from training rows.

    Parameters
    ----------
    inputs : LocalInputs
        Of n_rows rows.
    targets : ndarray of shape (n_rows, n_targets), float64
        NaN where a row does not teach a target. The first teaches of every row.
    groups : ndarray of shape (n_rows,)
        Copies of one home share a group.
    sloped : ndarray of shape (n_numbers,), int64
        As in ``LocalScores``.
    seed : int
        Draws the homes where there are too many.

    Raises
    ------
    ValueError
        If no row has a block.
    """
    from threadpoolctl import threadpool_limits

    if (inputs.blocks == NO_TEXT).all():
        raise ValueError("the local scores are learned by block, and no training listing has one")
    with threadpool_limits(1, user_api="blas"):  # matrices so small lose more to threads than they gain: a factor of 3
        return _learn(inputs, targets, groups, sloped, seed)


def _learn(inputs: LocalInputs, targets: np.ndarray, groups: np.ndarray, sloped: np.ndarray, seed: int) -> Learned:
    taught = ~np.isnan(targets)
    counts = np.maximum(taught.sum(axis=0), 1)
    levels = np.where(taught, targets, 0.0).sum(axis=0) / counts
    deviates = targets - levels
    means, deviations, told_missing = _spread(inputs.numbers)
    numbers, texts = standardize(inputs, means, deviations, told_missing)
    rng = np.random.default_rng(seed)
    blocks = list(_blocks(inputs.blocks, groups, rng))
    kernel = _learn_kernel(numbers, texts, deviates, groups, blocks, sloped, rng)

    left_out = np.tile(levels, (len(targets), 1))
    weights = np.zeros(targets.shape, dtype=np.int64)
    for block in blocks:
        rows, kept = block.rows, block.kept
        matrix = _kernel_matrix(numbers[rows], texts[rows], numbers[kept], texts[kept], kernel, sloped)
        among = matrix[np.searchsorted(rows, kept)]
        for columns in _taught_alike(taught[kept]):
            teaches = taught[kept, columns[0]]
            found = _teach(
                matrix[:, teaches], among[np.ix_(teaches, teaches)], deviates[np.ix_(kept[teaches], columns)],
                groups[rows], groups[kept[teaches]], kernel.noise,
            )  # fmt: skip
            weights[np.ix_(kept[teaches], columns)] = np.clip(np.rint(found.weights * UNITS), -MAX_TAUGHT, MAX_TAUGHT)
            left_out[np.ix_(rows, columns)] += found.left_out
    order = np.concatenate([block.kept for block in blocks])
    sizes = [len(block.kept) for block in blocks]
    scores = LocalScores(
        means,
        deviations,
        sloped,
        told_missing,
        kernel,
        np.array([inputs.blocks[block.rows[0]] for block in blocks], dtype=np.int64),
        np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
        np.rint(numbers[order] * STEPS).astype(np.int64),
        texts[order],
        weights[order],
        levels,
    )
    return Learned(scores, left_out)


class _Block(NamedTuple):
    """Rows of a block, ascending, and those of them that are remembered."""

    rows: np.ndarray
    kept: np.ndarray


class _Taught(NamedTuple):
    weights: np.ndarray
    left_out: np.ndarray


def _blocks(blocks: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> Iterator[_Block]:
    """Yield the blocks in the order of their hashes; of one that has too many rows whole homes are remembered."""
    order = np.argsort(blocks, kind="stable")
    order = order[blocks[order] != NO_TEXT]
    _, firsts = np.unique(blocks[order], return_index=True)
    for rows in np.split(order, firsts[1:]):
        if len(rows) <= MAX_BLOCK_ROWS:
            yield _Block(rows, rows)
            continue
        _, home = np.unique(groups[rows], return_inverse=True)
        place = rng.permutation(home.max() + 1)[home]
        by_place = np.argsort(place, kind="stable")
        fit = place[by_place[MAX_BLOCK_ROWS]]
        yield _Block(rows, rows[place < fit])


def _spread(numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return means and standard deviations of the numbers, and the positions of those that some rows lack."""
    present = np.isfinite(numbers)
    counts = np.maximum(present.sum(axis=0), 1)
    means = np.where(present, numbers, 0.0).sum(axis=0) / counts
    deviations = np.sqrt((np.where(present, numbers - means, 0.0) ** 2).sum(axis=0) / counts)
    return means, np.where(deviations > 0, deviations, 1.0), np.flatnonzero(np.isnan(numbers).any(axis=0))


def _taught_alike(taught: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the targets in sets that the same rows teach: their matrix is inverted once."""
    by_rows: dict[bytes, list[int]] = {}
    for column in range(taught.shape[1]):
        by_rows.setdefault(taught[:, column].tobytes(), []).append(column)
    yield from (np.array(columns) for columns in by_rows.values() if taught[:, columns[0]].any())


def _teach(
    matrix: np.ndarray,
    among: np.ndarray,
    deviates: np.ndarray,
    groups: np.ndarray,
    groups_taught: np.ndarray,
    noise: float,
) -> _Taught:
    """Return the weights of the rows that teach, and the predictions for all rows of the block without their group.

    Without the rows g, the weights are a - C[:, g] C[g, g]^-1 a[g], where C is the inverse of the matrix with noise and
    a the weights with them.

    Parameters
    ----------
    matrix : ndarray of shape (n_rows, n_taught)
    among : ndarray of shape (n_taught, n_taught)
    deviates : ndarray of shape (n_taught, n_targets)
    groups, groups_taught : ndarray of shape (n_rows,) and (n_taught,)
    noise : float
    """
    inverse = _invert(among + noise * np.eye(len(among)))
    weights = inverse @ deviates
    predicted = matrix @ weights
    order = np.argsort(groups_taught, kind="stable")
    homes, firsts, sizes = np.unique(groups_taught[order], return_index=True, return_counts=True)
    by_group = np.argsort(groups, kind="stable")
    starts, ends = (np.searchsorted(groups[by_group], homes, side=side) for side in ("left", "right"))
    for first, size, start, end in zip(firsts.tolist(), sizes.tolist(), starts.tolist(), ends.tolist(), strict=True):
        home, asked = order[first : first + size], by_group[start:end]
        gone = np.linalg.solve(inverse[np.ix_(home, home)], weights[home])
        predicted[asked] -= (matrix[asked] @ inverse[:, home]) @ gone
    return _Taught(weights, predicted)


def _invert(matrix: np.ndarray) -> np.ndarray:
    """Return the inverse of a symmetric positive definite matrix."""
    from scipy.linalg.lapack import dpotrf, dpotri

    lower, failed = dpotrf(matrix.T, lower=1, clean=1)  # the same matrix, in the order of its elements that LAPACK has
    if failed:
        raise ValueError("the kernel's matrix of a block cannot be inverted: its noise is too small")
    inverse, _ = dpotri(lower, lower=1, overwrite_c=1)  # zero above the diagonal, as ``lower`` is
    whole: np.ndarray = inverse + inverse.T
    np.fill_diagonal(whole, np.diag(inverse))
    return whole


def _learn_kernel(
    numbers: np.ndarray,
    texts: np.ndarray,
    deviates: np.ndarray,
    groups: np.ndarray,
    blocks: list[_Block],
    sloped: np.ndarray,
    rng: np.random.Generator,
) -> Kernel:
    """Return the kernel whose predictions of rows that were left out have the least mean squared error.

    The targets' errors are weighed by what they are at the start, so that one that nothing predicts well has no more
    say than another. One that not every row teaches has none.
    """
    from scipy.optimize import minimize

    everywhere = ~np.isnan(deviates).any(axis=0)
    sampled: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    for place in rng.permutation(len(blocks)):
        kept = blocks[place].kept
        _, one_each = np.unique(groups[kept], return_index=True)
        rows = kept[one_each]
        if len(rows) > SAMPLED_ROWS:
            rows = np.sort(rng.choice(rows, SAMPLED_ROWS, replace=False))
        if len(rows) >= FEWEST_SAMPLED and len(sampled) < SAMPLED_BLOCKS:
            sampled.append((numbers[rows], texts[rows], deviates[np.ix_(rows, everywhere)]))
    sizes = numbers.shape[1], texts.shape[1]
    start = np.log(_flat(_STARTS, sizes))
    if not sampled:
        return _kernel(np.exp(start), sizes)

    at_start, _ = _left_out_error(np.exp(start), sizes, sampled, sloped)
    scales = np.sqrt(np.maximum(at_start, 1e-12))
    sampled = [(numbers, texts, deviates / scales) for numbers, texts, deviates in sampled]

    def loss(logs: np.ndarray) -> tuple[float, np.ndarray]:
        errors, slopes = _left_out_error(np.exp(logs), sizes, sampled, sloped)
        pulled = logs - start
        return float(errors.mean()) + _PULL * float((pulled**2).mean()), slopes + 2 * _PULL * pulled / len(logs)

    bounds = [(np.log(_LOWEST), np.log(_HIGHEST))] * (len(start) - 1) + [(np.log(_LEAST_NOISE), np.log(_HIGHEST))]
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": MAX_STEPS})
    return _kernel(np.exp(found.x), sizes)


def _flat(kernel: Kernel, sizes: tuple[int, int]) -> np.ndarray:
    each = np.repeat([kernel.near_numbers, kernel.near_texts, kernel.far_numbers, kernel.far_texts], [*sizes, *sizes])
    return np.concatenate([each, [kernel.far, kernel.common, kernel.product, kernel.noise]])


def _kernel(flat: np.ndarray, sizes: tuple[int, int]) -> Kernel:
    ends = np.cumsum([*sizes, *sizes])
    near_numbers, near_texts, far_numbers, far_texts, rest = np.split(np.minimum(flat, MAX_WEIGHT), ends)
    return Kernel(near_numbers, near_texts, far_numbers, far_texts, *rest.tolist())


def _left_out_error(
    flat: np.ndarray,
    sizes: tuple[int, int],
    sampled: list[tuple[np.ndarray, np.ndarray, np.ndarray]],
    sloped: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean squared error of each target where rows are left out, and the derivatives of their mean.

    They are derivatives by the logs of the weights. A row's error is a / c, of its weight a and its place c on the
    inverse's diagonal. The derivative by the matrix is taken once; those by the weights are its products with the
    matrix's derivatives.
    """
    from housing_assets.features.likeness import differentiate

    kernel = _kernel(flat, sizes)
    errors, count, slopes = np.zeros(sampled[0][2].shape[1]), 0, np.zeros_like(flat)
    for numbers, texts, deviates in sampled:
        near, distant, product = _parts(numbers, texts, numbers, texts, kernel, sloped)
        matrix = near + kernel.far * distant + kernel.common + product
        inverse = _invert(matrix + kernel.noise * np.eye(len(numbers)))
        weights, diagonal = inverse @ deviates, np.diag(inverse)
        missed = weights / diagonal[:, None]
        errors += (missed**2).sum(axis=0)
        count += len(missed)
        by_weights, by_diagonal = 2 * missed / diagonal[:, None], -2 * (missed**2).sum(axis=1) / diagonal
        scaled = inverse * np.sqrt(-by_diagonal)  # times its transpose, of which BLAS computes one half
        by_matrix = scaled @ scaled.T - weights @ (inverse @ by_weights).T
        by_far = by_matrix * distant * kernel.far
        each = differentiate(
            numbers, texts, by_matrix * near * -near, by_far * -distant,
            kernel.near_numbers, kernel.near_texts, kernel.far_numbers, kernel.far_texts,
        )  # fmt: skip
        rest = (
            by_far.sum(),
            by_matrix.sum() * kernel.common,
            (by_matrix * product).sum(),
            np.trace(by_matrix) * kernel.noise,
        )
        slopes += np.concatenate([each, rest])
    return errors / count, slopes / (count * len(errors))


def _kernel_matrix(
    numbers: np.ndarray,
    texts: np.ndarray,
    other_numbers: np.ndarray,
    other_texts: np.ndarray,
    kernel: Kernel,
    sloped: np.ndarray,
) -> np.ndarray:
    near, distant, product = _parts(numbers, texts, other_numbers, other_texts, kernel, sloped)
    return near + kernel.far * distant + kernel.common + product


def _parts(
    numbers: np.ndarray,
    texts: np.ndarray,
    other_numbers: np.ndarray,
    other_texts: np.ndarray,
    kernel: Kernel,
    sloped: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the near kernel, the far one and the product of each row with each other one."""
    from housing_assets.features.likeness import compare

    near, distant = compare(
        numbers, texts, np.ascontiguousarray(other_numbers.T), np.ascontiguousarray(other_texts.T),
        kernel.near_numbers, kernel.near_texts, kernel.far_numbers, kernel.far_texts,
    )  # fmt: skip
    return near, distant, kernel.product * (numbers * sloped) @ other_numbers.T
