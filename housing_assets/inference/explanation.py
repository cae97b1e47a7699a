"""Why a listing is answered as it is: what each declared column adds to the probabilities and to the price estimate.

The forest's answer is taken apart by encoded column (``shapley.py``) and credited to declared ones (``credit.py``).
What is explained of the price is the log price that estimates begin with, and the mean of what the leaves add. The
estimate has a weighted median in the place of the mean; it differs by a remainder, which is told.
"""

import time
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from housing_assets.inference.credit import CreditRules
from housing_assets.inference.encoder import EncodedListing, FittedEncoder
from housing_assets.inference.estimate import PriceEstimator
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.token_sources import TokenSources

Method = Literal["exact", "path"]
"""Shapley values of path-dependent TreeSHAP, or what each step down the trees changes (Saabas)."""

BUDGET_MS = 1_000.0
"""Time that exact contributions may take: ten times what a forest of 200 trees and 1.3 million nodes needs."""

_TREES_AT_ONCE = 4
"""Between them, the time is looked at."""


class Contributions(NamedTuple):
    """What each declared column adds.

    Attributes
    ----------
    columns : tuple of str
        Raw names of the market's inputs, in order.
    probabilities : ndarray of shape (n_inputs, n_classes), float64
        What each adds to the probability of each category. With ``base``, they sum to the forest's answer.
    base : ndarray of shape (n_classes,), float64
        Mean probabilities of the training rows.
    log_price : ndarray of shape (n_inputs,), float64, or None
        What each adds to the natural log of the price; None where prices are not estimated.
    base_log_price : float or None
        Mean of the training listings' log prices, as the leaves hold them.
    method : str
        ``exact`` or ``path``.
    """

    columns: tuple[str, ...]
    probabilities: np.ndarray
    base: np.ndarray
    log_price: np.ndarray | None
    base_log_price: float | None
    method: Method


class Explainer:
    """Takes a forest's answers apart.

    Making one fills the means of all inner nodes, some 0.1 s and 25 MB for a million nodes, and compiles.

    Parameters
    ----------
    forest : FlatForest
        With covers.
    encoder : FittedEncoder
    sources : TokenSources
    estimator : PriceEstimator, optional

    Raises
    ------
    ValueError
        If the forest has no covers.
    """

    def __init__(
        self,
        forest: FlatForest,
        encoder: FittedEncoder,
        sources: TokenSources,
        estimator: PriceEstimator | None = None,
    ) -> None:
        from housing_assets.inference.shapley import find_depth, find_node_values

        if forest.covers is None:
            raise ValueError("the forest has no covers, which explanations need: a former release grew it")
        self._forest = forest
        self._credits = CreditRules(encoder, sources, forest.columns)
        self._columns = tuple(column.raw for column in encoder.market.inputs)
        self._has_prices = estimator is not None and not estimator.is_empty
        of_leaves = forest.distributions[forest.nodes["left"][forest.nodes["feature"] < 0]][:, :-1]
        if estimator is not None and self._has_prices:
            of_leaves = np.column_stack([of_leaves, estimator.leaf_means()])
        self._covers = np.empty(len(forest.nodes), dtype=np.float32)
        self._values = np.empty((len(forest.nodes), of_leaves.shape[1]), dtype=np.float32)
        find_node_values(forest.nodes, forest.covers, of_leaves, self._covers, self._values)
        self._depth = find_depth(forest.nodes)
        self._base = self._values[forest.roots].astype(np.float64).mean(axis=0)
        self._take_apart(self._row(np.zeros(0, np.int32), np.zeros(0, np.float32)), 0.0)  # compiles both loops

    def explain(
        self, crossed: Mapping[str, Any], encoded: EncodedListing, budget_ms: float = BUDGET_MS
    ) -> Contributions:
        """Return the contributions of the declared columns to the answer for a listing.

        Parameters
        ----------
        crossed : mapping
        encoded : EncodedListing
            Of the same listing.
        budget_ms : float
            Time that exact contributions may take; where they would take longer, path contributions are returned.
        """
        summed, method = self._take_apart(self._row(encoded.columns, encoded.cells), budget_ms)
        declared = self._credits.declare(crossed, summed / len(self._forest.roots))
        n_free = self._forest.n_classes - 1
        shares, base = declared[:, :n_free], self._base[:n_free]  # those of the last category follow
        log_price, base_log_price = None, None
        if self._has_prices:
            known, base_known = self._credits.declare_known(crossed)
            log_price, base_log_price = declared[:, n_free] + known, float(self._base[n_free]) + base_known
        return Contributions(
            self._columns,
            np.column_stack([shares, -shares.sum(axis=1)]),
            np.append(base, 1.0 - base.sum()),
            log_price,
            base_log_price,
            method,
        )

    def _row(self, columns: np.ndarray, cells: np.ndarray) -> np.ndarray:
        row = np.zeros(len(self._forest.columns), dtype=np.float32)
        slots = self._forest.slots[columns]
        row[slots[slots >= 0]] = cells[slots >= 0]
        return row

    def _take_apart(self, row: np.ndarray, budget_ms: float) -> tuple[np.ndarray, Method]:
        """Return the contributions of the used columns, summed over the trees: (n_used, n_outputs)."""
        from housing_assets.inference.shapley import add_path_contributions, add_shapley_values

        roots, nodes = self._forest.roots, self._forest.nodes
        summed = np.zeros((len(row), self._values.shape[1]))
        started = time.perf_counter()
        for first in range(0, len(roots), _TREES_AT_ONCE):
            some = roots[first : first + _TREES_AT_ONCE]
            add_shapley_values(row, some, nodes, self._covers, self._values, self._depth, summed)
            taken_ms = 1_000 * (time.perf_counter() - started)
            if taken_ms * len(roots) / (first + len(some)) > budget_ms:
                summed[:] = 0.0
                add_path_contributions(row, roots, nodes, self._values, summed)
                return summed, "path"
        return summed, "exact"
