"""Tries rules on the cells of a column: what they read, and what they refuse."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd

from housing_assets.inference.cells import Unusable, read_text
from housing_assets.inference.rule_base import Rule

MAX_CELLS = 5_000
"""Distinct cells of a column that rules are tried on, the commonest first."""


@dataclass(frozen=True)
class Reading:
    """What a rule makes of the distinct texts of a column.

    Attributes
    ----------
    rule : Rule
    values : dict of str to tuple
        Of each text that it reads.
    refusals : dict of str to str
        Reason for each text that it refuses, the commonest first.
    share : float
        Of the filled rows that it reads.
    rows : Series of int
        Rows that have each text.
    """

    rule: Rule
    values: dict[str, tuple[Any, ...]]
    refusals: dict[str, str]
    share: float
    rows: pd.Series

    def numbers(self, position: int) -> np.ndarray:
        """Return the numbers among the values at a position of the rule's, one for each row that has one."""
        counts = self.rows.to_dict()
        found = [
            (value[position], counts[text]) for text, value in self.values.items() if isinstance(value[position], float)
        ]
        return np.repeat(np.array([number for number, _ in found], dtype=np.float64), [rows for _, rows in found])


def count_texts(cells: pd.Series) -> pd.Series | None:
    """Return how many rows have each text, the commonest first; None if cells are neither texts, numbers nor dates.

    Empty cells are not counted.
    """
    try:
        codes, distinct = pd.factorize(cells, use_na_sentinel=True)
    except TypeError:  # lists have no hash
        return None
    rows = np.bincount(codes[codes >= 0], minlength=len(distinct))
    counts: dict[str, int] = {}
    for cell, n_rows in zip(distinct.tolist(), rows.tolist(), strict=True):
        if not isinstance(cell, str | Real | Decimal | date):
            return None
        text = _text(cell)
        if text is not None:
            counts[text] = counts.get(text, 0) + n_rows
    return pd.Series(counts, dtype=np.int64).sort_values(ascending=False, kind="stable")


def try_rule(rule: Rule, rows: pd.Series) -> Reading:
    """Read every distinct text of a column by a rule.

    Parameters
    ----------
    rule : Rule
    rows : Series of int
        Rows by text.
    """
    values: dict[str, tuple[Any, ...]] = {}
    refusals: dict[str, str] = {}
    for text in rows.index:
        try:
            found = rule(text)
        except Unusable as fault:
            refusals[text] = str(fault)
            continue
        if found is None:
            values[text] = (None,) * rule.n_values
        else:
            values[text] = tuple(found) if isinstance(found, tuple) else (found,)
    refused = int(rows[list(refusals)].sum())
    return Reading(rule, values, refusals, 1 - refused / max(int(rows.sum()), 1), rows)


def _text(cell: Any) -> str | None:
    try:
        return read_text(cell)
    except Unusable:
        return str(cell)
