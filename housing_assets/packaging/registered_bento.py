"""The bento of a registered version: what answers with it where there is no registry."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from housing_assets.packaging.bento import build_bento
from housing_assets.packaging.registration import Registration
from resources.mlflow.registry import Version

LABELS = ("lineage", "data_fingerprint", "forest_digest", "artifact_sha256", "git_commit")
"""Tags of a version that the bento with it has as labels."""


def labels_of(version: Version) -> Mapping[str, str]:
    """Return the labels of a version's bento: its number, and where it comes from."""
    return {
        "model_version": str(version.number),
        **{name: version.tags[name] for name in LABELS if name in version.tags},
    }


def build_bento_of(version: Version, artifact: Path, home: Path) -> str:
    """Bake a registered version into a bento, named by its number, its forest and the moment; return the bento's tag.

    Parameters
    ----------
    version : Version
    artifact : Path
        Folder that it was downloaded to; a file that says which version it is is written there.
    home : Path
        BentoML's store.

    Raises
    ------
    BentoFailed
        If BentoML does not build it.
    """
    Registration(version.number, True, version.tags["reason"]).save(artifact)
    name = f"v{version.number}-{version.tags['forest_digest'][:12]}-{datetime.now(UTC):%Y%m%d%H%M%S}"
    return build_bento(artifact, name, labels_of(version), home)
