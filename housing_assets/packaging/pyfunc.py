"""The MLflow flavour of a model artifact: what ``mlflow.pyfunc.load_model`` calls. It knows no pickle."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.packaging.batch import predict_frame

if TYPE_CHECKING:
    import pandas as pd


class HousingPriceClassifier:
    """Predicts price categories of raw listings."""

    def __init__(self, artifact: ModelArtifact):
        self.artifact = artifact

    def predict(self, model_input: "pd.DataFrame", params: dict[str, Any] | None = None) -> "pd.DataFrame":
        """Return one answer for each raw listing; see ``packaging.batch.predict_frame``. There are no parameters."""
        return predict_frame(self.artifact, model_input)


def _load_pyfunc(path: str) -> HousingPriceClassifier:
    return HousingPriceClassifier(ModelArtifact.load(Path(path)))
