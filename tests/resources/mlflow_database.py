"""An empty MLflow database, made once: MLflow takes seconds to create its tables."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

_KEPT = TemporaryDirectory()
_MAKING = Lock()  # `cache` lets two threads make the same thing


def new_database(folder: Path) -> str:
    """Put an empty database into a folder, where ``Settings(storage=folder)`` looks for it, and return its URI."""
    folder.mkdir(parents=True, exist_ok=True)
    with _MAKING:
        template = _template()
    shutil.copy(template, folder / "mlflow.db")
    return f"sqlite:///{folder / 'mlflow.db'}"


@cache
def _template() -> Path:
    from mlflow import MlflowClient

    path = Path(_KEPT.name) / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments()
    return path
