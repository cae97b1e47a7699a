"""Whether a source has a model to give, and how a folder of files is loaded as one."""

import json
import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from housing_assets.inference.artifact import ArtifactRefused, ModelArtifact
from housing_assets.inference.fallback import FallbackRule

Model = ModelArtifact | FallbackRule

logger = logging.getLogger("housing.models")

_REGISTRATION = "registration.json"

_UNNUMBERED = "baked"
"""Version of a folder that does not say which version its artifact was registered as."""


class Availability(StrEnum):
    """Whether a source has a model to give."""

    AVAILABLE = "available"
    ABSENT = "absent"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"


@dataclass(frozen=True)
class SourceStatus:
    """Whether a source has a model to give, of which version, and why not.

    Attributes
    ----------
    availability : Availability
    version : str or None
        None where none is known.
    reason : str or None
        Why there is no model; None where there is one.
    """

    availability: Availability
    version: str | None = None
    reason: str | None = None


class Unavailable(Exception):
    """A source has no model to give; ``status`` says why."""

    def __init__(self, availability: Availability, reason: str, version: str | None = None):
        super().__init__(reason)
        self.status = SourceStatus(availability, version, reason)


def load_artifact(folder: Path) -> ModelArtifact:
    """Load a model artifact; replaying its golden rows compiles what predicting needs.

    Raises
    ------
    ArtifactRefused
        If it is damaged or not a model artifact; the message does not name the folder.
    OSError, MemoryError
        If this process cannot load it now, which tells nothing of the model.
    """
    try:
        return ModelArtifact.load(folder)
    except ArtifactRefused as fault:
        raise ArtifactRefused(str(fault).removeprefix(f"{folder}: ")) from fault
    except (OSError, MemoryError):
        raise
    except Exception as fault:  # whatever is wrong with one model, the others must go on answering
        logger.exception("loading %s failed", folder)
        raise ArtifactRefused(f"{type(fault).__name__}: {fault}") from fault


def describe_shortage(fault: OSError | MemoryError) -> str:
    """Return why this process could not load a model, without the name of a file."""
    return f"it cannot be loaded now: {getattr(fault, 'strerror', None) or type(fault).__name__}"


def read_version(folder: Path) -> str:
    """Return the version that the artifact in a folder was registered as."""
    try:
        return str(int(json.loads((folder / _REGISTRATION).read_bytes())["version"]))
    except (OSError, ValueError, KeyError, TypeError):
        return _UNNUMBERED


def write_version(folder: Path, number: int) -> None:
    """Write into a folder which version its artifact was registered as."""
    (folder / _REGISTRATION).write_text(json.dumps({"version": number}))
