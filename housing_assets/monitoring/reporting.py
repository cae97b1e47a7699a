"""What a report leaves: documents for people and programs, and the metadata that the lineage page shows."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Self

import dagster as dg

from housing_assets.lineage_page import picture, table
from housing_assets.monitoring import plots
from housing_assets.monitoring.checks import Occasion, findings_table
from housing_assets.monitoring.comparison import compared_cells, worst_columns
from housing_assets.monitoring.documents import Documents
from housing_assets.monitoring.drift import DriftReport
from housing_assets.monitoring.labelled import merge_outcomes, newest_outcomes
from housing_assets.monitoring.performance import (
    Estimate,
    Outcomes,
    PerformanceReport,
    estimate_accuracy,
    judge_performance,
)
from housing_assets.monitoring.production import DayProfiles
from housing_assets.monitoring.references import References
from housing_assets.monitoring.replacement import PairedComparison
from housing_assets.monitoring.report_page import CheckOutcome, render_page
from housing_assets.monitoring.thresholds import Thresholds
from housing_assets.monitoring.window import Window, unjudged_performance
from resources.model_registry import REPLACED


@dataclass(frozen=True)
class Drift:
    """A drift report and what it was made of.

    Attributes
    ----------
    report : DriftReport
    window : Window
    occasion : Occasion
    days : sequence of str
        Partitions that were merged.
    checks : sequence of AssetCheckResult
    """

    report: DriftReport
    window: Window
    occasion: Occasion
    days: Sequence[str]
    checks: Sequence[dg.AssetCheckResult]

    def documents(self) -> Documents:
        """Return the report as JSON and as a page."""
        page = render_page(
            self.report,
            day=self.occasion.partition,
            report_id=self.occasion.report_id,
            version=self.window.version,
            in_production=self.occasion.in_production,
            facts=self._facts(),
            checks=[CheckOutcome(one.check_name or "", one.passed, one.description or "") for one in self.checks],
            columns=self._columns(),
        )
        return Documents({"drift_report.json": self.report.to_json(), "drift_report_page.html": page})

    def metadata(self) -> dict[str, Any]:
        """Return what the lineage page shows."""
        report = self.report
        stability = [finding.effect for finding in report.findings if finding.statistic == "psi"]
        divergence = [finding.effect for finding in report.findings if finding.statistic == "kl"]
        shown = {
            "dagster/row_count": report.rows,
            "reference_rows": report.reference_rows,
            "other_rows": self.window.other_rows,
            "model_version": self.window.version,
            "status": str(report.status),
            "verdict": report.verdict,
            "report_id": self.occasion.report_id,
            "days": ", ".join(self.days),
            "offending_columns": ", ".join(report.offending_columns),
            "material_findings": len(report.material),
            "largest_psi": max(stability, default=0.0),
            "prediction_drift": max(divergence, default=0.0),
            "findings": findings_table(report.findings),
        }
        reference, profile = self.window.reference, self.window.profile
        if not report.findings or reference is None or profile is None:
            return shown
        return {
            **shown,
            "psi_by_column": picture(plots.stability_by_column(report), "PSI by column, with its limits"),
            "worst_columns": picture(plots.compared_columns(self._columns()), "reference and window, column by column"),
            "prediction_mix": picture(
                plots.prediction_mix(reference.profile.predictions, profile.predictions),
                "predicted categories in the reference and in the window",
            ),
        }

    def _columns(self) -> dict[str, Any]:
        if not self.report.findings or self.window.reference is None or self.window.profile is None:
            return {}
        return compared_cells(worst_columns(self.report), self.window.reference.profile, self.window.profile)

    def _facts(self) -> list[tuple[str, str]]:
        version = f"{self.window.version}" + ("" if self.occasion.in_production else ", not in production any more")
        return [
            ("Window", f"{self.report.rows:,} rows of {', '.join(self.days)} (UTC)"),
            ("Answered by version", version if self.window.version else "none"),
            ("Reference", f"{self.report.reference_rows:,} listings that this version was trained and tried on"),
            ("Left out", f"{self.window.other_rows:,} rows that other versions, or the fallback rule, answered"),
        ]


@dataclass(frozen=True)
class Performance:
    """A performance report and what it was made of.

    Attributes
    ----------
    version, replaced : int
        In production, and the one it replaced; 0 where there is none.
    report : PerformanceReport
    estimate : Estimate or None
        Without labels, of the window's predictions.
    by_day : mapping
        Outcomes by version and day.
    holdout : Outcomes or None
    """

    version: int
    replaced: int
    report: PerformanceReport
    estimate: Estimate | None
    by_day: Mapping[int, Mapping[date, Outcomes]]
    holdout: Outcomes | None

    @classmethod
    def judge(
        cls,
        references: References,
        by_day: Mapping[int, Mapping[date, Outcomes]],
        window: DayProfiles,
        limits: Thresholds,
        newest_rows: int,
    ) -> Self:
        """Judge the version in production.

        Parameters
        ----------
        references : References
        by_day : mapping
            Outcomes by version and day.
        window : DayProfiles
            Whose predictions the estimate without labels is made of.
        limits : Thresholds
        newest_rows : int
            Labelled rows that are judged at least, where there are so many: those of the newest days.
        """
        production = references.production
        if production is None:
            return cls(0, 0, unjudged_performance("Not judged: no version is in production."), None, by_day, None)
        number, replaced = production.number, int(production.tags.get(REPLACED, 0))
        reference = references.of(number)
        if reference is None:
            reason = f"Not judged: {'; '.join(references.troubles)}."
            return cls(number, replaced, unjudged_performance(reason), None, by_day, None)
        report = judge_performance(reference.holdout, newest_outcomes(by_day.get(number, {}), newest_rows), limits)
        profile = window.by_version.get(number)
        has_answers = profile is not None and profile.predictions.rows > 0
        estimate = estimate_accuracy(reference.holdout, profile.predictions) if profile and has_answers else None
        return cls(number, replaced, report, estimate, by_day, reference.holdout)

    def documents(self, paired: PairedComparison | None) -> Documents:
        """Return the report as JSON."""
        told = {
            "version": self.version,
            "report": json.loads(self.report.to_json()),
            "estimate_without_labels": self.estimate._asdict() if self.estimate else None,
            "replaced_version": self.replaced or None,
            "against_replaced": asdict(paired) if paired else None,
            "versions": self._versions(),
        }
        return Documents({"performance_report.json": json.dumps(told, indent=1)})

    def metadata(self, paired: PairedComparison | None) -> dict[str, Any]:
        """Return what the lineage page shows."""
        import pandas as pd

        shown: dict[str, Any] = {
            "dagster/row_count": self.report.rows,
            "model_version": self.version,
            "verdict": self.report.verdict,
            "accuracy": self.report.accuracy,
            "macro_f1": self.report.macro_f1,
            "versions": table(pd.DataFrame(self._versions())),
        }
        if self.holdout is not None:
            shown["holdout_accuracy"] = self.holdout.accuracy
        if self.estimate is not None:
            shown |= {f"estimated_accuracy_{name}": value for name, value in self.estimate._asdict().items()}
        if paired is not None:
            shown |= {f"against_replaced_{name}": value for name, value in asdict(paired).items()}
        if self.by_day:
            expected = self.holdout.accuracy if self.holdout else None
            shown["accuracy_over_time"] = picture(plots.accuracy_over_time(self.by_day, expected), "accuracy by day")
        return shown

    def _versions(self) -> list[dict[str, Any]]:
        merged = {version: merge_outcomes(by_day) for version, by_day in sorted(self.by_day.items())}
        return [
            {
                "version": version,
                "rows": one.rows,
                "accuracy": one.accuracy,
                "macro_f1": one.macro_f1,
                "from": str(min(self.by_day[version])),
                "to": str(max(self.by_day[version])),
            }
            for version, one in merged.items()
        ]
