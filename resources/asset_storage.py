"""Stores what assets hand to each other: frames as Parquet, other values by their own ``save`` and ``load``.

Nothing is pickled. A folder for each asset, or partition of it, is written under a temporary name and swapped in whole,
so that a run that dies leaves the last complete value.
"""

from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable
from urllib.parse import quote

import dagster as dg
from pydantic import Field

if TYPE_CHECKING:
    import pandas as pd

TABLE = "table.parquet"


@runtime_checkable
class Storable(Protocol):
    """A value that writes itself to a folder and reads itself back."""

    def save(self, folder: Path) -> None:
        """Write the value to an existing, empty folder."""

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read back what ``save`` wrote."""


class AssetStorage(dg.ConfigurableIOManager):
    """Stores an asset's value in ``folder/<asset key>``, and that of a partition in ``folder/<asset key>/<partition>``.

    An asset that reads several partitions gets a mapping of those that are stored, oldest first.

    ``values`` names, as ``module:class``, the type of each asset that is no frame. It is imported when the value is
    read: the code location would otherwise import numpy to load, which takes as long as all else of it.
    """

    folder: str
    values: dict[str, str] = Field(default_factory=dict)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write a DataFrame or a ``Storable``; the materialization tells where, how large, and which pages to open."""
        target = self._path(context.asset_key, context.partition_key if context.has_asset_partitions else None)
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as beside:
            written = Path(beside) / "written"
            written.mkdir()
            if isinstance(obj, Storable):
                obj.save(written)
            else:
                _write_table(obj, written / TABLE)
            size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
            pages = {page.stem: dg.MetadataValue.path(str(target / page.name)) for page in written.glob("*.html")}
            if target.exists():
                target.rename(Path(beside) / "retired")
            written.rename(target)
        context.add_output_metadata({"path": dg.MetadataValue.path(str(target)), "stored_bytes": size, **pages})

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the value of an upstream asset, or those of its partitions."""
        name = context.asset_key.to_user_string()
        if not context.has_asset_partitions:
            return self._read(self._path(context.asset_key), name)
        sources = {key: self._path(context.asset_key, key) for key in context.asset_partition_keys}
        if len(sources) == 1:
            ((key, source),) = sources.items()
            return self._read(source, name, key)
        stored = {key: source for key, source in sorted(sources.items()) if source.exists()}
        return {key: self._read(source, name, key) for key, source in stored.items()}

    def _read(self, source: Path, name: str, partition: str | None = None) -> Any:
        if not source.exists():
            only = f" --partition {partition}" if partition else ""
            raise dg.Failure(
                f"{name} has no stored value in {source}: materialize it first (dg launch --assets {name}{only})"
            )
        if path := self.values.get(name):
            module, _, class_name = path.partition(":")
            value: type[Storable] = getattr(import_module(module), class_name)
            return value.load(source)
        import pandas as pd

        return pd.read_parquet(source / TABLE)

    def _path(self, key: dg.AssetKey, partition: str | None = None) -> Path:
        folder = Path(self.folder).joinpath(*key.path)
        return folder if partition is None else folder / quote(partition, safe=" ")


def _write_table(frame: "pd.DataFrame", path: Path) -> None:
    """Write Parquet, keeping texts texts: Arrow would forget the type of a column without a single value."""
    import pyarrow as pa
    from pyarrow import parquet

    table = pa.Table.from_pandas(frame, preserve_index=False)
    for index, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type) and pa.types.is_null(field.type.value_type):
            texts = pa.dictionary(field.type.index_type, pa.string())
            table = table.set_column(index, pa.field(field.name, texts), pa.nulls(table.num_rows, texts))
    parquet.write_table(table, path)
