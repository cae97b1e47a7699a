"""What the daily assets of a run share: the window, what the report is about, and what is said when something fails."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar

import dagster as dg

from resources.mlflow.registry import LABELLED_DAYS, ModelRegistry, Version
from resources.predictions.day_decisions import Days, read_ranges
from resources.predictions.store import PredictionStore

if TYPE_CHECKING:
    from housing_assets.monitoring.production.days import DayProfiles
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.production.windows import Window
    from housing_assets.monitoring.report_context import ReportContext
    from housing_assets.monitoring.thresholds import Thresholds


class Summarized(Protocol):
    """A report that says in a sentence what it comes to."""

    @property
    def summary(self) -> str:
        """The sentence."""
        ...


Report = TypeVar("Report", bound=Summarized)


def read_days(predictions: PredictionStore) -> Days:
    """Return what was decided on the days of production."""
    with store_is_readable():
        return predictions.days()


def judge_window(
    context: dg.AssetExecutionContext,
    profiles: "DayProfiles | Mapping[str, DayProfiles]",
    predictions: PredictionStore,
    registry: ModelRegistry,
    limits: "Thresholds",
    judge: "Callable[..., Report]",
    skip: "Callable[..., Report]",
) -> "tuple[Report, ReportContext, Window]":
    """Judge the window of a run's partition; what it comes to, and why a version cannot be judged, is logged.

    Parameters
    ----------
    context : AssetExecutionContext
    profiles : DayProfiles or mapping of str to DayProfiles
        Of the day, or of the window's days.
    predictions : PredictionStore
    registry : ModelRegistry
    limits : Thresholds
    judge : callable
        Takes the profiles of the reference and of the window, and ``thresholds``; may refuse them.
    skip : callable
        Takes the reason why the window cannot be judged, and ``thresholds``.

    Returns
    -------
    report : Report
    about : ReportContext
    window : Window
    """
    days = read_days(predictions)
    window = _window_of(context, profiles, registry, days, limits.min_rows)
    report = window.judge(partial(judge, thresholds=limits), partial(skip, thresholds=limits))
    context.log.info(report.summary)
    about = report_context(context, window.version, days, in_production=window.in_production, judged=window.days)
    return report, about, window


def merge_window(
    context: dg.AssetExecutionContext, profiles: "DayProfiles | Mapping[str, DayProfiles]", days: Days
) -> "tuple[DayProfiles, Mapping[str, str]]":
    """Return the profiles of a window, and why days of it are left out; that is logged with what mends it."""
    from housing_assets.monitoring.production.days import DayProfiles, merge_alike

    if isinstance(profiles, DayProfiles):
        return profiles, {}
    own = context.partition_key
    merged, refused = merge_alike({day: profiles[day] for day in window_days(context, profiles, days)})
    left_out = {
        day: f"{day} is not judged, its profile is of another declaration ({reason}): housing judge {day} profiles it "
        f"anew, then housing judge {own}"
        for day, reason in refused.items()
    }
    for trouble in left_out.values():
        context.log.warning(trouble)
    return merged, left_out


def window_days(
    context: dg.AssetExecutionContext, profiles: "DayProfiles | Mapping[str, DayProfiles]", days: Days
) -> tuple[str, ...]:
    """Return the days of a window that are stored and not held, oldest first; of a held day, it alone."""
    from housing_assets.monitoring.production.days import DayProfiles

    own = context.partition_key
    if isinstance(profiles, DayProfiles):
        return (own,)
    alone = date.fromisoformat(own) in days.held
    return tuple(day for day in sorted(profiles) if (day == own if alone else date.fromisoformat(day) not in days.held))


def _window_of(
    context: dg.AssetExecutionContext,
    profiles: "DayProfiles | Mapping[str, DayProfiles]",
    registry: ModelRegistry,
    days: Days,
    min_rows: int,
) -> "Window":
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.production.windows import open_window

    references = References(registry)
    merged, left_out = merge_window(context, profiles, days)
    window = open_window(merged, references, min_rows)
    log_troubles(context, references)
    judged = tuple(day for day in window_days(context, profiles, days) if day not in left_out)
    return replace(window, days=judged, left_out=left_out)


def report_context(
    context: dg.AssetExecutionContext,
    version: int,
    days: Days,
    *,
    in_production: bool,
    judged: tuple[str, ...] = (),
) -> "ReportContext":
    """Return what a report of this run is about: some days, or that of the run alone."""
    from housing_assets.monitoring.report_context import ReportContext

    held = days.held.get(date.fromisoformat(context.partition_key))
    return ReportContext(
        partition=context.partition_key,
        days=judged or (context.partition_key,),
        report_id=f"{context.asset_key.to_user_string()}/{context.partition_key}/{context.run.run_id}",
        version=version,
        in_production=in_production,
        held=held.reason if held else "",
    )


def service_context(context: dg.AssetExecutionContext) -> "ReportContext":
    """Return what a report on the service is about: a day, whichever versions answered."""
    return report_context(context, 0, Days(), in_production=True)


def learned_days(version: Version) -> set[date]:
    """Return the days of production that a version learned from, or was judged on."""
    return read_ranges(version.tags.get(LABELLED_DAYS, ""))


def log_troubles(context: dg.AssetExecutionContext, references: "References") -> None:
    """Say in the log why a version cannot be judged."""
    for trouble in references.troubles:
        context.log.warning(trouble)


@contextmanager
def store_is_readable() -> Iterator[None]:
    """Say what is wrong when the prediction store cannot be read."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as fault:
        reason = str(fault).splitlines()[0]
        raise dg.Failure(f"the prediction store (HOUSING_PREDICTION_STORE) cannot be read: {reason}") from fault
