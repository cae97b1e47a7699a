"""Feature validation: whether the values of a window are still of the kind that the model was trained on."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from housing_assets.inference.declaration import Role
from housing_assets.inference.market import Market
from housing_assets.monitoring.drift.findings import Consequence, Finding, Measurement, judge
from housing_assets.monitoring.drift.measuring import measure_missing, measure_unseen
from housing_assets.monitoring.profiles.numbers import NumberProfile
from housing_assets.monitoring.profiles.profile import Profile, require_comparable
from housing_assets.monitoring.statistics import moments
from housing_assets.monitoring.statistics.cells import common_counts
from housing_assets.monitoring.thresholds import Thresholds


class Grade(StrEnum):
    """How serious an issue is."""

    HIGH = "high"
    MEDIUM = "medium"


@dataclass(frozen=True)
class Issue:
    """A material finding about one feature, and how serious it is."""

    grade: Grade
    finding: Finding


@dataclass(frozen=True)
class ValidationReport:
    """What is wrong with a window's features.

    Attributes
    ----------
    summary : str
        The outcome in one sentence.
    rows : int
    insufficient : bool
        Whether the window has too few rows to be judged.
    issues : tuple of Issue
        High ones first.
    thresholds : Thresholds
        What they were judged by.
    """

    summary: str
    rows: int
    insufficient: bool
    issues: tuple[Issue, ...]
    thresholds: Thresholds

    @classmethod
    def skipped(cls, reason: str, thresholds: Thresholds) -> "ValidationReport":
        """Return the report of a window that cannot be judged."""
        return cls(reason, 0, True, (), thresholds)

    @property
    def n_high(self) -> int:
        """High issues; one warns."""
        return sum(issue.grade is Grade.HIGH for issue in self.issues)

    @property
    def failed(self) -> bool:
        """Whether there are enough high issues to fail the check, or one number's shift is severe by itself."""
        factor = self.thresholds.severe_factor
        shifts = [issue.finding for issue in self.issues if issue.finding.statistic == "median_shift"]
        return self.n_high >= self.thresholds.high_issues or any(
            one.effect >= factor * (one.alert or 0.0) for one in shifts
        )

    @property
    def counts_toward_retraining(self) -> bool:
        """Whether enough of the high issues can be mended by retraining, as values that went missing cannot."""
        return self._n_mendable >= self.thresholds.high_issues

    @property
    def severe(self) -> bool:
        """Whether there are so many high issues that no second window is waited for."""
        return self._n_mendable >= self.thresholds.severe_factor * self.thresholds.high_issues

    @property
    def _n_mendable(self) -> int:
        return sum(issue.grade is Grade.HIGH and issue.finding.statistic != "missing" for issue in self.issues)


def validate_features(
    market: Market, reference: Profile, window: Profile, thresholds: Thresholds | None = None
) -> ValidationReport:
    """Look for shifted, stretched and skewed numbers, new categories, and values gone missing.

    Parameters
    ----------
    market : Market
    reference, window : Profile
        Over the same bins.
    thresholds : Thresholds, optional
        The contract's by default.

    Raises
    ------
    ProfileRefused
        If they are of other columns, bins or categories.
    """
    limits = thresholds or Thresholds()
    require_comparable(reference, window)
    if shortage := window.shortage(limits.min_rows, limits.min_clients, limits.min_independent):
        return ValidationReport(shortage, window.rows, True, (), limits)
    findings = judge(_measure(market, reference, window, limits), limits.false_discovery_rate)
    issues = [Issue(_grade(finding), finding) for finding in findings if finding.material]
    issues.sort(key=lambda issue: issue.grade is not Grade.HIGH)
    report = ValidationReport("", window.rows, False, tuple(issues), limits)
    return replace(report, summary=_summary(report))


def _measure(market: Market, reference: Profile, window: Profile, limits: Thresholds) -> Iterator[Measurement]:
    for name, number in window.numbers.items():
        if reference.numbers[name].present and number.present:
            yield from _measure_moments(name, reference.numbers[name], number, limits, window.design_effect(name))
    for value in market.values(Role.CATEGORY):
        if value.name in window.texts:
            counts = common_counts(reference.texts[value.name], window.texts[value.name])
            design_effect = window.design_effect(value.name)
            yield from measure_unseen(value.name, counts, limits, design_effect, named=not value.personal)
    for name in window.missing:
        yield from measure_missing(name, reference, window, limits)


def _measure_moments(
    name: str, reference: NumberProfile, window: NumberProfile, limits: Thresholds, design_effect: float
) -> Iterator[Measurement]:
    shift = moments.median_shift(reference, window, design_effect)
    yield Measurement(
        name,
        "median_shift",
        value=shift.value,
        effect=abs(shift.value),
        p=shift.p,
        alert=limits.median_shift,
        consequence=Consequence.ALERT,
        detail=f"median {window.quantile(0.5):,.4g}, {reference.quantile(0.5):,.4g} in the reference",
    )
    ratio = moments.spread_ratio(reference, window, design_effect)
    yield Measurement(
        name,
        "spread_ratio",
        value=ratio.value,
        effect=max(ratio.value, 1 / max(ratio.value, 1e-3)),
        p=ratio.p,
        alert=limits.spread_ratio,
        consequence=Consequence.ALERT,
        detail=f"standard deviation × {ratio.value:.2f} without the tails",
    )
    skew = moments.skew_difference(reference, window, design_effect)
    yield Measurement(
        name,
        "skew_difference",
        value=skew.value,
        effect=abs(skew.value),
        p=skew.p,
        alert=limits.skew_difference,
        consequence=Consequence.ALERT,
        detail=f"skewness {skew.value:+.2f} without the tails",
    )


def _grade(finding: Finding) -> Grade:
    if finding.statistic in ("median_shift", "missing") or finding.counts_toward_retraining:
        return Grade.HIGH
    return Grade.MEDIUM


def _summary(report: ValidationReport) -> str:
    issues = report.issues
    if not issues:
        return "The features look like those that the model was trained on."
    n_high = report.n_high
    columns = ", ".join(dict.fromkeys(issue.finding.column for issue in issues))
    outcome = "the check fails" if report.failed else "a warning" if n_high else "shown only"
    return f"{n_high} high and {len(issues) - n_high} medium issues ({columns}): {outcome}."
