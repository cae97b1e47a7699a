"""What happens by the clock: the daily monitoring and clearing up, and a weekly retraining where one is wanted."""

import dagster as dg

from resources.dagster_internals import UnresolvedPartitionedAssetScheduleDefinition
from sensors.training_runs import MARKET, TRIGGER, runs_in_flight, selected_assets

RUN_AGAIN = {
    "dagster/max_retries": "3",
    "dagster/retry_strategy": "FROM_FAILURE",
    "dagster/retry_on_asset_or_op_failure": "true",
}
"""Tags of runs that the daemon runs again when they fail (``run_retries`` of dagster.yaml): with the tries of each
step, a night gets over an outage of half an hour."""

WEEKLY = "weekly_schedule"
"""Value of the tag ``housing/trigger`` on the runs of the weekly schedule."""


def daily_monitoring_schedule(
    *, monitoring: dg.AssetSelection, market: str, running: bool = True
) -> UnresolvedPartitionedAssetScheduleDefinition | dg.ScheduleDefinition:
    """Return the schedule ``daily_monitoring``: at 02:30 UTC, the assets of the day before.

    Days that a daemon slept through are caught up with, the last five of them.

    Parameters
    ----------
    monitoring : AssetSelection
        Assets that are partitioned by day, in UTC.
    market : str
        Name of the market, for the tags of its runs.
    running : bool
        Whether it is on where nobody has switched it.
    """
    job = dg.define_asset_job(
        "daily_monitoring",
        monitoring,
        description="Profiles, judges and reports one day of production.",
        tags={TRIGGER: "daily_schedule", MARKET: market, **RUN_AGAIN},
    )
    return dg.build_schedule_from_partitioned_job(
        job,
        name="daily_monitoring",
        description="Judges the day before, every night at 02:30 UTC.",
        hour_of_day=2,
        minute_of_hour=30,
        default_status=dg.DefaultScheduleStatus.RUNNING if running else dg.DefaultScheduleStatus.STOPPED,
    )


def weekly_retraining_schedule(
    *, training: dg.AssetSelection, market: str, cron: str = "30 3 * * 0"
) -> dg.ScheduleDefinition:
    """Return the schedule ``weekly_retraining``, which is off until somebody switches it on.

    Parameters
    ----------
    training : AssetSelection
        What a retraining materializes.
    market : str
        Name of the market, for the tags of its runs.
    cron : str
        When, in UTC.
    """

    @dg.schedule(
        name="weekly_retraining",
        target=training,
        cron_schedule=cron,
        execution_timezone="UTC",
        description="Retrains every week, unless a training is running.",
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    def weekly_retraining(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        under_way = runs_in_flight(context.instance, selected_assets(context, training))
        if under_way:
            return dg.SkipReason(f"Training run {under_way[0].dagster_run.run_id} is still running.")
        week = f"{context.scheduled_execution_time:%Y-%m-%d}"
        reason = f"Weekly retraining of {week}"
        return dg.RunRequest(f"weekly-{week}", tags={TRIGGER: WEEKLY, MARKET: market, "housing/reason": reason})

    return weekly_retraining


def daily_retention_schedule(
    *, retention: dg.AssetSelection, market: str, cron: str = "30 4 * * *"
) -> dg.ScheduleDefinition:
    """Return the schedule ``daily_retention``, which removes what is old; it is on where nobody has switched it.

    Parameters
    ----------
    retention : AssetSelection
        What removes it.
    market : str
        Name of the market, for the tags of its runs.
    cron : str
        When, in UTC: after the night's monitoring.
    """
    return dg.ScheduleDefinition(
        name="daily_retention",
        target=retention,
        cron_schedule=cron,
        execution_timezone="UTC",
        description="Removes what is older than it is to be kept, every night.",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        tags={TRIGGER: "daily_schedule", MARKET: market},
    )
