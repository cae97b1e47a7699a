"""Whether a source has a model to give, and how a folder of files becomes one."""

import json
import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from housing_assets.packaging.artifact import ArtifactRefused, ModelArtifact
from housing_assets.packaging.rule import PriceRule

Model = ModelArtifact | PriceRule

logger = logging.getLogger("housing.models")

_REGISTRATION = "registration.json"

_UNNUMBERED = "baked"
"""Version of a folder that does not say as which version its artifact was registered."""


class Status(StrEnum):
    """How a source stands."""

    AVAILABLE = "available"
    ABSENT = "absent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class Standing:
    """How a source stands, with which version, and why.

    Attributes
    ----------
    status : Status
    version : str or None
        None where none is known.
    reason : str or None
        Why there is no model; None where there is one.
    """

    status: Status
    version: str | None = None
    reason: str | None = None


class Unavailable(Exception):
    """A source has no model to give; ``standing`` tells why."""

    def __init__(self, status: Status, reason: str, version: str | None = None):
        super().__init__(reason)
        self.standing = Standing(status, version, reason)


def load_artifact(folder: Path) -> ModelArtifact:
    """Load a model artifact; replaying its golden rows compiles what predicting needs.

    Raises
    ------
    ArtifactRefused
        If it is damaged or not one of ours; the message does not name the folder.
    """
    try:
        return ModelArtifact.load(folder)
    except ArtifactRefused as fault:
        raise ArtifactRefused(str(fault).removeprefix(f"{folder}: ")) from fault
    except Exception as fault:  # whatever is wrong with one model, it must not take those along that answer
        logger.exception("loading %s failed", folder)
        raise ArtifactRefused(f"{type(fault).__name__}: {fault}") from fault


def read_version(folder: Path) -> str:
    """Return the version that the artifact in a folder was registered as."""
    try:
        return str(int(json.loads((folder / _REGISTRATION).read_bytes())["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        return _UNNUMBERED


def write_version(folder: Path, number: int) -> None:
    """Say in a folder as which version its artifact was registered."""
    (folder / _REGISTRATION).write_text(json.dumps({"version": number}))
