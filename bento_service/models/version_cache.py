"""Downloaded versions on disk, and the last known aliases: what a worker starts from while the registry is down.

Several processes may share the folder: whatever appears in it appears complete, under its final name.
"""

import json
import logging
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from bento_service.models.mlflow_rest import RegisteredVersion

logger = logging.getLogger("housing.models")

_ALIASES = "aliases.json"
_UNFINISHED = ".unfinished-"

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

    def remember(self, named: NamedVersions) -> None:
        """Store the versions that the aliases point to."""
        stored = {
            "origin": self._origin,
            "confirmed_at": named.confirmed_at,
            "versions": {alias: asdict(version) for alias, version in named.versions.items()},
        }
        with self._unfinished() as unfinished:
            file = unfinished / _ALIASES
            file.write_text(json.dumps(stored, indent=1))
            file.replace(self._folder / _ALIASES)

    def recall(self) -> NamedVersions | None:
        """Return the last known aliases, None where there are none."""
        try:
            stored = json.loads((self._folder / _ALIASES).read_bytes())
            if stored["origin"] != self._origin:
                return None
            versions = {alias: RegisteredVersion(**version) for alias, version in stored["versions"].items()}
            return NamedVersions(versions, float(stored["confirmed_at"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
            logger.warning("the last known aliases cannot be read: %s", fault)
            return None

    def _remove(self, path: Path) -> None:
        with self._unfinished() as doomed, suppress(FileNotFoundError):  # removed by another process
            path.rename(doomed / path.name)

    @contextmanager
    def _unfinished(self) -> Iterator[Path]:
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=self._folder, ignore_cleanup_errors=True) as folder:
            yield Path(folder)
