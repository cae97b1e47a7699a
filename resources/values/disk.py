"""Values on a local disk: the name of an asset, or partition of it, is a link to its newest value.

Each value is written to a folder of its own, in a hidden folder beside the link, before the link is replaced in one
step: a run that dies at any moment leaves the last complete value, and another that reads meanwhile finds one. The
value before it is kept for those who have followed the link to it.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, unquote

import dagster as dg

from resources.processes import is_another_living
from resources.values.ancestry import Provenance, StoredValue
from resources.values.store import KeptValue, Written, named_partition


class LinkReplaced(dg.Failure):
    """A folder lies where the link of a name is expected; the message says what to do."""


class DiskValues:
    """Values in ``folder/<asset key>``, and of partitions in ``folder/<asset key>/<partition>``: a ``ValueStore``."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def where(self, name: str) -> str:
        """Return the link's path."""
        return str(self._link(name))

    def write(self, name: str, provenance: Provenance, save: Callable[[Path], None]) -> Written:
        """Write a value beside the others of its name, and replace the link."""
        link = self._link(name)
        value = _values_of(link) / f"{time.time_ns()}-{os.getpid()}"
        value.mkdir(parents=True)
        try:
            save(value)
            _provenance_file(value).write_text(provenance.to_json(), encoding="utf-8")
        except BaseException:
            shutil.rmtree(value)
            raise
        pages = {page.stem: str(link / page.name) for page in value.glob("*.html")}
        written = Written(value.name, str(link), _size(value), pages)
        _point(link, value)
        return written

    def newest(self, name: str) -> StoredValue | None:
        """Return the value that the link leads to; one that was stored before there was provenance knows of nothing."""
        link = self._link(name)
        if not link.exists():
            return None
        value = link.resolve()
        file = _provenance_file(value)
        known = file.exists()
        return StoredValue(name, value.name, Provenance.from_json(file.read_text("utf-8")) if known else Provenance())

    def open(self, value: StoredValue) -> Path:
        """Return the value's folder, which a later write leaves where it is."""
        return _values_of(self._link(value.name)) / value.id

    def names(self, asset: str, *, partitioned: bool) -> Iterator[str]:
        """Yield the names of links that lead somewhere."""
        for name, link in self._links(asset, partitioned=partitioned):
            if link.is_symlink() and link.exists():
                yield name

    def kept(self, asset: str, *, partitioned: bool) -> Iterator[KeptValue]:
        """Yield what lies in the hidden folders."""
        for name, link in self._links(asset, partitioned=partitioned):
            newest = link.resolve().name if link.is_symlink() else ""
            values = _values_of(link)
            for value in sorted(values.iterdir()) if values.is_dir() else ():
                if value.is_dir() and not value.is_symlink():
                    yield KeptValue(name, value.name, _size(value), value.name == newest)

    def describe(self, value: KeptValue) -> StoredValue | None:
        """Return what lies beside the value's folder, where it is written last."""
        file = _provenance_file(_values_of(self._link(value.name)) / value.id)
        if file.exists():
            return StoredValue(value.name, value.id, Provenance.from_json(file.read_text("utf-8")))
        return StoredValue(value.name, value.id, Provenance()) if value.newest else None

    def drop(self, value: KeptValue) -> None:
        """Remove a value's folder and its provenance."""
        folder = _values_of(self._place(value.name)) / value.id
        shutil.rmtree(folder, ignore_errors=True)
        _provenance_file(folder).unlink(missing_ok=True)

    def forget(self, name: str) -> None:
        """Remove the link, then the values."""
        link = self._place(name)
        link.unlink(missing_ok=True)
        shutil.rmtree(_values_of(link), ignore_errors=True)

    def _links(self, asset: str, *, partitioned: bool) -> Iterator[tuple[str, Path]]:
        place = self._place(asset)
        if not partitioned:
            yield asset, place
        elif place.is_dir():
            found = {
                entry.name.removeprefix("." if entry.is_dir() and not entry.is_symlink() else "")
                for entry in place.iterdir()
            }
            for name in sorted(found):
                yield f"{asset}|{unquote(name)}", place / name

    def _place(self, name: str) -> Path:
        asset, partition = named_partition(name)
        folder = self._folder.joinpath(*asset.split("/"))
        return folder if partition is None else folder / quote(partition, safe=" ")

    def _link(self, name: str) -> Path:
        link = self._place(name)
        if link.is_dir() and not link.is_symlink():
            asset, partition = named_partition(name)
            only = f" --partition {partition}" if partition else ""
            raise LinkReplaced(
                f"{link} is a folder, and a link to a stored value is expected: move it away and materialize {asset} "
                f"(dg launch --assets {asset}{only})"
            )
        return link


def _values_of(link: Path) -> Path:
    """Return the folder that holds the values a name has pointed to."""
    return link.with_name(f".{link.name}")


def _provenance_file(value: Path) -> Path:
    """Return where a value's provenance is: beside its folder, in which the value looks for files of its own."""
    return value.with_name(f"{value.name}.json")


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def _point(link: Path, value: Path) -> None:
    """Let a name stand for a value, and remove those that nobody reads or writes any more."""
    values = value.parent
    before = link.resolve().name if link.exists() else ""
    kept = {value.name, before}
    new = values / f"{value.name}.link"
    new.symlink_to(Path(values.name) / value.name)  # relative to where it is moved: the storage may be moved, too
    new.replace(link)
    for other in values.iterdir():
        if other.stem in kept or is_another_living(other.stem.rpartition("-")[2]):
            continue
        if other.is_dir() and not other.is_symlink():
            shutil.rmtree(other, ignore_errors=True)  # two runs may remove the same
        else:
            other.unlink(missing_ok=True)
