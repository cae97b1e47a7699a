"""The real monitoring on a storage of its own: a registry with models, a prediction store, and runs for days."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import dagster as dg

from housing_assets.definitions import build_defs
from housing_assets.monitoring.options import MonitoredDays
from housing_assets.packaging.artifact import ModelArtifact
from housing_assets.packaging.assembly import example_listings
from housing_assets.packaging.registration import ANSWER, LOADER_MODULE
from resources.model_registry import ModelRegistry, Version
from resources.settings import Settings
from tests.monitoring.answered import answer_day
from tests.resources.mlflow_database import new_database
from tests.resources.registered import new_run

DAILY = [
    "production_predictions",
    "production_profile",
    "drift_report",
    "feature_validation_report",
    "production_labels",
    "performance_report",
]


@dataclass(frozen=True)
class Watched:
    """A platform whose production is watched."""

    storage: Path
    instance: dg.DagsterInstance
    settings: Settings
    days: MonitoredDays

    @classmethod
    def on(cls, storage: Path, instance: dg.DagsterInstance, days: MonitoredDays | None = None) -> "Watched":
        days = days or MonitoredDays()
        settings = Settings(
            storage=storage,
            sample_rows=500,
            MLFLOW_TRACKING_URI=new_database(storage),
            monitoring_start=days.start,
            monitoring_window_days=days.window,
        )
        return cls(storage, instance, settings, days)

    @property
    def registry(self) -> ModelRegistry:
        return ModelRegistry(tracking_uri=self.settings.mlflow_uri)

    def promote(self, model: ModelArtifact) -> Version:
        """Register a model and put it into production."""
        with TemporaryDirectory() as temporary:
            folder = Path(temporary) / "artifact"
            folder.mkdir()
            model.save(folder)
            version = self.registry.register(
                folder,
                new_run(self.registry, self.storage),
                {"lineage": model.bands.lineage},
                model.bands.to_dict(),
                loader_module=LOADER_MODULE,
                requirements=["pandas"],
                example=example_listings(2),
                answer=ANSWER,
            )
        self.registry.promote(version)
        return version

    def answer(self, model: ModelArtifact, day: date, rows: int, **how: Any) -> int:
        return answer_day(self.settings.prediction_store_url, model, day, rows, **how)

    def materialize(
        self, day: date | None, selection: Sequence[str] = DAILY, config: Mapping[str, Any] | None = None
    ) -> dg.ExecuteInProcessResult:
        defs = build_defs(settings=self.settings)
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
