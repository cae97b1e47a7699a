"""However a run is launched and however it fails, its MLflow run says so."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import dagster as dg
import pytest
from mlflow import MlflowClient

from resources.mlflow.tracking import DAGSTER_RUN_TAG, MlflowTracking
from resources.ports import free_port
from sensors.mlflow_runs import mlflow_run_sensors
from tests.dagster_home import new_home
from tests.resources import tiny_platform
from tests.resources.mlflow_database import new_database

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
MODULE = tiny_platform.__name__
LAUNCHED_AT_ONCE = "run_coordinator: {module: dagster.core.run_coordinator, class: DefaultRunCoordinator}\n"
QUEUED = "concurrency: {runs: {max_concurrent_runs: 2}}\n"

FAILURES = ("upstream", "tracked", "gate", "downstream")
ALL_KINDS = ("none", *FAILURES)


def expected(failure: str) -> str:
    return "FINISHED" if failure == "none" else "FAILED"


def mlflow_statuses(storage: Path) -> dict[str, str]:
    """Return the status of each MLflow run by its Dagster run."""
    client = MlflowClient(tracking_uri=f"sqlite:///{storage / 'mlflow.db'}")
    experiment = client.get_experiment_by_name(tiny_platform.EXPERIMENT)
    runs = client.search_runs([experiment.experiment_id]) if experiment else []
    statuses = {run.data.tags[DAGSTER_RUN_TAG]: run.info.status for run in runs}
    assert len(statuses) == len(runs), "a Dagster run has two MLflow runs"
    return statuses


def instance_of(storage: Path) -> dg.DagsterInstance:
    return dg.DagsterInstance.from_config(str(storage / "home"))


def new_storage(storage: Path, dagster_yaml: str = "") -> Path:
    new_database(storage)
    new_home(storage / "home", f"telemetry: {{enabled: false}}\n{dagster_yaml}")
    return storage


def environment(storage: Path, **variables: str) -> dict[str, str]:
    ours = {"DAGSTER_HOME": str(storage / "home"), "HOUSING_STORAGE": str(storage)}
    return {**os.environ, "DAGSTER_DISABLE_TELEMETRY": "1", **ours, **variables}


def wait_until(condition: Callable[[], Any], seconds: float = 120) -> Any:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.2)
    raise AssertionError(f"nothing after {seconds} s: {condition}")


# -- in this process ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("failure", ALL_KINDS)
def test_the_mlflow_run_of_materialize_ends_as_the_dagster_run(tmp_path: Path, failure: str) -> None:
    storage = new_storage(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(
            tiny_platform.ASSETS,
            instance=instance,
            resources={"tracking": tiny_platform.tracking_in(storage)},
            tags={"failure": failure},
            raise_on_error=False,
        )

    assert result.success == (failure == "none")
    assert mlflow_statuses(storage) == {result.run_id: expected(failure)}


@pytest.mark.parametrize("raise_on_error", [True, False])
@pytest.mark.parametrize("failure", ["none", "upstream", "gate"])
def test_the_mlflow_run_of_execute_in_process_ends_as_the_dagster_run(
    tmp_path: Path, failure: str, raise_on_error: bool
) -> None:
    storage = new_storage(tmp_path)
    job = dg.Definitions(tiny_platform.ASSETS, resources={"tracking": tiny_platform.tracking_in(storage)})
    with dg.DagsterInstance.ephemeral() as instance:
        try:
            job.resolve_implicit_global_asset_job_def().execute_in_process(
                instance=instance, tags={"failure": failure}, raise_on_error=raise_on_error
            )
        except (RuntimeError, dg.DagsterError):
            assert raise_on_error
        (run,) = instance.get_runs()

    assert mlflow_statuses(storage) == {run.run_id: expected(failure)}


# -- the command line --------------------------------------------------------------------------------------------------


class Ended(NamedTuple):
    returncode: int
    storage: Path
    output: str


def materialize_by_command(storage: Path, executor: str, failure: str) -> Ended:
    new_storage(storage)
    process = subprocess.Popen(
        [BIN / "dagster", "asset", "materialize", "--select", "*", "-m", MODULE],
        cwd=ROOT,
        env=environment(storage, FAILURE=failure, EXECUTOR=executor),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        if failure == "interrupted":
            wait_until((storage / "started").exists)
            process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=90)
        return Ended(process.returncode, storage, output)
    finally:
        end(process)


COMMANDS = [
    *[("in_process", failure) for failure in ("none", "upstream", "gate", "interrupted", "killed")],
    *[("multiprocess", failure) for failure in (*ALL_KINDS, "killed", "interrupted")],
]


@pytest.fixture(scope="module")
def by_command(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Mapping[tuple[str, str], Future[Ended]]]:
    """Launch the command lines of the chosen tests two at a time."""
    chosen = {item.callspec.params.get("command") for item in request.session.items if hasattr(item, "callspec")}
    folder = tmp_path_factory.mktemp("commands")
    with ThreadPoolExecutor(2) as pool:
        yield {
            command: pool.submit(materialize_by_command, folder / "-".join(command), *command)
            for command in COMMANDS
            if command in chosen
        }


@pytest.mark.trial
@pytest.mark.parametrize(
    "command",
    [command for command in COMMANDS if command[1] != "killed" and command != ("multiprocess", "downstream")],
)
def test_the_mlflow_run_of_a_command_line_ends_as_the_dagster_run(
    by_command: Mapping[tuple[str, str], Future[Ended]], command: tuple[str, str]
) -> None:
    _, failure = command

    ended = by_command[command].result()

    with instance_of(ended.storage) as instance:
        (run,) = instance.get_runs()
    assert run.is_success == (failure == "none"), ended.output
    if command == ("multiprocess", "upstream"):  # no process that uses MLflow was ever started
        assert mlflow_statuses(ended.storage) == {}
    else:
        assert mlflow_statuses(ended.storage) == {run.run_id: expected(failure)}, ended.output


@pytest.mark.trial
@pytest.mark.parametrize(
    "command",
    [("multiprocess", "downstream"), ("multiprocess", "killed"), ("in_process", "killed")],
)
def test_what_no_step_could_see_is_corrected_when_the_next_run_starts(
    by_command: Mapping[tuple[str, str], Future[Ended]], command: tuple[str, str]
) -> None:
    storage = by_command[command].result().storage

    with instance_of(storage) as instance:
        (run,) = instance.get_runs()
        if command[0] == "in_process":  # the whole process was killed, Dagster does not know: somebody says so
            instance.report_run_canceled(run)
        following = dg.materialize(
            tiny_platform.ASSETS, instance=instance, resources={"tracking": tiny_platform.tracking_in(storage)}
        )

    ended_as = "KILLED" if command[0] == "in_process" else "FAILED"
    assert mlflow_statuses(storage) == {run.run_id: ended_as, following.run_id: "FINISHED"}


def test_a_run_that_is_still_going_is_left_alone_by_the_next_start(tmp_path: Path) -> None:
    storage = new_storage(tmp_path)
    tracking = tiny_platform.tracking_in(storage)

    @dg.asset
    def going(context: dg.AssetExecutionContext, tracking: MlflowTracking) -> str:
        with ThreadPoolExecutor(1) as beside:
            started = beside.submit(
                dg.materialize, tiny_platform.ASSETS, instance=context.instance, resources={"tracking": tracking}
            )
            assert started.result().success
        return mlflow_statuses(storage)[context.run.run_id]

    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([going], instance=instance, resources={"tracking": tracking})

    assert result.output_for_node("going") == "RUNNING"
    assert set(mlflow_statuses(storage).values()) == {"FINISHED"}


@pytest.mark.parametrize(("ends_as", "status"), [("failure", "FAILED"), ("canceled", "KILLED")])
def test_the_sensors_correct_a_run_that_reads_finished(tmp_path: Path, ends_as: str, status: str) -> None:
    storage = new_storage(tmp_path)
    tracking = tiny_platform.tracking_in(storage)
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize(tiny_platform.ASSETS, instance=instance, resources={"tracking": tracking})
        assert mlflow_statuses(storage) == {result.run_id: "FINISHED"}
        run = instance.get_run_by_id(result.run_id)
        assert run is not None
        (instance.report_run_failed if ends_as == "failure" else instance.report_run_canceled)(run)
        ended = instance.get_run_by_id(result.run_id)
        event = instance.get_records_for_run(result.run_id, limit=1, ascending=False).records[0].event_log_entry
        assert ended is not None
        assert event.dagster_event is not None
        (sensor,) = [each for each in mlflow_run_sensors(tracking) if ends_as in each.name]
        context = dg.build_run_status_sensor_context(
            sensor_name=sensor.name,
            dagster_event=event.dagster_event,
            dagster_instance=instance,
            dagster_run=ended,
        )

        sensor(context)

    assert mlflow_statuses(storage) == {result.run_id: status}


# -- webserver and daemon ----------------------------------------------------------------------------------------------


def end(process: "subprocess.Popen[Any]") -> None:
    """End a process and all that it started."""
    for strength in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, strength)
        except ProcessLookupError:
            break
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            continue
    process.wait(timeout=10)


class Webserver(NamedTuple):
    storage: Path
    url: str

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(f"{self.url}/graphql", body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as response:
                answer = json.load(response)
        except urllib.error.HTTPError as refusal:
            raise AssertionError(refusal.read().decode()) from refusal
        assert "errors" not in answer, answer
        return answer["data"]

    def is_up(self) -> bool:
        try:
            return bool(self.ask("{ version }"))
        except OSError:
            return False

    def launch(self, failure: str) -> str:
        """Materialize all assets, as the page's button does."""
        selector = {
            "repositoryLocationName": MODULE,
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": asset.key.path} for asset in tiny_platform.ASSETS],
        }
        answer = self.ask(
            """mutation ($params: ExecutionParams!) { launchPipelineExecution(executionParams: $params) {
                 __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message stack } } }""",
            params={
                "selector": selector,
                "mode": "default",
                "runConfigData": "{}",
                "executionMetadata": {"tags": [{"key": "failure", "value": failure}]},
            },
        )["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def terminate(self, run_id: str) -> None:
        self.ask("mutation ($id: String!) { terminateRun(runId: $id) { __typename } }", id=run_id)

    def status(self, run_id: str) -> str:
        """Return the status of a run once it has ended."""

        def ended() -> str | None:
            run = self.ask("query ($id: ID!) { runOrError(runId: $id) { ... on Run { status } } }", id=run_id)
            status = str(run["runOrError"]["status"])
            return status if status in ("SUCCESS", "FAILURE", "CANCELED") else None

        return str(wait_until(ended))


@contextmanager
def started(storage: Path, *commands: list[str], **variables: str) -> Iterator[None]:
    """Start processes and end them."""
    with ExitStack() as stack:
        for command in commands:
            log = stack.enter_context((storage / f"{command[0]}.log").open("w"))
            process = subprocess.Popen(
                [BIN / command[0], *command[1:]],
                cwd=ROOT,
                env=environment(storage, **variables),
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            stack.callback(end, process)
        yield


def webserver_command(port: int) -> list[str]:
    return ["dagster-webserver", "-m", MODULE, "-h", "127.0.0.1", "-p", str(port)]


@pytest.mark.trial
def test_runs_that_the_webserver_launches_end_in_mlflow_as_in_dagster(tmp_path: Path) -> None:
    storage, port = new_storage(tmp_path, LAUNCHED_AT_ONCE), free_port()
    with started(storage, webserver_command(port)):
        webserver = Webserver(storage, f"http://127.0.0.1:{port}")
        wait_until(webserver.is_up)
        runs = {failure: webserver.launch(failure) for failure in ("none", "gate", "interrupted")}
        wait_until((storage / "started").exists)
        webserver.terminate(runs["interrupted"])
        ended = {failure: webserver.status(run_id) for failure, run_id in runs.items()}

    statuses = mlflow_statuses(storage)
    assert ended == {"none": "SUCCESS", "gate": "FAILURE", "interrupted": "CANCELED"}
    assert {failure: statuses[run_id] for failure, run_id in runs.items()} == {
        "none": "FINISHED",
        "gate": "FAILED",
        "interrupted": "KILLED",
    }


@pytest.mark.trial
def test_runs_of_the_queue_end_in_mlflow_as_in_dagster_even_where_no_step_could_see_it(tmp_path: Path) -> None:
    storage, port = new_storage(tmp_path, QUEUED), free_port()
    daemon = ["dagster-daemon", "run", "-m", MODULE]
    # Opened first: two processes that make Dagster's databases at once can break them.
    with instance_of(storage) as instance, started(storage, webserver_command(port), daemon, EXECUTOR="multiprocess"):
        webserver = Webserver(storage, f"http://127.0.0.1:{port}")
        wait_until(webserver.is_up)
        wait_until(lambda: len(sensors_that_ticked(instance)) == 2)
        runs = {failure: webserver.launch(failure) for failure in ("none", "downstream", "killed")}
        ended = {failure: webserver.status(run_id) for failure, run_id in runs.items()}
        wait_until(lambda: sorted(mlflow_statuses(storage).values()) == ["FAILED", "FAILED", "FINISHED"])

    assert ended == {"none": "SUCCESS", "downstream": "FAILURE", "killed": "FAILURE"}
    assert mlflow_statuses(storage)[runs["none"]] == "FINISHED"


def sensors_that_ticked(instance: dg.DagsterInstance) -> list[str]:
    """Return the sensors whose first tick is over: what fails before it, they do not hear of."""
    states = instance.all_instigator_state()
    return [state.name for state in states if state.instigator_data and getattr(state.instigator_data, "cursor", None)]
