"""A tiny code location that fails as ``FAILURE`` says: loaded with ``-m`` by the processes of test_launch_paths."""

import os
import signal
import time
from pathlib import Path

import dagster as dg

from resources.mlflow_tracking import MlflowTracking
from sensors.mlflow_runs import mlflow_run_sensors

FAILURE = os.environ.get("FAILURE", "")
STORAGE = Path(os.environ.get("HOUSING_STORAGE", ".housing"))


def fail(kind: str) -> None:
    if FAILURE == kind:
        raise RuntimeError(f"failed on purpose: {kind}")


@dg.asset
def source() -> None:
    fail("upstream")


@dg.asset(
    deps=[source],
    check_specs=[dg.AssetCheckSpec("gate", asset="model", blocking=True)],
)
def model(tracking: MlflowTracking) -> dg.MaterializeResult:
    tracking.log(tracking.run_id, metrics={"macro_f1": 0.5})
    fail("tracked")
    if FAILURE == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    if FAILURE == "slow":
        (STORAGE / "started").touch()
        time.sleep(60)
    return dg.MaterializeResult(check_results=[dg.AssetCheckResult(check_name="gate", passed=FAILURE != "gate")])


@dg.asset(deps=[model])
def report() -> None:
    fail("downstream")


def tracking_in(storage: Path) -> MlflowTracking:
    return MlflowTracking(
        tracking_uri=f"sqlite:///{storage / 'mlflow.db'}",
        experiment_name="tiny",
        artifact_folder=str(storage / "mlartifacts"),
    )


EXECUTORS = {
    "in_process": dg.in_process_executor,
    "multiprocess": dg.multiprocess_executor.configured(
        {
            "start_method": {
                "forkserver": {"preload_modules": ["mlflow", "dagster_mlflow", "tests.resources.tiny_platform"]}
            }
        }
    ),
}

tracking = tracking_in(STORAGE)
defs = dg.Definitions(
    assets=[source, model, report],
    resources={"tracking": tracking},
    sensors=mlflow_run_sensors(tracking),
    executor=EXECUTORS[os.environ.get("EXECUTOR", "in_process")],
)


def tiny_job() -> dg.JobDefinition:
    return defs.resolve_implicit_global_asset_job_def()
