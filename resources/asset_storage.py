"""Stores what assets hand to each other: frames as Parquet, other values by their own ``save`` and ``load``.

Nothing is pickled. A folder per asset is written under a temporary name and swapped in whole, so that a run that dies
leaves the last complete value.
"""

from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable

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
    """Stores an asset's value in ``folder/<asset key>``.

    ``values`` names, as ``module:class``, the type of each asset that is no frame. It is imported when the value is
    read: the code location would otherwise import numpy to load, which takes as long as all else of it.
    """

    folder: str
    values: dict[str, str] = Field(default_factory=dict)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write a DataFrame or a ``Storable``; the materialization tells where, and how large it is."""
        target = self._path(context.asset_key)
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.") as beside:
            written = Path(beside) / "written"
            written.mkdir()
            if isinstance(obj, Storable):
                obj.save(written)
            else:
                _write_table(obj, written / TABLE)
            size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
            if target.exists():
                target.rename(Path(beside) / "retired")
            written.rename(target)
        context.add_output_metadata({"path": dg.MetadataValue.path(str(target)), "stored_bytes": size})

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the value of an upstream asset."""
        source = self._path(context.asset_key)
        if not source.exists():
            key = context.asset_key.to_user_string()
            raise dg.Failure(f"{key} has no stored value in {source}: materialize it first (dg launch --assets {key})")
        if path := self.values.get(context.asset_key.to_user_string()):
            module, _, name = path.partition(":")
            value: type[Storable] = getattr(import_module(module), name)
            return value.load(source)
        import pandas as pd

        return pd.read_parquet(source / TABLE)

    def _path(self, key: dg.AssetKey) -> Path:
        return Path(self.folder).joinpath(*key.path)


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
