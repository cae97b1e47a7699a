"""The drift report: what a window of production differs in from its reference, and whether that matters."""

from dataclasses import dataclass
from enum import StrEnum

from housing_assets.monitoring.findings import Finding, Severity, judge
from housing_assets.monitoring.measurements import measure
from housing_assets.monitoring.profile import Profile, ProfileRefused, require_same_bins
from housing_assets.monitoring.reports import Report
from housing_assets.monitoring.thresholds import Thresholds

N_NAMED = 3
"""Columns that the verdict names; the table below it holds them all."""

_STATISTICS = {
    "psi": "PSI",
    "ks": "Kolmogorov-Smirnov D",
    "chi_square": "Cramér's V",
    "kl": "KL divergence",
    "missing": "missing values ×",
    "unseen": "unseen values, share beyond the expected",
    "cardinality": "distinct values ×",
}
"""How a verdict names the effect of a statistic."""


class Status(StrEnum):
    """What a report comes to."""

    INSUFFICIENT = "insufficient"
    PASSED = "passed"
    WARNED = "warned"
    DRIFTED = "drifted"


@dataclass(frozen=True)
class DriftReport(Report):
    """A window against its reference.

    Attributes
    ----------
    status : Status
        Only ``drifted`` fails a check.
    verdict : str
        The outcome in one sentence, for a person who is no statistician.
    rows, reference_rows : int
    findings : tuple of Finding
        One for each column and statistic, worst first; none where the window is insufficient.
    thresholds : Thresholds
        What they were judged by.
    """

    status: Status
    verdict: str
    rows: int
    reference_rows: int
    findings: tuple[Finding, ...]
    thresholds: Thresholds

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
        """Whether a finding is so far beyond its limit that no second window is waited for."""
        return any(finding.is_severe(self.thresholds.severe_factor) for finding in self.findings)


def compare(reference: Profile, window: Profile, thresholds: Thresholds | None = None) -> DriftReport:
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

    Raises
    ------
    ProfileRefused
        If they are of other columns or bins, or the reference is empty.
    """
    limits = thresholds or Thresholds()
    require_same_bins(reference, window)
    if not reference.rows:
        raise ProfileRefused("the reference has no rows: profile the rows that the model was trained on")
    sufficient = window.rows >= limits.min_rows
    findings = judge(measure(reference, window, limits), limits.false_discovery_rate) if sufficient else ()
    status = _status(findings) if sufficient else Status.INSUFFICIENT
    return DriftReport(
        status, _verdict(status, findings, window, reference, limits), window.rows, reference.rows, findings, limits
    )


def _status(findings: tuple[Finding, ...]) -> Status:
    severities = {finding.severity for finding in findings}
    if Severity.ALERT in severities:
        return Status.DRIFTED
    return Status.WARNED if Severity.WARN in severities else Status.PASSED


def _verdict(
    status: Status, findings: tuple[Finding, ...], window: Profile, reference: Profile, limits: Thresholds
) -> str:
    if status is Status.INSUFFICIENT:
        return f"Not judged: {window.rows:,} rows, and {limits.min_rows:,} are needed."
    compared = f"{window.rows:,} rows against {reference.rows:,} of the reference"
    if status is Status.PASSED:
        return f"No drift: {compared}, {len(window.missing)} columns and the predictions."
    if status is Status.WARNED:
        return f"No drift that matters: {compared}; worth watching: {_named(findings, Severity.WARN)}."
    counts = any(finding.counts_toward_retraining for finding in findings)
    consequence = "counts toward retraining" if counts else "alerts only, retraining would not mend it"
    return f"Drift: {_named(findings, Severity.ALERT)} ({compared}); it {consequence}."


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
    return f"{finding.column} ({_STATISTICS[finding.statistic]} {finding.effect:.2f}, limit {limit:g})"
