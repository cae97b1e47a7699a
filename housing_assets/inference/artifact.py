"""The model artifact: one folder of plain files that predicts from raw listings. Loading it runs no code.

``market.json``, ``encoder.json``, ``forest.npz``, ``labels.json``, ``rule.json``, ``golden.json``, ``metrics.json``,
``reference_profile.json``, where prices are estimated ``estimator.npz`` and ``estimator.json``, where training listings
may be shown ``comparables.jsonl``, for explanations ``forest_covers.npz`` and ``token_sources.npz``, and
``manifest.json`` with the SHA-256 of each.
"""

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from housing_assets.inference import comparables, estimate, fallback, labels, token_sources
from housing_assets.inference.comparables import N_COMPARABLES, Comparable
from housing_assets.inference.crossing import cross_listing, derive_listing
from housing_assets.inference.encoder import EncodedListing, FittedEncoder
from housing_assets.inference.estimate import Estimate, NoEstimate, PriceEstimator
from housing_assets.inference.explanation import BUDGET_MS, Contributions, Explainer
from housing_assets.inference.fallback import FallbackRule
from housing_assets.inference.forest import COVERS, FlatForest
from housing_assets.inference.forest import FILE as FOREST
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market
from housing_assets.inference.plain_arrays import MISSING_FILE
from housing_assets.inference.prediction import Prediction, UnusableListing, parse_usable
from housing_assets.inference.token_sources import TokenSources

FORMAT = 4
UPGRADABLE = 3
"""Format of artifacts without their market's declaration, which ``housing versions upgrade`` adds."""

MARKET, ENCODER, GOLDEN, METRICS = "market.json", "encoder.json", "golden.json", "metrics.json"
REFERENCE = "reference_profile.json"
FILES = (MARKET, ENCODER, FOREST, labels.FILE, fallback.FILE, GOLDEN, METRICS, REFERENCE)
OF_ESTIMATES = (estimate.FILE, estimate.CALIBRATION)
"""Files that an artifact has where prices are estimated; those of releases before there were estimates have none."""

OF_EXPLANATIONS = (COVERS, token_sources.FILE)

OPTIONAL = (OF_ESTIMATES, (comparables.FILE,), OF_EXPLANATIONS)
"""Files that an artifact may have beside the others: all of a group, or none."""

MANIFEST = "manifest.json"


class ArtifactRefused(ValueError):
    """A model artifact that is damaged, incomplete or not one of ours; the message says which file and why."""


@dataclass(frozen=True)
class GoldenRow:
    """A raw listing and the class probabilities that the evaluated model gave it."""

    cells: Mapping[str, Any]
    probabilities: tuple[float, ...]


class Explanation(NamedTuple):
    """One listing's answer, and what can be said of why.

    Attributes
    ----------
    prediction : Prediction
        As ``predict_one`` returns it.
    contributions : Contributions or None
        None where the model was registered by a release that kept nothing for them.
    remainder : float or None
        Log of the estimate less ``base_log_price`` and all ``log_price`` of the contributions; None without either.
    comparables : tuple of Comparable
        The most similar first; empty where the model keeps none, or there is no estimate.
    """

    prediction: Prediction
    contributions: Contributions | None
    remainder: float | None
    comparables: tuple[Comparable, ...]


NO_ESTIMATES = NoEstimate("the model estimates no prices")

PROBABILITY_TOLERANCE = 1e-6
"""How far a probability may be from the evaluated model's: well above rounding, well below what matters."""


@dataclass(frozen=True)
class ModelArtifact:
    """A model, ready to predict.

    Attributes
    ----------
    market : Market
        The declaration of the listings that it reads.
    encoder : FittedEncoder
    forest : FlatForest
    labels : LabelScheme
    rule : FallbackRule
        What answers where the forest cannot.
    golden : sequence of GoldenRow
        Held-out listings, without what is personal, that are replayed wherever the model is loaded.
    metrics : mapping of str to float
        Of the evaluation before registration.
    provenance : mapping of str to str
        Fingerprints and versions that the model was made from.
    reference : str
        What production is held against, as the monitoring writes it: only carried along here. Empty for a model that
        is not to be monitored.
    estimator : PriceEstimator or None
        None where the market has classes, or the model was registered before there were estimates.
    sources : TokenSources or None
        What explanations credit buckets to; None, as are the forest's covers, where a former release registered it.
    """

    market: Market
    encoder: FittedEncoder
    forest: FlatForest
    labels: LabelScheme
    rule: FallbackRule
    golden: Sequence[GoldenRow]
    metrics: Mapping[str, float]
    provenance: Mapping[str, str]
    reference: str = ""
    estimator: PriceEstimator | None = None
    sources: TokenSources | None = None

    def predict_one(self, cells: Mapping[str, Any]) -> Prediction:
        """Classify one raw listing, and estimate its price.

        Parameters
        ----------
        cells : mapping
            Raw texts or clean numbers by raw column name; the target is not read.

        Raises
        ------
        UnusableListing
            If a cell cannot be used; its ``reasons`` tell why, by column.
        """
        derived = derive_listing(self.market, parse_usable(self.market, cells))
        return self._answer(derived, self.encoder.encode(derived))[0]

    def explain_one(self, cells: Mapping[str, Any], budget_ms: float = BUDGET_MS) -> Explanation:
        """Answer one raw listing as ``predict_one`` does, with the reasons.

        Parameters
        ----------
        cells : mapping
        budget_ms : float
            Time that exact contributions may take; see ``Explainer.explain``.

        Raises
        ------
        UnusableListing
        """
        crossed = cross_listing(self.market, parse_usable(self.market, cells))
        encoded = self.encoder.encode(crossed)
        prediction, leaves = self._answer(crossed, encoded)
        contributions = None if self.explainer is None else self.explainer.explain(crossed, encoded, budget_ms)
        found, remainder = prediction.estimate, None
        similar: tuple[Comparable, ...] = ()
        if isinstance(found, Estimate) and self.estimator is not None:
            if contributions is not None and contributions.log_price is not None:
                remainder = math.log(found.price) - (contributions.base_log_price or 0.0)
                remainder -= float(contributions.log_price.sum())
            kept = self.estimator.comparables
            if kept is not None and self.market.comparables:
                most = self.estimator.most_similar(leaves, N_COMPARABLES)
                similar = kept.describe(self.market, most, crossed, self.encoder.index)
        return Explanation(prediction, contributions, remainder, similar)

    @cached_property
    def explainer(self) -> Explainer | None:
        """What takes answers apart, made when first asked for; None where nothing was kept for it."""
        if self.sources is None or self.forest.covers is None:
            return None
        return Explainer(self.forest, self.encoder, self.sources, self.estimator)

    def _answer(self, derived: Mapping[str, Any], encoded: EncodedListing) -> tuple[Prediction, np.ndarray]:
        """Return the answer for a listing that is encoded, and its leaves."""
        probabilities, leaves = self.forest.walk_one(encoded.columns, encoded.cells)
        found: Estimate | NoEstimate = NO_ESTIMATES
        if self.estimator is not None:
            known = encoded.log_price or 0.0
            found = self.estimator.estimate_one(leaves, known, derived.get(self.estimator.calibration.key))
        return Prediction(int(probabilities.argmax()), tuple(probabilities.tolist()), encoded.unseen, found), leaves

    def replay_golden(self) -> None:
        """Predict the golden rows again.

        Raises
        ------
        ArtifactRefused
            If one has other probabilities than the evaluated model gave it.
        """
        for row, golden in enumerate(self.golden):
            found = self.predict_one(golden.cells).probabilities
            if not np.allclose(found, golden.probabilities, rtol=0, atol=PROBABILITY_TOLERANCE):
                raise ArtifactRefused(
                    f"golden row {row} has the probabilities {found}, the evaluated model's were {golden.probabilities}"
                )

    def save(self, folder: Path) -> None:
        """Write the files and their manifest to an existing folder."""
        (folder / MARKET).write_text(self.market.to_json(), encoding="utf-8")
        (folder / ENCODER).write_text(self.encoder.to_json(), encoding="utf-8")
        forest = self.forest if self.sources is not None else replace(self.forest, covers=None)
        forest.save(folder)
        self.labels.save(folder)
        self.rule.save(folder)
        (folder / GOLDEN).write_text(
            json.dumps([asdict(row) for row in self.golden], ensure_ascii=False, indent=1), encoding="utf-8"
        )
        (folder / METRICS).write_text(json.dumps(dict(self.metrics), indent=1, sort_keys=True))
        (folder / REFERENCE).write_text(self.reference, encoding="utf-8")
        files: tuple[str, ...] = FILES
        if self.estimator is not None:
            self.estimator.save(folder)
            files += OF_ESTIMATES
            if self.estimator.comparables is not None:
                files += (comparables.FILE,)
        if self.sources is not None and self.forest.covers is not None:
            self.sources.save(folder)
            files += OF_EXPLANATIONS
        manifest = {
            "format": FORMAT,
            "provenance": dict(self.provenance),
            "sha256": {name: sha256(folder / name) for name in files},
        }
        (folder / MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read and check what ``save`` wrote, and replay the golden rows.

        Raises
        ------
        ArtifactRefused
            If a file is missing, does not have the manifest's checksum, or holds what cannot be, or if the model does
            not predict here what it predicted where it was evaluated.
        OSError, MemoryError
            If this process cannot read it now.
        """
        manifest = _read_manifest(folder)
        try:
            market, scheme = _read_contract(folder)
            encoder = FittedEncoder.from_json((folder / ENCODER).read_text(encoding="utf-8"), market)
            explains = token_sources.FILE in manifest["sha256"]
            artifact = cls(
                market=market,
                encoder=encoder,
                forest=FlatForest.load(folder, with_covers=explains),
                labels=scheme,
                rule=FallbackRule.load(folder, market, scheme),
                golden=_read_golden(folder),
                metrics=json.loads((folder / METRICS).read_text()),
                provenance=manifest["provenance"],
                reference=(folder / REFERENCE).read_text(encoding="utf-8"),
                estimator=PriceEstimator.load(folder) if estimate.FILE in manifest["sha256"] else None,
                sources=(TokenSources.load(folder, len(market.encoded_texts), encoder.n_buckets) if explains else None),
            )
        except (ValueError, KeyError, TypeError, IndexError) as fault:
            raise ArtifactRefused(f"{folder}: {fault}") from fault
        artifact._require_coherence(folder)
        if artifact._has_comparables != (comparables.FILE in manifest["sha256"]):
            raise ArtifactRefused(f"{folder}: its estimator and its manifest differ on whether it has comparables")
        try:
            artifact.replay_golden()
        except (ArtifactRefused, UnusableListing) as fault:
            raise ArtifactRefused(f"{folder}: {fault}") from fault
        return artifact

    @property
    def _has_comparables(self) -> bool:
        return self.estimator is not None and self.estimator.comparables is not None

    def _require_coherence(self, folder: Path) -> None:
        if self.forest.n_columns != self.encoder.n_columns:
            raise ArtifactRefused(
                f"{folder}: the forest was grown on {self.forest.n_columns} columns, "
                f"the encoder makes {self.encoder.n_columns}"
            )
        if self.forest.n_classes != len(self.labels.categories):
            raise ArtifactRefused(
                f"{folder}: the forest's leaves have {self.forest.n_classes} classes, "
                f"not the {len(self.labels.categories)} of {', '.join(self.labels.categories)}"
            )
        if self.estimator is not None and self.estimator.n_leaves != self.forest.n_leaves:
            raise ArtifactRefused(
                f"{folder}: the estimator knows {self.estimator.n_leaves:,} leaves, the forest has "
                f"{self.forest.n_leaves:,}"
            )


def load_rule(folder: Path) -> FallbackRule:
    """Read the rule alone from the folder of a model artifact whose other files may be damaged.

    Raises
    ------
    ArtifactRefused
        If the manifest, the rule or what it needs is missing or damaged.
    """
    _read_manifest(folder, (MARKET, labels.FILE, fallback.FILE))
    try:
        return FallbackRule.load(folder, *_read_contract(folder))
    except (ValueError, KeyError, TypeError, IndexError) as fault:
        raise ArtifactRefused(f"{folder}: {fault}") from fault


def _read_contract(folder: Path) -> tuple[Market, LabelScheme]:
    market = Market.from_json((folder / MARKET).read_text(encoding="utf-8"))
    scheme = LabelScheme.load(folder)
    if scheme.categories != market.categories:
        raise ValueError(
            f"its labels are {', '.join(scheme.categories)}, the market's categories {', '.join(market.categories)}"
        )
    return market, scheme


def _read_golden(folder: Path) -> list[GoldenRow]:
    stored = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
    return [GoldenRow(dict(row["cells"]), tuple(map(float, row["probabilities"]))) for row in stored]


def files_named(folder: Path) -> tuple[str, ...]:
    """Return the names of an artifact's files, as the manifest in a folder has them; the files may not be there yet.

    Raises
    ------
    ArtifactRefused
        If the manifest is missing or damaged, or names others than an artifact has.
    """
    return tuple(sorted(_read_names(folder)["sha256"]))


def _read_manifest(folder: Path, files: Sequence[str] | None = None) -> dict[str, Any]:
    """Return the manifest of a folder whose files, all by default, are those that it was written for."""
    manifest = _read_names(folder)
    checksums = manifest["sha256"]
    require_intact(folder, {name: checksums[name] for name in files or sorted(checksums)})
    return manifest


def _read_names(folder: Path) -> dict[str, Any]:
    """Return the manifest of a folder, which names what an artifact has."""
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        found = manifest["format"], set(manifest["sha256"].keys()), dict(manifest["provenance"])
    except (*MISSING_FILE, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ArtifactRefused(f"{folder}: no readable {MANIFEST}: {fault}") from None
    if found[0] == UPGRADABLE:
        raise ArtifactRefused(
            f"{folder}: its format is {UPGRADABLE}, which has no declaration of its market: "
            "`housing versions upgrade` registers it anew with one"
        )
    if found[0] != FORMAT:
        raise ArtifactRefused(f"{folder}: its format is {found[0]}, this version reads {FORMAT}")
    optional = {name for group in OPTIONAL if found[1].issuperset(group) for name in group}
    if found[1] != {*FILES, *optional}:
        raise ArtifactRefused(
            f"{folder}: its manifest names {sorted(found[1])}, expected {sorted(FILES)}, perhaps with "
            f"{', or '.join(' and '.join(group) for group in OPTIONAL)}"
        )
    return manifest


def require_intact(folder: Path, checksums: Mapping[str, str]) -> None:
    """Refuse a folder whose files are not those that a manifest was written for.

    Parameters
    ----------
    folder : Path
    checksums : mapping of str to str
        The SHA-256 of each file, as hexadecimal digits.

    Raises
    ------
    ArtifactRefused
        If one of them is missing or damaged.
    """
    for name, checksum in checksums.items():
        if not (folder / name).is_file():
            raise ArtifactRefused(f"{folder}: {name} is missing")
        if sha256(folder / name) != checksum:
            raise ArtifactRefused(f"{folder}: {name} is damaged: its checksum differs from the manifest's")


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
