"""What MLflow keeps of versions and runs that were deleted: their files, which deleting them leaves where they are."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.store.artifact.artifact_repo import ArtifactRepository


@dataclass(frozen=True)
class Garbage:
    """Files that no version and no run refers to.

    Attributes
    ----------
    location : str
        URI of their folder.
    model_id : str
        Of the logged model that they are; empty where they are those of a deleted run.
    n_bytes : int
    """

    location: str
    model_id: str
    n_bytes: int


def find_garbage(tracking_uri: str, experiment: str, model: str, before: datetime) -> list[Garbage]:
    """Find the files of logged models without a version, and of deleted runs, from before a moment.

    Parameters
    ----------
    tracking_uri : str
    experiment, model : str
        Names of the experiment and of the registered model whose versions are meant.
    before : datetime
        A model without a version that was logged later may be about to be registered.
    """
    client = _client(tracking_uri)
    found = client.get_experiment_by_name(experiment)
    if found is None:
        return []
    moment = before.timestamp() * 1000
    versions = client.search_model_versions(f"name = '{model}'")
    registered = {str(version.source).rpartition("/")[2] for version in versions} | {
        str(version.model_id) for version in versions
    }
    unused = [
        (str(logged.artifact_location), logged.model_id)
        for logged in _logged_models(client, found.experiment_id)
        if logged.model_id not in registered and logged.creation_timestamp < moment
    ]
    deleted = [
        (str(run.info.artifact_uri), "")
        for run in _deleted_runs(client, found.experiment_id)
        if (run.info.end_time or run.info.start_time) < moment
    ]
    sized = [Garbage(location, model_id, _size(_repository(location), None)) for location, model_id in unused + deleted]
    return [one for one in sized if one.n_bytes or one.model_id]


def remove_garbage(tracking_uri: str, garbage: Garbage) -> None:
    """Remove files, and the logged model that they were.

    The rows of the tracking store stay, marked as deleted, until ``mlflow gc`` is run beside the server.
    """
    client = _client(tracking_uri)
    if garbage.n_bytes:
        _repository(garbage.location).delete_artifacts()  # type: ignore[no-untyped-call]
    if garbage.model_id:
        client.delete_logged_model(garbage.model_id)


def _client(tracking_uri: str) -> "MlflowClient":
    """Return a client of a tracking server, by which the files are reached, too."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    import mlflow

    mlflow.set_tracking_uri(tracking_uri)
    return mlflow.MlflowClient(tracking_uri)


def _logged_models(client: "MlflowClient", experiment_id: str) -> "Iterator[Any]":
    token = None
    while True:
        page = client.search_logged_models([experiment_id], page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _deleted_runs(client: "MlflowClient", experiment_id: str) -> "Iterator[Any]":
    from mlflow.entities import ViewType

    token = None
    while True:
        page = client.search_runs([experiment_id], run_view_type=ViewType.DELETED_ONLY, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def _repository(location: str) -> "ArtifactRepository":
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    return get_artifact_repository(location)


def _size(repository: "ArtifactRepository", path: str | None) -> int:
    entries = repository.list_artifacts(path)
    return sum(_size(repository, one.path) if one.is_dir else int(one.file_size or 0) for one in entries)
