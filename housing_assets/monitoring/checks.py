"""The checks of the monitoring: what they are called, and what they say of a report.

Every evaluation has the same metadata, of the same types, whatever it found: sensors and the lineage page read it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import dagster as dg

from housing_assets.lineage_page import table

if TYPE_CHECKING:
    from housing_assets.monitoring.drift import DriftReport
    from housing_assets.monitoring.findings import Finding
    from housing_assets.monitoring.performance import PerformanceReport
    from housing_assets.monitoring.replacement import PairedComparison
    from housing_assets.monitoring.thresholds import Thresholds
    from housing_assets.monitoring.validation import ValidationReport

MAX_FINDINGS = 20
"""Rows of a check's table."""

N_TOLD = 3
"""Findings that a check's sentence tells."""

DRIFT_CHECKS = {
    "psi_within_limit": (
        ("psi", "ks", "chi_square"),
        "No column is distributed otherwise than in the reference: PSI, Kolmogorov-Smirnov D and Cramér's V.",
    ),
    "prediction_drift_within_limit": (("kl",), "The mix of predicted categories is that of the holdout."),
    "no_unseen_categories": (("unseen",), "Values that the reference never had are no more than it foretells."),
    "cardinality_growth_within_limit": (("cardinality",), "There are as many distinct values as so many rows have."),
    "missing_values_within_limit": (("missing",), "No column has lost its values."),
}
"""Statistics that stand under each check of the drift report, and what it means when it passes."""

FEATURES_CHECK, PERFORMANCE_CHECK = "features_valid", "performance_held"

_SHOWN = ("column", "statistic", "value", "effect", "warn", "alert", "p", "q", "severity", "role", "detail")


@dataclass(frozen=True)
class Occasion:
    """What a report was made of.

    Attributes
    ----------
    partition : str
        The last day of its window.
    report_id : str
    version : int
        That was judged; 0 if none was.
    in_production : bool
        Whether it still is: what was found of a version that was replaced is history, and calls for nothing.
    insufficient : bool
    """

    partition: str
    report_id: str
    version: int
    in_production: bool
    insufficient: bool


def specs(asset: str) -> list[dg.AssetCheckSpec]:
    """Return the checks of a report; none of them blocks."""
    described = {
        "drift_report": {name: description for name, (_, description) in DRIFT_CHECKS.items()},
        "feature_validation_report": {FEATURES_CHECK: "Fewer than two features are of another kind than was learned."},
        "performance_report": {PERFORMANCE_CHECK: "Labelled predictions are as good as on the holdout."},
    }[asset]
    return [dg.AssetCheckSpec(name, asset=asset, description=description) for name, description in described.items()]


def drift_results(report: "DriftReport", occasion: Occasion) -> list[dg.AssetCheckResult]:
    """Return what the checks say of a drift report."""
    return [
        _guarded(name, occasion, lambda name=name, found=statistics: _drift_result(name, found, report, occasion))  # type: ignore[misc]
        for name, (statistics, _) in DRIFT_CHECKS.items()
    ]


def validation_results(report: "ValidationReport", occasion: Occasion) -> list[dg.AssetCheckResult]:
    """Return what the check says of a feature validation."""
    limits = report.thresholds
    return [
        _guarded(
            FEATURES_CHECK,
            occasion,
            lambda: _result(
                FEATURES_CHECK,
                occasion,
                [issue.finding for issue in report.issues],
                passed=not report.counts_toward_retraining,
                counts=report.counts_toward_retraining,
                severe=report.n_high >= limits.severe_factor * limits.high_issues,
                verdict=report.verdict,
                more={"value": float(report.n_high), "threshold": float(limits.high_issues)},
            ),
        )
    ]


def performance_results(
    report: "PerformanceReport",
    limits: "Thresholds",
    paired: "PairedComparison | None",
    replaced: int,
    occasion: Occasion,
) -> list[dg.AssetCheckResult]:
    """Return what the check says of a performance report.

    Parameters
    ----------
    report : PerformanceReport
    limits : Thresholds
        What it was judged by.
    paired : PairedComparison or None
        With the version that the one in production replaced.
    replaced : int
        That version; 0 if there is none.
    occasion : Occasion
    """
    return [
        _guarded(
            PERFORMANCE_CHECK,
            occasion,
            lambda: _performance_result(report, limits, paired, replaced, occasion),
            replaced,
        )
    ]


def _drift_result(
    name: str, statistics: Sequence[str], report: "DriftReport", occasion: Occasion
) -> dg.AssetCheckResult:
    findings = [finding for finding in report.findings if finding.statistic in statistics]
    material = [finding for finding in findings if finding.material]
    factor = report.thresholds.severe_factor
    if occasion.insufficient:
        verdict = report.verdict
    elif material:
        told = [f"{one.column}: {one.statistic} {one.effect:.3g}, limit {one.alert:g}" for one in material[:N_TOLD]]
        more = [f"{len(material) - N_TOLD} more"] if len(material) > N_TOLD else []
        verdict = f"Beyond the limit: {'; '.join([*told, *more])}."
    else:
        verdict = f"Within the limits, {len({finding.column for finding in findings})} compared."
    return _result(
        name,
        occasion,
        findings,
        passed=not material,
        counts=any(finding.counts_toward_retraining for finding in material),
        severe=any(finding.is_severe(factor) for finding in material),
        verdict=verdict,
    )


def _performance_result(
    report: "PerformanceReport",
    limits: "Thresholds",
    paired: "PairedComparison | None",
    replaced: int,
    occasion: Occasion,
) -> dg.AssetCheckResult:
    worse = paired is not None and paired.worse
    verdict = report.verdict
    if paired is not None and paired.worse:
        verdict += (
            f" It is worse than version {replaced}, which it replaced, on the same {paired.rows:,} rows: accuracy "
            f"{paired.accuracy:.3f} against {paired.replaced_accuracy:.3f} (p {paired.p:.2g})."
        )
    return _result(
        PERFORMANCE_CHECK,
        occasion,
        [],
        passed=not report.failed and not worse,
        counts=report.failed,
        severe=max(report.accuracy_drop, report.macro_f1_drop) >= limits.severe_factor * limits.performance_drop,
        verdict=verdict,
        error=worse,
        more={
            "value": report.accuracy_drop,
            "threshold": limits.performance_drop,
            "p": report.accuracy_p,
            "worse_than_replaced": worse,
            "replaced_version": _named(replaced),
        },
    )


def _result(
    name: str,
    occasion: Occasion,
    findings: "Sequence[Finding]",
    *,
    passed: bool,
    counts: bool,
    severe: bool,
    verdict: str,
    error: bool = False,
    more: dict[str, Any] | None = None,
) -> dg.AssetCheckResult:
    counts = counts and occasion.in_production and not occasion.insufficient
    worst = findings[0] if findings else None
    metadata = {
        "partition": occasion.partition,
        "report_id": occasion.report_id,
        "model_version": _named(occasion.version),
        "in_production": occasion.in_production,
        "verdict": verdict,
        "counts_toward_retraining": counts,
        "severe": severe and counts,
        "insufficient": occasion.insufficient,
        "offending_columns": ", ".join(dict.fromkeys(finding.column for finding in findings if finding.material)),
        "value": worst.effect if worst else 0.0,
        "threshold": (worst.alert if worst else None) or 0.0,
        "p": 1.0 if worst is None or worst.p is None else worst.p,
        "q": 1.0 if worst is None or worst.q is None else worst.q,
        **(more or {}),
    }
    metadata = {name: _plain(value) for name, value in metadata.items()}
    if findings:
        metadata["findings"] = findings_table(findings)
    severity = dg.AssetCheckSeverity.ERROR if counts or error else dg.AssetCheckSeverity.WARN
    return dg.AssetCheckResult(
        check_name=name, passed=passed, severity=severity, description=verdict, metadata=metadata
    )


def findings_table(findings: "Sequence[Finding]") -> dg.TableMetadataValue:
    """Return the worst findings as a table."""
    import pandas as pd

    rows = [{name: _plain(getattr(finding, name)) for name in _SHOWN} for finding in findings[:MAX_FINDINGS]]
    return table(pd.DataFrame(rows, columns=list(_SHOWN)))


def _plain(value: Any) -> Any:
    """Return a number of numpy's as Python's own: Dagster stores no other."""
    return value.item() if hasattr(value, "item") else value


def _named(version: int) -> str:
    return str(version) if version else ""


def _guarded(
    name: str, occasion: Occasion, evaluate: Callable[[], dg.AssetCheckResult], replaced: int = 0
) -> dg.AssetCheckResult:
    """Evaluate a check; whatever goes wrong in it is a failed check that calls for nothing, and stops no run."""
    try:
        return evaluate()
    except Exception as fault:
        more = {"worse_than_replaced": False, "replaced_version": _named(replaced)} if name == PERFORMANCE_CHECK else {}
        verdict = f"The check itself failed: {fault!r}"
        return _result(name, occasion, [], passed=False, counts=False, severe=False, verdict=verdict, more=more)
