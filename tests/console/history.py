"""A past for the console: days of production as the platform leaves them, in real storages, for as long as wanted.

A day of each kind is made by the platform's own code. Others are the same rows of Dagster's event log and the same
stored reports under another date: a year takes seconds, and what is read of it is what the platform would have written.
"""

import re
import shutil
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
from dagster._core.definitions.scoped_resources_builder import ScopedResourcesBuilder
from starlette.applications import Starlette

from housing_assets.console.app import build_app
from housing_assets.console.links import Links
from housing_assets.console.pages import Pages
from housing_assets.console.sources import Platform
from housing_assets.console.watch import Watch
from housing_assets.monitoring import checks
from housing_assets.monitoring.documents import Documents, as_json
from housing_assets.monitoring.drift.causes import Cause, Sign
from housing_assets.monitoring.drift.findings import Consequence, Measurement, judge
from housing_assets.monitoring.drift.input_report import InputReport
from housing_assets.monitoring.drift.page import CheckOutcome, render_page
from housing_assets.monitoring.drift.report import DriftReport, Status
from housing_assets.monitoring.drift.validation import ValidationReport
from housing_assets.monitoring.performance.judging import PerformanceReport
from housing_assets.monitoring.performance.presentation import documents
from housing_assets.monitoring.performance.report import Performance
from housing_assets.monitoring.performance.without_labels import EstimatedAccuracy
from housing_assets.monitoring.production.traffic import Traffic, TrafficReport
from housing_assets.monitoring.report_context import ReportContext
from housing_assets.monitoring.thresholds import Thresholds
from housing_assets.packaging.card.document import Document, ModelCard, Section
from resources.alerts import Alert, AlertLog
from resources.decision_log import Decision, DecisionLogs, Log
from resources.mlflow.registry import ModelRegistry
from resources.predictions.day_decisions import PLATFORM, DayDecision, State
from resources.predictions.store import PredictionStore
from resources.settings import Settings
from resources.values.asset_storage import AssetStorage
from tests.resources.mlflow_database import new_database
from tests.resources.registered import register

PASSED, DRIFTED, HELD, EMPTY, FEW, REFUSED = KINDS = ("passed", "drifted", "held", "empty", "few", "refused")
"""Kinds of days."""

CAUSE = "gross_m2 looks multiplied by 10: divided by it, its distribution is the reference's"
LIMITS = Thresholds()
COLUMNS = ("gross_m2", "district", "neighbourhood", *(f"column_{number}" for number in range(37)))
STATISTICS = ("psi", "ks", "unseen", "cardinality", "missing")


@dataclass(frozen=True)
class Past:
    """A platform with days behind it.

    Attributes
    ----------
    settings : Settings
    instance : DagsterInstance
    kinds : mapping of date to str
        What was made of each day.
    """

    settings: Settings
    instance: dg.DagsterInstance
    kinds: Mapping[date, str]

    def watch(self) -> Watch:
        """Return a watch of it, of a service that does not run."""
        return Watch(Platform(self.settings, self.instance, "http://127.0.0.1:9"))

    def pages(self) -> Pages:
        return Pages("Homes for sale", Links("http://lineage", "http://mlflow", self.settings.model_name))

    def app(self) -> Starlette:
        return build_app(self.pages(), self.watch())

    def newest(self, kind: str) -> date:
        return max(day for day, found in self.kinds.items() if found == kind)


def make_past(folder: Path, days: int) -> Past:
    """Make a platform with so many days behind it, the last of them the newest whose night has been."""
    settings = Settings(storage=folder, MLFLOW_TRACKING_URI=new_database(folder))
    home = folder / "dagster"
    home.mkdir(parents=True)
    instance = dg.DagsterInstance.from_config(str(home))
    newest = (datetime.now(UTC) - timedelta(days=1, hours=3)).date()  # the last one whose night has been
    kinds = {newest - timedelta(days=back): _kind(back) for back in range(days) if back != 12}
    _store_reports(settings, kinds)
    _store_evaluations(instance, home, kinds)
    _decide(settings, instance, kinds)
    _register(settings, folder)
    return Past(settings, instance, kinds)


def copy_past(past: Past, folder: Path) -> Past:
    """Return a copy of a platform in another folder, to be changed."""
    shutil.copytree(past.settings.storage, folder, symlinks=True, dirs_exist_ok=True)
    settings = Settings(storage=folder, MLFLOW_TRACKING_URI=f"sqlite:///{folder / 'mlflow.db'}")
    return Past(settings, dg.DagsterInstance.from_config(str(folder / "dagster")), past.kinds)


def _kind(back: int) -> str:
    odd = {3: DRIFTED, 5: HELD, 8: EMPTY, 9: FEW, 11: REFUSED}
    return odd.get(back % 29, PASSED)


def _drift(kind: str) -> DriftReport:
    if kind in (EMPTY, FEW):
        return DriftReport.skipped(f"Not judged: {0 if kind == EMPTY else 120} rows are too few.", LIMITS)
    draw = np.random.default_rng(KINDS.index(kind))
    measured = []
    for column in COLUMNS:
        for statistic in STATISTICS:
            bad = kind == DRIFTED and statistic == "psi" and column in ("district", "gross_m2")
            effect = 0.6 if bad else float(draw.uniform(0, 0.2))
            detail = f"{column} as {statistic} tells it, which takes a sentence of some length"
            told = Consequence.RETRAINING
            measured.append(
                Measurement(column, statistic, effect, effect, 1e-9 if bad else 0.4, 0.1, 0.25, told, detail=detail)
            )
    measured.append(Measurement("predictions", "kl", 0.02, 0.02, 0.4, 0.05, 0.15, Consequence.RETRAINING))
    drifted = kind == DRIFTED
    summary = "Drift: district and gross_m2 have changed." if drifted else "No drift: 2,000 rows against 5,759."
    return DriftReport(
        Status.DRIFTED if drifted else Status.PASSED, summary, 2_000, 5_759, judge(measured, 0.05), LIMITS
    )


def _performance(kind: str) -> Performance:
    if kind in (EMPTY, FEW):
        return Performance(1, 0, PerformanceReport.skipped("Not judged: too few labels."))
    accuracy = 0.70 if kind == DRIFTED else 0.84
    failed = kind == DRIFTED
    report = PerformanceReport("As it is.", False, failed, 500, accuracy, accuracy, 0.82 - accuracy, 0.0)
    return Performance(1, 0, report, estimate=EstimatedAccuracy(0.83, 0.80, 0.86))


def _traffic(kind: str) -> TrafficReport:
    answered = {EMPTY: 0, FEW: 120}.get(kind, 2_000)
    return TrafficReport(
        Traffic(answered, (), (2_000,) * 14), 0.2 if kind == REFUSED else 0.01, None if kind == FEW else 2_000.0, LIMITS
    )


def _about(asset: str, kind: str, day: date) -> ReportContext:
    held = CAUSE if kind == HELD else ""
    of = day.isoformat()
    return ReportContext(of, (of,), f"{asset}/{of}/run-of-{kind}", 1, True, held)


def _results(kind: str, day: date) -> dict[str, list[dg.AssetCheckResult]]:
    causes = (Cause("gross_m2", Sign.SCALE, CAUSE),) if kind == HELD else ()
    looked_at = InputReport(2_000, 300, causes, kind in (EMPTY, FEW), "")
    validation = ValidationReport("Every feature looks as it did.", 2_000, kind in (EMPTY, FEW), (), LIMITS)
    return {
        "drift_report": checks.drift_results(_drift(kind), _about("drift_report", kind, day)),
        "input_report": checks.input_results(looked_at, (), _about("input_report", kind, day)),
        "feature_validation_report": checks.validation_results(
            validation, _about("feature_validation_report", kind, day)
        ),
        "performance_report": checks.performance_results(
            _performance(kind), LIMITS, _about("performance_report", kind, day)
        ),
        "traffic_report": checks.traffic_results(_traffic(kind), _about("traffic_report", kind, day)),
    }


def _store_reports(settings: Settings, kinds: Mapping[date, str]) -> None:
    storage = AssetStorage(folder=settings.values_location)
    made: dict[str, dict[str, Documents]] = {}
    for day, kind in kinds.items():
        if kind not in made:
            drift = _drift(kind)
            outcomes = [CheckOutcome("psi_within_limit", not drift.material, "as found")]
            page = render_page(drift, _about("drift_report", kind, day), facts=[], checks=outcomes, columns={})
            made[kind] = {
                "drift_report": Documents({"drift_report.json": as_json(drift), "drift_report_page.html": page}),
                "performance_report": documents(_performance(kind)),
                "traffic_report": Documents({"traffic_report.json": as_json(_traffic(kind))}),
            }
        for asset, value in made[kind].items():
            nothing = ScopedResourcesBuilder.build_empty()  # by default, an instance is made for each
            context = dg.build_output_context(asset_key=asset, partition_key=str(day), resources=nothing)
            storage.handle_output(context, value)


def _store_evaluations(instance: dg.DagsterInstance, home: Path, kinds: Mapping[date, str]) -> None:
    template = {kind: min(day for day, found in kinds.items() if found == kind) for kind in set(kinds.values())}
    for kind, day in template.items():
        for asset, results in _results(kind, day).items():
            for result in results:
                instance.report_runless_asset_event(
                    dg.AssetCheckEvaluation(
                        asset_key=dg.AssetKey(asset),
                        check_name=result.check_name or "",
                        passed=bool(result.passed),
                        metadata=result.metadata,
                        severity=result.severity,
                        description=result.description,
                    )
                )
    with sqlite3.connect(home / "history" / "runs" / "index.db") as database:
        columns = "asset_key, check_name, partition, run_id, execution_status, evaluation_event, create_timestamp"
        rows = database.execute(f"SELECT {columns} FROM asset_check_executions").fetchall()
        database.execute("DELETE FROM asset_check_executions")
        for day, kind in sorted(kinds.items()):
            judged = datetime(day.year, day.month, day.day, 2, 30, tzinfo=UTC) + timedelta(days=1)
            of = template[kind].isoformat()
            for asset, check, _, run, status, event, _ in rows:
                if f'"text": "{of}"' not in event:
                    continue
                told = re.sub(r'"timestamp": [\d.]+', f'"timestamp": {judged.timestamp()}', event.replace(of, str(day)))
                planned = (asset, check, str(day), f"planned-{day}", "PLANNED", None, judged)
                for row in (planned, (asset, check, None, run, status, told, judged)):
                    marks = ", ".join("?" * len(row))
                    at = judged.strftime("%Y-%m-%d %H:%M:%S")
                    database.execute(
                        f"INSERT INTO asset_check_executions ({columns}) VALUES ({marks})", (*row[:-1], at)
                    )


def _decide(settings: Settings, instance: dg.DagsterInstance, kinds: Mapping[date, str]) -> None:
    store = PredictionStore(url=settings.prediction_store_url)
    logs, alerts = DecisionLogs(), AlertLog(settings.storage / "alerts.log")
    for day, kind in sorted(kinds.items()):
        if kind == HELD:
            store.decide(DayDecision(day, State.HELD, CAUSE, PLATFORM, causes=("unit: gross_m2",)))
    drifted = max((day for day, kind in kinds.items() if kind == DRIFTED), default=None)
    for log, decision in (
        (Log.RETRAINING, Decision("nothing found", "The last windows have no unresolved findings.")),
        (Log.RETRAINING, Decision("retrain", f"Unresolved findings in {drifted}.", {"windows_judged": [str(drifted)]})),
        (Log.ROLLBACK, Decision("rolled back", "Version 2 was <b>worse</b>.", needs_person=True)),
    ):
        instance.report_runless_asset_event(logs.event(log, decision))
    now = datetime.now(UTC).timestamp()
    alerts.write(
        Alert("old", "run", "istanbul: run 1 failed in price_forest (MemoryError).", now - 20 * 86_400), "logged"
    )
    alerts.write(
        Alert("new", "finding", "istanbul: drift_report <script>: 1 failed\nsecond line", now - 3_600), "logged"
    )
    alerts.write(Alert("new", "finding", "istanbul: drift_report <script>: 1 failed\nsecond line", now - 3_600), "sent")


def _register(settings: Settings, folder: Path) -> None:
    registry = ModelRegistry(tracking_uri=settings.mlflow_uri)
    for number, decision in ((1, "promoted"), (2, "not promoted")):
        tags = {"decision": decision, "reason": f"reason of version {number}", "data_fingerprint": "abc"}
        version = register(registry, folder, tags=tags)
        registry.client().log_metric(version.run_id, "macro_f1", 0.8 + number / 100)
        if number == 1:
            registry.promote(version)
            document = Document("Model card", "a summary", (Section("Districts", points=("<script>",)),))
            card = folder / "card"
            card.mkdir()
            ModelCard.of(document).save(card)
            registry.attach_card(version, card, document.summary)


def remove_reports(past: Past) -> None:
    """Take the stored reports away, as whoever clears a disk does."""
    shutil.rmtree(past.settings.storage / "assets")
