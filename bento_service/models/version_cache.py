"""Downloaded versions on disk, and the last known aliases: what a worker starts from while the registry is down.

Several processes may share the folder: whatever appears in it appears complete, under its final name.
"""

import fcntl
import json
import logging
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from bento_service.models.mlflow_rest import RegisteredVersion

logger = logging.getLogger("housing.models")

_ALIASES = "aliases.json"
_LAST_LOADED = "last_loaded.json"
_UNFINISHED = ".unfinished-"
_LOADING = ".loading-"

_SPARE = 3
"""Versions that are kept though no alias points to them: a rollback is likely to need one."""

_ABANDONED_SECONDS = 3_600.0
"""Age at which an unfinished download belongs to a process that was killed: none may take this long."""


@dataclass(frozen=True)
class NamedVersions:
    """The versions that aliases pointed to at a time.

    Attributes
    ----------
    versions : mapping of str to RegisteredVersion
        By alias; an alias that did not exist is left out.
    confirmed_at : float
        When the registry confirmed it, in seconds since the epoch.
    """

    versions: Mapping[str, RegisteredVersion]
    confirmed_at: float


class VersionCache:
    """Versions of one registered model in a folder.

    Parameters
    ----------
    folder : Path
        Created with the first version.
    origin : str
        The registry and model that the versions belong to; aliases of another one are not recalled.
    """

    def __init__(self, folder: Path, origin: str):
        self._folder = folder
        self._origin = origin
        self._marks: set[Path] = set()
        self._ending = False

    def path(self, version: RegisteredVersion) -> Path:
        """Return the folder of a version; it exists if the version is in the cache."""
        return self._folder / version.key

    def paths(self) -> list[Path]:
        """Return the folders of all versions, the highest number first."""
        found = [path for path in self._folder.glob("*-*") if path.is_dir() and path.name.split("-")[0].isdecimal()]
        return sorted(found, key=lambda path: int(path.name.split("-")[0]), reverse=True)

    @contextmanager
    def adding(self, version: RegisteredVersion) -> Iterator[Path]:
        """Give an empty folder that becomes the version's, unless the block raises."""
        with self._unfinished() as unfinished:
            folder = unfinished / version.key
            folder.mkdir()
            yield folder
            _flush(folder)
            try:
                folder.rename(self.path(version))
            except OSError:
                if not self.path(version).is_dir():
                    raise  # else another process was faster

    def discard(self, version: RegisteredVersion) -> None:
        """Remove a version."""
        self._remove(self.path(version))

    def prune(self, kept: Iterable[RegisteredVersion]) -> None:
        """Remove abandoned downloads, and versions that are neither kept nor among the newest."""
        names = {version.key for version in kept}
        for path in [path for path in self.paths() if path.name not in names][_SPARE:]:
            self._remove(path)
        for path in self._folder.glob(f"{_UNFINISHED}*"):
            with suppress(FileNotFoundError):  # finished meanwhile
                if time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    shutil.rmtree(path, ignore_errors=True)

    @contextmanager
    def loading(self, version: RegisteredVersion) -> Iterator[None]:
        """Mark a version as being loaded; what remains of the mark shows that its process died of it, or meanwhile."""
        if self._ending:
            yield
            return
        mark = self._folder / f"{_LOADING}{version.key}-{uuid.uuid4().hex}"
        try:
            descriptor = self._put(mark)
        except OSError as fault:  # of a full disk, say: it must not keep a version that is here from being loaded
            logger.warning("version %d cannot be marked as being loaded: %s", version.number, fault)
            yield
            return
        self._marks.add(mark)
        try:
            yield
        finally:
            mark.unlink(missing_ok=True)
            self._marks.discard(mark)
            os.close(descriptor)

    def deaths(self, version: RegisteredVersion) -> int:
        """Return how many processes died while they loaded a version."""
        return len(self._abandoned(f"{_LOADING}{version.key}-*"))

    def forget_deaths(self, version: RegisteredVersion) -> None:
        """Forget what happened to those that loaded a version: it has been loaded."""
        for mark in self._abandoned(f"{_LOADING}{version.key}-*"):
            mark.unlink(missing_ok=True)

    def forget_deaths_of_others(self, versions: Iterable[RegisteredVersion]) -> None:
        """Forget what happened with versions that nobody asks for any more."""
        kept = tuple(f"{_LOADING}{version.key}-" for version in versions)
        for mark in self._abandoned(f"{_LOADING}*"):
            if not mark.name.startswith(kept):
                mark.unlink(missing_ok=True)

    def withdraw_marks(self) -> None:
        """Remove the marks of this process, which is about to end in an orderly way, and make no more."""
        self._ending = True
        for mark in list(self._marks):
            mark.unlink(missing_ok=True)

    def remember(self, named: NamedVersions) -> None:
        """Store the versions that the aliases point to."""
        versions = {alias: asdict(version) for alias, version in named.versions.items()}
        self._write(_ALIASES, {"confirmed_at": named.confirmed_at, "versions": versions})

    def recall(self) -> NamedVersions | None:
        """Return the last known aliases, None where there are none."""
        try:
            stored = self._read(_ALIASES)
            if stored is None:
                return None
            versions = {alias: RegisteredVersion(**version) for alias, version in stored["versions"].items()}
            return NamedVersions(versions, float(stored["confirmed_at"]))
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            logger.warning("the last known aliases cannot be read: %s", fault)
            return None

    def remember_loaded(self, version: RegisteredVersion) -> None:
        """Store which version in production was loaded last."""
        self._write(_LAST_LOADED, {"version": asdict(version)})

    def recall_loaded(self) -> RegisteredVersion | None:
        """Return the version in production that was loaded last, None where there is none."""
        try:
            stored = self._read(_LAST_LOADED)
            return None if stored is None else RegisteredVersion(**stored["version"])
        except (OSError, ValueError, KeyError, TypeError) as fault:
            logger.warning("which version was loaded last cannot be read: %s", fault)
            return None

    def _write(self, name: str, content: Mapping[str, Any]) -> None:
        with self._unfinished() as unfinished:
            file = unfinished / name
            file.write_text(json.dumps({"origin": self._origin, **content}, indent=1))
            file.replace(self._folder / name)

    def _read(self, name: str) -> Any:
        """Return what a file has of the same registry and model, None where there is nothing."""
        try:
            stored = json.loads((self._folder / name).read_bytes())
        except FileNotFoundError:
            return None
        return stored if stored["origin"] == self._origin else None

    def _put(self, mark: Path) -> int:
        """Make a file with a lock that the kernel releases however this process ends."""
        with self._unfinished() as unfinished:
            file = unfinished / mark.name
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                file.rename(mark)
            except OSError:
                os.close(descriptor)
                raise
        return descriptor

    def _abandoned(self, pattern: str) -> list[Path]:
        """Return the marks whose process no longer runs."""
        return [mark for mark in self._folder.glob(pattern) if _is_free(mark)]

    def _remove(self, path: Path) -> None:
        with self._unfinished() as doomed, suppress(FileNotFoundError):  # removed by another process
            path.rename(doomed / path.name)

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=self._folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder)


def _flush(folder: Path) -> None:
    """Write files to the disk, so that a power failure cannot leave the folder's final name without them."""
    for path in [*folder.iterdir(), folder]:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _is_free(mark: Path) -> bool:
    try:
        with mark.open("rb") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (FileNotFoundError, BlockingIOError):  # loaded meanwhile, or still on its way
        return False
    return True
