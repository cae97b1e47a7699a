"""The compiled loop over the homes that a block remembers: how alike each is, and what all of them say together.

It uses + - * / alone and in one order, so that a row has the same bits in a batch, alone, and on any machine.
"""

import numpy as np
from numba import njit

from housing_assets.inference.score_units import FURTHEST, STEPS


@njit(cache=True, nogil=True, boundscheck=False)
def _position(ascending: np.ndarray, wanted: int) -> int:
    """Return the position of an integer among ascending ones; -1 where it is not among them."""
    lowest, end = 0, len(ascending)
    while lowest < end:
        middle = (lowest + end) // 2
        if ascending[middle] < wanted:
            lowest = middle + 1
        else:
            end = middle
    return lowest if lowest < len(ascending) and ascending[lowest] == wanted else -1


@njit(cache=True, nogil=True, boundscheck=False)
def weigh_rows(
    blocks: np.ndarray,
    numbers: np.ndarray,
    texts: np.ndarray,
    known_blocks: np.ndarray,
    starts: np.ndarray,
    means: np.ndarray,
    deviations: np.ndarray,
    told_missing: np.ndarray,
    known_texts: np.ndarray,
    remembered_numbers: np.ndarray,
    remembered_texts: np.ndarray,
    weights: np.ndarray,
    levels: np.ndarray,
    slopes: np.ndarray,
    near_numbers: np.ndarray,
    near_texts: np.ndarray,
    far_numbers: np.ndarray,
    far_texts: np.ndarray,
    far: float,
) -> np.ndarray:
    """Return the targets of rows: float64 of shape (n_rows, n_targets).

    Parameters
    ----------
    blocks, numbers, texts : ndarray
        As in ``LocalInputs``.
    known_blocks, starts, means, deviations, told_missing : ndarray
        As in ``LocalScores``.
    known_texts : ndarray of shape (n_distinct,), int64
        Ascending; texts are told apart by their positions in it.
    remembered_numbers, remembered_texts : ndarray of shape (n_numbers, n_remembered) and (n_texts, n_remembered)
        In standard deviations, float32, and as positions, int32.
    weights : ndarray of shape (n_targets, n_remembered), float64
    levels : ndarray of shape (n_blocks + 1, n_targets), float64
        What a row has of its block alone; the last of an unknown one.
    slopes : ndarray of shape (n_blocks + 1, n_targets, n_numbers), float64
        What each of its numbers adds there.
    near_numbers, near_texts, far_numbers, far_texts : ndarray, float32
        As in ``Kernel``.
    far : float
    """
    n_rows, n_numbers, n_texts, n_targets = len(blocks), len(near_numbers), len(near_texts), weights.shape[0]
    targets, one = np.empty((n_rows, n_targets)), np.float32(1)
    most = 0
    for block in range(len(known_blocks)):  # np.diff would take as long to compile as all else here
        most = max(most, starts[block + 1] - starts[block])
    near, distant = np.empty(most, dtype=np.float32), np.empty(most, dtype=np.float32)
    alike = np.empty(most)
    deviates = np.empty(n_numbers, dtype=np.float32)
    for row in range(n_rows):
        place = _position(known_blocks, blocks[row])
        first, size = 0, 0
        if place >= 0:
            first, size = starts[place], starts[place + 1] - starts[place]
        else:
            place = len(known_blocks)
        near[:size] = one
        distant[:size] = one
        for number in range(n_numbers):
            deviates[number] = 0
            if not np.isnan(numbers[row, number]):
                found = (numbers[row, number] - means[number]) / deviations[number]
                deviates[number] = np.rint(min(max(found, -FURTHEST), FURTHEST) * STEPS) / STEPS
            here, by_near, by_far = deviates[number], near_numbers[number], far_numbers[number]
            there = remembered_numbers[number, first : first + size]
            for other in range(size):
                squared = (here - there[other]) * (here - there[other])
                near[other] += by_near * squared
                distant[other] += by_far * squared
        for text in range(n_texts):
            if text < texts.shape[1]:
                hashed = texts[row, text]
            else:
                hashed = 1 if np.isnan(numbers[row, told_missing[text - texts.shape[1]]]) else 0
            said, by_near, by_far = np.int32(_position(known_texts, hashed)), near_texts[text], far_texts[text]
            there_said = remembered_texts[text, first : first + size]
            for other in range(size):
                near[other] += by_near if there_said[other] != said else np.float32(0)
                distant[other] += by_far if there_said[other] != said else np.float32(0)
        for other in range(size):
            alike[other] = 1.0 / near[other] + far / distant[other]
        for target in range(n_targets):
            said_together = levels[place, target]
            for number in range(n_numbers):
                said_together += slopes[place, target, number] * deviates[number]
            for other in range(size):
                said_together += alike[other] * weights[target, first + other]
            targets[row, target] = said_together
    return targets
