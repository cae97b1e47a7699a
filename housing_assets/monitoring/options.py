"""What a monitoring run can be told, and which days are watched. Quick to import: the code location reads it."""

from dataclasses import dataclass
from datetime import date
from typing import ClassVar, Self

import dagster as dg
from pydantic import Field

from housing_assets.monitoring.thresholds import Thresholds
from resources.settings import Settings


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
    judged_again: ClassVar[int] = 7
    """Days for which one that is held is looked at again, each night."""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the days that settings name."""
        return cls(settings.monitoring_start, settings.monitoring_window_days)

    def partitions(self) -> dg.DailyPartitionsDefinition:
        """Return the days up to and including today."""
        return dg.DailyPartitionsDefinition(self.start.isoformat(), timezone="UTC", end_offset=1)

    def windows(self) -> dg.TimeWindowPartitionMapping:
        """Return how a report's day maps to the days that it judges."""
        return dg.TimeWindowPartitionMapping(start_offset=1 - self.window)


DAYS = MonitoredDays.of(Settings())
"""Of this process: Dagster wants partitions when an asset is defined."""


class ReportConfig(dg.Config, Thresholds):
    """The limits of a report."""

    def thresholds(self) -> Thresholds:
        """Return the limits alone."""
        return Thresholds(**{name: getattr(self, name) for name in Thresholds.model_fields})


class LabelsConfig(dg.Config):
    """Which labelled predictions are read."""

    days: int = Field(default=30, ge=1, le=400, description="Age in days of a prediction up to which its label counts.")


class PerformanceConfig(ReportConfig):
    """The limits of a performance report, and the rows that it judges."""

    replaced_drop: float = Field(
        default=0.02,
        gt=0,
        lt=1,
        description="Accuracy that a version may lose against the one it replaced, on the same rows, and up to which a "
        "challenger is as good as the champion.",
    )
    trial_days: int = Field(
        default=30,
        ge=1,
        le=30,
        description="Days from its first labelled answer in which a version is compared with the one it replaced. The "
        "test may be looked at every day of them; more would begin it anew.",
    )
    compared_rows: int = Field(
        default=20_000,
        ge=100,
        le=200_000,
        description="Labelled rows on which the version in production is compared with the one it replaced, and with "
        "the challenger: the first ones, so that what was looked at once stays in.",
    )
