"""What a version is registered with: its provenance and the decision whether it goes to production."""

import hashlib
import json
import shutil
import subprocess
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT
from housing_assets.inference.artifact import MANIFEST, ArtifactRefused, ModelArtifact, sha256
from housing_assets.inference.declaration import Column
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.market import Market
from housing_assets.inference.rule_base import Rule
from housing_assets.packaging import batch
from housing_assets.training.promotion import MIN_FRESH, Decision, compare, decide
from resources.model_registry import PRODUCTION, ModelRegistry
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


def answer_types(market: Market) -> dict[str, str]:
    """Return the columns of the registered model's predictions and their MLflow types."""
    shares = dict.fromkeys(batch.probability_names(market.categories), "double")
    return {batch.PRICE_CATEGORY: "string", **shares, batch.REASON: "string"}


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


def requirements() -> list[str]:
    """Return what loading the model needs: this distribution, or its libraries where it runs from a bare checkout."""
    try:
        return [f"{_DISTRIBUTION}=={version(_DISTRIBUTION)}"]
    except PackageNotFoundError:
        return [f"{name}=={version(name)}" for name in _LIBRARIES]


def decide_promotion(
    registry: ModelRegistry,
    market: Market,
    crossed: "pd.DataFrame",
    encoded: EncodedListings,
    challenger: np.ndarray,
    *,
    max_loss: float,
    fresh: np.ndarray | None = None,
) -> Decision:
    """Compare the challenger with the champion on the held-out listings, and decide.

    Where enough of them are fresh, these alone decide: when prices no longer follow from listings as they did, the
    older rows speak for the version that learned the old prices.

    Parameters
    ----------
    registry : ModelRegistry
    market : Market
        What the listings were read by.
    crossed : DataFrame
        All crossed listings; the champion crosses and encodes them with its own encoder.
    encoded : EncodedListings
    challenger : ndarray of shape (n_holdout, n_classes)
        Its probabilities for the held-out listings.
    max_loss : float
    fresh : ndarray of shape (n_rows,), bool, optional
        Which listings are labelled requests of late.
    """
    champion = registry.with_alias(PRODUCTION)
    if champion is None:
        return decide(None, max_loss=max_loss, new_lineage=False)
    if champion.tags["lineage"] != encoded.labels.lineage:
        if any(version.tags["lineage"] == encoded.labels.lineage for version in registry.versions()):
            return Decision(
                False,
                f"is of lineage {encoded.labels.lineage}, from which production was taken back to "
                f"{champion.tags['lineage']}: materialize price_bands and all below it to follow production",
            )
        return decide(None, max_loss=max_loss, new_lineage=True)
    with TemporaryDirectory() as folder:
        try:
            model = ModelArtifact.load(registry.download(champion, Path(folder)))
        except ArtifactRefused as refusal:
            return Decision(
                False, f"cannot be compared: the champion, version {champion.number}, is refused: {refusal}"
            )
    present = {_reading(column) for column in market.columns}
    otherwise = [column.raw for column in model.market.columns if _reading(column) not in present]
    if otherwise:
        return Decision(
            False,
            f"cannot be compared: the champion, version {champion.number}, reads {', '.join(otherwise)}, which the "
            f"declaration no longer has, or reads by another rule: move the alias {PRODUCTION} by hand",
        )
    held_out = crossed[HELD_OUT].to_numpy()
    probabilities = batch.probabilities(model, crossed[held_out])
    judged = np.zeros(len(probabilities), dtype=bool) if fresh is None else fresh[held_out]
    by_fresh = int(judged.sum()) >= MIN_FRESH
    if not by_fresh:
        judged = np.ones(len(probabilities), dtype=bool)
    comparison = compare(encoded.y_holdout[judged], challenger[judged], probabilities[judged])
    return decide(comparison, max_loss=max_loss, new_lineage=False, fresh=by_fresh)


def _reading(column: Column) -> tuple[str, Rule, tuple[str, ...]]:
    return column.raw, column.rule, tuple(value.name for value in column.values)
