"""The window that a report is made of: whose answers they are, and what they are held against."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from housing_assets.monitoring.drift import DriftReport, Status, compare
from housing_assets.monitoring.performance import PerformanceReport
from housing_assets.monitoring.production import DayProfiles, choose_version
from housing_assets.monitoring.profile import Profile, ProfileRefused
from housing_assets.monitoring.reference import Reference
from housing_assets.monitoring.references import References
from housing_assets.monitoring.thresholds import Thresholds
from housing_assets.monitoring.validation import ValidationReport, validate_features

Report = TypeVar("Report")


@dataclass(frozen=True)
class Window:
    """Answers of one version.

    Attributes
    ----------
    version : int
        0 if none is in production, and none answered.
    in_production : bool
    reference : Reference or None
    profile : Profile or None
    other_rows : int
        Rows that other versions answered, or none of them.
    reason : str
        Why the window cannot be judged; empty if there are both a reference and a profile.
    """

    version: int
    in_production: bool
    reference: Reference | None
    profile: Profile | None
    other_rows: int
    reason: str

    def judge_drift(self, limits: Thresholds) -> DriftReport:
        """Return what the answers differ in from the reference, or why that cannot be said."""
        return self._judge(compare, _unjudged_drift, limits)

    def judge_features(self, limits: Thresholds) -> ValidationReport:
        """Return whether the values are of the reference's kind, or why that cannot be said."""
        return self._judge(validate_features, _unjudged_features, limits)

    def _judge(
        self,
        judge: Callable[[Profile, Profile, Thresholds], Report],
        leave: Callable[[str, Thresholds], Report],
        limits: Thresholds,
    ) -> Report:
        if not (self.reference and self.profile):
            return leave(self.reason, limits)
        try:
            return judge(self.reference.profile, self.profile, limits)
        except ProfileRefused as refusal:
            return leave(f"Not judged: {refusal}.", limits)


def open_window(merged: DayProfiles, references: References, min_rows: int) -> Window:
    """Choose what of a window is judged.

    Parameters
    ----------
    merged : DayProfiles
        Of all its days.
    references : References
    min_rows : int
        That a window must have.
    """
    production = references.production
    version = choose_version(merged.rows, production.number if production else 0, min_rows)
    reference, profile = references.of(version) if version else None, merged.by_version.get(version)
    other_rows = merged.unattributed + sum(merged.rows.values()) - merged.rows.get(version, 0)
    if not version:
        reason = "Not judged: no version is in production."
    elif reference is None:
        reason = f"Not judged: {'; '.join(references.troubles)}."
    else:
        reason = "" if profile else f"Not judged: version {version} answered nothing."
    in_production = production is not None and production.number == version
    return Window(version, in_production, reference, profile, other_rows, reason)


def unjudged_performance(reason: str) -> PerformanceReport:
    """Return the report of a version without a reference."""
    nothing = dict.fromkeys(("accuracy", "macro_f1", "accuracy_drop", "macro_f1_drop"), 0.0)
    return PerformanceReport(
        verdict=reason, insufficient=True, failed=False, rows=0, **nothing, accuracy_p=1.0, macro_f1_p=1.0
    )


def _unjudged_drift(reason: str, limits: Thresholds) -> DriftReport:
    return DriftReport(Status.INSUFFICIENT, reason, 0, 0, (), limits)


def _unjudged_features(reason: str, limits: Thresholds) -> ValidationReport:
    return ValidationReport(reason, 0, True, (), limits)
