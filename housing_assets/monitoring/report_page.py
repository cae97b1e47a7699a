"""The drift report as one HTML page for a person who is no statistician: the verdict, then why, then the figures."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from housing_assets.monitoring.cells import Cells
from housing_assets.monitoring.drift import DriftReport, Status
from housing_assets.monitoring.findings import Finding, Severity

if TYPE_CHECKING:
    from jinja2 import Template

MAX_FINDINGS = 200
"""Rows of the table: all columns with all statistics, of ads twice as wide as these."""

MEANINGS = {
    "psi": "The mix of values has changed.",
    "ks": "The numbers have moved.",
    "chi_square": "The mix of values has changed.",
    "kl": "The model answers another mix of categories than on the listings that it was tried on.",
    "missing": "Values are missing more often than before.",
    "unseen": "Values appear that the model has never seen.",
    "cardinality": "There are more different values than so many rows should have.",
}
"""What a material finding says, in a sentence, by statistic."""

GLOSSARY = (
    ("psi", "Population stability index: how differently rows spread over the same cells; 0 is not at all."),
    ("ks", "Kolmogorov-Smirnov D: the largest gap between the shares of rows below any number, 0 to 1."),
    ("wasserstein", "How far numbers moved on average, in spreads (interquartile ranges) of the reference."),
    ("chi_square", "Cramér's V of the values against reference and window: 0 the same mix, 1 nothing in common."),
    ("kl", "Kullback-Leibler divergence of the predicted categories from those on the holdout, in nats."),
    ("mean_probability", "The largest change of a category's mean probability."),
    ("missing", "The factor by which the share of missing values has risen, or that of present ones fallen."),
    ("unseen", "Share of the rows in values that the reference never had, beyond what it foretells."),
    ("cardinality", "Distinct values over those expected of as many rows."),
    ("lag_days", "Days from the ad's date to the request, more than in the reference; shown only."),
)

_OUTCOMES = {Severity.ALERT: "beyond the limit", Severity.WARN: "worth watching", Severity.NONE: "within"}


class CheckOutcome(NamedTuple):
    """What a check said."""

    name: str
    passed: bool
    verdict: str


def render_page(
    report: DriftReport,
    *,
    day: str,
    report_id: str,
    version: int,
    in_production: bool,
    facts: Sequence[tuple[str, str]],
    checks: Sequence[CheckOutcome],
    columns: Mapping[str, Cells],
) -> str:
    """Return the page: one file that fetches nothing.

    Parameters
    ----------
    report : DriftReport
    day, report_id : str
    version : int
        That was judged; 0 if none was.
    in_production : bool
        Whether it is in production.
    facts : sequence of (str, str)
        What was compared, for the table.
    checks : sequence of CheckOutcome
    columns : mapping of str to Cells
        That are shown side by side.
    """
    return _template().render(
        day=day,
        version=version,
        status=str(report.status),
        verdict=report.verdict,
        consequence=_consequence(report, in_production),
        reasons=[(name, _reasons(name, report)) for name in report.offending_columns],
        facts=facts,
        checks=[check._asdict() for check in checks],
        columns=[{"name": name, "cells": _shares(cells)} for name, cells in columns.items()],
        findings=[_row(finding) for finding in report.findings[:MAX_FINDINGS]],
        left_out=max(len(report.findings) - MAX_FINDINGS, 0),
        glossary=GLOSSARY,
        report_id=report_id,
    )


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    loader = PackageLoader("housing_assets.monitoring", "")
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("drift_report.html.jinja")


def _consequence(report: DriftReport, in_production: bool) -> str:
    if report.status is Status.INSUFFICIENT:
        return "Nothing follows from it: a window that is not judged neither passes nor calls for retraining."
    if not report.material:
        return "Nothing needs to be done. Whether true prices still follow from the listings, performance_report tells."
    if not in_production:
        return "The version has been replaced since: this is history, and nothing follows from it."
    if not report.counts_toward_retraining:
        return "Somebody should look at where the listings come from: learning from them would not mend this."
    if report.severe:
        return (
            "It is far beyond the limit: the platform retrains by itself, at once if there was no window before; "
            "see the decisions of the sensor."
        )
    return "If it stands in a second window the platform retrains by itself, see the decisions of the sensor."


def _reasons(column: str, report: DriftReport) -> list[dict[str, Any]]:
    return [
        {
            "meaning": MEANINGS[finding.statistic],
            "detail": finding.detail,
            "effect": f"{finding.effect:.3g}",
            "limit": _limit(finding.alert),
            "mends": finding.counts_toward_retraining,
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
