"""Stores what assets hand to each other: frames as Parquet, other values by their own ``save`` and ``load``.

Nothing is pickled. The name of an asset, or partition of it, is a link to its newest value. Each value is written to a
folder of its own, in a hidden folder beside the link, before the link is replaced in one step: a run that dies at any
moment leaves the last complete value, and another that reads meanwhile finds one. The value before it is kept for those
who have followed the link to it.

Beside each value lies what it was made of. A step whose inputs were made of different values of one asset, or by
another declaration of the data, is refused with the command that rematerializes them.
"""

import os
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable
from urllib.parse import quote, unquote
from weakref import WeakKeyDictionary

import dagster as dg
from pydantic import Field, PrivateAttr

from resources.ancestry import (
    IncoherentInputs,
    OtherDeclaration,
    Provenance,
    StepInputs,
    StoredValue,
    rematerialize,
    remedy,
)
from resources.processes import is_another_living

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
    ``declaration`` is the fingerprint of what the data are declared to be.
    """

    folder: str
    declaration: str = ""
    values: dict[str, str] = Field(default_factory=dict)

    _loaded: WeakKeyDictionary[object, StepInputs] = PrivateAttr(default_factory=WeakKeyDictionary)

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write a DataFrame or a ``Storable``; the materialization tells where, how large, and which pages to open."""
        target = self._path(context.asset_key, context.partition_key if context.has_asset_partitions else None)
        written = _values_of(target) / f"{time.time_ns()}-{os.getpid()}"
        written.mkdir(parents=True)
        provenance = self._inputs_of(context).provenance()
        try:
            if isinstance(obj, Storable):
                obj.save(written)
            else:
                _write_table(obj, written / TABLE)
            _provenance_file(written).write_text(provenance.to_json(), encoding="utf-8")
        except BaseException:
            shutil.rmtree(written)
            raise
        size = sum(file.stat().st_size for file in written.rglob("*") if file.is_file())
        pages = {page.stem: dg.MetadataValue.path(str(target / page.name)) for page in written.glob("*.html")}
        _point(target, written)
        context.add_output_metadata(
            {
                "path": dg.MetadataValue.path(str(target)),
                "stored_bytes": size,
                "value_id": written.name,
                "made_of": dg.MetadataValue.json(provenance.input_ids()),
                **pages,
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the value of an upstream asset, or those of its partitions, if it fits what the step has loaded."""
        if not context.has_asset_partitions:
            return self._read(context, None)
        partitions = context.asset_partition_keys
        if len(partitions) == 1:
            return self._read(context, partitions[0])
        stored = [one for one in sorted(partitions) if _newest(self._path(context.asset_key, one))]
        return {one: self._read(context, one) for one in stored}

    def _read(self, context: dg.InputContext, partition: str | None) -> Any:
        name = context.asset_key.to_user_string()
        source = self._path(context.asset_key, partition)
        stored = _newest(source)
        if stored is None:
            only = f" --partition {partition}" if partition else ""
            raise dg.Failure(
                f"{name} has no stored value in {source}: materialize it first (dg launch --assets {name}{only})"
            )
        self._take_in(context, _as_stored(f"{name}|{partition}" if partition else name, stored))
        if path := self.values.get(name):
            module, _, class_name = path.partition(":")
            value: type[Storable] = getattr(import_module(module), class_name)
            try:
                return value.load(stored)
            except (KeyError, ValueError) as fault:
                raise dg.Failure(
                    f"{name} in {source} cannot be read ({fault}); if another version of the platform stored it, "
                    f"materialize it again (dg launch --assets {name})"
                ) from fault
        import pandas as pd

        return pd.read_parquet(stored / TABLE)

    def _take_in(self, context: dg.InputContext, value: StoredValue) -> None:
        """Note that a step loads a value, or fail where it does not fit those that it has loaded before."""
        try:
            self._inputs_of(context).add(value)
        except IncoherentInputs as fault:
            raise dg.Failure(f"{fault}: {remedy(fault.values, self._lookup)}", allow_retries=False) from fault
        except OtherDeclaration as fault:
            raise dg.Failure(f"{fault}: {rematerialize(fault.sources)}", allow_retries=False) from fault

    def _inputs_of(self, context: dg.InputContext | dg.OutputContext) -> StepInputs:
        """Return what the step of a context has loaded so far."""
        try:
            step = context.step_context
        except dg.DagsterInvariantViolationError:  # outside of a step, each value is read for itself
            return StepInputs(self.declaration)
        # Dagster makes one such object for each attempt at a step: with it goes what was loaded.
        return self._loaded.setdefault(step, StepInputs(self.declaration))

    def _lookup(self, name: str) -> StoredValue | None:
        asset, _, partition = name.partition("|")
        stored = _newest(self._path(dg.AssetKey.from_user_string(asset), partition or None))
        return _as_stored(name, stored) if stored else None

    def _path(self, key: dg.AssetKey, partition: str | None = None) -> Path:
        folder = Path(self.folder).joinpath(*key.path)
        target = folder if partition is None else folder / quote(partition, safe=" ")
        if target.is_dir() and not target.is_symlink():
            name = key.to_user_string()
            raise dg.Failure(
                f"{target} is a folder, and a link to a stored value is expected: move it away and materialize {name} "
                f"(dg launch --assets {name})"
            )
        return target


def stored_values(folder: Path, key: "Sequence[str]", *, partitioned: bool) -> "Iterator[tuple[StoredValue, Path]]":
    """Yield the newest values of an asset with the folders they lie in: one, or one of each partition.

    Parameters
    ----------
    folder : Path
        Of the storage.
    key : sequence of str
        The asset's key.
    partitioned : bool
    """
    target = folder.joinpath(*key)
    links = sorted(target.iterdir()) if partitioned and target.is_dir() else [target]
    for link in links:
        if link.is_symlink() and (value := _newest(link)):
            name = "/".join(key)
            yield _as_stored(f"{name}|{unquote(link.name)}" if partitioned else name, value), value


def forget(folder: Path, name: str) -> None:
    """Remove every kept value of an asset or partition, named as in ``StoredValue``."""
    asset, _, partition = name.partition("|")
    target = folder.joinpath(*asset.split("/"))
    if partition:
        target /= quote(partition, safe=" ")
    target.unlink(missing_ok=True)
    shutil.rmtree(_values_of(target), ignore_errors=True)


def _values_of(target: Path) -> Path:
    """Return the folder that holds the values a name has pointed to."""
    return target.with_name(f".{target.name}")


def _newest(target: Path) -> Path | None:
    """Return the folder of the newest value, which a later write leaves where it is; None where there is none."""
    return target.resolve() if target.exists() else None


def _provenance_file(value: Path) -> Path:
    """Return where a value's provenance is: beside its folder, in which the value looks for files of its own."""
    return value.with_name(f"{value.name}.json")


def _as_stored(name: str, value: Path) -> StoredValue:
    """Return a value with its provenance; one that was stored before there was any knows of nothing."""
    file = _provenance_file(value)
    known = file.exists()
    return StoredValue(name, value.name, Provenance.from_json(file.read_text("utf-8")) if known else Provenance())


def _point(target: Path, written: Path) -> None:
    """Let a name stand for a value, and remove those that nobody reads or writes any more."""
    values = written.parent
    before = _newest(target)
    kept = {written.name, before.name if before else ""}
    link = values / f"{written.name}.link"
    link.symlink_to(Path(values.name) / written.name)  # relative to where it is moved: the storage may be moved, too
    link.replace(target)
    for other in values.iterdir():
        if other.stem in kept or is_another_living(other.stem.rpartition("-")[2]):
            continue
        if other.is_dir() and not other.is_symlink():
            shutil.rmtree(other, ignore_errors=True)  # two runs may remove the same
        else:
            other.unlink(missing_ok=True)


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
