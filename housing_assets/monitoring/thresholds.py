"""Where drift begins to matter: every limit of the monitoring, with its bounds and its reason."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Thresholds(BaseModel):
    """Limits of the reports; each applies to the undivided statistic, less what is expected of it without drift."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_rows: int = Field(
        default=200,
        ge=30,
        description="Rows below which a window is insufficient: it is not judged, and fails nothing.",
    )
    false_discovery_rate: float = Field(
        default=0.05, gt=0, lt=1, description="Largest q, over all tests of one report, of a significant finding."
    )
    psi_warn: float = Field(default=0.10, gt=0, description="Debiased PSI of a column worth watching.")
    psi_alert: float = Field(default=0.25, gt=0, description="Debiased PSI of a column that has drifted.")
    kl_warn: float = Field(
        default=0.05, gt=0, description="Debiased KL divergence of predictions worth watching, nats."
    )
    kl_alert: float = Field(default=0.15, gt=0, description="Debiased KL divergence of drifted predictions, nats.")
    ks_warn: float = Field(default=0.05, gt=0, le=1, description="Kolmogorov-Smirnov D of a number worth watching.")
    ks_alert: float = Field(default=0.10, gt=0, le=1, description="Kolmogorov-Smirnov D of a number that has drifted.")
    cramers_v_warn: float = Field(default=0.1, gt=0, le=1, description="Bias-corrected Cramér's V worth watching.")
    cramers_v_alert: float = Field(default=0.2, gt=0, le=1, description="Bias-corrected Cramér's V of a drifted text.")
    missing_ratio: float = Field(
        default=1.5,
        gt=1,
        description="Factor by which the share of missing values may rise, or that of present ones fall.",
    )
    missing_floor: float = Field(
        default=0.01, gt=0, lt=1, description="Share of missing values that the reference is taken to have at least."
    )
    cardinality_ratio: float = Field(
        default=1.3, gt=1, description="Distinct values of a window over those expected of as many rows."
    )
    unseen_share: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Share of rows, beyond the expected, in values that the reference never had: alerts.",
    )
    unseen_share_retraining: float = Field(
        default=0.05, gt=0, lt=1, description="The same share from which it counts toward retraining."
    )
    mean_shift: float = Field(default=2.0, gt=0, description="Shift of a mean, in reference standard deviations: high.")
    spread_ratio: float = Field(
        default=2.0, gt=1, description="Factor between standard deviations, either way: medium."
    )
    skew_difference: float = Field(default=0.5, gt=0, description="Difference of skewness: medium.")
    high_issues: int = Field(default=2, ge=1, description="High issues of the features that count toward retraining.")
    performance_drop: float = Field(
        default=0.05, gt=0, lt=1, description="Loss of accuracy or macro-F1 against the holdout that fails."
    )
    performance_p: float = Field(
        default=0.05, gt=0, lt=1, description="Largest p at which such a loss is not put down to chance."
    )
    severe_factor: float = Field(
        default=2.0, ge=1, description="Times its limit that a finding must be to count as severe."
    )

    @model_validator(mode="after")
    def _warns_before_it_alerts(self) -> Self:
        for lower, upper in (
            ("psi_warn", "psi_alert"),
            ("kl_warn", "kl_alert"),
            ("ks_warn", "ks_alert"),
            ("cramers_v_warn", "cramers_v_alert"),
            ("unseen_share", "unseen_share_retraining"),
        ):
            if getattr(self, lower) > getattr(self, upper):
                raise ValueError(f"{lower} is {getattr(self, lower)}: expected at most {upper}, {getattr(self, upper)}")
        return self
