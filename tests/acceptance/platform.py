"""The platform of one market, as its users run it: train, serve, send a day of traffic, judge it, decide, train again.

Assets and sensors run in this process, on a storage of their own; the service is a process with real sockets.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, Self

import dagster as dg
import httpx
import pandas as pd

from bento_service.protocols.proto.housing.v1.price_classifier_pb2_grpc import PriceClassifierStub
from housing_assets.definitions import START, build_defs
from housing_assets.inference.market import Market
from housing_assets.market_loading import load_market
from housing_assets.packaging.registration import Registration
from housing_assets.traffic.rows import Changes, source_rows
from housing_assets.traffic.sending import Plan, Tally, send
from resources.decision_log import Decision, DecisionLogs, Log
from resources.mlflow.registry import PRODUCTION, ModelRegistry, Version
from resources.predictions.store import PredictionStore
from resources.settings import Settings
from resources.verdicts import Verdict
from sensors.drift_retraining import NAME as RETRAINING_SENSOR
from tests.bento_service.protocols.grpc_client import as_json, calling, predict_request
from tests.bento_service.serving import KEY, serving
from tests.resources.mlflow_database import new_database

Config = Mapping[str, Mapping[str, Any]]

SMALL_FOREST: Config = {
    "price_forest": {"n_trees": 40},
    "out_of_time_evaluation": {"share": 0.0},  # tests of the graph judge by it; it takes as long as the forest
    # Gates of the size that so few rows and trees can pass.
    "model_evaluation": {"min_macro_f1": 0.5, "min_recall": 0.3, "max_calibration_error": 0.5},
}

STORED_WITHIN = 60
"""Seconds until what was answered must be in the prediction store, on a busy machine."""


def days_ago(days: int) -> date:
    return datetime.now(UTC).date() - timedelta(days=days)


@dataclass
class Platform:
    """A market's code location on a storage of its own.

    Parameters
    ----------
    declared : str
        What HOUSING_MARKET would be: a name, or the path of a file.
    source : Path
        File of its rows.
    storage : Path
    config : mapping of str to mapping
        Of the training assets, by their names.
    choices : mapping of str to Any
        Settings beside those that follow from the above, the service's among them.
    """

    declared: str
    source: Path
    storage: Path
    instance: dg.DagsterInstance
    config: Config = field(default_factory=lambda: SMALL_FOREST)
    choices: Mapping[str, Any] = field(default_factory=dict)
    market: Market = field(init=False)
    settings: Settings = field(init=False)

    def __post_init__(self) -> None:
        self.market = load_market(self.declared)
        self.settings = Settings(
            market=self.declared,
            source=str(self.source),
            storage=self.storage,
            MLFLOW_TRACKING_URI=new_database(self.storage),
            # Production waits for a second window: most of these are stories of one day.
            **{"retrain_windows_needed": 1, **self.choices},
        )
        self.defs = build_defs(self.market, settings=self.settings)

    def key(self, asset: str) -> dg.AssetKey:
        return dg.AssetKey([*self.settings.key_prefix, asset])

    # -- training -------------------------------------------------------------------------------------------------

    def train(
        self, config: Config | None = None, *, without: tuple[str, ...] = (), tags: Mapping[str, str] | None = None
    ) -> dg.ExecuteInProcessResult:
        """Materialize everything from the raw rows on."""
        training = dg.AssetSelection.assets(self.key(START)).downstream()
        chosen = training - dg.AssetSelection.assets(*map(self.key, without))
        return self._materialize(chosen, run_config=_ops({**self.config, **(config or {})}), tags=tags)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(tracking_uri=self.settings.mlflow_uri, model_name=self.settings.model_name)

    def production(self) -> Version:
        version = self.registry.with_alias(PRODUCTION)
        assert version is not None
        return version

    # -- serving --------------------------------------------------------------------------------------------------

    @contextmanager
    def served(self) -> Iterator["Served"]:
        """Serve the version in production from a folder, as a bento does: the registry needs a server."""
        version = self.production()
        folder = Path(mkdtemp(prefix=f"version-{version.number}-", dir=self.storage))
        artifact = self.registry.download(version, folder)
        Registration(version.number, True, "serves in a test").save(artifact)
        environment = {
            "HOUSING_MARKET": self.declared,
            "HOUSING_MODEL_FOLDER": str(artifact),
            **{f"HOUSING_{name.upper()}": str(choice) for name, choice in self.choices.items()},
        }
        with (
            serving(self.storage, environment) as service,
            calling(service.grpc_port) as stub,
            service.client() as http,
        ):
            yield Served(self.market, service.url, http, stub)

    # -- monitoring -----------------------------------------------------------------------------------------------

    def judge(self, day: date) -> dict[str, "Judged"]:
        """Materialize what is made of a day of production, and return its checks by name."""
        daily = dg.AssetSelection.assets(*(asset for asset in self._assets() if asset.partitions_def is not None))
        result = self._materialize(daily, partition_key=day.isoformat())
        assert result.success, why(result)
        return {one.check_name: Judged.of(one) for one in result.get_asset_check_evaluations()}

    def report(self, asset: str, day: date) -> Path:
        """Return the folder of a day's report."""
        return self.storage.joinpath("assets", *self.key(asset).path, day.isoformat())

    # -- the loop -------------------------------------------------------------------------------------------------

    def decide(self) -> tuple[Decision, dg.RunRequest | None]:
        """Let the retraining sensor look, and record what it decides, as the daemon does."""
        repository = self.defs.get_repository_def()
        context = dg.build_sensor_context(
            instance=self.instance,
            repository_def=repository,
            resources={"predictions": PredictionStore(url=self.settings.prediction_store_url)},
        )
        result = repository.get_sensor_def(RETRAINING_SENSOR)(context)
        assert isinstance(result, dg.SensorResult)
        for event in result.asset_events:
            assert isinstance(event, dg.AssetObservation)
            self.instance.report_runless_asset_event(event)
        newest = DecisionLogs(self.settings.key_prefix).read(self.instance, Log.RETRAINING, 1)[0].decision
        return newest, next(iter(result.run_requests or ()), None)

    def _materialize(self, selection: dg.AssetSelection, **how: Any) -> dg.ExecuteInProcessResult:
        return dg.materialize(
            [*self._assets(), *self._checks()],
            resources=dict(self.defs.resources or {}),
            instance=self.instance,
            selection=selection,
            raise_on_error=False,
            **how,
        )

    def _assets(self) -> list[dg.AssetsDefinition]:
        return [asset for asset in self.defs.assets or () if isinstance(asset, dg.AssetsDefinition)]

    def _checks(self) -> list[dg.AssetChecksDefinition]:
        return [check for check in self.defs.asset_checks or () if isinstance(check, dg.AssetChecksDefinition)]


@dataclass(frozen=True)
class Served:
    """A running service of a market."""

    market: Market
    url: str
    http: httpx.Client
    grpc: PriceClassifierStub

    def predict(self, cells: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer to a listing, which is the same over HTTP and gRPC."""
        reply = self.http.post("/predict", json=dict(cells))
        assert reply.status_code == httpx.codes.OK, reply.text
        answer: dict[str, Any] = reply.json()
        called = as_json(self.grpc.Predict(predict_request(cells)))
        same = ("price_category", "probabilities", "model_version", "tier", "unseen")
        assert {name: called[name] for name in same} == {name: answer[name] for name in same}
        assert list(answer["probabilities"]) == list(self.market.categories)
        assert abs(sum(answer["probabilities"].values()) - 1) < 1e-9
        return answer

    def listing_schema(self) -> dict[str, Any]:
        """Return the fields of a listing in the OpenAPI document."""
        described = self.http.get("/docs.json").json()
        properties: dict[str, Any] = described["components"]["schemas"]["Listing"]["properties"]
        return properties

    def day(
        self, source: Path, day: date, rows: int, *, seed: int, label_share: float = 0.0, changes: Changes | None = None
    ) -> Tally:
        """Replay a day of rows from a file, and wait until all of it is in the prediction store."""
        drawn = source_rows(self.market, str(source), rows, seed=seed, changes=changes)
        plan = Plan(rate=1_000, seed=seed, label_share=label_share, day=day)
        tally = asyncio.run(send(self.url, KEY, self.market, drawn, plan))
        assert tally.failed == 0, tally.describe()
        self.wait_until_stored()
        return tally

    def wait_until_stored(self) -> None:
        """Wait until the prediction store has all that was recorded."""
        deadline = time.monotonic() + STORED_WITHIN
        while pending := self.http.get("/health/deep").json()["prediction_store"]["pending_bytes"]:
            assert time.monotonic() < deadline, f"records of {pending} bytes are not stored"
            time.sleep(0.1)


@dataclass(frozen=True)
class Judged:
    """What a check of a day found."""

    passed: bool
    verdict: Verdict

    @classmethod
    def of(cls, evaluation: dg.AssetCheckEvaluation) -> Self:
        verdict = Verdict.from_metadata(evaluation.metadata)
        assert verdict is not None
        return cls(evaluation.passed, verdict)


def failed(checks: Mapping[str, Judged]) -> dict[str, str]:
    """Return the checks that failed, each with what it says; none may have had too few rows."""
    assert [name for name, one in checks.items() if one.verdict.insufficient] in ([], ["traffic_held"])
    return {name: one.verdict.summary for name, one in checks.items() if not one.passed}


def why(result: dg.ExecuteInProcessResult) -> str:
    """Return what made a run fail."""
    return "\n".join(str(event.event_specific_data) for event in result.all_events if event.is_step_failure)


def write_rows(rows: pd.DataFrame, path: Path) -> Path:
    rows.to_csv(path, index=False)
    return path


def _ops(config: Config) -> dict[str, Any]:
    return {"ops": {name: {"config": dict(values)} for name, values in config.items()}}
