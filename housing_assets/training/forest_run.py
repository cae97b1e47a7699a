"""What the MLflow run of a forest says of it: the settings that it was grown with, and what it is known by.

Quick to import, for the code location reads it.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from housing_assets.features.encoded import EncodedListings
    from housing_assets.training.balancing import TrainingSet
    from housing_assets.training.best_params import BestParams
    from housing_assets.training.forest import Grown
    from housing_assets.training.parameters import ForestParameters

FOREST_TAG = "forest_digest"
"""Tag of the MLflow run that grew a forest; evaluation and registration log to the run that has it."""

FINE_TUNED_FROM = "fine_tuned_from"
"""Tag of a fine-tuned forest: the digest of the forest whose trees it keeps."""

FOREST_LINE = "forest_line"
"""Tag of a forest: its line of forests, which every fine-tuning starts anew."""

TRAINING_FINGERPRINT = "training_fingerprint"
"""Tag of a forest: the fingerprint of the rows that it was grown on."""


def run_parameters(
    chosen: "ForestParameters", searched: "BestParams | None", training: "TrainingSet", features: "EncodedListings"
) -> dict[str, Any]:
    """Return the settings of the forest, of the balancing before it and of the encoder before that.

    Parameters
    ----------
    chosen : ForestParameters
        What the forest was grown with.
    searched : BestParams, optional
        What a sweep has found, where it was asked for.
    training : TrainingSet
    features : EncodedListings
    """
    best = searched.parameters if searched else {}
    return {
        **chosen.model_dump(),
        "settings_from": f"sweep {searched.study}: {', '.join(best)}" if searched and best else "config",
        "balancing": training.strategy,
        "balancing_seed": training.seed,
        "min_rows": training.min_rows,
        **{f"encoder_{name}": value for name, value in features.encoder.parameters.items()},
    }


def run_tags(grown: "Grown", digest: str, training: "TrainingSet", features: "EncodedListings") -> dict[str, str]:
    """Return what the forest is known by, and what it goes back to.

    Parameters
    ----------
    grown : Grown
    digest : str
        Of the flattened forest.
    training : TrainingSet
    features : EncodedListings
    """
    return {
        FOREST_TAG: digest,
        FOREST_LINE: grown.line,
        TRAINING_FINGERPRINT: training.fingerprint(),
        **({FINE_TUNED_FROM: grown.ancestors[-1]} if grown.ancestors else {}),
        "lineage": features.labels.lineage,
    }
