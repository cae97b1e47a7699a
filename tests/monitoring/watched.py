"""The real monitoring on a storage of its own: a registry with models, a prediction store, and runs for days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg
import pandas as pd

from housing_assets.definitions import build_defs
from housing_assets.inference.artifact import ModelArtifact
from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring import assets as monitoring
from housing_assets.packaging.batch import answer_columns
from housing_assets.packaging.registration import LOADER_MODULE
from resources.mlflow.registry import ModelRegistry, Version
from resources.settings import Settings
from tests.monitoring.answered import answer_day
from tests.resources.mlflow_database import new_database
from tests.resources.registered import new_run

DAILY_ASSETS = [
    monitoring.production_predictions,
    monitoring.production_profile,
    monitoring.input_report,
    monitoring.drift_report,
    monitoring.feature_validation_report,
    monitoring.production_labels,
    monitoring.performance_report,
]
DAILY = [asset.key.to_user_string() for asset in DAILY_ASSETS]


@dataclass(frozen=True)
class Watched:
    """A platform whose production is watched."""

    storage: Path
    instance: dg.DagsterInstance
    settings: Settings

    @classmethod
    def on(cls, storage: Path, instance: dg.DagsterInstance) -> "Watched":
        settings = Settings(storage=storage, sample_rows=500, MLFLOW_TRACKING_URI=new_database(storage))
        return cls(storage, instance, settings)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(tracking_uri=self.settings.mlflow_uri)

    def promote(self, model: ModelArtifact) -> Version:
        """Register a model and put it into production."""
        version = self.stage(model)
        self.registry.promote(version)
        return version

    def stage(self, model: ModelArtifact) -> Version:
        """Register a model as the challenger."""
        with TemporaryDirectory() as temporary:
            folder = Path(temporary) / "artifact"
            folder.mkdir()
            model.save(folder)
            version = self.registry.register(
                folder,
                new_run(self.registry, self.storage),
                {"lineage": model.labels.lineage},
                model.labels.to_dict(),
                loader_module=LOADER_MODULE,
                requirements=["pandas"],
                example=pd.DataFrame([MARKET.example]),
                answer=answer_columns(MARKET),
            )
        self.registry.stage(version)
        return version

    def answer(self, model: ModelArtifact, day: date, rows: int, **how: Any) -> int:
        return answer_day(self.settings.prediction_store_url, model, day, rows, **how)

    def materialize(
        self, day: date | None, selection: Sequence[str] = DAILY, config: Mapping[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        defs = build_defs(MARKET, settings=self.settings)
        return dg.materialize(
            [*(defs.assets or ()), *(defs.asset_checks or ())],
            resources=dict(defs.resources or {}),
            instance=self.instance,
            partition_key=day.isoformat() if day else None,
            selection=list(selection),
            run_config={"ops": {name: {"config": values} for name, values in (config or {}).items()}},
            raise_on_error=False,
        )

    def judge(self, day: date, **thresholds: float) -> dict[str, dg.AssetCheckEvaluation]:
        """Return the checks of a day by name."""
        config = {name: thresholds for name in DAILY if name.endswith("report")} if thresholds else {}
        result = self.materialize(day, config=config)
        assert result.success
        return {one.check_name: one for one in result.get_asset_check_evaluations()}

    def value(self, asset: str, day: date) -> Path:
        return self.storage / "assets" / asset / day.isoformat()


def failed(evaluations: Mapping[str, dg.AssetCheckEvaluation]) -> set[str]:
    return {name for name, one in evaluations.items() if not one.passed}


def told(evaluation: dg.AssetCheckEvaluation, key: str) -> Any:
    return evaluation.metadata[key].value
