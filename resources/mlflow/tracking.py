"""MLflow for a Dagster run: one MLflow run for each, found by tag, that ends as the Dagster run does."""

import warnings
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg
from pydantic import PrivateAttr

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities import Run

DAGSTER_RUN_TAG = "dagster_run_id"
"""The tag that dagster-mlflow sets, and by which steps in other processes find the run."""

RECENT_RUNS = 100
"""MLflow runs that a starting run looks at: as many as one search page holds, more than fail between two starts."""

_FAILURES = {dg.DagsterEventType.STEP_FAILURE, dg.DagsterEventType.RUN_FAILURE, dg.DagsterEventType.RUN_CANCELED}

_MLFLOW_STATUS = {
    dg.DagsterRunStatus.SUCCESS: "FINISHED",
    dg.DagsterRunStatus.FAILURE: "FAILED",
    dg.DagsterRunStatus.CANCELED: "KILLED",
}
"""What the MLflow run of an ended Dagster run reads."""


class MlflowTracking(dg.ConfigurableResource):
    """Starts, or finds, the MLflow run of the Dagster run through dagster-mlflow, and closes it truthfully.

    dagster-mlflow ends the run as FINISHED whatever happened, because no exception reaches it from a failed step. The
    event log of the Dagster run does know, in whichever process and by whichever launcher the step ran.

    With an executor that gives each step a process, what happens after the last step that uses MLflow, or to a killed
    step, is seen by none of them: ``sensors/mlflow_runs.py`` corrects the run when the Dagster run ends, and where no
    daemon runs, the next start does.
    """

    tracking_uri: str
    experiment_name: str = "housing_price_classifier"
    artifact_folder: str

    _run_id: str = PrivateAttr()

    @contextmanager
    def yield_for_execution(self, context: dg.InitResourceContext) -> Iterator["MlflowTracking"]:
        """Hold the MLflow run open for the steps of this process."""
        import mlflow

        self._prepare_experiment()
        if context.instance is not None:
            self._correct_recent_runs(context.instance)
        with _dagster_mlflow(self, context) as tracking:
            self._run_id = tracking.active_run().info.run_id
            raised = True
            try:
                yield self
                raised = False
            finally:
                mlflow.end_run(_ends_as(context, raised=raised))

    def client(self) -> "MlflowClient":
        """Return a client of the tracking server and its registry."""
        from mlflow import MlflowClient

        uri = self.tracking_uri  # a variable's name until Dagster has prepared the resource for a run
        return MlflowClient(tracking_uri=uri.get_value() if isinstance(uri, dg.EnvVar) else uri)

    @property
    def run_id(self) -> str:
        """The MLflow run of this Dagster run."""
        return self._run_id

    def run_tagged(self, tag: str, value: str) -> str:
        """Return the newest MLflow run with a tag, so that what belongs together is logged together.

        Raises
        ------
        LookupError
            If there is none.
        """
        runs = self._newest_runs(f"tags.`{tag}` = '{value}'")
        if not runs:
            raise LookupError(
                f"no MLflow run in {self.tracking_uri} has the tag {tag} = {value}: materialize price_forest"
            )
        return str(runs[0].info.run_id)

    def params(self, run_id: str) -> dict[str, str]:
        """Return the parameters that a run was logged with."""
        return dict(self.client().get_run(run_id).data.params)

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Mapping[str, float] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log to a run in one request."""
        from time import time

        from mlflow.entities import Metric, Param, RunTag

        now = int(time() * 1000)
        self.client().log_batch(
            run_id,
            metrics=[Metric(key, value, now, 0) for key, value in (metrics or {}).items()],
            params=[Param(key, str(value)) for key, value in (params or {}).items()],
            tags=[RunTag(key, value) for key, value in (tags or {}).items()],
        )

    def correct_status(self, dagster_run: dg.DagsterRun) -> None:
        """Give the MLflow run of an ended Dagster run the status that it ended with, if it has another."""
        for run in self._newest_runs(f"tags.{DAGSTER_RUN_TAG} = '{dagster_run.run_id}'"):
            self._correct(run, dagster_run)

    def log_picture(self, run_id: str, name: str, png: bytes) -> None:
        """Store a PNG with a run."""
        from tempfile import TemporaryDirectory

        with TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.png"
            path.write_bytes(png)
            self.client().log_artifact(run_id, str(path), "plots")

    def log_child(self, run_id: str, name: str, *, params: Mapping[str, Any], metrics: Mapping[str, float]) -> None:
        """Log a run below another one, which MLflow's page unfolds there."""
        from mlflow.utils.mlflow_tags import MLFLOW_PARENT_RUN_ID

        client = self.client()
        parent = client.get_run(run_id).info
        child = client.create_run(parent.experiment_id, tags={MLFLOW_PARENT_RUN_ID: run_id}, run_name=name)
        self.log(child.info.run_id, params=params, metrics=metrics)
        client.set_terminated(child.info.run_id)

    def log_frame(self, run_id: str, name: str, frame: "pd.DataFrame") -> None:
        """Store a small frame with a run, as a table that MLflow's page shows."""
        self.client().log_table(run_id, frame, f"{name}.json")

    def _prepare_experiment(self) -> None:
        """Create the experiment with its artifacts beside the database; a server has its own place for them."""
        client = self.client()
        if client.get_experiment_by_name(self.experiment_name) is None:
            local = self.tracking_uri.startswith("sqlite:")
            client.create_experiment(self.experiment_name, Path(self.artifact_folder).as_uri() if local else None)

    def _correct_recent_runs(self, instance: dg.DagsterInstance) -> None:
        """Correct what killed processes left running, and what failed after its last step that uses MLflow."""
        runs = self._newest_runs("attributes.status != 'FAILED'", RECENT_RUNS)
        of = {run.data.tags[DAGSTER_RUN_TAG]: run for run in runs if DAGSTER_RUN_TAG in run.data.tags}
        for dagster_run in instance.get_runs(dg.RunsFilter(run_ids=list(of))) if of else ():
            self._correct(of[dagster_run.run_id], dagster_run)

    def _correct(self, run: "Run", dagster_run: dg.DagsterRun) -> None:
        status = _MLFLOW_STATUS.get(dagster_run.status)
        if status not in (None, run.info.status):
            self.client().set_terminated(run.info.run_id, status, run.info.end_time)

    def _newest_runs(self, query: str, limit: int = 1) -> "list[Run]":
        client = self.client()
        experiment = client.get_experiment_by_name(self.experiment_name)
        return list(client.search_runs([experiment.experiment_id], query, max_results=limit)) if experiment else []


@contextmanager
def _dagster_mlflow(tracking: MlflowTracking, context: dg.InitResourceContext) -> Iterator[Any]:
    with ExitStack() as stack:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", dg.BetaWarning)  # all of dagster-mlflow is marked as beta
            from dagster_mlflow import mlflow_tracking

            configured = mlflow_tracking.configured(
                {"experiment_name": tracking.experiment_name, "mlflow_tracking_uri": tracking.tracking_uri}
            )
            resources = stack.enter_context(
                dg.build_resources(
                    {"mlflow": configured},
                    instance=context.instance,
                    dagster_run=context.run,
                    log_manager=context.log,
                )
            )
        yield resources.mlflow


def _ends_as(context: dg.InitResourceContext, *, raised: bool) -> str:
    run, instance = context.run, context.instance
    if run is None or instance is None:
        return "FAILED" if raised else "FINISHED"
    now = instance.get_run_by_id(run.run_id)
    if now is not None and now.status in (dg.DagsterRunStatus.CANCELING, dg.DagsterRunStatus.CANCELED):
        return "KILLED"
    failures = instance.get_records_for_run(run.run_id, of_type=_FAILURES, limit=1).records
    return "FAILED" if raised or failures else "FINISHED"
