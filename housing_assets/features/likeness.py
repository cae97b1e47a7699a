"""The compiled loops over pairs of homes that learning a kernel takes.

They may sum in any order, as learning on one machine must not equal that on another to the last bit.
"""

import numpy as np
from numba import njit

_QUICK = {"reassoc", "contract", "nsz", "arcp"}


@njit(cache=True, fastmath=_QUICK)
def compare(
    numbers: np.ndarray,
    texts: np.ndarray,
    other_numbers: np.ndarray,
    other_texts: np.ndarray,
    near_numbers: np.ndarray,
    near_texts: np.ndarray,
    far_numbers: np.ndarray,
    far_texts: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Return the near and the far kernel of each row with each other one: float64 of shape (n_rows, n_others).

    Parameters
    ----------
    numbers, texts : ndarray of shape (n_rows, n_numbers) and (n_rows, n_texts)
    other_numbers, other_texts : ndarray of shape (n_numbers, n_others) and (n_texts, n_others)
    near_numbers, near_texts, far_numbers, far_texts : ndarray
        As in ``Kernel``.
    """
    n_rows, n_others = len(numbers), other_numbers.shape[1]
    near, distant = np.ones((n_rows, n_others)), np.ones((n_rows, n_others))
    for row in range(n_rows):
        for number in range(len(near_numbers)):
            here, by_near, by_far = numbers[row, number], near_numbers[number], far_numbers[number]
            for other in range(n_others):
                squared = (here - other_numbers[number, other]) ** 2
                near[row, other] += by_near * squared
                distant[row, other] += by_far * squared
        for text in range(len(near_texts)):
            said, by_near, by_far = texts[row, text], near_texts[text], far_texts[text]
            for other in range(n_others):
                differs = 1.0 if other_texts[text, other] != said else 0.0
                near[row, other] += by_near * differs
                distant[row, other] += by_far * differs
        for other in range(n_others):
            near[row, other] = 1.0 / near[row, other]
            distant[row, other] = 1.0 / distant[row, other]
    return near, distant


@njit(cache=True, fastmath=_QUICK)
def differentiate(
    numbers: np.ndarray,
    texts: np.ndarray,
    by_near: np.ndarray,
    by_far: np.ndarray,
    near_numbers: np.ndarray,
    near_texts: np.ndarray,
    far_numbers: np.ndarray,
    far_texts: np.ndarray,
) -> np.ndarray:
    """Return the derivatives by the logs of the numbers' and texts' weights, near ones first.

    Parameters
    ----------
    numbers, texts, near_numbers, near_texts, far_numbers, far_texts : ndarray
        As for ``compare``.
    by_near, by_far : ndarray of shape (n_rows, n_rows), float64
        The derivatives by each pair's two distances.
    """
    n_rows, n_numbers, n_texts = len(numbers), len(near_numbers), len(near_texts)
    found = np.zeros(2 * (n_numbers + n_texts))
    last = n_numbers + n_texts
    columns, texts_columns = numbers.T.copy(), texts.T.copy()
    for row in range(n_rows):
        for number in range(n_numbers):
            here, near, far = numbers[row, number], 0.0, 0.0
            for other in range(n_rows):
                squared = (here - columns[number, other]) ** 2
                near += by_near[row, other] * squared
                far += by_far[row, other] * squared
            found[number] += near * near_numbers[number]
            found[last + number] += far * far_numbers[number]
        for text in range(n_texts):
            said, near, far = texts[row, text], 0.0, 0.0
            for other in range(n_rows):
                differs = 1.0 if texts_columns[text, other] != said else 0.0
                near += by_near[row, other] * differs
                far += by_far[row, other] * differs
            found[n_numbers + text] += near * near_texts[text]
            found[last + n_numbers + text] += far * far_texts[text]
    return found
