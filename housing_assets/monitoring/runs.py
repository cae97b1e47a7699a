"""What the daily assets of a run share: the window, what the report is about, and what is said when something fails."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date
from typing import TYPE_CHECKING

import dagster as dg

from resources.day_decisions import Days, read_ranges
from resources.model_registry import LABELLED_DAYS, ModelRegistry, Version
from resources.prediction_store import PredictionStore

if TYPE_CHECKING:
    from housing_assets.monitoring.production.days import DayProfiles
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.production.windows import Window
    from housing_assets.monitoring.report_context import ReportContext


def read_days(predictions: PredictionStore) -> Days:
    """Return what was decided on the days of production."""
    with store_is_readable():
        return predictions.days()


def window_of(
    context: dg.AssetExecutionContext,
    profiles: "DayProfiles | Mapping[str, DayProfiles]",
    registry: ModelRegistry,
    days: Days,
    min_rows: int,
) -> "Window":
    """Return the window of a run's partition; why a version cannot be judged is logged."""
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.production.windows import open_window

    references = References(registry)
    window = open_window(merge_window(context, profiles, days), references, min_rows)
    log_troubles(context, references)
    return window


def merge_window(
    context: dg.AssetExecutionContext, profiles: "DayProfiles | Mapping[str, DayProfiles]", days: Days
) -> "DayProfiles":
    """Return the profiles of a window: of those of its days that are stored and not held; of a held day, it alone."""
    from housing_assets.monitoring.production.days import DayProfiles, merge_days
    from housing_assets.monitoring.profiles.refused import ProfileRefused

    try:
        if isinstance(profiles, DayProfiles):
            return profiles
        return merge_days(profiles[day] for day in window_days(context, days) if day in profiles)
    except ProfileRefused as refusal:
        raise dg.Failure(f"{refusal}: materialize production_profile of these days again") from refusal


def window_days(context: dg.AssetExecutionContext, days: Days) -> tuple[str, ...]:
    """Return the days that a window is judged by: those that are held are left out, but for its own."""
    own = context.partition_key
    if date.fromisoformat(own) in days.held:
        return (own,)
    found = sorted(context.asset_partition_keys_for_input("production_profile"))
    return tuple(day for day in found if date.fromisoformat(day) not in days.held)


def report_context(
    context: dg.AssetExecutionContext, version: int, days: Days, *, in_production: bool
) -> "ReportContext":
    """Return what a report of this run is about."""
    from housing_assets.monitoring.report_context import ReportContext

    held = days.held.get(date.fromisoformat(context.partition_key))
    return ReportContext(
        partition=context.partition_key,
        days=window_days(context, days),
        report_id=f"{context.asset_key.to_user_string()}/{context.partition_key}/{context.run.run_id}",
        version=version,
        in_production=in_production,
        held=held.reason if held else "",
    )


def service_context(context: dg.AssetExecutionContext) -> "ReportContext":
    """Return what a report on the service is about: a day, whichever versions answered."""
    from housing_assets.monitoring.report_context import ReportContext

    return ReportContext(
        partition=context.partition_key,
        days=(context.partition_key,),
        report_id=f"{context.asset_key.to_user_string()}/{context.partition_key}/{context.run.run_id}",
        version=0,
        in_production=True,
    )


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
