"""Where the values of assets lie: all that storage on a disk and storage in an object store do differently.

A value has the name ``asset``, the parts of its key joined by ``/``, or ``asset|partition``. It is a folder of files
with an id that begins with the nanosecond in which it was written. A store switches a name to a new value in one step
and keeps the value before it.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from resources.values.ancestry import Provenance, StoredValue

S3 = "s3://"


class ValueLost(LookupError):
    """A value that a name stood for a moment ago and that is gone or damaged; the message says which."""


@dataclass(frozen=True)
class Written:
    """What was stored.

    Attributes
    ----------
    id : str
    where : str
        Path or URL by which people find the name's newest value.
    n_bytes : int
    pages : mapping of str to str
        HTML files in the value: where to open each, by its name without the suffix.
    """

    id: str
    where: str
    n_bytes: int
    pages: Mapping[str, str]


@dataclass(frozen=True)
class KeptValue:
    """A value that takes up space.

    Attributes
    ----------
    name, id : str
    n_bytes : int
    newest : bool
        Whether its name stands for it.
    """

    name: str
    id: str
    n_bytes: int
    newest: bool

    @property
    def written_at(self) -> float:
        """When it was begun, in seconds since 1970."""
        return int(self.id.partition("-")[0]) / 1e9


class ValueStore(Protocol):
    """Keeps values by name."""

    def where(self, name: str) -> str:
        """Return the path or URL by which people find a name's newest value."""

    def write(self, name: str, provenance: Provenance, save: Callable[[Path], None]) -> Written:
        """Let ``save`` fill an empty folder, and switch a name to what it has written.

        A fault in ``save``, or a process that dies before the end, leaves the name's value as it was.
        """

    def newest(self, name: str) -> StoredValue | None:
        """Return the value that a name stands for; None if there is none."""

    def open(self, value: StoredValue) -> Path:
        """Return a folder with the files of a value, not to be written to.

        Raises
        ------
        ValueLost
            If it was replaced twice since ``newest`` returned it, or is damaged.
        """

    def names(self, asset: str, *, partitioned: bool) -> Iterator[str]:
        """Yield the names of an asset that stand for a value, in order: its own, or those of its partitions."""

    def kept(self, asset: str, *, partitioned: bool) -> Iterator[KeptValue]:
        """Yield all values of an asset that take up space: newest, previous, and what dead writers have left."""

    def describe(self, value: KeptValue) -> StoredValue | None:
        """Return a kept value with what it was made of; None if its writer is not done with it, or died before."""

    def drop(self, value: KeptValue) -> None:
        """Remove a value that is not its name's newest."""

    def forget(self, name: str) -> None:
        """Remove every value of a name."""


def named_partition(name: str) -> tuple[str, str | None]:
    """Return the asset and the partition that a name is made of."""
    asset, separator, partition = name.partition("|")
    return asset, partition if separator else None
