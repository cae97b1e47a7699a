"""Stores what assets hand to each other: frames as Parquet, other values by their own ``save`` and ``load``.

Nothing is pickled. The name of an asset, or partition of it, is a link to its newest value. Each value is written to a
folder of its own, in a hidden folder beside the link, before the link is replaced in one step: a run that dies at any
moment leaves the last complete value, and another that reads meanwhile finds one. The value before it is kept for those
who have followed the link to it.
"""

import os
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable
from urllib.parse import quote

import dagster as dg
from pydantic import Field

from resources.processes import is_another_living

if TYPE_CHECKING:
    import pandas as pd

TABLE = "table.parquet"

PLAIN = "plain"
"""Name of a value that was stored before there were links: the folder itself had the asset's name."""


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
        written = _values_of(target) / f"{time.time_ns()}-{os.getpid()}"
        written.mkdir(parents=True)
        try:
            if isinstance(obj, Storable):
                obj.save(written)
            else:
                _write_table(obj, written / TABLE)
        except BaseException:
            shutil.rmtree(written)
            raise
        size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
        pages = {page.stem: dg.MetadataValue.path(str(target / page.name)) for page in written.glob("*.html")}
        _point(target, written)
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
        stored = {key: source for key, source in sorted(sources.items()) if _stored(source).exists()}
        return {key: self._read(source, name, key) for key, source in stored.items()}

    def _read(self, source: Path, name: str, partition: str | None = None) -> Any:
        stored = _stored(source)
        if not stored.exists():
            only = f" --partition {partition}" if partition else ""
            raise dg.Failure(
                f"{name} has no stored value in {source}: materialize it first (dg launch --assets {name}{only})"
            )
        if path := self.values.get(name):
            module, _, class_name = path.partition(":")
            value: type[Storable] = getattr(import_module(module), class_name)
            try:
                return value.load(stored)
            except (KeyError, ValueError) as fault:
                raise dg.Failure(
                    f"{name} in {source} cannot be read ({fault}); if another version of the platform stored it, "
                    f"materialize it anew (dg launch --assets {name})"
                ) from fault
        import pandas as pd

        return pd.read_parquet(stored / TABLE)

    def _path(self, key: dg.AssetKey, partition: str | None = None) -> Path:
        folder = Path(self.folder).joinpath(*key.path)
        return folder if partition is None else folder / quote(partition, safe=" ")


def _values_of(target: Path) -> Path:
    """Return the folder that holds the values a name has pointed to."""
    return target.with_name(f".{target.name}")


def _stored(target: Path) -> Path:
    """Return the folder of the newest value, which a later write leaves where it is."""
    return target.resolve() if target.exists() else _values_of(target) / PLAIN


def _point(target: Path, written: Path) -> None:
    """Let a name stand for a value, and remove those that nobody reads or writes any more."""
    values = written.parent
    if target.is_dir() and not target.is_symlink():
        shutil.rmtree(values / PLAIN, ignore_errors=True)  # older than the folder
        target.rename(values / PLAIN)  # a link cannot replace a folder; until there is one, readers look here
    before = _stored(target).name
    link = values / f"{written.name}.link"
    link.symlink_to(Path(values.name) / written.name)  # relative to where it is moved: the storage may be moved, too
    link.replace(target)
    for other in values.iterdir():
        if other.name in (before, written.name) or is_another_living(other.stem.rpartition("-")[2]):
            continue
        if other.is_symlink():
            other.unlink(missing_ok=True)
        else:
            shutil.rmtree(other, ignore_errors=True)  # two runs may remove the same


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
