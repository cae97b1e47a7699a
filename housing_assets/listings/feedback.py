"""Answered requests whose price came back, as raw ads: appended to those of the source, in the form of its columns."""

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from housing_assets.listings.columns import COLUMNS, Column
from housing_assets.listings.parsing import Unusable
from housing_assets.listings.source import SOURCE_FILE, SOURCE_ROW

SOURCE = "labelled predictions"
"""What stands for the file of an appended row."""

Forms = Callable[[Any, Any], list[Any]]
"""Takes a cell as it was sent and the first value that it was read as; returns the forms to try, the best first."""


class Appended(NamedTuple):
    """Raw ads with labelled ones behind them.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows + n_labelled, n_columns)
    labelled : int
        Rows that were appended.
    left_out : int
        Rows with a cell that cannot be written as the source's column holds it.
    """

    frame: pd.DataFrame
    labelled: int
    left_out: int


def append_labelled(raw: pd.DataFrame, labelled: pd.DataFrame) -> Appended:
    """Append labelled rows.

    Parameters
    ----------
    raw : DataFrame of shape (n_rows, n_columns)
        As ``source.py`` reads it; its columns hold texts, numbers, decimals, days or booleans.
    labelled : DataFrame of shape (n_labelled, n_raw_columns)
        Cells as they were sent, texts or numbers, and the price.
    """
    written = {column.raw: _write_cells(column, raw[column.raw], labelled[column.raw]) for column in COLUMNS}
    fits = np.logical_and.reduce([fitting for _, fitting in written.values()])
    n_kept = int(fits.sum())
    if not n_kept:
        return Appended(raw, 0, len(labelled))
    behind = {
        name: _like(raw[name], [cells[row] for row in np.flatnonzero(fits)]) for name, (cells, _) in written.items()
    }
    behind[SOURCE_FILE] = _like(raw[SOURCE_FILE], [SOURCE] * n_kept)
    behind[SOURCE_ROW] = pd.Series(np.arange(1, n_kept + 1), dtype=raw[SOURCE_ROW].dtype)
    frame = pd.DataFrame({name: _concatenate(raw[name], cells) for name, cells in behind.items()})
    return Appended(frame, n_kept, len(labelled) - n_kept)


def _write_cells(column: Column, like: pd.Series, cells: pd.Series) -> tuple[list[Any], np.ndarray]:
    """Return the cells in the form of the source's, and which of them say the same in it."""
    forms = _forms_of(like)
    written: dict[Any, tuple[Any, bool]] = {}
    found = []
    for cell in cells:
        key = (type(cell), cell)
        if key not in written:
            written[key] = _write_cell(column, cell, forms)
        found.append(written[key])
    return [cell for cell, _ in found], np.array([fitting for _, fitting in found], dtype=bool)


def _write_cell(column: Column, cell: Any, forms: Forms) -> tuple[Any, bool]:
    if cell is None or cell != cell:
        return None, True
    try:
        values = column.parse(cell)
        for form in forms(cell, values[0]):
            if column.parse(form) == values:
                return form, True
    except (Unusable, pd.errors.OutOfBoundsDatetime):
        pass
    return None, False


def _forms_of(like: pd.Series) -> Forms:
    """Return what gives the forms in which a cell may be written beside those of a column.

    The column must stay of one type: a table of dates and texts, say, cannot be stored.
    """
    categorical = isinstance(like.dtype, pd.CategoricalDtype)
    match pd.api.types.infer_dtype(like.cat.categories if categorical else like, skipna=True):
        case "string" | "empty":
            return lambda cell, value: [cell] if isinstance(cell, str) else [f"{cell:.15g}", f"{cell:.4f}", str(cell)]
        case "integer" | "floating" | "mixed-integer-float":
            return lambda cell, value: [float(each) for each in (cell, value) if isinstance(each, Real)]
        case "decimal":
            return lambda cell, value: [_as_decimal(each) for each in (cell, value) if isinstance(each, Real)]
        case "boolean":
            return lambda cell, value: [True, False]
        case "date":
            return lambda cell, value: [value] if isinstance(value, date) else []
        case "datetime64":
            unit = like.dt.unit
            return lambda cell, value: [pd.Timestamp(value).as_unit(unit)] if isinstance(value, date) else []
    return lambda cell, value: []


def _as_decimal(number: Real) -> Decimal:
    """Return a number with at most nine decimals: a tiny one's many would not fit beside a large one's digits."""
    return Decimal(f"{number:.9f}".rstrip("0").removesuffix("."))


def _like(column: pd.Series, cells: list[Any]) -> pd.Series:
    if isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Series(pd.Categorical(cells))
    if pd.api.types.is_bool_dtype(column):
        return pd.Series(cells, dtype=object)  # which holds a missing one, too
    if pd.api.types.is_numeric_dtype(column):
        return pd.Series(cells, dtype=np.float64)
    return pd.Series(cells, dtype=column.dtype)


def _concatenate(front: pd.Series, back: pd.Series) -> pd.Series:
    if isinstance(front.dtype, pd.CategoricalDtype):
        if pd.api.types.is_numeric_dtype(front.cat.categories):  # whose type another number need not fit
            return pd.concat([front.astype(np.float64), back.astype(np.float64)], ignore_index=True)
        same = back.cat.set_categories(back.cat.categories.astype(front.cat.categories.dtype))
        return pd.Series(pd.api.types.union_categoricals([front, same]))
    return pd.concat([front, back], ignore_index=True)
