"""What the reports on listings leave: documents for people and programs, and metadata for the lineage page."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from housing_assets.lineage_page import picture, table
from housing_assets.monitoring.documents import Documents, as_json
from housing_assets.monitoring.drift import plots
from housing_assets.monitoring.drift.findings import Finding
from housing_assets.monitoring.drift.input_report import InputReport
from housing_assets.monitoring.drift.page import CheckOutcome, render_page
from housing_assets.monitoring.drift.report import DriftReport
from housing_assets.monitoring.drift.validation import ValidationReport
from housing_assets.monitoring.production.windows import Window
from housing_assets.monitoring.report_context import ReportContext
from housing_assets.monitoring.statistics.cells import Cells
from resources.predictions.day_decisions import DayDecision, Days

if TYPE_CHECKING:
    import dagster as dg

MAX_FINDINGS = 20
"""Rows of a table on the lineage page."""

_SHOWN = ("column", "statistic", "value", "effect", "warn", "alert", "p", "q", "severity", "consequence", "detail")


def findings_table(findings: Sequence[Finding]) -> "dg.TableMetadataValue":
    """Return the worst findings as a table."""
    import pandas as pd

    rows = [{name: _plain(getattr(finding, name)) for name in _SHOWN} for finding in findings[:MAX_FINDINGS]]
    return table(pd.DataFrame(rows, columns=list(_SHOWN)))


def drift_documents(
    report: DriftReport,
    context: ReportContext,
    window: Window,
    columns: Mapping[str, Cells],
    checks: "Sequence[dg.AssetCheckResult]",
) -> Documents:
    """Return a drift report as JSON and as a page.

    Parameters
    ----------
    report : DriftReport
    context : ReportContext
    window : Window
    columns : mapping of str to Cells
        That are shown side by side.
    checks : sequence of AssetCheckResult
    """
    page = render_page(
        report,
        context,
        facts=_facts(report, context, window),
        checks=[CheckOutcome(one.check_name or "", one.passed, one.description or "") for one in checks],
        columns=columns,
    )
    return Documents({"drift_report.json": as_json(report), "drift_report_page.html": page})


def drift_metadata(
    report: DriftReport, context: ReportContext, window: Window, columns: Mapping[str, Cells]
) -> dict[str, Any]:
    """Return what the lineage page shows of a drift report; the parameters are those of ``drift_documents``."""
    shown = {
        "dagster/row_count": report.rows,
        "reference_rows": report.reference_rows,
        "other_rows": window.other_rows,
        "model_version": context.version,
        "status": str(report.status),
        "summary": report.summary,
        "report_id": context.report_id,
        "days": ", ".join(context.days),
        "days_not_judged": "; ".join(window.left_out.values()),
        "offending_columns": ", ".join(report.offending_columns),
        "material_findings": len(report.material),
        "largest_psi": max((finding.effect for finding in report.of(["psi"])), default=0.0),
        "prediction_drift": max((finding.effect for finding in report.of(["kl"])), default=0.0),
        "findings": findings_table(report.findings),
    }
    if not report.findings or window.reference is None or window.profile is None:
        return shown
    mix = plots.prediction_mix(window.reference.profile.predictions, window.profile.predictions)
    return {
        **shown,
        "psi_by_column": picture(plots.stability_by_column(report), "PSI by column, with its limits"),
        "worst_columns": picture(plots.compared_columns(columns), "reference and window, column by column"),
        "prediction_mix": picture(mix, "predicted categories in the reference and in the window"),
    }


def input_metadata(report: InputReport, decision: DayDecision, days: Days) -> dict[str, Any]:
    """Return what the lineage page shows of a day's input.

    Parameters
    ----------
    report : InputReport
    decision : DayDecision
        In force for the day.
    days : Days
    """
    return {
        "dagster/row_count": report.rows,
        "reported_prices": report.prices,
        "summary": report.summary,
        "causes": ", ".join(cause.key for cause in report.causes),
        "state": str(decision.state),
        "decided_by": decision.by,
        "reason": decision.reason,
        "held_days": ", ".join(day.isoformat() for day in sorted(days.held)),
    }


def validation_metadata(report: ValidationReport, context: ReportContext) -> dict[str, Any]:
    """Return what the lineage page shows of a feature validation."""
    return {
        "dagster/row_count": report.rows,
        "summary": report.summary,
        "high_issues": report.n_high,
        "medium_issues": len(report.issues) - report.n_high,
        "model_version": context.version,
        "issues": findings_table([issue.finding for issue in report.issues]),
    }


def _facts(report: DriftReport, context: ReportContext, window: Window) -> list[tuple[str, str]]:
    version = f"{context.version}" + ("" if context.in_production else ", not in production any more")
    return [
        ("Window", f"{report.rows:,} rows of {', '.join(context.days)} (UTC)"),
        ("Answered by version", version if context.version else "none"),
        ("Reference", f"{report.reference_rows:,} listings that this version was trained and evaluated on"),
        ("Left out", f"{window.other_rows:,} rows that other versions, or the fallback rule, answered"),
        *(("Not judged", reason) for reason in window.left_out.values()),
    ]


def _plain(value: Any) -> Any:
    """Return a number of numpy's as Python's own: Dagster stores no other."""
    return value.item() if hasattr(value, "item") else value
