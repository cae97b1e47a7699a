"""What the reports of a run share: their window, their limits, and how they are known."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

import dagster as dg

from housing_assets.monitoring import checks
from housing_assets.monitoring.options import PerformanceConfig, ReportConfig
from housing_assets.monitoring.thresholds import Thresholds
from resources.model_registry import ModelRegistry

if TYPE_CHECKING:
    from housing_assets.monitoring.frames import Frames
    from housing_assets.monitoring.production import DayProfiles
    from housing_assets.monitoring.references import References
    from housing_assets.monitoring.replacement import PairedComparison
    from housing_assets.monitoring.reporting import Performance
    from housing_assets.monitoring.window import Window


def limits_of(config: ReportConfig) -> Thresholds:
    """Return the thresholds of a run."""
    return Thresholds(**{name: getattr(config, name) for name in Thresholds.model_fields})


def merge_window(profiles: "DayProfiles | Mapping[str, DayProfiles]") -> "DayProfiles":
    """Return the profiles of a window: of one day, or of those of several that are stored."""
    from housing_assets.monitoring.production import DayProfiles, merge_days
    from housing_assets.monitoring.profile import ProfileRefused

    try:
        return profiles if isinstance(profiles, DayProfiles) else merge_days(profiles.values())
    except ProfileRefused as refusal:
        raise dg.Failure(f"{refusal}: materialize production_profile of these days again") from refusal


def open_window_of(
    context: dg.AssetExecutionContext,
    profiles: "DayProfiles | Mapping[str, DayProfiles]",
    registry: ModelRegistry,
    limits: Thresholds,
) -> "Window":
    """Return the window of a run's partition; why a version cannot be judged is told in the log."""
    from housing_assets.monitoring.references import References
    from housing_assets.monitoring.window import open_window

    references = References(registry)
    window = open_window(merge_window(profiles), references, limits.min_rows)
    for trouble in references.troubles:
        context.log.warning(trouble)
    return window


def occasion_of(context: dg.AssetExecutionContext, window: "Window", *, insufficient: bool) -> checks.Occasion:
    """Return what a report of this run is made of."""
    return checks.Occasion(
        context.partition_key, report_id_of(context), window.version, window.in_production, insufficient
    )


def report_id_of(context: dg.AssetExecutionContext) -> str:
    """Return what a report is known by."""
    return f"{context.asset_key.to_user_string()}/{context.partition_key}/{context.run.run_id}"


def days_of(context: dg.AssetExecutionContext) -> list[str]:
    """Return the days of the window."""
    return sorted(context.asset_partition_keys_for_input("production_profile"))


def compare_versions(
    context: dg.AssetExecutionContext,
    config: PerformanceConfig,
    labels: "Frames",
    performance: "Performance",
    references: "References",
    registry: ModelRegistry,
) -> "PairedComparison | None":
    """Compare with the replaced version; what cannot be compared is told, and holds up no report."""
    from mlflow.exceptions import MlflowException

    from housing_assets.monitoring.labelled import newest_of
    from housing_assets.monitoring.replacement import compare_with_replaced

    replaced = references.version(performance.replaced)
    bands = references.bands_of(performance.version)
    if replaced is None or bands is None or bands != references.bands_of(replaced.number):
        context.log.warning(f"version {performance.replaced} is not registered any more, or has other price bands")
        return None
    labelled = newest_of(labels.read(), performance.version, config.replaced_rows)
    try:
        return compare_with_replaced(
            labelled, replaced, registry, bands, limit=config.replaced_drop, largest_p=config.performance_p
        )
    except (MlflowException, ValueError, OSError) as fault:
        context.log.warning(f"version {replaced.number} cannot be compared with: {fault}")
        return None


@contextmanager
def readable() -> Iterator[None]:
    """Say what is wrong when the prediction store cannot be read."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as fault:
        reason = str(fault).splitlines()[0]
        raise dg.Failure(f"the prediction store (HOUSING_PREDICTION_STORE) cannot be read: {reason}") from fault
