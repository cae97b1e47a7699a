"""The compiled loop over the homes that a block remembers: how alike each is, and what all of them say together.

It uses + - * / alone and in one order, so that a row has the same bits in a batch, alone, and on any machine.
"""

import numpy as np
from numba import njit


@njit(cache=True, nogil=True, boundscheck=False)
def weigh_rows(
    places: np.ndarray,
    starts: np.ndarray,
    numbers: np.ndarray,
    texts: np.ndarray,
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
    places : ndarray of shape (n_rows,), int64
        Position of each row's block; behind the last where it is unknown.
    starts : ndarray of shape (n_blocks + 1,), int64
        Where the remembered rows of each block start.
    numbers, texts : ndarray of shape (n_rows, n_numbers), float32, and (n_rows, n_texts), int32
    remembered_numbers, remembered_texts : ndarray of shape (n_numbers, n_remembered) and (n_texts, n_remembered)
        Of the same dtypes.
    weights : ndarray of shape (n_targets, n_remembered), float64
    levels : ndarray of shape (n_blocks + 1, n_targets), float64
        What a row has of its block alone; the last of an unknown one.
    slopes : ndarray of shape (n_blocks + 1, n_targets, n_numbers), float64
        What each of its numbers adds there.
    near_numbers, near_texts, far_numbers, far_texts : ndarray, float32
        As in ``Kernel``.
    far : float
    """
    n_rows, n_targets, one = len(places), weights.shape[0], np.float32(1)
    targets = np.empty((n_rows, n_targets))
    most = np.diff(starts).max()
    near, distant = np.empty(most, dtype=np.float32), np.empty(most, dtype=np.float32)
    alike = np.empty(most)
    for row in range(n_rows):
        place = places[row]
        first, size = 0, 0
        if place < len(starts) - 1:
            first, size = starts[place], starts[place + 1] - starts[place]
        near[:size] = one
        distant[:size] = one
        for number in range(len(near_numbers)):
            here, by_near, by_far = numbers[row, number], near_numbers[number], far_numbers[number]
            there = remembered_numbers[number, first : first + size]
            for other in range(size):
                squared = (here - there[other]) * (here - there[other])
                near[other] += by_near * squared
                distant[other] += by_far * squared
        for text in range(len(near_texts)):
            said, by_near, by_far = texts[row, text], near_texts[text], far_texts[text]
            there_said = remembered_texts[text, first : first + size]
            for other in range(size):
                near[other] += by_near if there_said[other] != said else np.float32(0)
                distant[other] += by_far if there_said[other] != said else np.float32(0)
        for other in range(size):
            alike[other] = 1.0 / near[other] + far / distant[other]
        for target in range(n_targets):
            said_together = levels[place, target]
            for number in range(len(near_numbers)):
                said_together += slopes[place, target, number] * numbers[row, number]
            for other in range(size):
                said_together += alike[other] * weights[target, first + other]
            targets[row, target] = said_together
    return targets
