"""Where everything meets: the code location that Dagster loads."""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from housing_assets.features import assets as features
from housing_assets.listings import assets as listings
from housing_assets.listings import checks as listing_checks
from housing_assets.monitoring import assets as monitoring
from housing_assets.monitoring import checks as monitoring_checks
from housing_assets.monitoring.options import MonitoredDays
from housing_assets.packaging import assets as packaging
from housing_assets.training import assets as training
from resources.alerts import AlertLog, Webhook
from resources.asset_storage import AssetStorage
from resources.bento_store import BentoStore
from resources.checkpoints import Checkpoints
from resources.decision_log import decision_assets
from resources.listing_source import ListingSource
from resources.mlflow_tracking import MlflowTracking
from resources.model_registry import ModelRegistry
from resources.object_store import ObjectStore
from resources.prediction_store import PredictionStore
from resources.settings import Settings
from sensors.drift_retraining import retraining_sensor
from sensors.failure_alerts import alert_sensor
from sensors.mlflow_runs import mlflow_run_sensors
from sensors.new_listings import new_listings_sensor
from sensors.retraining import RetrainingRule
from sensors.rollback import rollback_sensor
from sensors.schedules import daily_monitoring_schedule, weekly_retraining_schedule

VALUES = {
    "price_bands": "housing_assets.features.bands:PriceBands",
    "hashed_features": "housing_assets.features.encoded:EncodedListings",
    "balanced_training_set": "housing_assets.training.balancing:TrainingSet",
    "price_forest": "housing_assets.training.flat_forest:FlatForest",
    "model_evaluation": "housing_assets.training.report:EvaluationReport",
    "reference_profile": "housing_assets.monitoring.reference:Reference",
    "production_predictions": "housing_assets.monitoring.frames:Frames",
    "production_profile": "housing_assets.monitoring.production:DayProfiles",
    "production_labels": "housing_assets.monitoring.frames:Frames",
    "registered_model": "housing_assets.packaging.registration:Registration",
}
"""Types of the assets that are no frames."""

TRAINING = dg.AssetSelection.assets("raw_listings").downstream()
"""What a retraining materializes."""


def build_defs(
    *,
    settings: Settings | None = None,
    resource_overrides: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Return the definitions.

    Parameters
    ----------
    settings : Settings, optional
        By default those of the environment.
    resource_overrides : mapping, optional
        Resources that replace the ones of the same name.
    """
    settings = settings or Settings()
    resources = {**_local_resources(settings), **(resource_overrides or {})}
    daily = monitoring.daily_assets(MonitoredDays(settings.monitoring_start, settings.monitoring_window_days))
    return dg.Definitions(
        assets=[
            *dg.load_assets_from_modules([listings, features, training, packaging, monitoring]),
            *daily,
            *decision_assets(),
        ],
        asset_checks=[listing_checks.listings_contract],
        sensors=[*mlflow_run_sensors(resources["tracking"]), *_loop_sensors(settings, daily)],
        schedules=[
            daily_monitoring_schedule(monitoring=dg.AssetSelection.assets(*daily)),
            weekly_retraining_schedule(training=TRAINING),
        ],
        resources=resources,
        executor=dg.in_process_executor,
    )


def _loop_sensors(settings: Settings, daily: Sequence[dg.AssetsDefinition]) -> list[dg.SensorDefinition]:
    """Return the sensors by which the platform acts on what it finds."""
    checks = [key for assets in daily for key in assets.check_keys]
    every = settings.sensor_seconds
    webhook = settings.alert_webhook
    return [
        retraining_sensor(
            checks=checks,
            training=TRAINING,
            rule=RetrainingRule(
                windows_needed=settings.retrain_windows_needed,
                windows_seen=settings.retrain_windows_seen,
                cooldown=timedelta(hours=settings.retrain_cooldown_hours),
                attempts_a_week=settings.retrain_attempts_a_week,
            ),
            interval_seconds=every,
        ),
        new_listings_sensor(
            landing=settings.landing,
            training=TRAINING,
            object_store=ObjectStore(),
            settle_seconds=settings.landing_settle_seconds,
            interval_seconds=every,
        ),
        alert_sensor(
            checks=checks,
            log=AlertLog(settings.storage / "alerts.log"),
            webhook=Webhook(webhook.get_secret_value()) if webhook else None,
            interval_seconds=every,
        ),
        rollback_sensor(
            check=dg.AssetCheckKey(dg.AssetKey("performance_report"), monitoring_checks.PERFORMANCE_CHECK),
            interval_seconds=every,
        ),
    ]


def _local_resources(settings: Settings) -> dict[str, Any]:
    storage = settings.storage
    tracking_uri = _unshown("MLFLOW_TRACKING_URI", settings.mlflow_uri)
    return {
        "io_manager": AssetStorage(folder=str(storage / "assets"), values=VALUES),
        "source": ListingSource(
            location=_unshown("HOUSING_SOURCE", settings.listings_location),
            sample_rows=settings.sample_rows,
            object_store=ObjectStore(),
        ),
        "checkpoints": Checkpoints(folder=str(storage / "checkpoints")),
        "tracking": MlflowTracking(tracking_uri=tracking_uri, artifact_folder=str(storage / "mlartifacts")),
        "registry": ModelRegistry(tracking_uri=tracking_uri),
        "predictions": PredictionStore(url=_unshown("HOUSING_PREDICTION_STORE", settings.prediction_store_url)),
        "bentos": BentoStore(folder=str(storage / "bentoml")),
    }


def _unshown(name: str, value: str) -> Any:
    """Return a setting by its variable's name where it comes from there: the lineage page shows values of resources."""
    return dg.EnvVar(name) if value and os.environ.get(name) == value else value


defs = build_defs()
