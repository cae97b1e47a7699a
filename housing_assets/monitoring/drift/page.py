"""The drift report as one HTML page for a person who is no statistician: the outcome, then why, then the figures."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from housing_assets.monitoring.drift.findings import Finding, Severity
from housing_assets.monitoring.drift.glossary import GLOSSARY
from housing_assets.monitoring.drift.report import DriftReport
from housing_assets.monitoring.report_context import ReportContext
from housing_assets.monitoring.statistics.cells import Cells

if TYPE_CHECKING:
    from jinja2 import Template

MAX_FINDINGS = 200
"""Rows of the table: all columns with all statistics, of ads twice as wide as these."""

_OUTCOMES = {Severity.ALERT: "over the limit", Severity.WARN: "worth watching", Severity.NONE: "within limits"}


class CheckOutcome(NamedTuple):
    """What a check said."""

    name: str
    passed: bool
    summary: str


def render_page(
    report: DriftReport,
    context: ReportContext,
    *,
    facts: Sequence[tuple[str, str]],
    checks: Sequence[CheckOutcome],
    columns: Mapping[str, Cells],
) -> str:
    """Return the page: one file that fetches nothing.

    Parameters
    ----------
    report : DriftReport
    context : ReportContext
    facts : sequence of (str, str)
        What was compared, for the table.
    checks : sequence of CheckOutcome
    columns : mapping of str to Cells
        That are shown side by side.
    """
    return _template().render(
        day=context.partition,
        version=context.version,
        status=str(report.status),
        summary=report.summary,
        next_step=report.next_step(in_production=context.in_production),
        reasons=[(name, _reasons(name, report)) for name in report.offending_columns],
        facts=facts,
        checks=[check._asdict() for check in checks],
        columns=[{"name": name, "cells": _shares(cells)} for name, cells in columns.items()],
        findings=[_row(finding) for finding in report.findings[:MAX_FINDINGS]],
        left_out=max(len(report.findings) - MAX_FINDINGS, 0),
        glossary=[(name, statistic.title, statistic.explanation) for name, statistic in GLOSSARY.items()],
        report_id=context.report_id,
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("housing_assets.monitoring.drift", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("drift_report.html.jinja")


def _reasons(column: str, report: DriftReport) -> list[dict[str, Any]]:
    return [
        {
            "alarm": GLOSSARY[finding.statistic].alarm,
            "detail": finding.detail,
            "effect": f"{finding.effect:.3g}",
            "limit": _limit(finding.alert),
            "retraining_helps": finding.counts_toward_retraining,
        }
        for finding in report.material
        if finding.column == column
    ]


def _row(finding: Finding) -> dict[str, str]:
    return {
        "column": finding.column,
        "statistic": finding.statistic,
        "effect": f"{finding.effect:.3g}",
        "warn": _limit(finding.warn),
        "limit": _limit(finding.alert),
        "q": "" if finding.q is None else f"{finding.q:.2g}",
        "severity": str(finding.severity),
        "outcome": _OUTCOMES[finding.severity] if finding.alert is not None else "shown only",
        "detail": finding.detail,
    }


def _shares(cells: Cells) -> list[dict[str, str]]:
    reference, window = (counts / max(counts.sum(), 1) for counts in (cells.reference, cells.window))
    largest = max(reference.max(), window.max()) or 1.0
    return [
        {
            "name": name,
            "reference": f"{of_reference:.1%}",
            "window": f"{of_window:.1%}",
            "reference_width": f"{100 * of_reference / largest:.1f}",
            "window_width": f"{100 * of_window / largest:.1f}",
        }
        for name, of_reference, of_window in zip(cells.names, reference, window, strict=True)
    ]


def _limit(limit: float | None) -> str:
    return "" if limit is None else f"{limit:g}"
