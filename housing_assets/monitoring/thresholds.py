"""Every limit of the monitoring, with its bounds and its meaning."""

from typing import Self

from pydantic import BaseModel, ConfigDict, Field, model_validator


class Thresholds(BaseModel):
    """Limits of the reports; each applies to the undivided statistic, less what is expected of it without drift."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    min_rows: int = Field(
        default=200,
        ge=30,
        description="Rows that a window needs to be judged; with fewer it is insufficient and fails nothing.",
    )
    min_clients: float = Field(
        default=4.0,
        ge=1,
        le=16,
        description="Clients (request keys), equally large ones, that a window's rows must come from to be judged.",
    )
    min_independent: float = Field(
        default=10.0,
        ge=1,
        le=100,
        description="Independent rows that a column's rows must tell as much as to be compared: of fewer, chance "
        "allows for anything. A window with a text of fewer comes from a few clients, and is not judged.",
    )
    false_discovery_rate: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="Largest q of a significant finding, adjusted for all tests of one report.",
    )
    psi_warn: float = Field(default=0.10, gt=0, description="Debiased PSI from which a column is worth watching.")
    psi_alert: float = Field(default=0.25, gt=0, description="Debiased PSI over which a column has drifted.")
    kl_warn: float = Field(
        default=0.05, gt=0, description="Debiased KL divergence of the predictions worth watching, in nats."
    )
    kl_alert: float = Field(
        default=0.15, gt=0, description="Debiased KL divergence over which the predictions have drifted, in nats."
    )
    ks_warn: float = Field(
        default=0.05, gt=0, le=1, description="Kolmogorov-Smirnov D from which a number is worth watching."
    )
    ks_alert: float = Field(
        default=0.10, gt=0, le=1, description="Kolmogorov-Smirnov D from which a number has drifted."
    )
    cramers_v_warn: float = Field(
        default=0.1, gt=0, le=1, description="Bias-corrected Cramér's V from which a text is worth watching."
    )
    cramers_v_alert: float = Field(
        default=0.2, gt=0, le=1, description="Bias-corrected Cramér's V from which a text has drifted."
    )
    missing_ratio: float = Field(
        default=1.5,
        gt=1,
        description="Factor by which the share of missing values may rise, or that of present ones may fall.",
    )
    missing_floor: float = Field(
        default=0.01, gt=0, lt=1, description="Smallest share of missing values that the reference is assumed to have."
    )
    cardinality_ratio: float = Field(
        default=1.3, gt=1, description="Distinct values of a window divided by the number expected in as many rows."
    )
    vanished_share: float = Field(
        default=0.25,
        gt=0,
        lt=1,
        description="Share, by rows of the reference, of the values that should occur and do not: raises an alert.",
    )
    unseen_share: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Share of rows with values that the reference never had, beyond what is expected: raises an alert.",
    )
    unseen_share_retraining: float = Field(
        default=0.05, gt=0, lt=1, description="The same share, over which it counts toward retraining."
    )
    median_shift: float = Field(
        default=2.0,
        gt=0,
        description="Shift of a median, in standard deviations of the reference's middle half: a high issue.",
    )
    spread_ratio: float = Field(
        default=2.0, gt=1, description="Factor between the standard deviations, either way: a medium issue."
    )
    skew_difference: float = Field(default=0.5, gt=0, description="Difference in skewness: a medium issue.")
    high_issues: int = Field(
        default=2,
        ge=1,
        description="High issues that fail the check of the features and count toward retraining; one severe "
        "shift of a median fails it, too, and does not count.",
    )
    performance_drop: float = Field(
        default=0.05, gt=0, lt=1, description="Loss of accuracy or macro-F1 against the holdout that fails the check."
    )
    performance_p: float = Field(
        default=0.05, gt=0, lt=1, description="Largest p at which a loss is not put down to chance."
    )
    estimate_bias: float = Field(
        default=0.05, gt=0, lt=1, description="Median of (estimate − price) / price, either way: raises an alert."
    )
    estimate_coverage_gap: float = Field(
        default=0.1,
        gt=0,
        lt=0.8,
        description="Share of the prices that may lie beyond the 80 % interval besides a fifth.",
    )
    refused_share: float = Field(
        default=0.05, gt=0, lt=1, description="Share of a day's listings that may be refused (422)."
    )
    traffic_share: float = Field(
        default=0.3,
        gt=0,
        lt=1,
        description="Smallest share of the answers that were expected from the days before.",
    )
    broken_min_rows: int = Field(
        default=50, ge=30, description="Rows of a day from which on signs of a broken feed are looked for."
    )
    broken_missing_share: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="Share of the rows, beyond the reference's, in which a value goes missing: the feed is broken.",
    )
    repeated_share: float = Field(
        default=0.5, gt=0, lt=1, description="Share of a day's rows that may repeat another; more is a broken feed."
    )
    repeated_days_share: float = Field(
        default=0.9,
        gt=0,
        lt=1,
        description="Share of a day's different rows that may be those of one of the seven days before; more is a "
        "feed that is stuck.",
    )
    severe_factor: float = Field(default=2.0, ge=1, description="A finding is severe from this many times its limit.")

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
