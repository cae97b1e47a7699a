"""Sensors that correct the MLflow run of a Dagster run that failed where no step that uses MLflow could see it."""

import dagster as dg

from resources.mlflow.tracking import MlflowTracking


def mlflow_run_sensors(tracking: MlflowTracking) -> list[dg.SensorDefinition]:
    """Return a sensor for failed and one for cancelled runs; both are on where a daemon runs.

    Parameters
    ----------
    tracking : MlflowTracking
        Not taken as a resource: that would start an MLflow run for the tick.
    """
    return [_sensor_of(status, tracking) for status in (dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)]


def _sensor_of(status: dg.DagsterRunStatus, tracking: MlflowTracking) -> dg.SensorDefinition:
    @dg.run_status_sensor(
        run_status=status,
        name=f"mlflow_run_of_{status.value.lower()}_run",
        description=f"Gives the MLflow run of a {status.value.lower()} run the status that it ended with.",
        minimum_interval_seconds=10,
        default_status=dg.DefaultSensorStatus.RUNNING,
    )
    def correct_mlflow_run(context: dg.RunStatusSensorContext) -> None:
        tracking.correct_status(context.dagster_run)

    return correct_mlflow_run
