"""Frames of bounded size in one file: a day of any size is written and read without ever being held whole."""

import shutil
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import pandas as pd

FILE = "frames.parquet"


@dataclass(frozen=True)
class Frames:
    """Rows in a Parquet file, a row group for each frame.

    Attributes
    ----------
    path : Path
        Of the file.
    """

    path: Path

    @classmethod
    def write(cls, frames: "Iterable[pd.DataFrame]", folder: Path) -> Self:
        """Write frames of the same columns to a folder, one at a time; there must be at least one, which may be empty.

        Categories are written as texts: those of two frames differ.
        """
        import pyarrow as pa
        from pyarrow import parquet

        rest = iter(frames)
        frame: pd.DataFrame | None = next(rest)
        schema = pa.schema([_as_text(field) for field in pa.Schema.from_pandas(frame, preserve_index=False)])
        with parquet.ParquetWriter(folder / FILE, schema) as writer:
            while frame is not None:
                writer.write_table(pa.Table.from_pandas(frame, schema=schema, preserve_index=False))
                frame = next(rest, None)
        return cls(folder / FILE)

    def save(self, folder: Path) -> None:
        """Copy the file to a folder."""
        shutil.copyfile(self.path, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Name the file in a folder; nothing is read yet."""
        return cls(folder / FILE)

    @property
    def rows(self) -> int:
        """Rows of all frames."""
        from pyarrow import parquet

        with parquet.ParquetFile(self.path) as file:
            return int(file.metadata.num_rows)

    def read(self, columns: Sequence[str] | None = None) -> "Iterator[pd.DataFrame]":
        """Yield the frames, texts as categories: at least one, which is empty where there are no rows.

        Parameters
        ----------
        columns : sequence of str, optional
            Those to read; all by default.
        """
        from pyarrow import parquet

        names = None if columns is None else list(columns)
        with parquet.ParquetFile(self.path) as file:
            if not file.num_row_groups:
                yield file.read(columns=names).to_pandas(strings_to_categorical=True)
            for group in range(file.num_row_groups):
                yield file.read_row_group(group, columns=names).to_pandas(strings_to_categorical=True)


def _as_text(field: Any) -> Any:
    """Return a field as it can be written for all frames: Arrow knows no type of a column without a single value."""
    import pyarrow as pa

    wanted = pa.types.is_dictionary(field.type) or pa.types.is_null(field.type)
    return pa.field(field.name, pa.string()) if wanted else field
