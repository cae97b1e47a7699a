"""Folds by time: the newest listings are judged, those of before are learned from."""

from typing import NamedTuple

import numpy as np

LEARNED_SHARE = 0.4
"""Least share of the dated listings that must be older than those that are judged: fewer make another forest."""


class TimeFold(NamedTuple):
    """Listings that are judged, and those of before: boolean masks; and the days between which the judged ones lie."""

    learn: np.ndarray
    judge: np.ndarray
    first_day: np.datetime64
    last_day: np.datetime64


def time_folds(days: np.ndarray, share: float, n_folds: int) -> list[TimeFold]:
    """Cut dated rows into the newest ones and all before, and these again.

    Rows of one day are never parted. Where dates are coarse, as of months, a fold has more than its share.

    Parameters
    ----------
    days : ndarray of shape (n_rows,), datetime64
        NaT where a row has no date; such rows are in neither part.
    share : float
        Of the dated rows that a fold judges at least, 0 to 1.
    n_folds : int
        The newest first; fewer where a fold would leave less than ``LEARNED_SHARE`` of the dated rows to learn from.
    """
    dated = ~np.isnat(days)
    distinct, counts = np.unique(days[dated], return_counts=True)
    n_dated, end, folds = int(counts.sum()), len(distinct), list[TimeFold]()
    while len(folds) < n_folds:
        newest = np.cumsum(counts[:end][::-1])
        enough = int(np.searchsorted(newest, share * n_dated))
        start = end - 1 - enough
        if start <= 0 or counts[:start].sum() < LEARNED_SHARE * n_dated:
            break
        judge = dated & (days >= distinct[start]) & (days <= distinct[end - 1])
        folds.append(TimeFold(dated & (days < distinct[start]), judge, distinct[start], distinct[end - 1]))
        end = start
    return folds
