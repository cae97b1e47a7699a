"""Two markets in one Dagster instance: what happens to one is nothing to the other."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from resources.alerts import AlertLog
from resources.dagster_internals import RUN_KEY_TAG
from resources.decision_log import Decision, DecisionLogs, Log
from resources.judgements import read_history
from resources.object_store import ObjectStore
from resources.predictions.store import PredictionStore
from resources.verdicts import Verdict
from sensors.clock import utc_now
from sensors.drift_retraining import FAILED_CHECKS, retraining_sensor
from sensors.failure_alerts import alert_sensor
from sensors.landing import Batch, LandingCursor
from sensors.new_listings import new_listings_sensor
from sensors.retraining import RetrainingRule
from sensors.rollback import read_comparisons
from sensors.training_runs import MARKET, TRIGGER

DAYS = dg.DailyPartitionsDefinition("2026-01-01")
CHECK = "performance_held"


class Fails(dg.Config):
    fails: bool = False


@dataclass(frozen=True)
class TinyMarket:
    """A code location of three assets whose keys have a prefix."""

    name: str
    prefix: tuple[str, ...]
    folder: Path

    def key(self, name: str) -> dg.AssetKey:
        return dg.AssetKey([*self.prefix, name])

    @property
    def check(self) -> dg.AssetCheckKey:
        return dg.AssetCheckKey(self.key("performance_report"), CHECK)

    def assets(self, verdict: Verdict | None = None) -> list[dg.AssetsDefinition]:
        @dg.asset(
            key=self.key("performance_report"),
            partitions_def=DAYS,
            check_specs=[dg.AssetCheckSpec(CHECK, asset=self.key("performance_report"))],
        )
        def performance_report() -> dg.MaterializeResult:
            assert verdict is not None
            found = dg.AssetCheckResult(check_name=CHECK, passed=False, metadata=verdict.to_metadata())
            return dg.MaterializeResult(check_results=[found])

        @dg.asset(key=self.key("raw_listings"))
        def raw_listings(config: Fails) -> None:
            if config.fails:
                raise RuntimeError("failed on purpose")

        @dg.asset(key=self.key("price_forest"), deps=[raw_listings])
        def price_forest() -> None: ...

        return [performance_report, raw_listings, price_forest]

    def sensors(self) -> dict[str, dg.SensorDefinition]:
        training = dg.AssetSelection.assets(self.key("raw_listings"), self.key("price_forest"))
        tags: dict[str, Any] = {"market": self.name, "prefix": self.prefix}
        landing = self.folder / "landing"  # of both markets
        landing.mkdir(exist_ok=True)
        return {
            "retraining": retraining_sensor(checks=[self.check], training=training, rule=RetrainingRule(), **tags),
            "landing": new_listings_sensor(landing=str(landing), training=training, object_store=ObjectStore(), **tags),
            "alerts": alert_sensor(
                checks=[self.check], log=AlertLog(self.folder / f"{self.name}.log"), webhook=None, **tags
            ),
        }

    def tick(self, instance: dg.DagsterInstance, sensor: str, cursor: str | None = None) -> dg.SensorResult:
        """Let one of the sensors look, and record what it decided, as the daemon does."""
        sensors = self.sensors()
        assets = [*self.assets(), *DecisionLogs(self.prefix).assets()]
        store = PredictionStore(url=f"sqlite:///{self.folder / 'predictions.db'}")
        repository = dg.Definitions(
            assets, sensors=[*sensors.values()], resources={"predictions": store}
        ).get_repository_def()
        given = {"predictions": store} if sensor == "retraining" else {}
        context = dg.build_sensor_context(instance=instance, repository_def=repository, cursor=cursor, resources=given)
        result = sensors[sensor](context)
        assert isinstance(result, dg.SensorResult)
        for event in result.asset_events:
            assert isinstance(event, dg.AssetObservation)
            instance.report_runless_asset_event(event)
        return result

    def judge(self, instance: dg.DagsterInstance, day: str, **more: Any) -> None:
        verdict = Verdict(day, f"{self.name}-{day}", 2, True, False, f"{self.name} drops", True, **more)
        (report, *_) = self.assets(verdict)
        dg.materialize([report], instance=instance, partition_key=day)

    def train(self, instance: dg.DagsterInstance, *, fails: bool = False, tags: dict[str, str] | None = None) -> None:
        (_, *training) = self.assets()
        step = "__".join([*self.prefix, "raw_listings"])
        config = {"ops": {step: {"config": {"fails": fails}}}}
        dg.materialize(training, instance=instance, run_config=config, tags=tags, raise_on_error=False)

    def outcomes(self, instance: dg.DagsterInstance, log: Log = Log.RETRAINING) -> list[str]:
        return [one.decision.outcome for one in reversed(DecisionLogs(self.prefix).read(instance, log))]

    def alerts(self) -> list[str]:
        log = AlertLog(self.folder / f"{self.name}.log")
        return log.path.read_text().splitlines() if log.path.exists() else []


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def istanbul(tmp_path: Path) -> TinyMarket:
    return TinyMarket("istanbul", (), tmp_path)


@pytest.fixture
def king_county(tmp_path: Path) -> TinyMarket:
    return TinyMarket("king_county", ("king_county",), tmp_path)


def test_findings_of_one_market_retrain_that_market_alone(
    instance: dg.DagsterInstance, istanbul: TinyMarket, king_county: TinyMarket
) -> None:
    for day in ("2026-03-01", "2026-03-02"):
        king_county.judge(instance, day)

    (request,) = king_county.tick(instance, "retraining").run_requests or []
    assert not istanbul.tick(instance, "retraining").run_requests

    assert request.tags[MARKET] == "king_county"
    assert request.tags["housing/report_ids"] == "king_county-2026-03-01,king_county-2026-03-02"
    assert king_county.outcomes(instance) == ["retrain"]
    assert istanbul.outcomes(instance) == ["no windows"]


def test_a_retraining_of_one_market_is_no_attempt_of_the_other(
    instance: dg.DagsterInstance, istanbul: TinyMarket, king_county: TinyMarket
) -> None:
    for market in (istanbul, king_county):
        for day in ("2026-03-01", "2026-03-02"):
            market.judge(instance, day)
    for _ in range(3):
        king_county.train(instance, fails=True, tags={TRIGGER: FAILED_CHECKS})

    king_county.tick(instance, "retraining")
    istanbul.tick(instance, "retraining")

    assert king_county.outcomes(instance) == ["waiting"]
    assert istanbul.outcomes(instance) == ["retrain"]


def test_a_training_of_one_market_neither_holds_up_nor_resolves_the_other(
    instance: dg.DagsterInstance, istanbul: TinyMarket, king_county: TinyMarket
) -> None:
    for market in (istanbul, king_county):
        for day in ("2026-03-01", "2026-03-02"):
            market.judge(instance, day)
    king_county.train(instance)
    training = [asset.key for asset in istanbul.assets()[1:]]
    job = dg.Definitions(istanbul.assets(), jobs=[dg.define_asset_job("some", training)]).resolve_job_def("some")
    instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)

    king_county.tick(instance, "retraining")
    istanbul.tick(instance, "retraining")

    assert king_county.outcomes(instance) == ["nothing found"]
    assert istanbul.outcomes(instance) == ["in flight"]


def test_verdicts_are_read_of_the_market_whose_check_it_is(
    instance: dg.DagsterInstance, istanbul: TinyMarket, king_county: TinyMarket
) -> None:
    king_county.judge(instance, "2026-03-01", replaced_version=1, worse_than_replaced=True)

    (found,) = read_history(instance, [king_county.check], utc_now()).judgements
    assert found.verdict.summary == "king_county drops"
    assert [one.verdict for one in read_comparisons(instance, king_county.check, utc_now())] == [found.verdict]
    assert read_history(instance, [istanbul.check], utc_now()).judgements == ()
    assert read_comparisons(instance, istanbul.check, utc_now()) == []


def test_each_market_tells_of_its_own_failures_and_decisions(
    instance: dg.DagsterInstance, istanbul: TinyMarket, king_county: TinyMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sensors.alerting._GRACE", -utc_now().resolution)
    king_county.train(instance, fails=True)
    king_county.judge(instance, "2026-03-01")
    event = DecisionLogs(king_county.prefix).event(Log.ROLLBACK, Decision("left alone", "why", needs_person=True))
    instance.report_runless_asset_event(event)

    for market in (istanbul, king_county):
        market.tick(instance, "alerts")

    assert istanbul.alerts() == []
    told = "\n".join(king_county.alerts())
    assert len(king_county.alerts()) == 3
    assert "failed in king_county__raw_listings (RuntimeError)" in told
    assert "king_county: performance_report of 2026-03-01 of version 2: 1 failed" in told
    assert "king_county: rollback_decisions: left alone. why" in told


def test_a_run_for_files_that_one_market_has_read_is_no_run_of_the_other(
    instance: dg.DagsterInstance, istanbul: TinyMarket, king_county: TinyMarket
) -> None:
    batch = Batch(run_key="landing-1", paths=("a.csv",), fingerprints=("1",))
    cursor = LandingCursor(asked=batch).write()
    king_county.train(instance, tags={RUN_KEY_TAG: batch.run_key})

    assert not king_county.tick(instance, "landing", cursor).run_requests
    (request,) = istanbul.tick(instance, "landing", cursor).run_requests or []
    assert request.run_key == batch.run_key
    assert request.tags[MARKET] == "istanbul"
    assert king_county.outcomes(instance, Log.NEW_LISTINGS) == []
    assert istanbul.outcomes(instance, Log.NEW_LISTINGS) == ["launch"]
