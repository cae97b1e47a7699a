"""Where everything meets: the code location that Dagster loads, of the market that ``HOUSING_MARKET`` names.

A workspace with several markets loads this module once for each, by its attribute of the market's name; see
``docs/markets.md``.
"""

import os
from collections.abc import Mapping, Sequence
from datetime import timedelta
from importlib.util import find_spec
from typing import Any

import dagster as dg

from housing_assets.asset_policies import apply_policies, apply_policies_to_specs, prefixed_keys
from housing_assets.features import assets as features
from housing_assets.inference.market import Market
from housing_assets.listings import assets as listings
from housing_assets.listings import checks as listing_checks
from housing_assets.market_loading import load_market, market_names, require_free_name
from housing_assets.monitoring import assets as monitoring
from housing_assets.monitoring import checks as monitoring_checks
from housing_assets.monitoring.listing_checks import plausibility_check
from housing_assets.packaging import assets as packaging
from housing_assets.retention import assets as retention
from housing_assets.selection import assets as selection
from housing_assets.training import assets as training
from resources.alerts import AlertLog, Webhook
from resources.bento_store import BentoStore
from resources.checkpoints import Checkpoints
from resources.compute.resource import Compute
from resources.decision_log import DecisionLogs
from resources.external_index import ExternalIndex
from resources.listing_source import ListingSource
from resources.mlflow.registry import ModelRegistry
from resources.mlflow.tracking import MlflowTracking
from resources.object_store import ObjectStore
from resources.predictions.store import PredictionStore
from resources.retention import Retention
from resources.settings import Settings
from resources.studies import Studies
from resources.values.asset_storage import AssetStorage
from sensors.drift_retraining import retraining_sensor
from sensors.failure_alerts import alert_sensor
from sensors.mlflow_runs import mlflow_run_sensors
from sensors.new_listings import new_listings_sensor
from sensors.retraining import RetrainingRule
from sensors.rollback import rollback_sensor
from sensors.schedules import daily_monitoring_schedule, daily_retention_schedule, weekly_retraining_schedule
from sensors.training_runs import MARKET

VALUES = {
    "price_bands": "housing_assets.inference.labels:LabelScheme",
    "price_index": "housing_assets.inference.price_index:PriceIndex",
    "hashed_features": "housing_assets.features.encoded:EncodedListings",
    "balanced_training_set": "housing_assets.training.balancing:TrainingSet",
    "best_params": "housing_assets.training.best_params:BestParams",
    "model_comparison": "housing_assets.selection.comparison:ModelComparison",
    "price_forest": "housing_assets.inference.forest:FlatForest",
    "price_estimator": "housing_assets.inference.estimate:PriceEstimator",
    "out_of_time_evaluation": "housing_assets.training.out_of_time:OutOfTime",
    "model_evaluation": "housing_assets.training.report:EvaluationReport",
    "reference_profile": "housing_assets.monitoring.profiles.reference:Reference",
    "production_predictions": "housing_assets.monitoring.production.frames:Frames",
    "production_profile": "housing_assets.monitoring.production.days:DayProfiles",
    "production_labels": "housing_assets.monitoring.production.frames:Frames",
    "registered_model": "housing_assets.packaging.registration:Registration",
    "model_card": "housing_assets.packaging.card.document:ModelCard",
}
"""Types of the assets that are no frames."""

START = "raw_listings"
"""The asset from which on everything is trained."""

RETRAINING = "retraining"
"""Job of all that is trained, for what puts it into the queue by name."""

PREDICTION_STORE = dg.AssetSpec(
    "prediction_store",
    group_name="serving",
    kinds={"sqlalchemy"},
    description="What the service answered, and the prices that came back: written by it, not by a run.",
)


def build_defs(
    market: Market,
    *,
    settings: Settings | None = None,
    resource_overrides: Mapping[str, Any] | None = None,
) -> dg.Definitions:
    """Return the definitions of a market's code location.

    Parameters
    ----------
    market : Market
    settings : Settings, optional
        By default those of the environment, for this market.
    resource_overrides : mapping, optional
        Resources that replace the ones of the same name.
    """
    require_free_name(market.name)
    settings = settings or Settings(market=market.name)
    prefix = settings.key_prefix
    found = dg.load_assets_from_modules([listings, features, selection, training, packaging, monitoring, retention])
    loaded = apply_policies([asset for asset in found if isinstance(asset, dg.AssetsDefinition)])
    keys = prefixed_keys(loaded, [PREDICTION_STORE], prefix)
    assets = [asset.with_attributes(asset_key_replacements=keys) for asset in loaded] if keys else loaded
    resources = {**_resources(market, settings, assets), **(resource_overrides or {})}
    cleaned = dg.AssetKey([*prefix, "listings"])
    before_training = [listing_checks.contract_check(cleaned), plausibility_check(cleaned)]
    specs = apply_policies_to_specs(
        [
            PREDICTION_STORE.replace_attributes(key=dg.AssetKey([*prefix, *PREDICTION_STORE.key.path])),
            *DecisionLogs(prefix).assets(),
        ]
    )
    daily = [asset for asset in assets if asset.partitions_def is not None]
    compared = dg.AssetSelection.assets(dg.AssetKey([*prefix, "model_comparison"]))
    train = dg.AssetSelection.assets(dg.AssetKey([*prefix, START])).downstream() - compared
    return dg.Definitions(
        assets=[*assets, *specs],
        asset_checks=before_training,
        sensors=[
            *mlflow_run_sensors(resources["tracking"]),
            *_loop_sensors(market, settings, daily, train),
        ],
        jobs=[
            dg.define_asset_job(
                RETRAINING,
                train,
                description="Trains, as a sensor does, for whoever launches it.",
                tags={MARKET: market.name},
            )
        ],
        schedules=[
            daily_monitoring_schedule(monitoring=dg.AssetSelection.assets(*daily), market=market.name),
            weekly_retraining_schedule(training=train, market=market.name),
            daily_retention_schedule(
                retention=dg.AssetSelection.assets(dg.AssetKey([*prefix, "storage_retention"])), market=market.name
            ),
        ],
        resources=resources,
        executor=dg.in_process_executor,
    )


def _loop_sensors(
    market: Market, settings: Settings, daily: Sequence[dg.AssetsDefinition], training: dg.AssetSelection
) -> list[dg.SensorDefinition]:
    """Return the sensors by which the platform acts on what it finds."""
    checks = [key for assets in daily for key in assets.check_keys]
    every, prefix = settings.sensor_seconds, settings.key_prefix
    webhook = settings.alert_webhook
    return [
        retraining_sensor(
            checks=[key for key in checks if key.asset_key.path[-1] not in monitoring_checks.ALERTING_REPORTS],
            training=training,
            rule=RetrainingRule(
                windows_needed=settings.retrain_windows_needed,
                windows_seen=settings.retrain_windows_seen,
                cooldown=timedelta(hours=settings.retrain_cooldown_hours),
                attempts_a_week=settings.retrain_attempts_a_week,
                window_days=settings.monitoring_window_days,
            ),
            market=market.name,
            prefix=prefix,
            interval_seconds=every,
            run_config=_sweeping(settings.retrain_sweep_trials),
        ),
        new_listings_sensor(
            landing=settings.landing,
            training=training,
            object_store=ObjectStore(),
            market=market.name,
            prefix=prefix,
            settle_seconds=settings.landing_settle_seconds,
            interval_seconds=every,
        ),
        alert_sensor(
            checks=checks,
            log=AlertLog(settings.market_storage / "alerts.log"),
            webhook=Webhook(webhook.get_secret_value()) if webhook else None,
            market=market.name,
            prefix=prefix,
            interval_seconds=every,
        ),
        rollback_sensor(
            check=dg.AssetCheckKey(dg.AssetKey([*prefix, "performance_report"]), monitoring_checks.PERFORMANCE_CHECK),
            prefix=prefix,
            interval_seconds=every,
        ),
    ]


def _sweeping(trials: int) -> dict[str, Any] | None:
    """Return the configuration of a training that searches for settings first, or refuse it where nothing can."""
    if trials and find_spec("optuna") is None:
        raise ValueError(
            f"HOUSING_RETRAIN_SWEEP_TRIALS is {trials}, and Optuna is not installed: every retraining after drift "
            "would fail. Install the extra, housing-price-platform[selection], or set it to 0"
        )
    return {"ops": {"best_params": {"config": {"trials": trials}}}} if trials else None


def _resources(market: Market, settings: Settings, assets: Sequence[dg.AssetsDefinition]) -> dict[str, Any]:
    storage, prefix = settings.market_storage, settings.key_prefix
    tracking_uri = _unshown(settings.mlflow_uri, "MLFLOW_TRACKING_URI")
    return {
        "market": market,
        "io_manager": AssetStorage(
            folder=settings.values_location,
            declaration=market.fingerprint,
            values={"/".join((*prefix, name)): value for name, value in VALUES.items()},
            cache=str(settings.storage / "cache"),
            cache_bytes=settings.cache_bytes,
        ),
        "source": ListingSource(
            location=_unshown(settings.listings_location, *settings.variables("source", settings.market_name)),
            sample_rows=settings.sample_rows,
            object_store=ObjectStore(),
        ),
        "external_index": ExternalIndex(location=str(settings.price_index or market.published_index or "")),
        "compute": Compute.of(settings),
        "checkpoints": Checkpoints(folder=str(storage / "checkpoints"), mirror=settings.checkpoints_location),
        "studies": Studies(folder=str(storage / "studies")),
        "tracking": MlflowTracking(
            tracking_uri=tracking_uri,
            experiment_name=settings.experiment_name,
            artifact_folder=str(storage / "mlartifacts"),
        ),
        "registry": ModelRegistry(tracking_uri=tracking_uri, model_name=settings.model_name),
        "predictions": PredictionStore(
            url=_unshown(settings.prediction_store_url, *settings.variables("prediction_store", settings.market_name)),
            review_share=settings.review_share,
        ),
        "retention": Retention(
            data_days=settings.retention_days,
            log_days=settings.log_days,
            unused_days=settings.unused_days,
            experiment_name=settings.experiment_name,
            assets={key.to_user_string(): asset.partitions_def is not None for asset in assets for key in asset.keys},
        ),
        "bentos": BentoStore(folder=str(storage / "bentoml")),
    }


def _unshown(value: str, *variables: str) -> Any:
    """Return a setting by its variable's name where it comes from there: the lineage page shows values of resources."""
    return next((dg.EnvVar(name) for name in variables if value and os.environ.get(name) == value), value)


def __getattr__(name: str) -> dg.Definitions:
    """Return the code location of a market of the package by its name, for workspaces with several."""
    if name not in market_names():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; markets are {', '.join(market_names())}")
    return build_defs(load_market(name))


defs = build_defs(load_market(Settings().market), settings=Settings())
