"""The files that all servers and clients share, in the folder of a run."""

from pathlib import Path

import orjson

ARTIFACT = "artifact"
"""Folder of the model artifact."""

REGISTRY = "mlflow.db"
"""Database of the registry that has the same model as its first version."""

REQUESTS = "requests.jsonl"
"""JSON bodies of one raw ad each."""

INVOCATIONS = "invocations.jsonl"
"""The same for MLflow's scoring server."""

USUAL_MODEL = "usual.joblib"
USUAL_LOG = "usual.log"

USUAL_FOLDER = "USUAL_FOLDER"
"""Environment variable by which the usual service finds this folder."""


def read_requests(folder: Path) -> list[dict[str, str | float]]:
    """Return the ads to ask about, as raw cells by column."""
    return [orjson.loads(line) for line in (folder / REQUESTS).read_bytes().splitlines()]
