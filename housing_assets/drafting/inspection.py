"""What a declaration makes of a file, column by column: read, missing, refused; and what would be quarantined."""

from collections import Counter
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any

import numpy as np
import pandas as pd

from housing_assets.features.split import band_edges
from housing_assets.inference.declaration import Column, PriceBands
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import clean, parse_frame
from housing_assets.listings.outliers import sift_prices

MAX_EXAMPLES = 3
MAX_REASONS = 10

LONGEST_SHOWN = 60
"""Characters of a cell."""


@dataclass(frozen=True)
class ColumnReading:
    """What became of one raw column.

    Attributes
    ----------
    raw : str
    values : str
        Names and roles of what was read.
    read, missing, refused : int
        Rows.
    summary : str
        What the values are like: a range, or the commonest.
    refusals : tuple of str
        Examples of refused cells, each with its reason, the commonest first.
    """

    raw: str
    values: str
    read: int
    missing: int
    refused: int
    summary: str
    refusals: tuple[str, ...]


@dataclass(frozen=True)
class Inspection:
    """What a declaration makes of raw rows.

    Attributes
    ----------
    columns : tuple of ColumnReading
    rows, listings, quarantined, duplicates : int
    reasons : tuple of (str, int)
        Why rows would be quarantined, the commonest first, and how many rows each.
    categories : tuple of (str, int)
        Rows of each category, by the quantiles of these rows; empty where one has none.
    """

    columns: tuple[ColumnReading, ...]
    rows: int
    listings: int
    quarantined: int
    duplicates: int
    reasons: tuple[tuple[str, int], ...]
    categories: tuple[tuple[str, int], ...]


def inspect_rows(market: Market, raw: pd.DataFrame) -> Inspection:
    """Read raw rows by a declaration, and tell what became of them.

    Parameters
    ----------
    market : Market
    raw : DataFrame of shape (n_rows, n_columns)
    """
    values, faults = parse_frame(market, raw, with_target=True)
    refused = {fault.column: fault for fault in faults}
    columns = []
    for column in market.columns:
        fault = refused.get(column.raw)
        bad = np.zeros(len(raw), dtype=bool) if fault is None else fault.rows
        empty = values[[value.name for value in column.values]].isna().all(axis=1).to_numpy() & ~bad
        examples: tuple[str, ...] = ()
        if fault is not None:
            examples = _examples(column, raw[column.raw].to_numpy(dtype=object)[bad], np.asarray(fault.reasons)[bad])
        columns.append(
            ColumnReading(
                raw=column.raw,
                values=", ".join(f"{value.name} ({value.role})" for value in column.values),
                read=len(raw) - int(bad.sum()) - int(empty.sum()),
                missing=int(empty.sum()),
                refused=int(bad.sum()),
                summary=_summary(column, values),
                refusals=examples,
            )
        )
    cleaned = clean(market, raw)
    sifted = sift_prices(market, cleaned.listings, raw)
    return Inspection(
        columns=tuple(columns),
        rows=len(raw),
        listings=len(sifted.listings),
        quarantined=len(cleaned.quarantined) + len(sifted.quarantined),
        duplicates=len(cleaned.duplicates),
        reasons=tuple(_reasons(market, cleaned.quarantined, len(sifted.quarantined)).most_common(MAX_REASONS)),
        categories=_categories(market, sifted.listings),
    )


def _reasons(market: Market, unusable: pd.DataFrame, n_implausible: int) -> Counter[str]:
    """Count the rows that would be quarantined by why; prices are implausible each by another factor."""
    pairs = zip(unusable["column"], unusable["reason"], strict=True)
    reasons = Counter(f"{column}: {reason}" for column, reason in pairs)
    if n_implausible:
        reasons[f"{market.target_column.raw}: no home like it costs as much, or as little"] = n_implausible
    return reasons


def _examples(column: Column, cells: np.ndarray, reasons: np.ndarray) -> tuple[str, ...]:
    told = [
        f"{'a cell that is not shown' if column.personal else _shown(cell)}: {reason}"
        for cell, reason in zip(cells, reasons, strict=True)
    ]
    return tuple(text for text, _ in Counter(told).most_common(MAX_EXAMPLES))


def _shown(cell: Any) -> str:
    text = "" if cell is None or cell is pd.NA or cell != cell else str(cell)
    return repr(text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…") if text else "an empty cell"


def _categories(market: Market, listings: pd.DataFrame) -> tuple[tuple[str, int], ...]:
    """Return the rows of each category; nothing where one has none, which training would refuse."""
    targets = listings[market.target_value.name].astype(object).to_numpy()
    edges: tuple[float, ...] = ()
    if isinstance(market.target, PriceBands) and len(targets):
        targets = targets.astype(np.float64)
        edges = band_edges(market.target, targets)
    labels = LabelScheme("", market.categories, edges, market.currency, holdout_salt=0).labels(targets)
    counts = np.bincount(labels[labels >= 0], minlength=len(market.categories))
    if not counts.all():
        return ()
    limits = [f" up to {edge:,.0f} {market.currency}" for edge in edges]
    names = [f"{name}{limit}" for name, limit in zip_longest(market.categories, limits, fillvalue="")]
    return tuple(zip(names, map(int, counts), strict=True))


def _summary(column: Column, values: pd.DataFrame) -> str:
    value = column.values[0]
    found = values[value.name].dropna()
    if not len(found):
        return "nothing"
    if value.is_number:
        unit = f" {value.unit}" if value.unit else ""
        return f"{_plain(found.min())} to {_plain(found.max())}{unit}, median {_plain(found.median())}"
    if not value.is_text:
        return f"{found.min():%Y-%m-%d} to {found.max():%Y-%m-%d}"
    if value.personal:
        return f"{found.nunique():,} distinct"
    commonest = found.astype(object).value_counts()
    return f"{len(commonest):,} distinct: " + ", ".join(str(text)[:30] for text in commonest.head(3).index)


def _plain(number: float) -> str:
    return f"{number:,.0f}" if abs(number) >= 1_000 else f"{number:.6g}"
