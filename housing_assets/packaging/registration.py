"""What a version is registered with: its provenance and its tags."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.features.encoded import EncodedListings
from housing_assets.inference.artifact import MANIFEST, sha256
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.listings.origins import WHEN
from housing_assets.packaging.batch import answer_columns
from housing_assets.training.promotion import Decision
from resources.mlflow.registry import DECISION, LABELLED_DAYS, NOT_PROMOTED, ModelRegistry, Version
from resources.predictions.day_decisions import write_ranges
from resources.signatures import sign

if TYPE_CHECKING:
    import pandas as pd
    from pydantic import SecretStr

LOADER_MODULE = "housing_assets.packaging.pyfunc"
_DISTRIBUTION = "housing-price-platform"
_LIBRARIES = ("mmh3", "numba", "numpy", "pandas", "scipy")
"""What predicting imports; the model requires these where the distribution itself is not installed."""

_PACKAGE_FOLDER = Path(__file__).parents[2]


@dataclass(frozen=True)
class Registration:
    """A registered version and what was decided about it."""

    version: int
    promoted: bool
    reason: str

    def save(self, folder: Path) -> None:
        """Write ``registration.json`` to a folder."""
        (folder / "registration.json").write_text(json.dumps(asdict(self), indent=1))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what ``save`` wrote."""
        return cls(**json.loads((folder / "registration.json").read_text()))


def provenance(listings: "pd.DataFrame", forest: FlatForest, encoded: EncodedListings) -> dict[str, str]:
    """Return the fingerprints and versions that a model was made from."""
    import pandas as pd
    import sklearn

    rows = pd.util.hash_pandas_object(listings[_described(encoded)], index=False).to_numpy()
    return {
        "lineage": encoded.labels.lineage,
        "data_fingerprint": hashlib.sha256(np.sort(rows).tobytes()).hexdigest(),
        "listings": str(len(listings)),
        "forest_digest": forest.digest(),
        "columns_fingerprint": encoded.columns_fingerprint(),
        "git_commit": git_commit(_PACKAGE_FOLDER),
        "scikit_learn": sklearn.__version__,
    }


def _described(encoded: EncodedListings) -> list[str]:
    return [value.name for value in encoded.encoder.market.values()]


def git_commit(folder: Path) -> str:
    """Return the commit of a checkout, with ``-dirty`` where files differ from it; "not a git checkout" elsewhere."""
    git = shutil.which("git")
    if git is None:
        return "unknown: there is no git"
    described = subprocess.run(  # noqa: S603
        [git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return described.stdout.strip() if described.returncode == 0 else "not a git checkout"


def manifest_tags(folder: Path, signing_key: "SecretStr | None") -> dict[str, str]:
    """Return the tags by which the service knows the manifest of an artifact: its digest, and that we have made it.

    Parameters
    ----------
    folder : Path
        Of the artifact.
    signing_key : SecretStr, optional
        Without one the manifest is not signed.
    """
    digest = sha256(folder / MANIFEST)
    if signing_key is None:
        return {"artifact_sha256": digest}
    return {"artifact_sha256": digest, "artifact_signature": sign(signing_key.get_secret_value(), digest)}


def version_tags(market: Market, crossed: "pd.DataFrame", macro_f1: float, decision: Decision) -> dict[str, str]:
    """Return what a version's tags say of its listings, of how good it is, and of what was decided.

    Parameters
    ----------
    market : Market
    crossed : DataFrame
        All crossed listings.
    macro_f1 : float
        On the held-out ones.
    decision : Decision
    """
    # Listings of an older release do not say when they were asked for and reported.
    moments = (crossed[name].dropna().unique() for name in WHEN if name in crossed)
    return {
        **({"price_kind": market.price_kind} if market.price_kind else {}),
        "macro_f1": f"{macro_f1:.4f}",
        LABELLED_DAYS: write_ranges(day.date() for days in moments for day in days),
        DECISION: "to be promoted" if decision.promoted else NOT_PROMOTED,
        "reason": decision.reason,
        **decision.tags,
    }


def register_artifact(
    registry: ModelRegistry, market: Market, folder: Path, run_id: str, tags: Mapping[str, str]
) -> Version:
    """Register a stored artifact as a new version of the market's model.

    Parameters
    ----------
    registry : ModelRegistry
    market : Market
    folder : Path
        Of the artifact.
    run_id : str
        The MLflow run that it was trained in.
    tags : mapping of str to str
    """
    import pandas as pd

    return registry.register(
        folder,
        run_id,
        tags,
        LabelScheme.load(folder).to_dict(),
        loader_module=LOADER_MODULE,
        requirements=requirements(),
        example=pd.DataFrame([market.example]),
        answer=answer_columns(market),
        required=market.required,
    )


def requirements() -> list[str]:
    """Return what loading the model needs: this distribution, or its libraries where it runs from a bare checkout."""
    try:
        return [f"{_DISTRIBUTION}=={version(_DISTRIBUTION)}"]
    except PackageNotFoundError:
        return [f"{name}=={version(name)}" for name in _LIBRARIES]
