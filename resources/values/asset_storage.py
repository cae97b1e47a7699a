"""Stores what assets hand to each other: frames as Parquet, other values by their own ``save`` and ``load``.

Nothing is pickled. A value replaces the one before it in one step, wherever a ``ValueStore`` keeps them: a run that
dies at any moment leaves the last complete value, and another that reads meanwhile finds one.

With each value lies what it was made of. A step whose inputs were made of different values of one asset, or by another
declaration of the data, is refused with the command that rematerializes them.
"""

from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self, runtime_checkable
from weakref import WeakKeyDictionary

import dagster as dg
from pydantic import Field, PrivateAttr

from resources.retries import DELAYS, requesting_retries
from resources.values.ancestry import IncoherentInputs, OtherDeclaration, StepInputs, StoredValue, rematerialize, remedy
from resources.values.disk import LinkReplaced
from resources.values.opening import open_value_store
from resources.values.store import ValueLost, ValueStore

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
    """Stores the values of assets, each partition's by itself, in a folder or below ``s3://bucket/prefix``.

    An asset that reads several partitions gets a mapping of those that are stored, oldest first.

    ``values`` names, as ``module:class``, the type of each asset that is no frame. It is imported when the value is
    read: the code location would otherwise import numpy to load, which takes as long as all else of it.
    ``declaration`` is the fingerprint of what the data are declared to be. ``cache`` is the folder for copies of an
    object store's values, of ``cache_bytes`` at most. A step is tried again while an object store is away.
    """

    folder: str
    declaration: str = ""
    values: dict[str, str] = Field(default_factory=dict)
    cache: str = ""
    cache_bytes: int = 10_000_000_000

    _loaded: WeakKeyDictionary[object, StepInputs] = PrivateAttr(default_factory=WeakKeyDictionary)
    _store: ValueStore | None = PrivateAttr(default=None)

    @property
    def store(self) -> ValueStore:
        """Where the values lie."""
        if self._store is None:
            self._store = open_value_store(self.folder, cache=self.cache, cache_bytes=self.cache_bytes)
        return self._store

    def handle_output(self, context: dg.OutputContext, obj: Any) -> None:
        """Write a DataFrame or a ``Storable``; the materialization tells where, how large, and which pages to open."""
        name = _name(context.asset_key, context.partition_key if context.has_asset_partitions else None)
        provenance = self._inputs_of(context).provenance()
        with requesting_retries(partial(_tries, context)):
            written = self.store.write(name, provenance, partial(_save, obj))
        context.add_output_metadata(
            {
                "path": dg.MetadataValue.path(written.where),
                "stored_bytes": written.n_bytes,
                "value_id": written.id,
                "made_of": dg.MetadataValue.json(provenance.input_ids()),
                **{page: dg.MetadataValue.path(where) for page, where in written.pages.items()},
            }
        )

    def load_input(self, context: dg.InputContext) -> Any:
        """Read the value of an upstream asset, or those of its partitions, if it fits what the step has loaded."""
        with requesting_retries(partial(_tries, context)):
            if not context.has_asset_partitions:
                return self._read(context, None)
            partitions = context.asset_partition_keys
            if len(partitions) == 1:
                return self._read(context, partitions[0])
            stored = [one for one in sorted(partitions) if self._is_stored(context, one)]
            return {one: self._read(context, one) for one in stored}

    def _is_stored(self, context: dg.InputContext, partition: str) -> bool:
        """Tell whether one of several partitions has a value; one whose link is lost is left out, and the log says so.

        Raises
        ------
        LinkReplaced
            If it is the partition that the step is of.
        """
        try:
            return self.store.newest(_name(context.asset_key, partition)) is not None
        except LinkReplaced as fault:
            if context.has_partition_key and context.partition_key == partition:
                raise
            context.log.warning(f"partition {partition} is left out: {fault.description}")
            return False

    def last(self, key: dg.AssetKey) -> Any:
        """Return the stored value of an asset without partitions, None if there is none.

        For an asset that goes on from its own value of before: what that was made of says nothing of the new one.
        """
        name = _name(key, None)
        value = self.store.newest(name)
        return None if value is None else self._load(name, self.store.open(value))

    def _read(self, context: dg.InputContext, partition: str | None) -> Any:
        name = context.asset_key.to_user_string()
        store, value_name = self.store, _name(context.asset_key, partition)
        where = store.where(value_name)
        try:
            value = store.newest(value_name)
            if value is None:
                only = f" --partition {partition}" if partition else ""
                raise dg.Failure(
                    f"{name} has no stored value in {where}: materialize it first (dg launch --assets {name}{only})"
                )
            self._take_in(context, value)
            files = store.open(value)
        except ValueLost as fault:
            raise dg.Failure(
                f"{fault}: launch this run again when no other is running, or materialize {name} again "
                f"(dg launch --assets {name})"
            ) from fault
        return self._load(name, files)

    def _load(self, name: str, files: Path) -> Any:
        if path := self.values.get(name):
            module, _, class_name = path.partition(":")
            kind: type[Storable] = getattr(import_module(module), class_name)
            try:
                return kind.load(files)
            except (KeyError, TypeError, ValueError) as fault:
                raise dg.Failure(
                    f"{name} in {self.store.where(name)} cannot be read ({fault}); if another version of the platform "
                    f"stored it, materialize it again (dg launch --assets {name})"
                ) from fault
        import pandas as pd

        return pd.read_parquet(files / TABLE)

    def _take_in(self, context: dg.InputContext, value: StoredValue) -> None:
        """Note that a step loads a value, or fail where it does not fit those that it has loaded before."""
        try:
            self._inputs_of(context).add(value)
        except IncoherentInputs as fault:
            raise dg.Failure(f"{fault}: {remedy(fault.values, self.store.newest)}", allow_retries=False) from fault
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


def _name(key: dg.AssetKey, partition: str | None) -> str:
    name = key.to_user_string()
    return f"{name}|{partition}" if partition else name


def _tries(context: dg.InputContext | dg.OutputContext) -> int:
    """Return how often the step was tried before; outside of a step, as often as any ever is."""
    try:
        return context.step_context.previous_attempt_count
    except dg.DagsterInvariantViolationError:
        return len(DELAYS)


def _save(value: Any, folder: Path) -> None:
    if isinstance(value, Storable):
        value.save(folder)
    else:
        _write_table(value, folder / TABLE)


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
