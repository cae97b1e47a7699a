"""Metrics of what the monitoring says: checks, the newest window, labels, the champion."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

from prometheus_client.core import GaugeMetricFamily, Metric

from housing_assets.console.check_history import CheckHistory
from housing_assets.console.reports import Reports
from housing_assets.exporter.exporter import gauge
from housing_assets.monitoring.checks import DRIFT_CHECKS, INPUT_CHECK, PERFORMANCE_CHECK
from resources.judgements import Judgement, newest_of_each_window
from resources.mlflow.registry import PRODUCTION, ModelRegistry

LONGEST = timedelta(days=60)
"""Age of what is looked at."""


def read_checks(history: CheckHistory) -> Iterator[Metric]:
    """Yield what each check said of its newest window, and for how many windows there was too little to say."""
    now = datetime.now(UTC)
    judged = sorted(newest_of_each_window(history.read(now)), key=lambda one: one.window)
    newest = {(one.report.rpartition("/")[2], one.check): one for one in judged}
    told = {
        "passed": ("Whether a check passed on its newest window.", lambda one: float(one.passed)),
        "counts": ("Whether what it found counts toward retraining.", lambda one: float(one.calls_for_retraining)),
        "value": ("The worst effect that it measured.", lambda one: one.verdict.value),
        "limit": ("The limit of that effect.", lambda one: one.verdict.threshold),
    }
    for name, (meaning, value) in told.items():
        yield _by_check(f"housing_check_{name}", meaning, newest, value)
    if not judged:
        return
    end = datetime.combine(date.fromisoformat(judged[-1].window), datetime.min.time(), UTC) + timedelta(days=1)
    yield gauge(
        "housing_window_age_seconds", "Time since the newest judged window ended.", max((now - end).total_seconds(), 0)
    )
    first_drift_check = next(iter(DRIFT_CHECKS))
    yield gauge(
        "housing_windows_insufficient",
        "Newest windows in a row with too few rows to be judged.",
        _in_a_row(judged, first_drift_check, lambda one: one.verdict.insufficient),
    )
    yield gauge(
        "housing_windows_without_labels",
        "Newest windows in a row with too few labels to judge the performance.",
        _in_a_row(judged, PERFORMANCE_CHECK, lambda one: one.verdict.insufficient),
    )
    yield gauge(
        "housing_windows_held",
        "Newest windows in a row whose input is broken, or looks so.",
        _in_a_row(judged, INPUT_CHECK, lambda one: one.verdict.broken),
    )


def read_performance(reports: Reports) -> Iterator[Metric]:
    """Yield the accuracy on the newest labels that were enough to judge it, and how many reports are damaged."""
    stored = reports.read()
    yield gauge("housing_unreadable_reports", "Stored daily reports that cannot be read.", len(stored.unreadable))
    found = sorted((day, figures.performance) for day, figures in stored.by_day.items() if figures.performance)
    judged = [one for _, one in found if one.accuracy is not None and one.expected is not None]
    if judged and judged[-1].accuracy is not None and judged[-1].expected is not None:
        yield gauge("housing_labelled_accuracy", "Accuracy on the newest labelled predictions.", judged[-1].accuracy)
        yield gauge(
            "housing_expected_accuracy", "Accuracy that is expected of them from the holdout.", judged[-1].expected
        )
        yield gauge("housing_labelled_rows", "How many they were.", judged[-1].rows)
    answered = sorted((day, one.answered) for day, one in stored.by_day.items() if one.answered is not None)
    if answered:
        yield gauge("housing_answered_rows", "Listings that were answered on the newest judged day.", answered[-1][1])


def read_champion(registry: ModelRegistry) -> Iterator[Metric]:
    """Yield the version in production, and its age."""
    champion = registry.with_alias(PRODUCTION)
    if champion is not None:
        age = (datetime.now(UTC) - champion.registered_at).total_seconds()
        yield gauge("housing_champion_version", "The version in production.", champion.number)
        yield gauge("housing_champion_age_seconds", "Time since it was registered.", age)


def _by_check(
    name: str,
    meaning: str,
    newest: dict[tuple[str, str], Judgement],
    value: Callable[[Judgement], float],
) -> Metric:
    family = GaugeMetricFamily(name, meaning, labels=["report", "check"])
    for labels, one in sorted(newest.items()):
        family.add_metric(labels, value(one))
    return family


def _in_a_row(judged: Sequence[Judgement], check: str, is_so: Callable[[Judgement], bool]) -> int:
    count = 0
    for one in reversed([one for one in judged if one.check == check]):
        if not is_so(one):
            break
        count += 1
    return count
