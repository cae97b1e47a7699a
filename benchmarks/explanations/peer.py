"""The library shap's path-dependent TreeSHAP, in the environment that ``peer_environment`` makes."""

from pathlib import Path

import joblib
import numpy as np
import shap

from benchmarks.explanations.files import GROWN, PEER, ROWS
from benchmarks.measure import Work


def exact(folder: Path) -> Work:
    """Find Shapley values; the trees are taken over from scikit-learn before the clock starts."""
    explainer = shap.TreeExplainer(joblib.load(folder / GROWN), feature_perturbation="tree_path_dependent")
    rows = np.load(folder / ROWS)

    def outcome(found: np.ndarray) -> dict[str, int]:
        np.save(folder / PEER, found)
        return {"rows": len(found)}

    return Work(lambda: np.concatenate([explainer.shap_values(row[None, :]) for row in rows]), outcome)
