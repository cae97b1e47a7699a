"""A tiny code location: the real sensors over the tiny assets, in the folder that ``TINY_LOOP`` names."""

import dagster as dg

from resources.alerts import AlertLog
from resources.decision_log import DecisionLogs
from resources.mlflow.registry import ModelRegistry
from resources.object_store import ObjectStore
from resources.predictions.store import PredictionStore
from sensors.drift_retraining import retraining_sensor
from sensors.failure_alerts import alert_sensor
from sensors.new_listings import new_listings_sensor
from sensors.retraining import RetrainingRule
from sensors.rollback import rollback_sensor
from sensors.schedules import daily_monitoring_schedule, weekly_retraining_schedule
from tests.sensors.tiny_assets import ASSETS, CHECKS, HELD, INTERVAL, MARKET, MONITORING, TRAINING, clock, folder, told


def sensors() -> list[dg.SensorDefinition]:
    every = [
        retraining_sensor(
            checks=[*CHECKS, HELD],
            training=TRAINING,
            rule=RetrainingRule(),
            market=MARKET,
            interval_seconds=INTERVAL,
            run_config=told("run_config.json", None),
            clock=clock,
        ),
        new_listings_sensor(
            landing=str(folder() / "landing"),
            training=TRAINING,
            object_store=ObjectStore(),
            market=MARKET,
            settle_seconds=60,
            interval_seconds=INTERVAL,
            clock=clock,
        ),
        alert_sensor(
            checks=[*CHECKS, HELD],
            log=AlertLog(folder() / "alerts.log"),
            webhook=None,
            market=MARKET,
            interval_seconds=INTERVAL,
        ),
        rollback_sensor(check=HELD, interval_seconds=INTERVAL),
    ]
    chosen = told("sensors.json", [sensor.name for sensor in every])
    return [sensor for sensor in every if sensor.name in chosen]


defs = dg.Definitions(
    assets=[*ASSETS, *DecisionLogs().assets()],
    sensors=sensors(),
    schedules=[
        daily_monitoring_schedule(monitoring=MONITORING, market=MARKET),
        weekly_retraining_schedule(training=TRAINING, market=MARKET),
    ],
    resources={
        "registry": ModelRegistry(tracking_uri=f"sqlite:///{folder() / 'mlflow.db'}"),
        "predictions": PredictionStore(url=f"sqlite:///{folder() / 'predictions.db'}"),
    },
    executor=dg.in_process_executor,
)
