"""What is measured of the platform: a drift report of a window, and of the merged profiles of a year."""

from collections.abc import Callable, Iterable
from functools import partial, reduce
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.drift.files import PROFILES, REFERENCE, REFERENCE_FRAME, ROWS_AT_ONCE, VALUES, WINDOW_FRAME
from benchmarks.drift.inputs import profile_of
from benchmarks.measure import Work
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.documents import as_json
from housing_assets.monitoring.drift.page import render_page
from housing_assets.monitoring.drift.report import DriftReport, judge_drift
from housing_assets.monitoring.drift.validation import validate_features
from housing_assets.monitoring.drift.worst_columns import compare_worst_columns
from housing_assets.monitoring.production.days import DayProfiles, merge_days
from housing_assets.monitoring.profiles.profile import Profile, reference_edges
from housing_assets.monitoring.profiles.reference import Reference
from housing_assets.monitoring.report_context import ReportContext

WARM_UP_ROWS = 500
VERSION = 1

_CONTEXT = ReportContext("2026-03-01", ("2026-03-01",), "", VERSION, in_production=True)


def paged_window(folder: Path) -> Work:
    """Report on a window against a stored reference, as each night: the window is profiled page by page."""
    return _work(partial(_report_against_stored, folder, ROWS_AT_ONCE), folder)


def whole_window(folder: Path) -> Work:
    """The same, with the window in one frame."""
    return _work(partial(_report_against_stored, folder, None), folder)


def profiled_reference(folder: Path) -> Work:
    """Report on a window against rows: choose the reference's bins, profile both in one frame each."""
    return _work(partial(_report_against_rows, pd.read_pickle(folder / REFERENCE_FRAME)), folder)


def merging(folder: Path) -> Work:
    """Merge daily profiles that are in memory, and judge the window."""
    days = [DayProfiles.load(day) for day in _days(folder)]
    return Work(partial(_judge_days, _reference(folder), days), _said)


def reading_and_merging(folder: Path) -> Work:
    """Read daily profiles from disk, one at a time, merge them, and judge the window."""
    reference = _reference(folder)
    return Work(lambda: _judge_days(reference, map(DayProfiles.load, _days(folder))), _said)


def _work(report_on: Callable[[pd.DataFrame], tuple[DriftReport, str]], folder: Path) -> Work:
    window = pd.read_pickle(folder / WINDOW_FRAME)
    report_on(window[:WARM_UP_ROWS])

    def outcome(made: tuple[DriftReport, str]) -> dict[str, Any]:
        return {"page_bytes": len(made[1].encode()), "columns": made[0].offending_columns}

    return Work(partial(report_on, window), outcome)


def _report_against_stored(folder: Path, rows_at_once: int | None, window: pd.DataFrame) -> tuple[DriftReport, str]:
    reference = Profile.from_json((folder / REFERENCE).read_text())
    step = rows_at_once or len(window)
    pages = (window[start : start + step] for start in range(0, len(window), step))
    return _report(reference, pages)


def _report_against_rows(reference: pd.DataFrame, window: pd.DataFrame) -> tuple[DriftReport, str]:
    return _report(profile_of(reference, reference, reference_edges(MARKET, reference[[*VALUES]])), [window])


def _report(reference: Profile, pages: Iterable[pd.DataFrame]) -> tuple[DriftReport, str]:
    edges = {name: number.edges for name, number in reference.numbers.items()}
    profile = reduce(Profile.merge, (profile_of(page, page, edges) for page in pages))
    report = judge_drift(reference, profile, personal=MARKET.personal_names)
    as_json(validate_features(MARKET, reference, profile))
    as_json(report)
    columns = compare_worst_columns(report, reference, profile, MARKET.personal_names)
    return report, render_page(report, _CONTEXT, facts=[], checks=[], columns=columns)


def _reference(folder: Path) -> Profile:
    return Reference.from_json((folder / REFERENCE).read_text()).profile


def _days(folder: Path) -> list[Path]:
    return sorted((folder / PROFILES).iterdir())


def _judge_days(reference: Profile, days: Iterable[DayProfiles]) -> DriftReport:
    window = merge_days(days).by_version[VERSION]
    validate_features(MARKET, reference, window)
    return judge_drift(reference, window)


def _said(report: DriftReport) -> dict[str, Any]:
    return {"rows": report.rows, "columns": report.offending_columns}
