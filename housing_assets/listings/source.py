"""Reads raw ads from where they lie: files, a folder, a glob, an S3 prefix or a SQL query.

It returns what it found, unread: cells stay as scraped, and every row knows its file. What a cell means is
``parsing.py``'s business. A source that cannot be read whole is refused with its name; it is never read in part.
"""

import csv
import glob
import gzip
import io
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

import numpy as np
import pandas as pd

from housing_assets.listings.columns import COLUMNS

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOURCE_FILE = "source_file"
SOURCE_ROW = "source_row"

_CSV_SUFFIXES = (".csv", ".csv.gz")
_PARQUET_SUFFIXES = (".parquet",)
_SUFFIXES = _CSV_SUFFIXES + _PARQUET_SUFFIXES
_NO_TYPE_OF_CELL = frozenset({"mixed", "mixed-integer", "bytes"})
"""What pandas calls a column of texts beside numbers, of lists or of bytes: it cannot be stored, or not be read."""

_EXAMPLE_QUERY = "SELECT * FROM ads"
_SQL = re.compile(r"[a-z0-9]+(?:\+[a-z0-9]+)?://")


class SourceError(ValueError):
    """A source that cannot be read; the message names it, what was found and what mends it."""


@dataclass(frozen=True)
class RawListings:
    """Raw ads and where they came from.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_columns + 2)
        The source's columns, cells as found (texts as categories), and ``source_file``, ``source_row`` (from 1).
    rows_by_file : dict of str to int
        Rows read from each file, in reading order.
    """

    frame: pd.DataFrame
    rows_by_file: dict[str, int]

    @classmethod
    def of_sample(cls, sample: pd.DataFrame) -> Self:
        """Return the bundled synthetic ads as if they had been read from a file."""
        return cls(
            *_combine("the synthetic sample", [("synthetic sample", _require_columns("the synthetic sample", sample))])
        )


def read_listings(location: str, s3_client: Callable[[], "S3Client"] | None = None) -> RawListings:
    """Read all ads at a location.

    Parameters
    ----------
    location : str
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file, a glob, a folder (searched to its bottom), ``s3://bucket/prefix``,
        or a SQLAlchemy URL and a query joined by ``#``: ``postgresql+psycopg://host/ads#SELECT * FROM ads``.
    s3_client : callable, optional
        Returns the client to read ``s3://`` with.

    Raises
    ------
    SourceError
        If nothing is found, a file is empty, truncated or malformed, lacks a declared column or holds it twice, or a
        column's cells are neither texts nor numbers, or texts in one file and numbers in another.
    """
    if location.startswith("s3://"):
        if s3_client is None:
            raise SourceError(f"{location}: no S3 client to read it with")
        frames = _read_s3(location, s3_client())
    elif _SQL.match(location):
        frames = _read_sql(location)
    else:
        frames = ((name, _read_file(name, Path(name))) for name in _find_files(location))
    return RawListings(*_combine(location, list(frames)))


def _find_files(location: str) -> Sequence[str]:
    path = Path(location).expanduser()
    if path.is_file():
        if not path.name.endswith(_SUFFIXES):
            raise SourceError(f"{location}: expected a file ending in {', '.join(_SUFFIXES)}")
        return [str(path)]
    matches = glob.iglob(str(path), recursive=True)  # noqa: PTH207 - Path.glob would refuse an absolute pattern
    candidates = path.rglob("*") if path.is_dir() else map(Path, matches)
    found = sorted(str(file) for file in candidates if file.is_file() and _is_listing_file(file.name))
    if not found:
        raise SourceError(f"{location}: no file ending in {', '.join(_SUFFIXES)} found there")
    return found


def _is_listing_file(name: str) -> bool:
    return name.endswith(_SUFFIXES) and not name.startswith((".", "_"))


def _read_s3(location: str, client: "S3Client") -> Iterator[tuple[str, pd.DataFrame]]:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, prefix = urlsplit(location).netloc, urlsplit(location).path.lstrip("/")
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = sorted(item["Key"] for page in pages for item in page.get("Contents", ()))
        keys = [key for key in keys if _is_listing_file(key.rpartition("/")[2])]
        if not keys:
            raise SourceError(f"{location}: no object ending in {', '.join(_SUFFIXES)} found there")
        for key in keys:
            name = f"s3://{bucket}/{key}"
            body = io.BytesIO(client.get_object(Bucket=bucket, Key=key)["Body"].read())
            yield name, _read_file(name, body)
    except (BotoCoreError, ClientError) as fault:
        raise SourceError(f"{location}: {fault}; endpoint and credentials are the AWS_ variables") from fault


def _read_sql(location: str) -> Iterator[tuple[str, pd.DataFrame]]:
    from sqlalchemy import create_engine, make_url, text
    from sqlalchemy.exc import ArgumentError, SQLAlchemyError

    url, _, query = location.partition("#")
    try:
        shown = make_url(url).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        raise SourceError(
            "the source is neither a path nor a SQLAlchemy URL; it may hold a password: not shown"
        ) from None
    if not query.strip():
        raise SourceError(f"{shown}: a query must follow the URL after '#', such as {shown}#{_EXAMPLE_QUERY}")
    try:
        engine = create_engine(url)
    except (SQLAlchemyError, ImportError) as fault:
        raise SourceError(f"{shown}: {fault}") from fault
    try:
        with engine.connect() as connection:
            frame = pd.read_sql_query(text(query), connection)
    except SQLAlchemyError as fault:
        raise SourceError(f"{shown}: {str(fault).splitlines()[0]}") from fault
    finally:
        engine.dispose()
    yield shown, _require_columns(shown, frame)


def _read_file(name: str, file: Path | IO[bytes]) -> pd.DataFrame:
    with _naming_faults_of(name):
        if name.endswith(_PARQUET_SUFFIXES):
            return _require_columns(name, pd.read_parquet(file))
        frame = pd.read_csv(
            file,
            dtype="category",
            keep_default_na=False,
            encoding="utf-8-sig",
            encoding_errors="backslashreplace",
            compression="gzip" if name.endswith(".gz") else None,
        )
        frame = _require_columns(name, frame)
        _require_even_rows(name, file)
    return frame


@contextmanager
def _naming_faults_of(name: str) -> Iterator[None]:
    import zlib

    from pyarrow import ArrowException

    try:
        yield
    except pd.errors.EmptyDataError:
        raise SourceError(f"{name}: the file is empty; a header line with the columns was expected") from None
    except (EOFError, zlib.error) as fault:
        raise SourceError(f"{name}: the gzip file is truncated or damaged ({fault}); copy it again") from fault
    except (pd.errors.ParserError, csv.Error, ArrowException, OSError) as fault:
        raise SourceError(f"{name}: cannot be read: {fault}") from fault


def _require_even_rows(name: str, file: Path | IO[bytes]) -> None:
    """Refuse what pandas reads askew: it fills up rows that are shorter than the header, and shifts longer ones."""
    binary = file.open("rb") if isinstance(file, Path) else file
    binary.seek(0)
    lines = io.TextIOWrapper(gzip.GzipFile(fileobj=binary) if name.endswith(".gz") else binary, "latin-1", newline="")
    limit = csv.field_size_limit(sys.maxsize)  # a cell that is too long is quarantined, not its file refused
    try:
        with binary, lines:
            widths = (len(row) for row in csv.reader(lines) if row)
            expected = next(widths)
            for row, width in enumerate(widths, start=1):
                if width != expected:
                    raise SourceError(
                        f"{name}: row {row:,} has {width} fields, the header {expected}; the file is cut off, or a "
                        f"quote is missing"
                    )
    finally:
        csv.field_size_limit(limit)


def _require_columns(name: str, frame: pd.DataFrame) -> pd.DataFrame:
    twice = [column.raw for column in COLUMNS if (frame.columns == column.raw).sum() > 1]
    if twice:
        raise SourceError(f"{name}: more than one column named {', '.join(twice)}; name the columns to read")
    missing = [column.raw for column in COLUMNS if column.raw not in frame.columns]
    if missing:
        raise SourceError(
            f"{name}: column{'s'[: len(missing) > 1]} missing: {', '.join(missing)}; found: "
            f"{', '.join(map(str, frame.columns))}. A column without values may be empty, but must be there."
        )
    return frame[[column.raw for column in COLUMNS]]


def _combine(location: str, frames: list[tuple[str, pd.DataFrame]]) -> tuple[pd.DataFrame, dict[str, int]]:
    rows_by_file = {name: len(frame) for name, frame in frames}
    if len(frames) == 1:
        location = frames[0][0]  # without the password that the URL of a query may hold
    if not sum(rows_by_file.values()):
        raise SourceError(f"{location}: no rows, only a header")
    columns: dict[str, Any] = {}
    for column in COLUMNS:
        cells = _concatenate([frame[column.raw] for _, frame in frames if len(frame)])
        columns[column.raw] = _require_one_type(location, column.raw, cells)
    sizes = list(rows_by_file.values())
    columns[SOURCE_FILE] = pd.Categorical(list(rows_by_file)).take(np.repeat(np.arange(len(sizes)), sizes))
    columns[SOURCE_ROW] = np.concatenate([np.arange(1, size + 1) for size in sizes])
    return pd.DataFrame(columns), rows_by_file


def _concatenate(parts: list[pd.Series]) -> pd.Series:
    if len(parts) > 1 and all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
        return pd.Series(pd.api.types.union_categoricals(parts))
    return pd.concat(parts, ignore_index=True)


def _require_one_type(location: str, column: str, cells: pd.Series) -> pd.Series:
    if cells.dtype == object and pd.api.types.infer_dtype(cells, skipna=True) in _NO_TYPE_OF_CELL:
        types = ", ".join(sorted({type(cell).__name__ for cell in cells.dropna()}))
        raise SourceError(f"{location}: column {column} holds {types}; texts in every file, or numbers, were expected")
    return cells
