"""The model that lies beside the code, and the rule: what answers where no registry can be asked."""

from collections.abc import Callable
from pathlib import Path
from weakref import WeakValueDictionary

from bento_service.models.availability import Status, Unavailable, load_artifact, read_version
from housing_assets.packaging.artifact import ArtifactRefused, ModelArtifact, load_rule
from housing_assets.packaging.rule import PriceRule


class BakedModel:
    """The model artifact in a local folder, which does not change while it is served from.

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
            If there is none, or it is refused.
        """
        if self._folder is None:
            raise Unavailable(Status.ABSENT, "no model is baked in")
        version = read_version(self._folder)
        model = self._loaded.get(version)
        if model is None and self._refusal is None:
            try:
                model = self._loaded[version] = load_artifact(self._folder)
            except ArtifactRefused as fault:
                self._refusal = str(fault)
        if model is None:
            raise Unavailable(Status.REFUSED, str(self._refusal), version)
        return version, model


class FallbackRule:
    """The first rule that is whole among those of several model artifacts, whatever became of their forests.

    Parameters
    ----------
    folders : callable
        Returns the folders of the artifacts, the preferred one first.
    """

    def __init__(self, folders: Callable[[], list[Path]]):
        self._folders = folders
        self._loaded: tuple[str, PriceRule] | None = None

    def load(self) -> tuple[str, PriceRule]:
        """Return the version of the artifact and its rule.

        Raises
        ------
        Unavailable
            If there is no artifact, or none whose rule is whole.
        """
        if self._loaded is None:
            self._loaded = self._find()
        return self._loaded

    def _find(self) -> tuple[str, PriceRule]:
        refusals = []
        for folder in self._folders():
            try:
                return read_version(folder), load_rule(folder)
            except Exception as fault:  # a rule that cannot be read in one way or another
                refusals.append(str(fault).removeprefix(f"{folder}: "))
        if not refusals:
            raise Unavailable(Status.ABSENT, "there is no model artifact to take a rule from")
        raise Unavailable(Status.REFUSED, refusals[0])
