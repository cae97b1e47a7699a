"""What the prediction store reads, as frames: how its columns are typed, and what its JSON texts hold."""

from collections.abc import Iterable, Sequence
from math import nan
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from sqlalchemy import ColumnElement, RowMapping, Select


def read_listings(predictions: "pd.DataFrame", columns: Sequence[str] | None = None) -> "pd.DataFrame":
    """Return the listings of a frame of predictions, one row each with its index, as raw cells.

    Parameters
    ----------
    predictions : DataFrame
        With ``listing``, as ``PredictionStore`` reads it.
    columns : sequence of str, optional
        Raw columns that the frame shall have, whether they were sent or not; without it those that were sent.
    """
    import orjson
    import pandas as pd

    cells = [orjson.loads(listing) for listing in predictions["listing"]]
    names = None if columns is None else list(columns)
    return pd.DataFrame(cells, index=predictions.index, columns=names, dtype=object)


def read_probabilities(texts: Iterable[str], categories: Sequence[str]) -> "np.ndarray":
    """Return the probabilities of predictions, a column for each category.

    Parameters
    ----------
    texts : iterable of str
        The ``probabilities`` of a frame, as ``PredictionStore`` reads it.
    categories : sequence of str
        In the order of the columns.

    Returns
    -------
    probabilities : ndarray of shape (n_rows, n_categories), float64
        NaN where a row's model did not know the category.

    Examples
    --------
    >>> read_probabilities(['{"low":0.75,"high":0.25}', '{"low":1.0}'], ["high", "low"])
    array([[0.25, 0.75],
           [ nan, 1.  ]])
    """
    import numpy as np
    import orjson

    positions: dict[str, int] = {}  # of the distinct texts: many rows may have the same
    rows = np.array([positions.setdefault(text, len(positions)) for text in texts], dtype=np.intp)
    shape = len(positions), len(categories)
    shares = (parsed.get(category, nan) for parsed in map(orjson.loads, positions) for category in categories)
    return np.fromiter(shares, np.float64, shape[0] * shape[1]).reshape(shape)[rows]


def as_frame(rows: "Sequence[RowMapping]", query: "Select[Any]") -> "pd.DataFrame":
    """Return the rows of a query as a frame with its columns, typed also where there is no row."""
    import pandas as pd

    return pd.DataFrame(
        {
            column.name: pd.Series([row[column.name] for row in rows], dtype=_frame_type(column))
            for column in query.selected_columns
        }
    )


def _frame_type(column: "ColumnElement[Any]") -> Any:
    from sqlalchemy import Double

    from resources.predictions.tables import Moment

    if isinstance(column.type, Moment):
        return "datetime64[us, UTC]"
    return "float64" if isinstance(column.type, Double) else "object"
