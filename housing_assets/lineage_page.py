"""Values as metadata that Dagster's lineage page shows: tables, schemas, sample rows, pictures."""

import base64
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import dagster as dg

if TYPE_CHECKING:
    from pandas import DataFrame

SAMPLE_ROWS = 5
MAX_CELL_LENGTH = 80
"""Characters of a cell that a table shows."""

MASKED = "•••"


def table_schema(frame: "DataFrame") -> dg.TableSchema:
    """Return column names and dtypes."""
    columns = [dg.TableColumn(str(name), type=str(dtype)) for name, dtype in frame.dtypes.items()]
    return dg.TableSchema(columns=columns)


def sample_rows(frame: "DataFrame", masked: Collection[str]) -> dg.TableMetadataValue:
    """Return the first rows of a frame; the columns ``masked`` are personal data and show no value."""
    shown = frame.head(SAMPLE_ROWS).astype(object)
    return table(shown.assign(**{name: MASKED for name in masked if name in shown}))


def table(frame: "DataFrame") -> dg.TableMetadataValue:
    """Return a small frame as a table of readable cells."""
    records = [
        dg.TableRecord({str(name): _cell(cell) for name, cell in row.items()})
        for row in frame.astype(object).to_dict("records")
    ]
    columns = [dg.TableColumn(str(name), type="any") for name in frame.columns]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns=columns))


def picture(png: bytes, alternative: str) -> dg.MarkdownMetadataValue:
    """Return a PNG that the page shows inline."""
    return dg.MetadataValue.md(f"![{alternative}](data:image/png;base64,{base64.b64encode(png).decode()})")


def _cell(value: Any) -> str | float | int | bool | None:
    if value is None or value != value:
        return None
    if isinstance(value, bool | int | float):
        return value
    return str(value)[:MAX_CELL_LENGTH]
