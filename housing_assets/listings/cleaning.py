"""Turns a batch of raw ads into typed listings, quarantined rows and duplicates, and accounts for every row.

A rule (``inference/rules.py``) is applied to each distinct cell of a column once and the results are taken by code, so
that a frame of millions and a single request share one implementation. Cells are read by shards; that a row equals an
earlier one is found among all of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from housing_assets.inference.cells import Unusable
from housing_assets.inference.declaration import Column, Value
from housing_assets.inference.market import Market
from housing_assets.listings.distinct_cells import distinct_cells
from housing_assets.listings.duplicates import find_duplicates
from housing_assets.shards import join_frames, split_frame
from resources.compute.engines import LOCAL, Engine

ROW = "row"
"""Position of a row in ``raw_listings``, from 0; the key that listings and quarantined rows are accounted by."""

SHOWN_LENGTH = 200
"""Characters of an unusable cell that are shown beside its reason; the whole row stands in the raw columns."""


@dataclass(frozen=True)
class Cleaned:
    """What became of a batch of raw ads.

    Attributes
    ----------
    listings : DataFrame of shape (n_listings, 1 + n_values)
        ``row`` and the typed values: numbers float64, texts category, days datetime64[s].
    quarantined : DataFrame of shape (n_quarantined, 5 + n_raw_columns)
        ``row``, ``column``, ``value``, ``reason`` of the first unusable cell, ``unusable_cells``, and the raw row.
    duplicates : ndarray of int64
        Rows that equal an earlier one in every declared column.
    """

    listings: pd.DataFrame
    quarantined: pd.DataFrame
    duplicates: np.ndarray


def clean(market: Market, raw: pd.DataFrame, engine: Engine = LOCAL) -> Cleaned:
    """Parse raw ads; the first of equal rows is kept.

    Parameters
    ----------
    market : Market
    raw : DataFrame of shape (n_rows, n_columns)
        At least the declared raw columns; cells are texts (best as categories) or clean numbers.
    engine : Engine
    """
    optional = market.exact_value  # most sources have only exact prices, and do not say so
    cells = raw[[column.raw for column in market.columns if column.raw in raw or column.values[0] != optional]]
    duplicated = find_duplicates(cells, engine)
    rows = np.flatnonzero(~duplicated)
    parsed = list(engine.map_shards(partial(_parse_shard, market), split_frame(cells.iloc[rows], engine)))
    listings = join_frames([part.listings for part in parsed], sort_texts=True)
    listings.insert(0, ROW, rows)
    unusable = np.concatenate([part.unusable for part in parsed])
    account = {name: np.concatenate([part.account[name] for part in parsed]) for name in parsed[0].account}
    raw_rows = raw.iloc[rows[unusable]].reset_index(drop=True)
    return Cleaned(
        listings=listings[~unusable].reset_index(drop=True),
        quarantined=pd.concat([pd.DataFrame({ROW: rows[unusable], **account}), raw_rows], axis="columns"),
        duplicates=np.flatnonzero(duplicated),
    )


class _Parsed(NamedTuple):
    """A shard's typed rows, which of them are unusable, and the account of these, by column."""

    listings: pd.DataFrame
    unusable: np.ndarray
    account: dict[str, np.ndarray]


def _parse_shard(market: Market, cells: pd.DataFrame) -> _Parsed:
    listings, faults = parse_frame(market, cells, with_target=True)
    unusable = np.zeros(len(cells), dtype=bool)
    for fault in faults:
        unusable |= fault.rows
    return _Parsed(listings, unusable, _account(cells[unusable], unusable, faults))


@dataclass(frozen=True)
class Fault:
    """The unusable cells of one raw column: a mask over rows, and the reason by row where it is set."""

    column: str
    rows: np.ndarray
    reasons: "pd.Categorical[Any]"


def parse_frame(market: Market, raw: pd.DataFrame, *, with_target: bool) -> tuple[pd.DataFrame, list[Fault]]:
    """Parse every row of a frame; unusable rows keep their place, with missing values.

    Parameters
    ----------
    market : Market
    raw : DataFrame of shape (n_rows, n_columns)
        Raw texts or clean numbers; an absent column is read as empty.
    with_target : bool
        Whether to read the target, too.

    Returns
    -------
    values : DataFrame of shape (n_rows, n_values)
    faults : list of Fault
        One for each column that has unusable cells, in the declared order.
    """
    parsed: dict[str, Any] = {}
    faults: list[Fault] = []
    for column in market.columns if with_target else market.inputs:
        cells = raw[column.raw] if column.raw in raw else pd.Series(None, index=raw.index, dtype=object)
        parsed.update(_parse_column(column, cells, faults))
    return pd.DataFrame(parsed, index=pd.RangeIndex(len(raw))), faults


def account_rows(n_rows: int, listings: pd.DataFrame, quarantined: pd.DataFrame, duplicates: np.ndarray) -> str | None:
    """Return None if every raw row has exactly one fate, else what is wrong.

    Parameters
    ----------
    n_rows : int
        Rows that were read.
    listings, quarantined : DataFrame
        With a ``row`` column.
    duplicates : ndarray of int64
    """
    fates = np.concatenate([listings[ROW], quarantined[ROW], duplicates]).astype(np.int64)
    read = (fates >= 0) & (fates < n_rows)
    counted = np.bincount(fates[read], minlength=n_rows)
    lost, twice, invented = int((counted == 0).sum()), int((counted > 1).sum()), int((~read).sum())
    if lost or twice or invented:
        return f"{lost} rows lost, {twice} counted twice, {invented} that were never read"
    return None


def _parse_column(column: Column, cells: pd.Series, faults: list[Fault]) -> Iterator[tuple[str, Any]]:
    codes, distinct = distinct_cells(cells)
    rows, reasons = [], {}
    for code, cell in enumerate(distinct):
        try:
            rows.append(column.parse(cell))
        except Unusable as fault:
            rows.append((None,) * len(column.values))
            reasons[code] = str(fault)
    if reasons:
        reason_by_code = np.full(len(distinct), None, dtype=object)
        reason_by_code[list(reasons)] = list(reasons.values())
        taken = pd.Categorical(reason_by_code).take(codes)
        unusable = taken.codes >= 0
        if unusable.any():  # a missing cell is among the distinct ones even where no row has it
            faults.append(Fault(column.raw, unusable, taken))
    for position, value in enumerate(column.values):
        yield value.name, _take(value, [row[position] for row in rows], codes)


def _take(value: Value, distinct: list[Any], codes: np.ndarray) -> Any:
    if value.is_number:
        return np.array(distinct, dtype=np.float64)[codes]
    if value.is_text:
        texts = sorted({text for text in distinct if text is not None})
        return pd.Categorical(distinct, categories=texts).take(codes)
    days = [np.datetime64("NaT") if day is None else _as_datetime(day) for day in distinct]
    return np.array(days, dtype="datetime64[s]")[codes]


def _as_datetime(day: date) -> np.datetime64:
    return np.datetime64(day, "s")


def _shown(cell: Any) -> str | None:
    return None if cell is None or cell is pd.NA or cell != cell else str(cell)[:SHOWN_LENGTH]


def _account(quarantined: pd.DataFrame, unusable: np.ndarray, faults: list[Fault]) -> dict[str, np.ndarray]:
    n_rows = len(quarantined)
    column, value, reason = (np.full(n_rows, None, dtype=object) for _ in range(3))
    cells = np.zeros(n_rows, dtype=np.int64)
    for fault in reversed(faults):  # so that the first declared column is the one that stays
        here = fault.rows[unusable]
        column[here] = fault.column
        value[here] = [_shown(cell) for cell in quarantined.loc[here, fault.column]]
        reason[here] = np.asarray(fault.reasons, dtype=object)[unusable][here]
        cells += here
    return {"column": column, "value": value, "reason": reason, "unusable_cells": cells}
