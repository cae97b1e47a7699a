"""A retraining that nobody asked for, from the first version to the second, with the processes of production.

Two days of the past are replayed: an ordinary one, and one with prices that the model has never seen, which come back
as labels. The monitoring judges each; Dagster's daemon decides, retrains and promotes; the running service follows. A
third day shows whether it was worth it.
"""

import asyncio
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import httpx

from demo.processes import PROJECT, ProcessError, Processes, answers
from housing_assets.market_loading import load_market
from housing_assets.traffic.rows import sample_rows
from housing_assets.traffic.sending import Plan, Tally, send
from resources.dagster_internals import SensorInstigatorData
from resources.decision_log import DecisionLogs, Log, Recorded
from resources.judgements import Judgement, newest_of_each_window, read_history
from resources.mlflow.server import SERVER_ENVIRONMENT, server_command
from resources.ports import free_port
from resources.settings import DEFAULT_MARKET
from sensors.drift_retraining import FAILED_CHECKS
from sensors.drift_retraining import NAME as SENSOR
from sensors.training_runs import TRIGGER

MARKET = load_market(DEFAULT_MARKET)

MARKER = "made-by-the-demonstration"
"""File that says that a folder may be made anew."""

REPORTS = ("drift_report", "feature_validation_report", "performance_report")
SHIFT = {"price_inflation": 0.4}
"""What happens to the market."""

LOGS = DecisionLogs()


@dataclass(frozen=True)
class Traffic:
    """Rows that are sent: how many, which, how they differ from ordinary ones, and how."""

    rows: int
    plan: Plan
    shift: Mapping[str, float] = field(default_factory=dict)


A_DAY = Traffic(2_000, Plan(rate=500, label_share=0.3))
ORDINARY_ROWS = 11
"""Seed of the ordinary day. One day in a hundred fails a check by chance, and which one depends on how its requests are
grouped, too; this one is far from it."""
AFTER_THE_SHIFT = Traffic(2_000, Plan(rate=500, label_share=0.9), SHIFT)
MEANWHILE = Traffic(100, Plan(rate=25, connections=2), SHIFT)
"""What is sent again and again while the platform retrains."""

SETTINGS = {
    "HOUSING_SENSOR_SECONDS": "5",
    "HOUSING_REFRESH_SECONDS": "2",
    "HOUSING_RETRAIN_WINDOWS_NEEDED": "1",  # production waits for a second window: this is a story of one day
}


@dataclass
class Story:
    """What was seen.

    Attributes
    ----------
    days : list of date
        The ordinary day, the shifted one, and the one after the retraining.
    judgements : mapping of date to list of Judgement
    traffic : mapping of date to Tally
    meanwhile : list of Tally
        Of the traffic during the retraining.
    decisions : list of Recorded
        Of the retraining sensor, oldest first.
    versions : list of int
        That the service answered with, one after the other.
    repaired_seconds : float
        From the first shifted request to the first answer of the new version.
    """

    days: list[date] = field(default_factory=list)
    judgements: dict[date, list[Judgement]] = field(default_factory=dict)
    traffic: dict[date, Tally] = field(default_factory=dict)
    meanwhile: list[Tally] = field(default_factory=list)
    decisions: list[Recorded] = field(default_factory=list)
    versions: list[int] = field(default_factory=list)
    repaired_seconds: float = 0.0


def tell(storage: Path, say: Callable[[str], None]) -> Story:
    """Run it all below a folder, which is made anew, and return what was seen.

    Parameters
    ----------
    storage : Path
    say : callable
        Takes a line about what happens.

    Raises
    ------
    ProcessError
        If something does not happen, with the log that says why; if the folder holds what is not of a demonstration.
    """
    marker = storage / MARKER
    if storage.exists() and any(storage.iterdir()) and not marker.exists():
        raise ProcessError(f"{storage} is not empty, and nothing that a demonstration made: it is left alone")
    shutil.rmtree(storage, ignore_errors=True)
    home = storage / "dagster"
    home.mkdir(parents=True)
    marker.touch()
    (home / "dagster.yaml").symlink_to(PROJECT / "dagster.yaml")
    key, registry_port, port = secrets.token_urlsafe(24), free_port(), free_port()
    environment = environment_of(storage, key)
    with Processes(storage / "logs", environment) as processes, dg.DagsterInstance.from_config(str(home)) as instance:
        stage = _Stage(processes, instance, f"http://127.0.0.1:{port}", key, say, Story())
        stage.train()
        stage.serve(f"http://127.0.0.1:{registry_port}", environment["MLFLOW_TRACKING_URI"])
        return stage.play()


@dataclass
class _Stage:
    processes: Processes
    instance: dg.DagsterInstance
    url: str
    key: str
    say: Callable[[str], None]
    story: Story

    def train(self) -> None:
        self.say("6,000 synthetic ads: cleaning, encoding, balancing, training, evaluation, registration, bento …")
        self.processes.run("training", ["housing", "materialize"])
        registered = self._registered()
        self.say(f"version {registered['version']} is in production: {registered['tag/reason']}")

    def serve(self, registry: str, database: str) -> None:
        port = registry.rpartition(":")[2]
        self.processes.start("registry", server_command(database, port))
        self.processes.start("daemon", ["dagster-daemon", "run", "-m", "housing_assets.definitions"])
        self.processes.wait_until(lambda: answers(f"{registry}/health"), "the registry answers", 60)
        tag = str(self._metadata("price_bento")["tag"])
        http = ["--host", "127.0.0.1", "--port", self.url.rpartition(":")[2]]
        self.processes.start("service", ["bentoml", "serve", tag, *http], MLFLOW_TRACKING_URI=registry)
        self.processes.wait_until(lambda: answers(f"{self.url}/readyz"), "the service is ready", 60)
        self.processes.wait_until(lambda: self._served() == 1, "the service follows the registry", 30)
        self.story.versions.append(1)
        self.say(f"the bento {tag} answers on {self.url}, with version 1; Dagster's daemon runs")

    def play(self) -> Story:
        today = datetime.now(UTC).date()
        ordinary, shifted, after = self.story.days = [today - timedelta(days=back) for back in (3, 2, 1)]
        self._replay(ordinary, A_DAY, seed=ORDINARY_ROWS)
        self._judge(ordinary)
        self._decided(ordinary, "nothing found")
        began = time.monotonic()
        self._replay(shifted, AFTER_THE_SHIFT, seed=2)
        self._judge(shifted)
        with self._traffic_goes_on():
            self._decided(shifted, "retrain")
            self._retrained()
            self.processes.wait_until(lambda: self._served() == 2, "the service follows the promotion", 60)
            self.story.repaired_seconds = time.monotonic() - began
            self.story.versions.append(2)
        answered, failed = (
            sum(getattr(each, what) for each in self.story.meanwhile) for what in ("answered", "failed")
        )
        self.say(
            f"the service answers with version 2, {self.story.repaired_seconds:.0f} s after the first shifted request; "
            f"{answered:,} answered meanwhile, {failed} failed"
        )
        self._replay(after, AFTER_THE_SHIFT, seed=3)
        self._judge(after)
        self._decided(after, "nothing found")
        self.story.decisions = LOGS.read(self.instance, Log.RETRAINING)[::-1]
        return self.story

    def _replay(self, day: date, traffic: Traffic, seed: int) -> None:
        inflation = traffic.shift.get("price_inflation")
        kind = f"prices {inflation:+.0%}" if inflation else "an ordinary day"
        tally = self._send(traffic, seed, day)
        self.story.traffic[day] = tally
        self.say(f"{day}, {kind}: {tally.describe()}")

    def _send(self, traffic: Traffic, seed: int, day: date | None = None) -> Tally:
        as_of = day or datetime.now(UTC).date()
        rows = sample_rows(MARKET, traffic.rows, seed=seed, as_of=as_of, shift=traffic.shift)
        return asyncio.run(send(self.url, self.key, MARKET, rows, replace(traffic.plan, seed=seed, day=day)))

    def _judge(self, day: date) -> None:
        # What was answered is in the store within a second or so; the day is not over before.
        self.processes.wait_until(lambda: not self._health()["prediction_store"]["pending_bytes"], "all is stored", 30)
        self.processes.run("monitoring", ["housing", "judge", day.isoformat()])
        history = newest_of_each_window(read_history(self.instance, _checks(), datetime.now(UTC)).judgements)
        judged = self.story.judgements[day] = [one for one in history if one.window == day.isoformat()]
        failed = [one for one in judged if not one.passed]
        verdicts = "; ".join(f"{one.check} FAILED: {one.verdict.summary}" for one in failed)
        self.say(f"{day} is judged: {len(judged) - len(failed)} checks passed" + (f"; {verdicts}" if failed else ""))

    def _decided(self, day: date, outcome: str) -> None:
        """Wait for the sensor to look at all that was judged: a look in the middle of it may see half."""
        judged_at = datetime.now(UTC).timestamp()

        def looked() -> bool:
            states = {state.name: state.instigator_data for state in self.instance.all_instigator_state()}
            data = states.get(SENSOR)
            return isinstance(data, SensorInstigatorData) and (data.last_tick_timestamp or 0) > judged_at

        self.processes.wait_until(looked, f"{SENSOR} looks", 60)
        recorded = [one.decision for one in LOGS.read(self.instance, Log.RETRAINING, limit=5)]
        decided = next(one for one in recorded if one.outcome != "in flight")  # which may follow at once
        if decided.outcome != outcome or day.isoformat() not in decided.evidence["windows_judged"]:
            raise ProcessError(f"{SENSOR} decided {decided.outcome}: {decided.reason}")
        self.say(f"{SENSOR} decides: {outcome}. {decided.reason}")

    def _retrained(self) -> None:
        def runs() -> list[dg.DagsterRun]:
            return list(self.instance.get_runs(dg.RunsFilter(tags={TRIGGER: FAILED_CHECKS})))

        def ended() -> dg.DagsterRun | None:
            return next((run for run in runs() if run.is_finished), None)

        def steps() -> int:
            return sum(self.instance.get_run_stats(run.run_id).steps_succeeded for run in runs())

        run = self.processes.wait_until(ended, "the retraining ends", 300, progress=steps)
        registered = self._registered()
        if not run.is_success or not registered["promoted"]:
            raise ProcessError(f"run {run.run_id} ended as {run.status.value}: {registered['tag/reason']}")
        self.say(f"version {registered['version']} is promoted: {registered['tag/reason']}")

    @contextmanager
    def _traffic_goes_on(self) -> Iterator[None]:
        stopped = threading.Event()

        def go_on() -> None:
            while not stopped.is_set():
                self.story.meanwhile.append(self._send(MEANWHILE, seed=100 + len(self.story.meanwhile)))

        with ThreadPoolExecutor(1) as pool:
            sender = pool.submit(go_on)
            try:
                yield
            finally:
                stopped.set()
            sender.result()  # whatever kept it from sending: without traffic nothing was shown

    def _served(self) -> int:
        """Return the version that answers from the registry, 0 if none does."""
        champion = httpx.get(f"{self.url}/model", timeout=10).json()["champion"]
        return int(champion["model_version"]) if champion["tier"] == "production" else 0

    def _health(self) -> Any:
        return httpx.get(f"{self.url}/health/deep", timeout=10).json()

    def _registered(self) -> dict[str, Any]:
        return self._metadata("registered_model")

    def _metadata(self, asset: str) -> dict[str, Any]:
        event = self.instance.get_latest_materialization_event(dg.AssetKey(asset))
        if event is None or event.asset_materialization is None:
            raise ProcessError(f"{asset} was not materialized; logs in {self.processes.logs}")
        return {name: entry.value for name, entry in event.asset_materialization.metadata.items()}


@cache
def _checks() -> list[dg.AssetCheckKey]:
    """Return the checks of the daily reports."""
    from housing_assets.definitions import build_defs  # which takes seconds: not before it is needed

    graph = build_defs(MARKET).resolve_asset_graph()
    return sorted(key for key in graph.asset_check_keys if key.asset_key.to_user_string() in REPORTS)


def environment_of(storage: Path, key: str) -> dict[str, str]:
    """Return the environment of every process: nothing of the platform's own settings, which are for your ads."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("HOUSING_", "MLFLOW_", "BENTOML_"))
    }
    return {
        **kept,
        **SETTINGS,
        "HOUSING_STORAGE": str(storage),
        "HOUSING_GRPC_PORT": str(free_port()),
        "HOUSING_API_KEYS": f"demo:{hashlib.sha256(key.encode()).hexdigest()}",
        "DAGSTER_HOME": str(storage / "dagster"),
        "DAGSTER_DISABLE_TELEMETRY": "yes",
        "BENTOML_HOME": str(storage / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "MLFLOW_TRACKING_URI": f"sqlite:///{storage / 'mlflow.db'}",
        **SERVER_ENVIRONMENT,
    }
