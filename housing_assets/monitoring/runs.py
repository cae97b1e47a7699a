"""What the daily assets of a run share: the window, what the report is about, and what is said when something fails."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from resources.model_registry import ModelRegistry

if TYPE_CHECKING:
    from housing_assets.monitoring.production.days import DayProfiles
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.production.windows import Window
    from housing_assets.monitoring.report_context import ReportContext


def window_of(
    context: dg.AssetExecutionContext,
    profiles: "DayProfiles | Mapping[str, DayProfiles]",
    registry: ModelRegistry,
    min_rows: int,
) -> "Window":
    """Return the window of a run's partition; why a version cannot be judged is logged."""
    from housing_assets.monitoring.production.references import References
    from housing_assets.monitoring.production.windows import open_window

    references = References(registry)
    window = open_window(merge_window(profiles), references, min_rows)
    log_troubles(context, references)
    return window


def merge_window(profiles: "DayProfiles | Mapping[str, DayProfiles]") -> "DayProfiles":
    """Return the profiles of a window: of one day, or of those of several that are stored."""
    from housing_assets.monitoring.production.days import DayProfiles, merge_days
    from housing_assets.monitoring.profiles.refused import ProfileRefused

    try:
        return profiles if isinstance(profiles, DayProfiles) else merge_days(profiles.values())
    except ProfileRefused as refusal:
        raise dg.Failure(f"{refusal}: materialize production_profile of these days again") from refusal


def report_context(context: dg.AssetExecutionContext, version: int, *, in_production: bool) -> "ReportContext":
    """Return what a report of this run is about."""
    from housing_assets.monitoring.report_context import ReportContext

    return ReportContext(
        partition=context.partition_key,
        days=tuple(sorted(context.asset_partition_keys_for_input("production_profile"))),
        report_id=f"{context.asset_key.to_user_string()}/{context.partition_key}/{context.run.run_id}",
        version=version,
        in_production=in_production,
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
