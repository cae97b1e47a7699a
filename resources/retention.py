"""For how long things are kept, and whose they are."""

from datetime import UTC, datetime, timedelta

import dagster as dg
from pydantic import Field


class Retention(dg.ConfigurableResource):
    """Ages in days, from ``HOUSING_RETENTION_DAYS``, ``HOUSING_LOG_DAYS`` and ``HOUSING_UNUSED_DAYS``."""

    data_days: int = Field(default=400, ge=1, description="Of what was made of a day of production, and of runs.")
    log_days: int = Field(default=30, ge=1, description="Of what runs and their steps have logged.")
    unused_days: int = Field(default=30, ge=1, description="Of what nothing refers to any more.")
    experiment_name: str = Field(description="The market's MLflow experiment.")
    assets: dict[str, bool] = Field(description="The market's assets by their keys, and whether each has partitions.")


def days_ago(days: int) -> datetime:
    """Return a moment, aware of its zone."""
    return datetime.now(UTC) - timedelta(days=days)
