"""The model that is stored beside the code, and the fallback rule: what answers where there is no registry."""

from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

from bento_service.models.availability import (
    Availability,
    Unavailable,
    describe_shortage,
    load_artifact,
    read_version,
)
from housing_assets.inference.artifact import MARKET, ArtifactRefused, ModelArtifact, load_rule
from housing_assets.inference.fallback import FallbackRule
from housing_assets.inference.market import Market


def market_name(folder: Path) -> str | None:
    """Return the name of the market whose model lies in a folder, None where that cannot be read."""
    try:
        return Market.from_json((folder / MARKET).read_text(encoding="utf-8")).name
    except (OSError, ValueError):
        return None  # why the model is refused is said where it is loaded


class BakedModel:
    """The model artifact in a local folder, which must not change while it is served.

    Parameters
    ----------
    folder : Path, optional
        None: there is no such model.
    """

    def __init__(self, folder: Path | None):
        self._folder = folder
        self._refusal: str | None = None
        self._loaded: WeakValueDictionary[str, ModelArtifact] = WeakValueDictionary()

    def load(self) -> tuple[str, ModelArtifact]:
        """Return the version and the model.

        Raises
        ------
        Unavailable
            If there is none, it is refused, or it cannot be loaded now.
        """
        if self._folder is None:
            raise Unavailable(Availability.ABSENT, "no model is baked in")
        version = read_version(self._folder)
        model = self._loaded.get(version)
        if model is None and self._refusal is None:
            try:
                model = self._loaded[version] = load_artifact(self._folder)
            except ArtifactRefused as fault:
                self._refusal = str(fault)
            except (OSError, MemoryError) as fault:  # not kept: the next time it may be loaded
                raise Unavailable(Availability.UNREACHABLE, describe_shortage(fault), version) from fault
        if model is None:
            raise Unavailable(Availability.REFUSED, str(self._refusal), version)
        return version, model


class RuleSource:
    """The first intact fallback rule among those of several model artifacts, even where their forests are damaged.

    Parameters
    ----------
    folders : callable
        Returns the folders of the artifacts, the preferred one first.
    """

    def __init__(self, folders: Callable[[], list[Path]]):
        self._folders = folders
        self._loaded: tuple[str, FallbackRule] | None = None

    def load(self) -> tuple[str, FallbackRule]:
        """Return the version of the artifact and its rule.

        Raises
        ------
        Unavailable
            If there is no artifact, or none whose rule is intact.
        """
        if self._loaded is None:
            self._loaded = self._find()
        return self._loaded

    def _find(self) -> tuple[str, FallbackRule]:
        refusals = []
        for folder in self._folders():
            try:
                return read_version(folder), load_rule(folder)
            except Exception as fault:  # whatever is wrong with one rule, the next one may be intact
                refusals.append(str(fault).removeprefix(f"{folder}: "))
        if not refusals:
            raise Unavailable(Availability.ABSENT, "there is no model artifact to take a rule from")
        raise Unavailable(Availability.REFUSED, refusals[0])
