"""Counts of true against predicted categories, and what follows from them, for training and monitoring alike."""

import numpy as np


def count_confusion(truth: np.ndarray, predicted: np.ndarray, n_categories: int) -> np.ndarray:
    """Count rows by true category (first axis) and predicted category.

    Parameters
    ----------
    truth, predicted : ndarray of shape (n_rows,), int
        Indices of categories.
    n_categories : int

    Returns
    -------
    counts : ndarray of shape (n_categories, n_categories), int64
    """
    cells = truth.astype(np.int64) * n_categories + predicted
    return np.bincount(cells, minlength=n_categories**2).reshape(n_categories, n_categories)


def f1_scores(counts: np.ndarray) -> np.ndarray:
    """Return the F1 of each category; 0 of one that is neither true nor predicted.

    Parameters
    ----------
    counts : ndarray of shape (..., n_categories, n_categories)
        As ``count_confusion`` returns them.

    Returns
    -------
    f1 : ndarray of shape (..., n_categories), float64
    """
    return _share(2.0 * _hits(counts), counts.sum(axis=-1) + counts.sum(axis=-2))


def precisions(counts: np.ndarray) -> np.ndarray:
    """Return the precision of each category, 0 of one that is not predicted; shapes as in ``f1_scores``."""
    return _share(_hits(counts), counts.sum(axis=-2))


def recalls(counts: np.ndarray) -> np.ndarray:
    """Return the recall of each category, 0 of one that is not true; shapes as in ``f1_scores``."""
    return _share(_hits(counts), counts.sum(axis=-1))


def macro_f1(counts: np.ndarray) -> np.ndarray:
    """Return the mean F1 of the categories; one that is neither true nor predicted counts as 0.

    Parameters
    ----------
    counts : ndarray of shape (..., n_categories, n_categories)
        As ``count_confusion`` returns them.

    Returns
    -------
    macro_f1 : ndarray of shape (...), float64
    """
    return f1_scores(counts).mean(axis=-1)


def _hits(counts: np.ndarray) -> np.ndarray:
    return np.diagonal(counts, axis1=-2, axis2=-1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.zeros(part.shape), where=whole > 0)
