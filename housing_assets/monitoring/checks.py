"""The monitoring checks: their names, and the verdict of each on a report.

Every evaluation carries a ``Verdict`` as its metadata, whatever it found: sensors and the lineage page read it.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.verdicts import Verdict

if TYPE_CHECKING:
    from datetime import date

    from housing_assets.monitoring.drift.findings import Finding
    from housing_assets.monitoring.drift.input_report import InputReport
    from housing_assets.monitoring.drift.report import DriftReport
    from housing_assets.monitoring.drift.validation import ValidationReport
    from housing_assets.monitoring.performance.report import Performance
    from housing_assets.monitoring.production.traffic import TrafficReport
    from housing_assets.monitoring.report_context import ReportContext
    from housing_assets.monitoring.thresholds import Thresholds

DRIFT_CHECKS = {
    "psi_within_limit": (
        ("psi", "ks", "chi_square"),
        "Every column matches the reference distribution (PSI, Kolmogorov-Smirnov D, Cramér's V).",
    ),
    "prediction_drift_within_limit": (
        ("kl",),
        "The mix of predicted categories matches the holdout (KL divergence).",
    ),
    "no_unseen_categories": (
        ("unseen",),
        "Values that the reference never had are no more common than its rare values predict.",
    ),
    "cardinality_growth_within_limit": (
        ("cardinality", "vanished"),
        "The number of distinct values is within what this many rows should have.",
    ),
    "missing_values_within_limit": (("missing",), "No column has far more missing values than the reference."),
}
"""The statistics that each check of the drift report judges, and what it means when it passes."""

FEATURES_CHECK, PERFORMANCE_CHECK = "features_valid", "performance_held"

PARTS_CHECK, ESTIMATES_CHECK = "performance_held_everywhere", "estimates_held"

REFUSALS_CHECK, TRAFFIC_CHECK = "refusals_within_limit", "traffic_held"

ALERTING_REPORTS = frozenset({"input_report", "traffic_report"})
"""Reports whose failures are told of and never lead to a retraining, nor count as a judged window."""


INPUT_CHECK, LEARNED_CHECK = "input_not_broken", "no_held_day_learned"

_DESCRIPTIONS = {
    "drift_report": {name: description for name, (_, description) in DRIFT_CHECKS.items()},
    "input_report": {
        INPUT_CHECK: "No sign of a broken feed: values are in their units, present, and vary; rows do not repeat.",
        LEARNED_CHECK: "The version in production learned from no day that is held, and was not judged on one.",
    },
    "feature_validation_report": {
        FEATURES_CHECK: "Fewer than two features have a serious issue (a shifted median, new categories, missing "
        "values), and no median has moved severely."
    },
    "performance_report": {
        PERFORMANCE_CHECK: "Accuracy of the production version on labelled predictions holds up against its holdout.",
        PARTS_CHECK: "No category, segment or confidence does worse on labelled predictions than expected "
        "from the holdout.",
        ESTIMATES_CHECK: "Prices that came back were estimated neither too low nor too high in the middle, and lie "
        "within the 80 % interval about as often as it says.",
    },
    "traffic_report": {
        REFUSALS_CHECK: "The share of listings that were refused (422) is within its limit.",
        TRAFFIC_CHECK: "The day has about as many answers as the days before it, or more.",
    },
}


REPORTS = tuple(_DESCRIPTIONS)
"""The daily reports that are checked."""


def specs(asset: str) -> list[dg.AssetCheckSpec]:
    """Return the checks of a report; none of them blocks."""
    return [
        dg.AssetCheckSpec(name, asset=asset, description=description)
        for name, description in _DESCRIPTIONS[asset].items()
    ]


def input_results(
    report: "InputReport", learned: "Sequence[date]", context: "ReportContext"
) -> list[dg.AssetCheckResult]:
    """Return the checks of a day's input.

    Parameters
    ----------
    report : InputReport
    learned : sequence of date
        Held days that the version in production learned from.
    context : ReportContext
    """
    return [
        _guarded(INPUT_CHECK, context, lambda: _input_result(report, context)),
        _guarded(LEARNED_CHECK, context, lambda: _learned_result(learned, context)),
    ]


def drift_results(report: "DriftReport", context: "ReportContext") -> list[dg.AssetCheckResult]:
    """Return the checks of a drift report."""
    return [
        _guarded(name, context, lambda name=name, judged=statistics: _drift_result(name, judged, report, context))  # type: ignore[misc]
        for name, (statistics, _) in DRIFT_CHECKS.items()
    ]


def validation_results(report: "ValidationReport", context: "ReportContext") -> list[dg.AssetCheckResult]:
    """Return the check of a feature validation."""
    return [_guarded(FEATURES_CHECK, context, lambda: _validation_result(report, context))]


def performance_results(
    performance: "Performance", limits: "Thresholds", context: "ReportContext"
) -> list[dg.AssetCheckResult]:
    """Return the checks of a performance report.

    Parameters
    ----------
    performance : Performance
    limits : Thresholds
        What it was judged by.
    context : ReportContext
    """
    return [
        _guarded(PERFORMANCE_CHECK, context, lambda: _performance_result(performance, limits, context)),
        _guarded(PARTS_CHECK, context, lambda: _parts_result(performance, limits, context)),
        _guarded(ESTIMATES_CHECK, context, lambda: _estimates_result(performance, limits, context)),
    ]


def traffic_results(report: "TrafficReport", context: "ReportContext") -> list[dg.AssetCheckResult]:
    """Return the checks of a traffic report."""
    return [
        _guarded(REFUSALS_CHECK, context, lambda: _refusals_result(report, context)),
        _guarded(TRAFFIC_CHECK, context, lambda: _traffic_result(report, context)),
    ]


def _input_result(report: "InputReport", context: "ReportContext") -> dg.AssetCheckResult:
    verdict = Verdict(
        **_about(context),
        insufficient=report.insufficient,
        summary=report.summary,
        columns=tuple(dict.fromkeys(one.column for one in report.causes if one.column)),
        value=float(len(report.causes)),
    )
    return _result(INPUT_CHECK, verdict, passed=not context.held, needs_person=True)


def _learned_result(learned: "Sequence[date]", context: "ReportContext") -> dg.AssetCheckResult:
    days = ", ".join(day.isoformat() for day in learned)
    verdict = Verdict(
        **_about(context) | {"broken": False, "cause": ""},
        insufficient=False,
        summary=f"The version in production learned from {days}, held since: housing rollback takes it back."
        if learned
        else "The version in production learned from no day that is held.",
        value=float(len(learned)),
    )
    return _result(LEARNED_CHECK, verdict, passed=not learned, needs_person=True)


def _drift_result(
    name: str, statistics: Sequence[str], report: "DriftReport", context: "ReportContext"
) -> dg.AssetCheckResult:
    findings = report.of(statistics)
    material = [finding for finding in findings if finding.material]
    counts = _calls_for_action(context, report.insufficient) and any(one.counts_toward_retraining for one in material)
    worst = findings[0] if findings else None
    verdict = Verdict(
        **_about(context),
        insufficient=report.insufficient,
        counts_toward_retraining=counts,
        severe=counts and any(one.is_severe(report.thresholds.severe_factor) for one in material),
        summary=report.summary_of(statistics),
        columns=tuple(dict.fromkeys(one.column for one in material)),
        threshold=(worst.alert if worst else None) or 0.0,
        **_effect(worst),
    )
    return _result(name, verdict, passed=not material, findings=findings)


def _validation_result(report: "ValidationReport", context: "ReportContext") -> dg.AssetCheckResult:
    counts = _calls_for_action(context, report.insufficient) and report.counts_toward_retraining
    findings = [issue.finding for issue in report.issues]
    verdict = Verdict(
        **_about(context),
        insufficient=report.insufficient,
        counts_toward_retraining=counts,
        severe=counts and report.severe,
        summary=report.summary,
        columns=tuple(dict.fromkeys(one.column for one in findings)),
        value=float(report.n_high),
        threshold=float(report.thresholds.high_issues),
        p=min((one.p for one in findings if one.p is not None), default=1.0),
        q=min((one.q for one in findings if one.q is not None), default=1.0),
    )
    return _result(FEATURES_CHECK, verdict, passed=not report.failed, findings=findings)


def _performance_result(
    performance: "Performance", limits: "Thresholds", context: "ReportContext"
) -> dg.AssetCheckResult:
    report = performance.report
    counts = _calls_for_action(context, report.insufficient) and report.failed
    verdict = Verdict(
        **_about(context),
        insufficient=report.insufficient,
        counts_toward_retraining=counts,
        severe=counts and report.drop >= limits.severe_factor * limits.performance_drop,
        summary=performance.summary,
        value=report.accuracy_drop,
        threshold=limits.performance_drop,
        p=report.accuracy_p,
        replaced_version=performance.replaced,
        worse_than_replaced=performance.worse_than_replaced,
    )
    return _result(PERFORMANCE_CHECK, verdict, passed=not report.failed and not performance.worse_than_replaced)


def _parts_result(performance: "Performance", limits: "Thresholds", context: "ReportContext") -> dg.AssetCheckResult:
    breakdown = performance.breakdown
    worse, findings = (breakdown.material, breakdown.findings) if breakdown else ((), ())
    verdict = Verdict(
        **_about(context),
        insufficient=performance.report.insufficient,
        summary=breakdown.summary if breakdown else performance.report.summary,
        columns=tuple(dict.fromkeys(one.column for one in worse)),
        threshold=limits.performance_drop,
        **_effect(findings[0] if findings else None),
    )
    return _result(PARTS_CHECK, verdict, passed=not worse, findings=findings)


def _estimates_result(
    performance: "Performance", limits: "Thresholds", context: "ReportContext"
) -> dg.AssetCheckResult:
    test = performance.blind_test
    verdict = Verdict(
        **_about(context),
        insufficient=performance.report.insufficient if test is None else test.insufficient,
        summary=performance.report.summary if test is None else test.summary,
        value=0.0 if test is None else test.figures.get("price_median_bias", 0.0),
        threshold=limits.estimate_bias,
        p=1.0 if test is None else test.bias_p,
    )
    return _result(ESTIMATES_CHECK, verdict, passed=test is None or not test.faults)


def _refusals_result(report: "TrafficReport", context: "ReportContext") -> dg.AssetCheckResult:
    verdict = Verdict(
        partition=context.partition,
        report_id=context.report_id,
        model_version=context.version,
        in_production=context.in_production,
        insufficient=report.too_few_to_judge_refusals,
        summary=report.refusals_summary,
        columns=report.refused_fields if report.too_many_refused else (),
        value=report.refused_share,
        threshold=report.thresholds.refused_share,
    )
    return _result(REFUSALS_CHECK, verdict, passed=not report.too_many_refused)


def _traffic_result(report: "TrafficReport", context: "ReportContext") -> dg.AssetCheckResult:
    verdict = Verdict(
        partition=context.partition,
        report_id=context.report_id,
        model_version=context.version,
        in_production=context.in_production,
        insufficient=report.expected is None,
        summary=report.traffic_summary,
        value=report.share_of_expected,
        threshold=report.thresholds.traffic_share,
    )
    return _result(TRAFFIC_CHECK, verdict, passed=not report.too_few_answered)


def _calls_for_action(context: "ReportContext", insufficient: bool) -> bool:
    """Return whether what a report found may set off a retraining at all."""
    return context.in_production and not insufficient and not context.held


def _about(context: "ReportContext") -> dict[str, Any]:
    return {
        "partition": context.partition,
        "report_id": context.report_id,
        "model_version": context.version,
        "in_production": context.in_production,
        "broken": bool(context.held),
        "cause": context.held,
        "first_day": min(context.days, default=context.partition),
    }


def _effect(worst: "Finding | None") -> dict[str, Any]:
    """Return the worst effect and its probabilities as far as there are any."""
    found = {"value": worst.effect, "p": worst.p, "q": worst.q} if worst else {}
    return {name: number for name, number in found.items() if number is not None}


def _result(
    name: str, verdict: Verdict, *, passed: bool, findings: "Sequence[Finding]" = (), needs_person: bool = False
) -> dg.AssetCheckResult:
    metadata = verdict.to_metadata()
    if findings:
        from housing_assets.monitoring.drift.presentation import findings_table

        metadata["findings"] = findings_table(findings)
    held = (
        f" The day is held, and nothing found in it counts: {verdict.cause}."
        if verdict.cause and not (passed or needs_person)
        else ""
    )
    acts = verdict.counts_toward_retraining or verdict.worse_than_replaced or (needs_person and not passed)
    return dg.AssetCheckResult(
        check_name=name,
        passed=passed,
        severity=dg.AssetCheckSeverity.ERROR if acts else dg.AssetCheckSeverity.WARN,
        description=f"{verdict.summary}{held}",
        metadata=metadata,
    )


def _guarded(name: str, context: "ReportContext", evaluate: Callable[[], dg.AssetCheckResult]) -> dg.AssetCheckResult:
    """Evaluate a check; whatever goes wrong in it is a failed check that calls for nothing, and stops no run."""
    try:
        return evaluate()
    except Exception as fault:
        verdict = Verdict(
            **_about(context),
            insufficient=False,
            summary=f"The check itself failed: {fault!r}",
        )
        return _result(name, verdict, passed=False)
