"""What a run may be told of the assets of the group ``training``, with bounds and descriptions for the launchpad."""

import dagster as dg
from pydantic import Field

from housing_assets.training.parameters import TUNED, Balancing, ForestParameters, Strategy


class BalancingConfig(dg.Config):
    """How the classes are balanced, and which columns the trees are offered."""

    strategy: Strategy = Field(default="smote", description="smote, class_weight, smotenc or none.")
    min_rows: int = Field(default=100, ge=1, description="Training rows that must fill a column for it to be offered.")
    seed: int = Field(default=0, ge=0, description="Of the synthetic rows.")
    compare: bool = Field(
        default=False,
        description="Cross-validate every strategy on the training rows, with the default forest; takes minutes.",
    )

    def balancing(self) -> Balancing:
        """Return how rows are balanced."""
        return Balancing(self.strategy, self.min_rows, self.seed)


class ForestConfig(dg.Config, ForestParameters):
    """How the forest is grown."""

    fine_tune: bool = Field(
        default=False,
        description="Keep the trees of the last forest and add n_trees grown on these rows, on the columns that it was "
        "offered; starts a new lineage of forests.",
    )
    use_best: bool = Field(
        default=True,
        description=f"Grow with the settings that best_params holds, unless one of {', '.join(TUNED)} is said here.",
    )


class OutOfTimeConfig(dg.Config):
    """How a forest is judged on listings that are newer than all that it was grown on."""

    share: float = Field(
        default=0.15, ge=0, le=0.5, description="Newest share of the dated listings to judge by; 0 does without."
    )
    folds: int = Field(
        default=1, ge=1, le=10, description="Rolling-origin folds, the newest first; each takes about half a training."
    )
    n_trees: int = Field(default=40, ge=1, le=5_000, description="Trees of each fold; all else is as of price_forest.")
    max_rows: int = Field(
        default=50_000, ge=1_000, description="Older listings that are learned from at most, the newest of them."
    )


class EvaluationConfig(dg.Config):
    """The quality gates."""

    min_macro_f1: float = Field(default=0.75, ge=0, le=1, description="Gate: lowest macro-F1 on the holdout.")
    min_recall: float = Field(default=0.6, ge=0, le=1, description="Gate: lowest recall of any category.")
    max_calibration_error: float = Field(default=0.1, ge=0, le=1, description="Gate: highest calibration error.")
    max_time_loss: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Warning: macro-F1 by which the out-of-time judgement may lie below the holdout's.",
    )
