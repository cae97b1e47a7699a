"""The pandera contract that ``listings`` obeys, derived from the declared columns."""

import numpy as np
import pandas as pd
import pandera.pandas as pa

from housing_assets.inference.declaration import Value
from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import ROW
from housing_assets.listings.origins import ORIGIN, ORIGINS, WHEN

MAX_FAILURE_CASES = 20
"""Rows of the failure table in the lineage page; the count beside it tells how many there are."""


def listings_schema(market: Market) -> pa.DataFrameSchema:
    """Return the schema: declared dtypes, bounds, required values, no other column, no row twice, at least one row."""
    columns = {
        ROW: pa.Column(np.int64, pa.Check.ge(0), unique=True),
        ORIGIN: pa.Column(pd.CategoricalDtype, pa.Check.isin(ORIGINS)),
        **{name: pa.Column("datetime64[s]", nullable=True, required=False) for name in WHEN},
    }
    for column in market.columns:
        for position, value in enumerate(column.values):
            columns[value.name] = _column(value, nullable=not column.required or position > 0)
    return pa.DataFrameSchema(
        columns,
        strict=True,
        checks=pa.Check(lambda frame: len(frame) > 0, name="not_empty", error="at least one listing"),
    )


def _column(value: Value, *, nullable: bool) -> pa.Column:
    if value.is_number:
        return pa.Column(np.float64, pa.Check.in_range(value.minimum, value.maximum), nullable=nullable)
    if value.is_text:
        not_blank = pa.Check(lambda texts: texts.cat.categories.str.strip().str.len().min() != 0, name="not_blank")
        return pa.Column(pd.CategoricalDtype, not_blank, nullable=nullable)
    return pa.Column("datetime64[s]", nullable=nullable)


def failure_cases(schema: pa.DataFrameSchema, frame: pd.DataFrame) -> pd.DataFrame:
    """Validate lazily; return every failure (``column``, ``check``, ``failure_case``, ``index``), empty if it holds."""
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return errors.failure_cases[["column", "check", "failure_case", "index"]]
    return pd.DataFrame(columns=["column", "check", "failure_case", "index"])
