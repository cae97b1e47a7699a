"""The distinct cells of a column, each of which is read, or hashed, once.

pandas' own factorization takes texts for equal up to a NUL, ``True`` for 1, and has no lists; here they are told apart.
"""

from typing import Any

import numpy as np
import pandas as pd


def distinct_cells(cells: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """Return the number of each cell's equal among the distinct ones, int64, and these; a missing cell is a None.

    Parameters
    ----------
    cells : Series of shape (n_rows,)
        Of any type; cells of different types are distinct.
    """
    if isinstance(cells.dtype, pd.CategoricalDtype):
        return _of_categories(cells.cat.codes.to_numpy().astype(np.int64), cells.cat.categories.tolist())
    if cells.dtype == object or isinstance(cells.dtype, pd.StringDtype):
        return _of_objects(cells)
    codes, distinct = pd.factorize(cells, use_na_sentinel=True)
    return np.where(codes < 0, len(distinct), codes), [*distinct.tolist(), None]


def _of_categories(codes: np.ndarray, categories: list[Any]) -> tuple[np.ndarray, list[Any]]:
    is_used = np.bincount(codes + 1, minlength=1) > 0  # the first counts missing cells, whose code is -1
    places = np.cumsum(is_used) - 1
    return places[codes + 1], [None if code < 0 else categories[code] for code in np.flatnonzero(is_used) - 1]


def _of_objects(cells: pd.Series) -> tuple[np.ndarray, list[Any]]:
    objects = cells.to_numpy(dtype=object, copy=True)
    objects[cells.isna().to_numpy()] = None
    found = keys = objects.tolist()
    if pd.api.types.infer_dtype(cells, skipna=True) != "string":
        keys = [cell if isinstance(cell, str) or cell is None else (type(cell), repr(cell)) for cell in found]
    first = dict(zip(reversed(keys), reversed(found), strict=True))
    numbers = {key: number for number, key in enumerate(first)}
    return np.fromiter(map(numbers.__getitem__, keys), np.int64, len(keys)), list(first.values())
