"""What a run of the monitoring may be told, and which days it watches. Quick to import: the code location reads it."""

from dataclasses import dataclass
from datetime import date

import dagster as dg
from pydantic import Field

from housing_assets.monitoring.thresholds import Thresholds


@dataclass(frozen=True)
class MonitoredDays:
    """Which days are watched, and how many of them a report judges together.

    Attributes
    ----------
    start : date
        The first day, UTC.
    window : int
        Days, the partition's own the last of them.
    """

    start: date = date(2026, 1, 1)
    window: int = 1

    def partitions(self) -> dg.DailyPartitionsDefinition:
        """Return the days up to and including today."""
        return dg.DailyPartitionsDefinition(self.start.isoformat(), timezone="UTC", end_offset=1)

    def windows(self) -> dg.TimeWindowPartitionMapping:
        """Return how a report's day maps to the days that it judges."""
        return dg.TimeWindowPartitionMapping(start_offset=1 - self.window)


class ReportConfig(dg.Config, Thresholds):
    """Where drift begins to matter."""


class LabelsConfig(dg.Config):
    """Which labelled predictions count."""

    days: int = Field(default=30, ge=1, le=400, description="Age of the predictions whose prices are looked for.")


class PerformanceConfig(ReportConfig):
    """Where a loss of performance begins to matter."""

    newest_rows: int = Field(
        default=1_000,
        ge=100,
        le=100_000,
        description="Labelled rows to judge at least, by whole days on which prices came in, the newest first.",
    )
    replaced_drop: float = Field(
        default=0.02,
        gt=0,
        lt=1,
        description="Accuracy that a version may lose to the one it replaced, on the same rows.",
    )
    replaced_rows: int = Field(
        default=2_000, ge=100, le=100_000, description="Newest labelled rows that both versions are compared on."
    )
