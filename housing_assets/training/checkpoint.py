"""Checkpoints of a forest in training: files without pickle that are checked before a tree of them is used.

A checkpoint is a folder: parts (``trees-00000-00020.npz``, each with the trees grown since the one before) and
``checkpoint.json``, which names the parts with their checksums and says what the forest is trained on. Everything is
written under a temporary name and renamed, the manifest last, so that a killed process leaves the last whole
checkpoint behind. The manifest before it is kept, unless it is the whole one and the newest is damaged: then the
newest goes.

scikit-learn continues a forest on any rows, any columns and any finished forest without a word; hence the checks here.
"""

import hashlib
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from housing_assets.training.tree_arrays import from_arrays, to_arrays
from resources.checkpoints import MANIFEST
from resources.processes import is_another_living

if TYPE_CHECKING:
    from sklearn.tree import DecisionTreeClassifier

FORMAT = 3
PREVIOUS_MANIFEST = "checkpoint.previous.json"


class CheckpointRefused(ValueError):
    """A checkpoint that must not be continued; the message says what differs or is damaged."""


@dataclass(frozen=True)
class TrainingIdentity:
    """What a forest is trained on and with; a checkpoint of another identity is refused.

    Attributes
    ----------
    fingerprint : str
        Of the training set's rows, labels and weights.
    columns : str
        Fingerprint of the feature columns and their order.
    price_bands : str
        ``LabelScheme.terms``: what the labels follow from, and which ads are held out.
    n_features, n_classes : int
    parameters : mapping
        Of the forest, without its size.
    versions : mapping
        Library versions that decide how a tree grows.
    fine_tuned : bool
        Whether the first trees are those of a forest that was grown on other rows. Without this mark an interrupted
        fine-tuning would pass for a finished forest of the new rows.
    """

    fingerprint: str
    columns: str
    price_bands: str
    n_features: int
    n_classes: int
    parameters: Mapping[str, Any]
    versions: Mapping[str, str]
    fine_tuned: bool = False


class CheckpointFolder:
    """The checkpoints of one forest in training.

    Parameters
    ----------
    folder : Path
        Created at the first ``save``.
    identity : TrainingIdentity
        Of the training that reads and writes here.
    columns : ndarray of shape (n_features,)
        Those that the trees are offered; kept for whoever fine-tunes the forest.
    saved : callable
        Called after each ``save``.

    Attributes
    ----------
    n_kept : int
        Trees of the forest that is fine-tuned; 0 for a forest that is grown anew.
    ancestors : tuple of str
        Digests of the forests that it goes back to by fine-tuning, oldest first; empty for one that is grown anew.
    """

    def __init__(
        self,
        folder: Path,
        identity: TrainingIdentity,
        columns: np.ndarray,
        saved: Callable[[], None] = lambda: None,
    ):
        self.folder = folder
        self.identity = identity
        self.columns = columns
        self.n_kept = 0
        self._n_wanted = 0
        self.ancestors: tuple[str, ...] = ()
        self._parts: list[dict[str, Any]] = []
        self._newest_refused = False
        self._saved = saved

    def resume(self, n_trees: int) -> "tuple[list[DecisionTreeClassifier], list[str]]":
        """Return the trees to go on with, and why newer checkpoints were refused.

        The newest checkpoint is tried first, then the one before it. Without a usable one the list of trees is empty
        and training starts clean.

        Parameters
        ----------
        n_trees : int
            Trees that the finished forest is to have, beside the kept ones.
        """
        self._n_wanted = n_trees
        refusals = []
        for name in (MANIFEST, PREVIOUS_MANIFEST):
            if not (self.folder / name).exists():
                continue
            try:
                trees = self._load(name, n_trees)
            except CheckpointRefused as refusal:
                refusals.append(f"{name}: {refusal}")
                continue
            self._newest_refused = name == PREVIOUS_MANIFEST
            return trees, refusals
        return [], refusals

    def load_finished(self) -> "list[DecisionTreeClassifier]":
        """Return the trees of the newest checkpoint whatever rows it was trained on, to fine-tune them.

        The rows alone may be others: labels by other price bands would teach the forest two meanings of a category.

        Raises
        ------
        CheckpointRefused
            If there is none, it is damaged or unfinished, or anything but the rows differs.
        """
        if not (self.folder / MANIFEST).exists():
            raise CheckpointRefused(f"no checkpoint in {self.folder} to fine-tune")
        manifest = self._read_manifest(MANIFEST)
        if manifest["n_trees"] < manifest["n_wanted"]:
            raise CheckpointRefused(
                f"its training was broken off at {manifest['n_trees']} of {manifest['n_wanted']} trees"
            )
        here = {"fingerprint": self.identity.fingerprint, "fine_tuned": self.identity.fine_tuned}
        self._require_identity({**manifest["identity"], **here})
        trees = self._read_parts(manifest)
        self._parts, self.n_kept, self.ancestors = manifest["parts"], len(trees), tuple(manifest["ancestors"])
        return trees

    def save(self, trees: "Sequence[DecisionTreeClassifier]") -> None:
        """Write the trees that no earlier part holds, then the manifest."""
        self.folder.mkdir(parents=True, exist_ok=True)
        first = self._parts[-1]["until"] if self._parts else 0
        if first < len(trees):
            self._parts.append(self._write_part(trees[first:], first))
        manifest = {
            "format": FORMAT,
            "n_trees": len(trees),
            "n_kept": self.n_kept,
            "n_wanted": self.n_kept + self._n_wanted,
            "ancestors": self.ancestors,
            "offered": self.columns.tolist(),
            "identity": vars(self.identity),
            "parts": self._parts,
        }
        current = self.folder / MANIFEST
        if current.exists() and not self._newest_refused:
            _write_atomically(self.folder / PREVIOUS_MANIFEST, current.read_bytes())
        body = json.dumps(manifest, indent=1, sort_keys=True)
        _write_atomically(current, json.dumps({"sha256": _sha256(body.encode()), "manifest": manifest}).encode())
        self._newest_refused = False
        self._remove_unnamed_files()
        self._saved()

    def _load(self, name: str, n_trees: int) -> "list[DecisionTreeClassifier]":
        manifest = self._read_manifest(name)
        self._require_identity(manifest["identity"])
        n_kept = manifest["n_kept"]
        if manifest["n_trees"] > n_kept + n_trees:
            raise CheckpointRefused(f"it has {manifest['n_trees']} trees, the forest is to have {n_kept + n_trees}")
        trees = self._read_parts(manifest)
        self._parts, self.n_kept, self.ancestors = manifest["parts"], n_kept, tuple(manifest["ancestors"])
        return trees

    def _read_manifest(self, name: str) -> dict[str, Any]:
        return _read_manifest(self.folder / name)

    def _require_identity(self, found: Mapping[str, Any]) -> None:
        labels = {
            "fingerprint": "trained on other data",
            "columns": "trained on other features",
            "price_bands": "trained for other price bands",
            "n_features": "trained on other features",
            "n_classes": "trained for other classes",
            "parameters": "grown with other parameters",
            "versions": "grown by other library versions",
            "fine_tuned": "not grown from the same start",
        }
        for field, expected in vars(self.identity).items():
            if found.get(field) != expected:
                raise CheckpointRefused(f"{labels[field]}: {field} is {found.get(field)}, expected {expected}")

    def _read_parts(self, manifest: dict[str, Any]) -> "list[DecisionTreeClassifier]":
        trees: list[DecisionTreeClassifier] = []
        for part in manifest["parts"]:
            path = self.folder / part["file"]
            if not path.exists():
                raise CheckpointRefused(f"{part['file']} is missing")
            if _sha256(path.read_bytes()) != part["sha256"]:
                raise CheckpointRefused(f"{part['file']} is damaged: its checksum differs")
            try:
                with np.load(path, allow_pickle=False) as arrays:
                    trees.extend(from_arrays(arrays, self.identity.n_features, self.identity.n_classes))
            except (BadZipFile, KeyError, IndexError, TypeError, ValueError, OSError) as fault:
                raise CheckpointRefused(f"{part['file']} is damaged: {fault}") from None
        if len(trees) != manifest["n_trees"]:
            raise CheckpointRefused(f"its parts hold {len(trees)} trees, its manifest says {manifest['n_trees']}")
        return trees

    def _write_part(self, trees: "Sequence[DecisionTreeClassifier]", first: int) -> dict[str, Any]:
        import io

        buffer = io.BytesIO()
        np.savez(buffer, **to_arrays(trees))
        content = buffer.getvalue()
        digest = _sha256(content)
        file = f"trees-{first:05d}-{first + len(trees):05d}-{digest[:8]}.npz"
        _write_atomically(self.folder / file, content)
        return {"file": file, "until": first + len(trees), "sha256": digest}

    def _remove_unnamed_files(self) -> None:
        named = {part["file"] for part in self._parts}
        previous = self.folder / PREVIOUS_MANIFEST
        if previous.exists():
            try:
                named |= {part["file"] for part in self._read_manifest(PREVIOUS_MANIFEST)["parts"]}
            except CheckpointRefused:
                previous.unlink(missing_ok=True)
        for path in self.folder.glob("trees-*"):
            if path.name not in named:
                path.unlink(missing_ok=True)
        for unfinished in (*self.folder.glob(".trees-*"), *self.folder.glob(".checkpoint.*")):
            if not is_another_living(unfinished.suffix.removeprefix(".")):  # of a process that was killed
                unfinished.unlink(missing_ok=True)  # another training may remove the same


def offered_columns(folder: Path) -> np.ndarray:
    """Return the columns that the newest forest is offered, int32: fine-tuned, it must be offered the same.

    Raises
    ------
    CheckpointRefused
        If there is no checkpoint, or none whose manifest is whole.
    """
    refusals = []
    for path in (folder / MANIFEST, folder / PREVIOUS_MANIFEST):
        if not path.exists():
            continue
        try:
            return np.array(_read_manifest(path)["offered"], dtype=np.int32)
        except CheckpointRefused as refusal:
            refusals.append(f"{path.name}: {refusal}")
    raise CheckpointRefused("; ".join(refusals) or f"no checkpoint in {folder} to fine-tune")


def is_finished(folder: Path) -> bool:
    """Return whether the newest checkpoint is whole and has all trees of its forest."""
    try:
        manifest = _read_manifest(folder / MANIFEST)
    except (CheckpointRefused, FileNotFoundError):
        return False
    return bool(manifest["n_trees"] >= manifest["n_wanted"])


def _read_manifest(path: Path) -> dict[str, Any]:
    try:
        stored = json.loads(path.read_bytes())
        manifest: dict[str, Any] = stored["manifest"]
        intact = _sha256(json.dumps(manifest, indent=1, sort_keys=True).encode()) == stored["sha256"]
    except (ValueError, KeyError, TypeError) as fault:
        raise CheckpointRefused(f"the manifest is damaged: {fault}") from None
    if not intact:
        raise CheckpointRefused("the manifest is damaged: its checksum differs")
    if manifest["format"] != FORMAT:
        raise CheckpointRefused(f"its format is {manifest['format']}, this version reads {FORMAT}")
    return manifest


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _write_atomically(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
