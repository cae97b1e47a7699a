"""The model artifact: one folder of plain files that predicts from raw listings. Loading it runs no code.

``encoder.json``, ``forest.npz``, ``bands.json``, ``rule.json``, ``golden.json``, ``metrics.json``,
``reference_profile.json``, and ``manifest.json`` with the SHA-256 of each.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from housing_assets.features.bands import CATEGORIES, PriceBands
from housing_assets.features.crossing import cross_frame, cross_listing
from housing_assets.features.encoder import ListingEncoder
from housing_assets.packaging.prediction import Prediction, UnusableListing, parse_usable
from housing_assets.packaging.rule import PriceRule
from housing_assets.training.flat_forest import FlatForest

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 3
REFERENCE = "reference_profile.json"
FILES = ("encoder.json", "forest.npz", "bands.json", "rule.json", "golden.json", "metrics.json", REFERENCE)
MANIFEST = "manifest.json"

PRICE_CATEGORY = "price_category"
REASON = "reason"
PROBABILITY_NAMES = [f"probability_{name}" for name in CATEGORIES]


class ArtifactRefused(ValueError):
    """A model artifact that is damaged, incomplete or not one of ours; the message says which file and why."""


@dataclass(frozen=True)
class GoldenRow:
    """A raw listing and the class probabilities that the evaluated model gave it."""

    cells: Mapping[str, Any]
    probabilities: tuple[float, ...]


PROBABILITY_TOLERANCE = 1e-6
"""How far a probability may be from the evaluated model's: well above rounding, well below what matters."""


@dataclass(frozen=True)
class ModelArtifact:
    """A model, ready to predict.

    Attributes
    ----------
    encoder : ListingEncoder
    forest : FlatForest
    bands : PriceBands
    rule : PriceRule
        What answers where the forest cannot.
    golden : sequence of GoldenRow
        Synthetic listings that are replayed wherever the model is loaded.
    metrics : mapping of str to float
        Of the evaluation before registration.
    provenance : mapping of str to str
        Fingerprints and versions that the model was made from.
    reference : str
        What production is held against, as the monitoring writes it: only carried along here. Empty for a model that
        is not to be monitored.
    """

    encoder: ListingEncoder
    forest: FlatForest
    bands: PriceBands
    rule: PriceRule
    golden: Sequence[GoldenRow]
    metrics: Mapping[str, float]
    provenance: Mapping[str, str]
    reference: str = ""

    def probabilities(self, listings: "pd.DataFrame") -> np.ndarray:
        """Return class probabilities of typed listings: float64 of shape (n_rows, n_classes)."""
        return self.forest.predict_proba(self.encoder.transform(cross_frame(listings)))

    def predict(self, raw: "pd.DataFrame") -> "pd.DataFrame":
        """Classify raw listings.

        Parameters
        ----------
        raw : DataFrame of shape (n_rows, n_columns)
            Raw texts or clean numbers; the price is not read, a column that is absent counts as empty.

        Returns
        -------
        answers : DataFrame of shape (n_rows, 5)
            ``price_category``, ``probability_low``, ``probability_medium``, ``probability_high``, and ``reason``: why
            a row could not be used, in which case the others are null.
        """
        import pandas as pd

        from housing_assets.listings.cleaning import parse_frame

        listings, faults = parse_frame(raw, with_target=False)
        probabilities = self.probabilities(listings) if len(raw) else np.zeros((0, len(CATEGORIES)))
        categories = np.array(CATEGORIES, dtype=object)[probabilities.argmax(axis=1)]
        reasons = np.full(len(raw), None, dtype=object)
        for fault in reversed(faults):  # so that the first declared column is the one that stays
            reasons[fault.rows] = [f"{fault.column}: {reason}" for reason in fault.reasons[fault.rows]]
        unusable = np.array([reason is not None for reason in reasons], dtype=bool)
        categories[unusable] = None
        probabilities[unusable] = np.nan
        named = {name: probabilities[:, index] for index, name in enumerate(PROBABILITY_NAMES)}
        return pd.DataFrame({PRICE_CATEGORY: categories, **named, REASON: reasons}, index=raw.index)

    def predict_one(self, cells: Mapping[str, Any]) -> Prediction:
        """Classify one raw listing without a table library.

        Parameters
        ----------
        cells : mapping
            Raw texts or clean numbers by raw column name; the price is not read.

        Raises
        ------
        UnusableListing
            If a cell cannot be used; its ``reasons`` tell why, by column.
        """
        encoded = self.encoder.transform_one(cross_listing(parse_usable(cells)))
        probabilities = self.forest.predict_proba_one(encoded.columns, encoded.cells)
        return Prediction(int(probabilities.argmax()), tuple(probabilities.tolist()), encoded.unseen)

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
        (folder / "encoder.json").write_text(self.encoder.to_json(), encoding="utf-8")
        self.forest.save(folder)
        self.bands.save(folder)
        self.rule.save(folder)
        (folder / "golden.json").write_text(
            json.dumps([asdict(row) for row in self.golden], ensure_ascii=False, indent=1), encoding="utf-8"
        )
        (folder / "metrics.json").write_text(json.dumps(dict(self.metrics), indent=1, sort_keys=True))
        (folder / REFERENCE).write_text(self.reference, encoding="utf-8")
        manifest = {
            "format": FORMAT,
            "provenance": dict(self.provenance),
            "sha256": {name: sha256(folder / name) for name in FILES},
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
        """
        manifest = _read_manifest(folder, FILES)
        try:
            artifact = cls(
                encoder=ListingEncoder.from_json((folder / "encoder.json").read_text(encoding="utf-8")),
                forest=FlatForest.load(folder),
                bands=PriceBands.load(folder),
                rule=PriceRule.load(folder),
                golden=_read_golden(folder),
                metrics=json.loads((folder / "metrics.json").read_text()),
                provenance=manifest["provenance"],
                reference=(folder / REFERENCE).read_text(encoding="utf-8"),
            )
        except (ValueError, KeyError, TypeError, IndexError) as fault:
            raise ArtifactRefused(f"{folder}: {fault}") from fault
        if artifact.forest.n_columns != artifact.encoder.n_columns:
            raise ArtifactRefused(
                f"{folder}: the forest was grown on {artifact.forest.n_columns} columns, "
                f"the encoder makes {artifact.encoder.n_columns}"
            )
        try:
            artifact.replay_golden()
        except (ArtifactRefused, UnusableListing) as fault:
            raise ArtifactRefused(f"{folder}: {fault}") from fault
        return artifact


def load_rule(folder: Path) -> PriceRule:
    """Read the rule alone from the folder of a model artifact whose other files may be damaged.

    Raises
    ------
    ArtifactRefused
        If the manifest or the rule is missing or damaged.
    """
    _read_manifest(folder, ("rule.json",))
    try:
        return PriceRule.load(folder)
    except (ValueError, KeyError, TypeError, IndexError) as fault:
        raise ArtifactRefused(f"{folder}: {fault}") from fault


def _read_golden(folder: Path) -> list[GoldenRow]:
    stored = json.loads((folder / "golden.json").read_text(encoding="utf-8"))
    return [GoldenRow(dict(row["cells"]), tuple(map(float, row["probabilities"]))) for row in stored]


def _read_manifest(folder: Path, files: Sequence[str]) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_bytes())
        found = manifest["format"], set(manifest["sha256"].keys()), dict(manifest["provenance"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as fault:
        raise ArtifactRefused(f"{folder}: no readable {MANIFEST}: {fault}") from None
    if found[0] != FORMAT:
        raise ArtifactRefused(f"{folder}: its format is {found[0]}, this version reads {FORMAT}")
    if found[1] != set(FILES):
        raise ArtifactRefused(f"{folder}: its manifest names {sorted(found[1])}, expected {sorted(FILES)}")
    for name in files:
        if not (folder / name).is_file():
            raise ArtifactRefused(f"{folder}: {name} is missing")
        if sha256(folder / name) != manifest["sha256"][name]:
            raise ArtifactRefused(f"{folder}: {name} is damaged: its checksum differs from the manifest's")
    return manifest


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, as hexadecimal digits."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
