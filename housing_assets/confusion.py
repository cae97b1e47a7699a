"""Counts of true against predicted categories, and macro-F1 of them: one implementation for training and monitoring."""

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
    hits = np.diagonal(counts, axis1=-2, axis2=-1)
    mentioned = counts.sum(axis=-1) + counts.sum(axis=-2)
    return np.divide(2.0 * hits, mentioned, out=np.zeros(hits.shape), where=mentioned > 0)


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
