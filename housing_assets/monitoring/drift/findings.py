"""What a report says of one column by one statistic: a measurement, then significant or not, then material or not."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum


class Consequence(StrEnum):
    """What follows from a material finding."""

    RETRAINING = "retraining"
    ALERT = "alert"
    SHOWN = "shown"


class Severity(StrEnum):
    """How far a finding goes: not at all, worth watching, or over the limit, which fails a check."""

    NONE = "none"
    WARN = "warn"
    ALERT = "alert"


@dataclass(frozen=True)
class Measurement:
    """One statistic of one column, not judged yet.

    Attributes
    ----------
    column : str
        A declared value, or ``predictions``.
    statistic : str
        Its name.
    value : float
        As it is known, undivided.
    effect : float
        What is held against the limits: the value, less what is expected without drift.
    p : float or None
        Probability of as much without drift; None where it is only shown.
    warn, alert : float or None
        Limits of the effect.
    consequence : Consequence
        What follows when it is material.
    inclusive : bool
        Whether an effect that equals its limit is over it.
    detail : str
        What the number means here, in words.
    """

    column: str
    statistic: str
    value: float
    effect: float
    p: float | None = None
    warn: float | None = None
    alert: float | None = None
    consequence: Consequence = Consequence.SHOWN
    inclusive: bool = False
    detail: str = ""

    def exceeds(self, limit: float | None) -> bool:
        """Return whether the effect is over a limit."""
        return limit is not None and (self.effect > limit or (self.inclusive and self.effect == limit))


@dataclass(frozen=True, kw_only=True)
class Finding(Measurement):
    """A judged measurement.

    Attributes
    ----------
    q : float or None
        p adjusted for all tests of the report.
    significant : bool
        Whether chance alone is ruled out.
    severity : Severity
        ``alert`` is what is called material.
    """

    q: float | None
    significant: bool
    severity: Severity

    @property
    def material(self) -> bool:
        """Whether it fails a check."""
        return self.severity is Severity.ALERT

    @property
    def counts_toward_retraining(self) -> bool:
        """Whether it is material, and of a kind that retraining can mend."""
        return self.material and self.consequence is Consequence.RETRAINING

    def is_severe(self, factor: float) -> bool:
        """Return whether it counts toward retraining, and is so many times its limit."""
        return self.counts_toward_retraining and self.alert is not None and self.effect >= factor * self.alert


def judge(measurements: Iterable[Measurement], false_discovery_rate: float) -> tuple[Finding, ...]:
    """Return the findings of one report, worst first.

    Parameters
    ----------
    measurements : iterable of Measurement
        All of the report: those with a p are adjusted together (Benjamini & Hochberg 1995).
    false_discovery_rate : float
        Largest q of a significant finding.
    """
    measured = list(measurements)
    findings = [_judge(one, q, false_discovery_rate) for one, q in zip(measured, _adjusted(measured), strict=True)]
    return tuple(sorted(findings, key=_urgency))


def _adjusted(measured: Sequence[Measurement]) -> list[float | None]:
    from scipy.stats import false_discovery_control

    tested = [one.p for one in measured if one.p is not None]
    adjusted = iter(false_discovery_control(tested).tolist() if tested else ())
    return [None if one.p is None else next(adjusted) for one in measured]


def _judge(one: Measurement, q: float | None, false_discovery_rate: float) -> Finding:
    significant = q is not None and q < false_discovery_rate
    severity = Severity.NONE
    if significant and one.exceeds(one.alert):
        severity = Severity.ALERT
    elif significant and one.exceeds(one.warn):
        severity = Severity.WARN
    return Finding(**asdict(one), q=q, significant=significant, severity=severity)


def _urgency(finding: Finding) -> tuple[int, int, float]:
    rank = [Severity.ALERT, Severity.WARN, Severity.NONE].index(finding.severity)
    return rank, [*Consequence].index(finding.consequence), -(finding.effect / finding.alert if finding.alert else 0.0)
