"""Reads a file whose columns nobody has declared yet: every cell as a text, every header as it stands there."""

import gzip
import zlib
from pathlib import Path

import pandas as pd

from housing_assets.listings.source import SourceError, require_commas

SUFFIXES = (".csv", ".csv.gz", ".parquet")


def read_texts(file: Path) -> pd.DataFrame:
    """Return the cells of a CSV as texts, those of a Parquet file as they are.

    Raises
    ------
    SourceError
        If it is no such file, or cannot be read.
    """
    name = file.name.lower()
    if not file.is_file() or not name.endswith(SUFFIXES):
        raise SourceError(f"{file}: expected a file ending in {', '.join(SUFFIXES)}")
    try:
        if name.endswith(".parquet"):
            return _with_rows(file, pd.read_parquet(file))
        require_commas(str(file), file)
        # Without a header, so that pandas renames none that is empty or there twice, and takes no column for an index.
        cells = pd.read_csv(
            file,
            header=None,
            dtype=str,
            keep_default_na=False,
            encoding="utf-8-sig",
            encoding_errors="backslashreplace",
        )
    except pd.errors.EmptyDataError:
        raise SourceError(f"{file}: the file is empty; a header line with the columns was expected") from None
    except SourceError:
        raise
    except (pd.errors.ParserError, OSError, EOFError, ValueError, zlib.error, gzip.BadGzipFile) as fault:
        raise SourceError(f"{file}: cannot be read: {str(fault).strip()}") from fault
    header = [str(cell) for cell in cells.iloc[0]]
    return _with_rows(file, cells.iloc[1:].set_axis(header, axis="columns").reset_index(drop=True))


def _with_rows(file: Path, frame: pd.DataFrame) -> pd.DataFrame:
    if frame.empty:
        raise SourceError(f"{file}: no rows, only a header")
    return frame
