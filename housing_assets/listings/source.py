"""Reads raw ads from where they lie: files, a folder, a glob, an S3 prefix or a SQL query.

It returns what it found, unread: cells stay as scraped, and every row knows its file. What a cell means is a rule's
business (``inference/rules.py``). A source that cannot be read whole is refused by its name; it is never read in part.
"""

import csv
import glob
import gzip
import io
import re
import sys
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from itertools import chain, takewhile
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import pandas as pd

from housing_assets.inference.market import Market
from housing_assets.listings.origins import ORIGIN, ORIGINS, SOURCE, SYNTHETIC
from resources.listing_files import (
    PARQUET_SUFFIXES,
    SUFFIXES,
    has_known_suffix,
    is_hidden,
    is_listing_file,
    parts_below,
)

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SOURCE_FILE = "source_file"
SOURCE_ROW = "source_row"

_NO_TYPE_OF_CELL = frozenset({"mixed", "mixed-integer", "bytes"})
"""What pandas calls a column of texts beside numbers, of lists or of bytes: it cannot be stored, or not be read."""

_OTHER_SEPARATORS = ";\t|"

_MAX_HEADER = 1_000_000
"""Bytes of a first line."""

_EXAMPLE_QUERY = "SELECT * FROM ads"
_SQL = re.compile(r"[a-z0-9]+(?:\+[a-z0-9]+)?://")


class SourceError(ValueError):
    """A source that cannot be read; the message names it, what was found and what mends it."""


@dataclass(frozen=True)
class RawListings:
    """Raw ads and where they came from.

    Attributes
    ----------
    frame : DataFrame of shape (n_rows, n_columns + 3)
        The declared columns, cells as found (texts as categories), and ``source_file``, ``source_row`` (from 1) and
        ``origin``.
    rows_by_file : dict of str to int
        Rows read from each file, in reading order.
    skipped : tuple of str
        Files that lay there and were not read, those that are neither hidden nor temporary first.
    """

    frame: pd.DataFrame
    rows_by_file: dict[str, int]
    skipped: tuple[str, ...] = ()

    @classmethod
    def of_sample(cls, market: Market, sample: pd.DataFrame) -> Self:
        """Return synthetic rows as if they had been read from a file."""
        name = "synthetic sample"
        return cls(
            *_combine(market, f"the {name}", [(name, _require_columns(market, f"the {name}", sample))], SYNTHETIC)
        )


def read_listings(market: Market, location: str, s3_client: Callable[[], "S3Client"] | None = None) -> RawListings:
    """Read all ads at a location.

    Parameters
    ----------
    market : Market
    location : str
        A ``.csv``, ``.csv.gz`` or ``.parquet`` file, a glob, a folder (searched to its bottom), ``s3://bucket/prefix``,
        or a SQLAlchemy URL and a query joined by ``#``: ``postgresql+psycopg://host/ads#SELECT * FROM ads``.
        Below a folder, a prefix or a glob's first wildcard, what begins with ``.`` or ``_`` is not read.
    s3_client : callable, optional
        Returns the client to read ``s3://`` with.

    Raises
    ------
    SourceError
        If nothing is found, a file is empty, truncated or malformed, lacks a declared column or holds it twice, has a
        NUL byte in a cell, or a column's cells are neither texts nor numbers, or texts in one file and numbers in
        another.
    """
    skipped: tuple[str, ...] = ()
    if location.startswith("s3://"):
        if s3_client is None:
            raise SourceError(f"{location}: no S3 client to read it with")
        frames, skipped = _read_s3(market, location, s3_client())
    elif _SQL.match(location):
        frames = _read_sql(market, location)
    else:
        files = _find_files(location)
        frames, skipped = [(name, _read_file(market, name, Path(name))) for name in files.read], files.skipped
    return RawListings(*_combine(market, location, frames, SOURCE), skipped)


class _Files(NamedTuple):
    read: tuple[str, ...]
    skipped: tuple[str, ...] = ()


def _find_files(location: str) -> _Files:
    path = Path(location).expanduser()
    if path.is_file():
        if not has_known_suffix(path.name):
            raise SourceError(f"{location}: expected a file ending in {', '.join(SUFFIXES)}")
        return _Files((str(path),))
    named: Sequence[str] = path.parts
    if path.is_dir():
        candidates: Iterable[Path] = path.rglob("*")
    else:
        named = list(takewhile(lambda part: not any(mark in part for mark in "*?["), named))
        matches = glob.iglob(str(path), recursive=True)  # noqa: PTH207 - Path.glob would refuse an absolute pattern
        candidates = map(Path, matches)
    files = _sort_out((str(file), file.parts[len(named) :]) for file in candidates if file.is_file())
    if not path.exists() and tuple(named) == path.parts:
        raise SourceError(f"{location}: there is no such file or folder")
    if not files.read:
        raise SourceError(f"{location}: no file ending in {', '.join(SUFFIXES)} found there")
    return files


def _sort_out(found: Iterable[tuple[str, Sequence[str]]]) -> _Files:
    """Tell what is read of what was found, each with the parts of its path below the place that was named."""
    parts = dict(found)
    read = sorted(name for name, below in parts.items() if is_listing_file(name, below))
    skipped = sorted(parts.keys() - set(read), key=lambda name: (is_hidden(parts[name]), name))
    return _Files(tuple(read), tuple(skipped))


def _read_s3(
    market: Market, location: str, client: "S3Client"
) -> tuple[list[tuple[str, pd.DataFrame]], tuple[str, ...]]:
    from botocore.exceptions import BotoCoreError, ClientError

    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    try:
        pages = client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
        keys = {f"s3://{bucket}/{item['Key']}": item["Key"] for page in pages for item in page.get("Contents", ())}
        files = _sort_out(
            (name, parts_below(prefix, key))
            for name, key in keys.items()
            if not key.endswith("/")  # a folder that a console has made
        )
        if not files.read:
            raise SourceError(f"{location}: no object ending in {', '.join(SUFFIXES)} found there")
        frames = []
        for name in files.read:
            body = io.BytesIO(client.get_object(Bucket=bucket, Key=keys[name])["Body"].read())
            frames.append((name, _read_file(market, name, body)))
    except (BotoCoreError, ClientError) as fault:
        raise SourceError(f"{location}: {fault}; endpoint and credentials are the AWS_ variables") from fault
    return frames, files.skipped


def _read_sql(market: Market, location: str) -> list[tuple[str, pd.DataFrame]]:
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
    return [(shown, _require_columns(market, shown, frame))]


def _read_file(market: Market, name: str, file: Path | IO[bytes]) -> pd.DataFrame:
    with _naming_faults_of(name):
        if name.lower().endswith(PARQUET_SUFFIXES):
            return _require_columns(market, name, pd.read_parquet(file))
        require_commas(name, file)
        frame = pd.read_csv(
            file,
            dtype="category",
            keep_default_na=False,
            encoding="utf-8-sig",
            encoding_errors="backslashreplace",
            compression="gzip" if _is_gzip(name) else None,
        )
        frame = _require_columns(market, name, frame)
        _require_even_rows(market, name, file)
    return frame


def require_commas(name: str, file: Path | IO[bytes]) -> None:
    """Refuse a CSV whose header has no commas, but something else that separates fields.

    Parameters
    ----------
    name : str
        That ends in ``.gz`` where the file is packed.
    file : Path or file

    Raises
    ------
    SourceError
        With the separator that was found, and what makes commas of it.
    """
    with file.open("rb") if isinstance(file, Path) else nullcontext(file) as binary:
        lines = gzip.GzipFile(fileobj=binary) if _is_gzip(name) else binary
        header = lines.readline(_MAX_HEADER).decode("utf-8-sig", "replace").strip()
        binary.seek(0)
    found = [mark for mark in _OTHER_SEPARATORS if mark in header]
    if "," in header or not found:
        return
    mark = max(found, key=header.count)
    mend = f"pandas.read_csv({Path(name).name!r}, sep={mark!r}, dtype=str).to_csv('ads.csv', index=False)"
    raise SourceError(
        f"{name}: the header is {header[:60]!r}: expected fields separated by commas, not by {mark!r}. In Python, "
        f"{mend} makes such a file"
    )


def _is_gzip(name: str) -> bool:
    return name.lower().endswith(".gz")


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


def _require_even_rows(market: Market, name: str, file: Path | IO[bytes]) -> None:
    """Refuse what pandas reads askew.

    It fills up rows that are shorter than the header, shifts longer ones, ends a cell at a NUL, and gives the second
    of two columns of one name another name.
    """
    binary = file.open("rb") if isinstance(file, Path) else file
    binary.seek(0)
    unpacked = gzip.GzipFile(fileobj=binary) if _is_gzip(name) else binary
    if unpacked.read(len(BOM_UTF8)) != BOM_UTF8:
        unpacked.seek(0)
    lines = io.TextIOWrapper(unpacked, "latin-1", newline="")  # the fastest: no cell of it is kept
    limit = csv.field_size_limit(sys.maxsize)  # a cell that is too long is quarantined, not its file refused
    try:
        with binary, lines:
            rows = (row for row in csv.reader(lines) if row)
            header = next(rows)
            _require_once(market, name, [cell.encode("latin-1").decode("utf-8", "replace") for cell in header])
            for number, row in enumerate(chain([header], rows)):
                if len(row) != len(header):
                    raise SourceError(
                        f"{name}: row {number:,} has {len(row)} fields, the header {len(header)}; the file is cut off, "
                        f"or a quote is missing"
                    )
                if "\0" in "".join(row):  # one search for a row, not one for each cell
                    column = next(column for column, cell in zip(header, row, strict=True) if "\0" in cell)
                    raise SourceError(
                        f"{name}: row {number:,} has a NUL byte in column {column}; copy or write the file again"
                    )
    finally:
        csv.field_size_limit(limit)


def _require_once(market: Market, name: str, found: Sequence[str]) -> None:
    twice = [column.raw for column in market.columns if found.count(column.raw) > 1]
    if twice:
        raise SourceError(f"{name}: more than one column named {', '.join(twice)}; each must be there once")


def _require_columns(market: Market, name: str, frame: pd.DataFrame) -> pd.DataFrame:
    _require_once(market, name, list(frame.columns))
    absent = [column for column in market.columns if column.raw not in frame.columns]
    missing = [column.raw for column in absent if column.values[0] != market.exact_value]
    if missing:
        raise SourceError(
            f"{name}: column{'s'[: len(missing) > 1]} missing: {', '.join(missing)}; found: "
            f"{', '.join(map(str, frame.columns))}. A column without values may be empty, but must be there."
        )
    frame = frame.assign(**{column.raw: pd.Series(None, index=frame.index, dtype=object) for column in absent})
    return frame[[column.raw for column in market.columns]]


def _combine(
    market: Market, location: str, frames: list[tuple[str, pd.DataFrame]], origin: str
) -> tuple[pd.DataFrame, dict[str, int]]:
    rows_by_file = {name: len(frame) for name, frame in frames}
    if len(frames) == 1:
        location = frames[0][0]  # without the password that the URL of a query may hold
    if not sum(rows_by_file.values()):
        raise SourceError(f"{location}: no rows, only a header")
    columns: dict[str, Any] = {}
    for column in market.columns:
        cells = _concatenate([frame[column.raw] for _, frame in frames if len(frame)])
        columns[column.raw] = _require_one_type(location, column.raw, cells)
    sizes = list(rows_by_file.values())
    columns[SOURCE_FILE] = pd.Categorical(list(rows_by_file)).take(np.repeat(np.arange(len(sizes)), sizes))
    columns[SOURCE_ROW] = np.concatenate([np.arange(1, size + 1) for size in sizes])
    columns[ORIGIN] = pd.Categorical.from_codes(np.full(sum(sizes), ORIGINS.index(origin)), pd.Index(ORIGINS))
    return pd.DataFrame(columns), rows_by_file


def _concatenate(parts: list[pd.Series]) -> pd.Series:
    if all(isinstance(part.dtype, pd.CategoricalDtype) for part in parts):
        return pd.Series(pd.api.types.union_categoricals(parts, ignore_order=True))
    return pd.concat(parts, ignore_index=True)


def _require_one_type(location: str, column: str, cells: pd.Series) -> pd.Series:
    if cells.dtype == object and pd.api.types.infer_dtype(cells, skipna=True) in _NO_TYPE_OF_CELL:
        types = ", ".join(sorted({type(cell).__name__ for cell in cells.dropna()}))
        raise SourceError(f"{location}: column {column} holds {types}; texts in every file, or numbers, were expected")
    return cells
