"""Registers tiny models in a real MLflow database; they predict nothing."""

import json
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
from mlflow import MlflowClient

from resources.mlflow.registry import ModelRegistry, Version

EXPERIMENT = "registry"


def new_run(registry: ModelRegistry, folder: Path) -> str:
    """Return an MLflow run whose artifacts lie in a folder."""
    client = registry.client()
    experiment = client.get_experiment_by_name(EXPERIMENT)
    experiment_id = (
        experiment.experiment_id
        if experiment
        else client.create_experiment(EXPERIMENT, (folder / "mlartifacts").as_uri())
    )
    return str(client.create_run(experiment_id).info.run_id)


def register(
    registry: ModelRegistry, folder: Path, *, tags: Mapping[str, str] | None = None, lineage: str = "first"
) -> Version:
    """Register a version whose artifact is one file."""
    run_id = new_run(registry, folder)
    with TemporaryDirectory() as temporary:
        artifact = Path(temporary) / "artifact"
        artifact.mkdir()
        (artifact / "answer.json").write_text(json.dumps({"lineage": lineage}))
        return registry.register(
            artifact,
            run_id,
            tags or {},
            {"lineage": lineage},
            loader_module="tests.resources.registered",
            requirements=["pandas"],
            example=pd.DataFrame({"district": ["şile"], "rooms": [3]}),
            answer={"price_category": "string"},
        )


def status_of(registry: ModelRegistry, run_id: str) -> str:
    return str(MlflowClient(tracking_uri=registry.tracking_uri).get_run(run_id).info.status)


class _Constant:
    def __init__(self, answer: str):
        self.answer = answer

    def predict(self, model_input: pd.DataFrame, params: object = None) -> pd.DataFrame:
        return pd.DataFrame({"price_category": [self.answer] * len(model_input)}, index=model_input.index)


def _load_pyfunc(path: str) -> _Constant:
    return _Constant(json.loads((Path(path) / "answer.json").read_text())["lineage"])
