"""What a training run may be told: parameters with their bounds. Quick to import, for the code location reads it."""

from typing import Any, Literal, get_args

from pydantic import BaseModel, Field

Strategy = Literal["smote", "class_weight", "smotenc", "none"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
"""Ways to balance the classes; see ``strategies.py``."""


class ForestParameters(BaseModel):
    """How the forest is grown."""

    n_trees: int = Field(default=200, ge=1, le=5_000, description="Trees of the finished forest.")
    max_features: Literal["sqrt", "log2"] = Field(default="sqrt", description="Columns tried at each split.")
    min_samples_leaf: int = Field(default=1, ge=1, le=1_000, description="Fewest training rows in a leaf.")
    max_depth: int = Field(default=0, ge=0, le=200, description="Deepest level of a tree; 0 grows it out.")
    seed: int = Field(default=0, ge=0, description="An integer, so that a resumed forest equals an uninterrupted one.")
    n_jobs: int = Field(default=-1, ge=-1, description="Threads; -1 uses every core. Does not change the forest.")
    checkpoint_every: int = Field(default=20, ge=1, le=1_000, description="Trees between two checkpoints.")

    def growth(self) -> dict[str, Any]:
        """Return the parameters that decide what a tree looks like."""
        return self.model_dump(include={"max_features", "min_samples_leaf", "max_depth", "seed"})
