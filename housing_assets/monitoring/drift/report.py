"""The drift report: how a window of production differs from its reference, and whether that matters."""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

from housing_assets.monitoring.drift.findings import Finding, Severity, judge
from housing_assets.monitoring.drift.glossary import GLOSSARY
from housing_assets.monitoring.drift.measuring import measure
from housing_assets.monitoring.profiles.profile import Profile, require_comparable
from housing_assets.monitoring.profiles.refused import ProfileRefused
from housing_assets.monitoring.thresholds import Thresholds

N_NAMED = 3
"""Findings that a sentence names; the table below it holds them all."""


class Status(StrEnum):
    """What a report comes to."""

    INSUFFICIENT = "insufficient"
    PASSED = "passed"
    WARNED = "warned"
    DRIFTED = "drifted"


@dataclass(frozen=True)
class DriftReport:
    """A window against its reference.

    Attributes
    ----------
    status : Status
        Only ``drifted`` fails a check.
    summary : str
        The outcome in a sentence, for a person who is no statistician.
    rows, reference_rows : int
    findings : tuple of Finding
        One for each column and statistic, worst first; none where the window is insufficient.
    thresholds : Thresholds
        What they were judged by.
    """

    status: Status
    summary: str
    rows: int
    reference_rows: int
    findings: tuple[Finding, ...]
    thresholds: Thresholds

    @classmethod
    def skipped(cls, reason: str, thresholds: Thresholds) -> "DriftReport":
        """Return the report of a window that cannot be judged."""
        return cls(Status.INSUFFICIENT, reason, 0, 0, (), thresholds)

    @property
    def insufficient(self) -> bool:
        """Whether the window was not judged."""
        return self.status is Status.INSUFFICIENT

    @property
    def material(self) -> tuple[Finding, ...]:
        """The findings that fail a check."""
        return tuple(finding for finding in self.findings if finding.material)

    @property
    def offending_columns(self) -> tuple[str, ...]:
        """Columns with a material finding, worst first."""
        return tuple(dict.fromkeys(finding.column for finding in self.material))

    @property
    def counts_toward_retraining(self) -> bool:
        """Whether retraining can mend what was found."""
        return any(finding.counts_toward_retraining for finding in self.findings)

    @property
    def severe(self) -> bool:
        """Whether a finding is so far over its limit that no second window is waited for."""
        return any(finding.is_severe(self.thresholds.severe_factor) for finding in self.findings)

    def of(self, statistics: Collection[str]) -> tuple[Finding, ...]:
        """Return the findings of some statistics, worst first."""
        return tuple(finding for finding in self.findings if finding.statistic in statistics)

    def summary_of(self, statistics: Collection[str]) -> str:
        """Return what some statistics come to, in a sentence."""
        findings = self.of(statistics)
        if self.insufficient:
            return self.summary
        over = [finding for finding in findings if finding.material]
        if not over:
            return f"Within limits: {len({finding.column for finding in findings})} compared."
        named = [
            f"{one.column}: {GLOSSARY[one.statistic].title} {one.effect:.3g} (limit {one.alert:g})"
            for one in over[:N_NAMED]
        ]
        more = [f"{len(over) - N_NAMED} more"] if len(over) > N_NAMED else []
        return f"Over the limit: {'; '.join([*named, *more])}."

    def next_step(self, *, in_production: bool) -> str:
        """Return what follows from the report, in a sentence.

        Parameters
        ----------
        in_production : bool
            Whether the version that was judged is in production.
        """
        if self.insufficient:
            return "Nothing follows: a window that is not judged neither passes nor fails."
        if not self.material:
            return "Nothing to do. Whether the model is still right is what performance_report says, from labels."
        if not in_production:
            return "Nothing follows: the version has been replaced since."
        if not self.counts_toward_retraining:
            return "Check the source of the listings. Retraining would not fix this."
        if self.severe:
            return (
                "This is far over the limit. The platform retrains by itself: at once if this is its only window, "
                "otherwise when a second window shows it, too."
            )
        return "If a second window shows it, too, the platform retrains by itself."


def judge_drift(
    reference: Profile, window: Profile, thresholds: Thresholds | None = None, *, personal: Collection[str] = ()
) -> DriftReport:
    """Judge a window.

    Parameters
    ----------
    reference : Profile
        Of the training and holdout rows, with the model's predictions on the holdout: never the labels, from which a
        biased model's predictions differ without any drift.
    window : Profile
        Of production rows, over the same bins.
    thresholds : Thresholds, optional
        The contract's by default.
    personal : collection of str
        Columns whose values can lead to a person: the report names none of them.

    Raises
    ------
    ProfileRefused
        If they are of other columns, bins or categories, or the reference is empty.
    """
    limits = thresholds or Thresholds()
    require_comparable(reference, window)
    if not reference.rows:
        raise ProfileRefused("the reference has no rows: profile the rows that the model was trained on")
    shortage = window.shortage(limits.min_rows, limits.min_clients, limits.min_independent)
    findings = judge(measure(reference, window, limits, personal), limits.false_discovery_rate) if not shortage else ()
    status = _status(findings) if not shortage else Status.INSUFFICIENT
    summary = shortage or _summary(status, findings, window, reference)
    return DriftReport(status, summary, window.rows, reference.rows, findings, limits)


def _status(findings: tuple[Finding, ...]) -> Status:
    severities = {finding.severity for finding in findings}
    if Severity.ALERT in severities:
        return Status.DRIFTED
    return Status.WARNED if Severity.WARN in severities else Status.PASSED


def _summary(status: Status, findings: tuple[Finding, ...], window: Profile, reference: Profile) -> str:
    compared = f"{window.rows:,} rows against {reference.rows:,} in the reference"
    if status is Status.PASSED:
        return f"No drift: {compared}, {len(window.missing)} columns and the predictions."
    if status is Status.WARNED:
        return f"No material drift: {compared}. Worth watching: {_named(findings, Severity.WARN)}."
    counts = any(finding.counts_toward_retraining for finding in findings)
    consequence = "It counts toward retraining." if counts else "It only raises an alert: retraining would not fix it."
    return f"Drift: {_named(findings, Severity.ALERT)} ({compared}). {consequence}"


def _named(findings: tuple[Finding, ...], severity: Severity) -> str:
    worst: dict[str, Finding] = {}
    for finding in findings:
        if finding.severity is severity:
            worst.setdefault(finding.column, finding)
    named = [_phrase(finding, severity) for finding in list(worst.values())[:N_NAMED]]
    if len(worst) > N_NAMED:
        named.append(f"{len(worst) - N_NAMED} more")
    return ", ".join(named)


def _phrase(finding: Finding, severity: Severity) -> str:
    limit = finding.alert if severity is Severity.ALERT else finding.warn
    return f"{finding.column} ({GLOSSARY[finding.statistic].title} {finding.effect:.2f}, limit {limit:g})"
