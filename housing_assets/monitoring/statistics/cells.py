"""The cells in which two samples of a column are compared: deciles, the commonest values, and what is beyond them."""

from typing import NamedTuple

import numpy as np

from housing_assets.monitoring.profiles.numbers import NumberProfile
from housing_assets.monitoring.profiles.texts import TextProfile

N_DECILES = 10
N_COMMONEST = 20
"""Values of a text that have a cell of their own."""

EVEN_SHARE = 0.025
"""Share of the reference that a cell of rarer texts has: the five rows of a χ² test's cell in the smallest window."""

MISSING, OTHER, UNSEEN, BELOW, ABOVE = "MISSING", "OTHER", "UNSEEN", "BELOW", "ABOVE"


class Cells(NamedTuple):
    """Counts of the same cells in two samples.

    Attributes
    ----------
    names : tuple of str
        What each cell holds.
    reference, window : ndarray of shape (n_cells,), int64
    """

    names: tuple[str, ...]
    reference: np.ndarray
    window: np.ndarray

    def present(self) -> "Cells":
        """Return the cells of the rows that have a value: all but the last, where that is of the missing ones."""
        return Cells(self.names[:-1], self.reference[:-1], self.window[:-1]) if self.names[-1] == MISSING else self


class Counts(NamedTuple):
    """Counts of the same values, of a text, in two samples."""

    names: tuple[str, ...]
    reference: np.ndarray
    window: np.ndarray


def decile_cells(reference: NumberProfile, window: NumberProfile) -> Cells:
    """Count numbers by decile of the reference, below and above all that it had, and missing.

    A bin belongs to the decile that it begins in: of a value with many ties, one decile holds all.
    """
    begins = (np.cumsum(reference.counts) - reference.counts) / max(reference.present, 1)
    decile = np.minimum((begins * N_DECILES).astype(np.int64), N_DECILES - 1) + 1
    decile[0], decile[-1] = 0, N_DECILES + 1  # of the bins outside the reference's range
    first = reference.positions[np.searchsorted(decile, range(1, N_DECILES + 1)).clip(max=len(decile) - 1)]
    names = (BELOW, *(f"from {edge:g}" for edge in first), ABOVE, MISSING)
    return Cells(
        names,
        np.append(np.bincount(decile, reference.counts, N_DECILES + 2).astype(np.int64), reference.missing),
        np.append(np.bincount(decile, window.counts, N_DECILES + 2).astype(np.int64), window.missing),
    )


def common_counts(reference: TextProfile, window: TextProfile) -> Counts:
    """Count every value that either sample has, commonest in the reference first and unseen ones last.

    Where one of them does not keep all values apart, only those that both keep are counted.
    """
    ceiling = min(reference.ceiling, window.ceiling)
    found, present = reference.sampled(ceiling), window.sampled(ceiling)
    names = sorted(found.keys() | present.keys(), key=lambda name: (-found.get(name, 0), name))
    return Counts(
        tuple(names),
        np.array([found.get(name, 0) for name in names], dtype=np.int64),
        np.array([present.get(name, 0) for name in names], dtype=np.int64),
    )


def commonest_cells(counts: Counts, missing: int, window_missing: int) -> Cells:
    """Count texts by the commonest values, the others, those that the reference never had, and missing.

    The reference's cell of the unseen is what it foretells of them (Good & Turing): as many rows as it has values
    once, taken off the others. Every new address would else count as drift. Fewer than foretold, as when known
    listings are asked about, are no drift: both are then counted with the others.
    """
    n_seen = int(np.count_nonzero(counts.reference))
    n_top = min(N_COMMONEST, n_seen)
    other = int(counts.reference[n_top:].sum())
    foretold = min(int(np.count_nonzero(counts.reference == 1)), other)
    window_other, unseen = int(counts.window[n_top:n_seen].sum()), int(counts.window[n_seen:].sum())
    if unseen * counts.reference.sum() < foretold * counts.window.sum():  # as when known listings are asked about
        foretold, window_other, unseen = 0, window_other + unseen, 0
    return Cells(
        (*counts.names[:n_top], OTHER, UNSEEN, MISSING),
        np.append(counts.reference[:n_top], [other - foretold, foretold, missing]),
        np.append(counts.window[:n_top], [window_other, unseen, window_missing]),
    )


def even_cells(counts: Counts) -> Cells:
    """Count texts by value where it has ``EVEN_SHARE`` of the reference, and by runs of rarer ones that share as much.

    The reference alone decides which values share a cell, so that the same shift is as large in a window of any size.
    Of those that it never had, the cell holds what ``commonest_cells`` says; they are taken off the rarer ones evenly.
    """
    n_seen = int(np.count_nonzero(counts.reference))
    size = EVEN_SHARE * counts.reference.sum()
    n_alone = int(np.count_nonzero(counts.reference >= size))
    rarer = counts.reference[n_alone:n_seen]
    runs = n_alone + ((np.cumsum(rarer) - rarer) // max(size, 1)).astype(np.int64)
    cells = np.concatenate([np.arange(n_alone), runs])
    reference = np.bincount(cells, counts.reference[:n_seen]).astype(np.float64)
    window = np.bincount(cells, counts.window[:n_seen]).astype(np.float64)
    of_rarer, in_window = float(rarer.sum()), float(counts.window[n_alone:n_seen].sum())
    foretold = min(int(np.count_nonzero(counts.reference == 1)), of_rarer)
    unseen = float(counts.window[n_seen:].sum())
    if unseen * counts.reference.sum() < foretold * counts.window.sum() and in_window:
        window[n_alone:] *= 1 + unseen / in_window
        foretold, unseen = 0, 0
    if of_rarer:
        reference[n_alone:] *= 1 - foretold / of_rarer
    names = (*counts.names[:n_alone], *(f"{OTHER} {run + 1}" for run in range(len(reference) - n_alone)), UNSEEN)
    return Cells(names, np.append(reference, foretold), np.append(window, unseen))
