"""Where everything meets: the code location that Dagster loads."""

import os
from collections.abc import Mapping
from typing import Any

import dagster as dg

from housing_assets.features import assets as features
from housing_assets.listings import assets as listings
from housing_assets.listings import checks as listing_checks
from housing_assets.monitoring import assets as monitoring
from housing_assets.monitoring.options import MonitoredDays
from housing_assets.packaging import assets as packaging
from housing_assets.training import assets as training
from resources.asset_storage import AssetStorage
from resources.bento_store import BentoStore
from resources.checkpoints import Checkpoints
from resources.listing_source import ListingSource
from resources.mlflow_tracking import MlflowTracking
from resources.model_registry import ModelRegistry
from resources.object_store import ObjectStore
from resources.prediction_store import PredictionStore
from resources.settings import Settings
from sensors.mlflow_runs import mlflow_run_sensors

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
    days = MonitoredDays(settings.monitoring_start, settings.monitoring_window_days)
    return dg.Definitions(
        assets=[
            *dg.load_assets_from_modules([listings, features, training, packaging, monitoring]),
            *monitoring.daily_assets(days),
        ],
        asset_checks=[listing_checks.listings_contract],
        sensors=mlflow_run_sensors(resources["tracking"]),
        resources=resources,
        executor=dg.in_process_executor,
    )


def _local_resources(settings: Settings) -> dict[str, Any]:
    storage = settings.storage
    tracking_uri = _unshown("MLFLOW_TRACKING_URI", settings.mlflow_uri)
    return {
        "io_manager": AssetStorage(folder=str(storage / "assets"), values=VALUES),
        "source": ListingSource(
            location=_unshown("HOUSING_SOURCE", settings.source or ""),
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
