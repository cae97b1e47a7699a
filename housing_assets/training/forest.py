"""Grows the random forest, tree by tree with checkpoints, and the folds that judge a configuration."""

import hashlib
import json
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from housing_assets.inference.forest import FlatForest
from housing_assets.training.balancing import TrainingSet
from housing_assets.training.checkpoint import CheckpointFolder, TrainingIdentity, offered_columns
from housing_assets.training.flattening import flatten
from housing_assets.training.parameters import ForestParameters
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix
    from sklearn.tree import DecisionTreeClassifier

    from housing_assets.training.flattening import AnyForest

DENSE_BYTES = 4 * 2**30
"""Up to this size the offered columns are made dense: scikit-learn splits those four times faster than sparse ones."""


@dataclass(frozen=True)
class Progress:
    """How far a forest is: trees done of all, and seconds since its first new tree."""

    n_done: int
    n_trees: int
    n_grown: int
    seconds: float

    def __str__(self) -> str:
        """Say it in one line, with the rate and the time left."""
        rate = self.n_grown / self.seconds
        left = (self.n_trees - self.n_done) / rate
        return f"{self.n_done}/{self.n_trees} trees, {rate:.1f} trees/s, {left:.0f} s left"


@dataclass(frozen=True)
class Grown:
    """A grown forest and how it came about.

    Attributes
    ----------
    forest : RandomForestClassifier or ExtraTreesClassifier
    training : TrainingSet
        What its new trees are grown on; with ``fine_tune``, offering the columns of the forest that is fine-tuned.
    n_resumed : int
        Trees taken from a checkpoint.
    refusals : list of str
        Why checkpoints that were found were not continued.
    ancestors : tuple of str
        Digests of the forests that it goes back to by fine-tuning, oldest first; empty for one that is grown anew.
    line : str
        Id of its line of forests: every fine-tuning starts a new one, and so does growing anew on other rows or with
        other parameters; more trees do not.
    """

    forest: "AnyForest"
    training: TrainingSet
    n_resumed: int
    refusals: list[str]
    ancestors: tuple[str, ...]
    line: str

    @property
    def warnings(self) -> list[str]:
        """What was refused, and what was done instead, in a sentence each."""
        instead = f"going on from the one before it, of {self.n_resumed} trees" if self.n_resumed else "growing clean"
        return [f"checkpoint refused, {instead}: {refusal}" for refusal in self.refusals]

    def flatten(self) -> FlatForest:
        """Return what is stored, served and judged in place of the scikit-learn object."""
        return flatten(self.forest, self.training.columns, self.training.n_columns)


def grow_forest(
    training: TrainingSet,
    parameters: ForestParameters,
    folder: Path,
    *,
    columns_fingerprint: str = "",
    price_bands: str = "",
    fine_tune: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
    saved: Callable[[], None] = lambda: None,
    engine: Engine = LOCAL,
) -> Grown:
    """Grow a forest with checkpoints, going on from the last one where it fits.

    Parameters
    ----------
    training : TrainingSet
    parameters : ForestParameters
    folder : Path
        Of the checkpoints.
    columns_fingerprint : str
        Of the encoded columns that ``training.columns`` points into.
    price_bands : str
        ``LabelScheme.terms`` of those that the labels follow from.
    fine_tune : bool
        Keep the trees of the newest checkpoint though it was grown on other rows, and add ``n_trees`` new ones that
        are offered the columns that those were. An interrupted fine-tuning goes on where it stopped; a finished one is
        taken as it is.
    report : callable
        Called after each checkpoint that has new trees.
    saved : callable
        Called whenever a checkpoint was written.
    engine : Engine
        What trees are grown on, each on one worker; a worker holds all rows. The forest is the same on every engine.

    Raises
    ------
    CheckpointRefused
        If ``fine_tune`` is asked for and there is no forest that it can go on from.
    """
    if fine_tune:
        training = training.offering(offered_columns(folder))
    identity = training_identity(training, parameters, columns_fingerprint, price_bands, fine_tuned=fine_tune)
    checkpoints = CheckpointFolder(folder, identity, training.columns, saved)
    forest = new_forest(parameters)
    trees, refusals = checkpoints.resume(parameters.n_trees)
    if fine_tune and not trees:
        trees, refusals = checkpoints.load_finished(), []
        _adopt(forest, trees)
        parent = flatten(forest, training.columns, training.n_columns)
        checkpoints.ancestors += (parent.digest(),)
        checkpoints.save(trees)
    else:
        _adopt(forest, trees)
        if trees and refusals:  # of the checkpoint before the newest: from now on, theirs is the forest to fine-tune
            checkpoints.save(trees)
    n_trees = checkpoints.n_kept + parameters.n_trees
    n_resumed = n_saved = len(trees)
    rows, started, step = splittable(training.X), time.monotonic(), engine.shard_trees or parameters.checkpoint_every
    shards = [(first, min(first + step, n_trees)) for first in range(n_resumed, n_trees, step)]
    for grown in engine.map_shards(partial(_grow_shard, parameters, rows, training.y, training.weights), shards):
        trees = [*trees, *grown]
        if len(trees) in (n_saved + parameters.checkpoint_every, n_trees):
            checkpoints.save(trees)
            n_saved = len(trees)
            report(Progress(len(trees), n_trees, len(trees) - n_resumed, time.monotonic() - started))
    _adopt(forest, trees)
    ancestors = checkpoints.ancestors
    return Grown(forest, training, n_resumed, refusals, ancestors, _line(identity, ancestors))


def _grow_shard(
    parameters: ForestParameters,
    rows: "np.ndarray | csr_matrix",
    y: np.ndarray,
    weights: np.ndarray | None,
    shard: tuple[int, int],
) -> "list[DecisionTreeClassifier]":
    """Return some trees of the forest, by their numbers: those that ``fit`` grows after as many others.

    Of the others it needs but the count: with ``warm_start``, their random states are drawn and thrown away.
    """
    first, end = shard
    forest = new_forest(parameters)
    if first:
        forest.estimators_ = [None] * first
    forest.n_estimators = end
    grown: list[DecisionTreeClassifier] = forest.fit(rows, y, sample_weight=weights).estimators_[first:]
    return grown


def training_identity(
    training: TrainingSet,
    parameters: ForestParameters,
    columns_fingerprint: str,
    price_bands: str,
    *,
    fine_tuned: bool = False,
) -> TrainingIdentity:
    """Return what a checkpoint of this training must have been written for."""
    import sklearn

    offered = hashlib.sha256(columns_fingerprint.encode() + training.columns.tobytes()).hexdigest()
    return TrainingIdentity(
        fingerprint=training.fingerprint(),
        columns=offered,
        price_bands=price_bands,
        n_features=len(training.columns),
        n_classes=training.n_classes,
        parameters=parameters.growth(),
        versions={"scikit-learn": sklearn.__version__, "numpy": np.__version__, "machine": platform.machine()},
        fine_tuned=fine_tuned,
    )


def new_forest(parameters: ForestParameters) -> "AnyForest":
    """Return an unfitted forest. It weighs no classes: a training set brings its weights."""
    from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier

    kinds = {"random_forest": RandomForestClassifier, "extra_trees": ExtraTreesClassifier}
    return kinds[parameters.kind](
        n_estimators=parameters.n_trees,
        max_features=parameters.column_share or parameters.max_features,
        min_samples_leaf=parameters.min_samples_leaf,
        max_depth=parameters.max_depth or None,
        random_state=parameters.seed,
        n_jobs=parameters.n_jobs,
        warm_start=True,
    )


def grow_at_once(training: TrainingSet, parameters: ForestParameters) -> FlatForest:
    """Return a forest that is grown without checkpoints: one that judges a configuration and is thrown away."""
    forest = new_forest(parameters).fit(splittable(training.X), training.y, sample_weight=training.weights)
    return flatten(forest, training.columns, training.n_columns)


def splittable(X: "csr_matrix") -> "np.ndarray | csr_matrix":
    """Return the rows in the form that scikit-learn splits fastest: dense where it fits, else CSC; float32."""
    if X.shape[0] * X.shape[1] * 4 <= DENSE_BYTES:
        return X.toarray()
    return X.tocsc()


def _adopt(forest: "AnyForest", trees: "Sequence[DecisionTreeClassifier]") -> None:
    """Make a forest out of trees as if it had grown them, so that ``fit`` and ``predict`` go on from there."""
    if not trees:
        return
    forest.n_estimators = len(trees)
    forest.estimators_ = list(trees)
    forest.n_features_in_ = trees[0].n_features_in_
    forest.n_outputs_, forest.n_classes_ = 1, trees[0].n_classes_
    forest.classes_ = trees[0].classes_


def _line(identity: TrainingIdentity, ancestors: Sequence[str]) -> str:
    grown_on = json.dumps([vars(identity), ancestors], sort_keys=True)
    return hashlib.sha256(grown_on.encode()).hexdigest()[:12]
