"""A tiny code location that fails as told: loaded with ``-m`` by the processes of test_launch_paths.

The run tag ``failure`` tells it, or the environment variable ``FAILURE`` where a launch path takes no tags.
"""

import os
import signal
import time
from pathlib import Path

import dagster as dg

from resources.mlflow.tracking import MlflowTracking
from sensors.mlflow_runs import mlflow_run_sensors

STORAGE = Path(os.environ.get("HOUSING_STORAGE", ".housing"))
EXPERIMENT = "tiny"


def failure(context: dg.AssetExecutionContext) -> str:
    return context.run.tags.get("failure", os.environ.get("FAILURE", "none"))


def fail(context: dg.AssetExecutionContext, kind: str) -> None:
    if failure(context) == kind:
        raise RuntimeError(f"failed on purpose: {kind}")


@dg.asset
def source(context: dg.AssetExecutionContext) -> None:
    fail(context, "upstream")


@dg.asset(deps=[source], check_specs=[dg.AssetCheckSpec("gate", asset="model", blocking=True)])
def model(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> dg.MaterializeResult:
    tracking.log(tracking.run_id, metrics={"macro_f1": 0.5})
    fail(context, "tracked")
    if failure(context) == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if failure(context) == "interrupted":
        (STORAGE / "started").touch()
        time.sleep(60)
    passed = failure(context) != "gate"
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="gate", passed=passed)])


@dg.asset(deps=[model])
def report(context: dg.AssetExecutionContext) -> None:
    fail(context, "downstream")


def tracking_in(storage: Path) -> MlflowTracking:
    return MlflowTracking(
        tracking_uri=f"sqlite:///{storage / 'mlflow.db'}",
        experiment_name=EXPERIMENT,
        artifact_folder=str(storage / "mlartifacts"),
    )


_PRELOADED = ["mlflow", "dagster_mlflow", "tests.resources.tiny_platform"]
EXECUTORS = {
    "in_process": dg.in_process_executor,
    "multiprocess": dg.multiprocess_executor.configured(
        {"start_method": {"forkserver": {"preload_modules": _PRELOADED}}}
    ),
}
ASSETS = [source, model, report]

_tracking = tracking_in(STORAGE)
defs = dg.Definitions(
    assets=ASSETS,
    resources={"tracking": _tracking},
    sensors=mlflow_run_sensors(_tracking),
    executor=EXECUTORS[os.environ.get("EXECUTOR", "in_process")],
)
