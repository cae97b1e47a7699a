"""What a training run may be told: parameters with their bounds. Quick to import, for the code location reads it."""

from collections.abc import Collection, Mapping
from typing import Any, Literal, NamedTuple, get_args

from pydantic import BaseModel, ConfigDict, Field

Strategy = Literal["smote", "class_weight", "smotenc", "none"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
"""Ways to balance the classes; see ``strategies.py``."""

ForestKind = Literal["random_forest", "extra_trees"]
"""Forests that are flattened, served and explained alike."""

TUNED = ("kind", "max_features", "column_share", "min_samples_leaf", "max_depth")
"""Parameters of the forest that a sweep searches: those that decide how well it does, beside its size."""


MIN_FRESH = 200
"""Fresh rows from which on they decide: as many as a window of the monitoring needs to be judged."""


class Balancing(NamedTuple):
    """How the rows to learn from are balanced, and which columns the trees are offered.

    Attributes
    ----------
    strategy : str
        ``smote`` interpolates encoded rows, ``smotenc`` base columns before crossing and hashing, ``class_weight``
        weighs rows, ``none`` leaves them.
    min_rows : int
        Rows that must fill a column for the trees to be offered it.
    seed : int
        Of the synthetic rows.
    """

    strategy: Strategy = "smote"
    min_rows: int = 100
    seed: int = 0


class ForestParameters(BaseModel):
    """How the forest is grown."""

    n_trees: int = Field(default=200, ge=1, le=5_000, description="Trees of the finished forest.")
    kind: ForestKind = Field(
        default="random_forest",
        description="random_forest, or extra_trees: extremely randomized trees, which draw the thresholds they try.",
    )
    max_features: Literal["sqrt", "log2"] = Field(default="sqrt", description="Columns tried at each split.")
    column_share: float = Field(
        default=0.0, ge=0, le=1, description="Share of the columns tried at each split; 0: as max_features says."
    )
    min_samples_leaf: int = Field(default=1, ge=1, le=1_000, description="Fewest training rows in a leaf.")
    max_depth: int = Field(default=0, ge=0, le=200, description="Deepest level of a tree; 0 grows it out.")
    seed: int = Field(default=0, ge=0, description="An integer, so that a resumed forest equals an uninterrupted one.")
    n_jobs: int = Field(default=-1, ge=-1, description="Threads; -1 uses every core. Does not change the forest.")
    checkpoint_every: int = Field(default=20, ge=1, le=1_000, description="Trees between two checkpoints.")

    def growth(self) -> dict[str, Any]:
        """Return the parameters that decide what a tree looks like.

        Those that came later are left out where they change nothing, so that the checkpoints of before still fit.
        """
        later = {"kind", "column_share"} - self.model_dump(exclude_defaults=True).keys()
        return self.model_dump(include={*TUNED, "seed"} - later)

    @classmethod
    def of_run(cls, logged: Mapping[str, str]) -> "ForestParameters":
        """Return those that an MLflow run was logged with, but for its size; what it does not name is as by default."""
        return cls.model_validate({name: logged[name] for name in (*TUNED, "seed") if name in logged})


class PromotionRule(BaseModel):
    """What a challenger may lose, and with what risk."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_loss: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="Macro-F1 that a challenger may lose against the champion, and that all versions may lose together "
        "against the best one before them.",
    )
    risk: float = Field(
        default=0.025,
        gt=0,
        lt=0.5,
        description="Probability of promoting a version that loses just max_loss, where the whole holdout decides.",
    )
    # Fresh listings are few: at a smaller risk a version that is as good would be held back.
    fresh_risk: float = Field(
        default=0.2, gt=0, lt=0.5, description=f"The same where at least {MIN_FRESH} fresh labelled listings decide."
    )
    old_f1_loss: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="Macro-F1 that it may fall by on the older held-out listings where fresh ones decide.",
    )
    old_auc_loss: float = Field(
        default=0.02, ge=0, le=1, description="ROC-AUC that it may fall by on the older held-out listings there."
    )

    def risk_of(self, *, fresh: bool, tests: int) -> float:
        """Return the risk of one of several decisions in a row on the same rows (Bonferroni)."""
        return (self.fresh_risk if fresh else self.risk) / tests


def takes_best(named: Collection[str], use_best: bool) -> bool:
    """Return whether a forest is grown with the settings that a sweep has found: with all of them, or with none.

    They were found together: beside one that a configuration names, whatever its value, the others have not been tried.

    Parameters
    ----------
    named : collection of str
        Settings that the configuration of the run names, defaults that it spells out among them.
    use_best : bool
        Whether it wants those of the sweep.
    """
    return use_best and not set(TUNED) & set(named)
