"""The registry of model versions: aliases, promotion, rollback, and the audit trail of both."""

import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dagster as dg

from resources.mlflow.tracking import DAGSTER_RUN_TAG
from resources.settings import MODEL_NAME

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient
    from mlflow.entities.model_registry import ModelVersion
    from mlflow.exceptions import MlflowException
    from mlflow.models.model import ModelInfo

PRODUCTION = "production"
STAGING = "staging"
REPLACED = "replaced_version"
"""Tag of a promoted version: the version that was in production before it; a rollback goes back there."""

ROLLED_BACK = "rolled_back"
"""Tag of a version: each time that production was taken from it, to which version and why."""

DECISION, PROMOTED, NOT_PROMOTED = "decision", "promoted", "not promoted"
"""Tag of a version: what was decided about it. It says that it is promoted from when it has been in production on."""

LABELLED_DAYS = "labelled_days"
"""Tag of a version: the days of production that it learned from, or was judged on, as ``write_ranges`` has them."""

CARD = "model_card"
"""Tag of a version: where its model card lies among the files of its run, as ``model_card/version-3``."""

LINEAGE_CONTRACT = "price_bands"
"""Tag of a version: its label scheme as JSON. The name is from when there were only price bands."""


@dataclass(frozen=True)
class Version:
    """A registered version and its audit trail."""

    number: int
    aliases: tuple[str, ...]
    tags: Mapping[str, str]
    run_id: str
    source: str
    registered_at: datetime


class ModelRegistry(dg.ConfigurableResource):
    """Versions of the registered model in MLflow."""

    tracking_uri: str
    model_name: str = MODEL_NAME

    def client(self) -> "MlflowClient":
        """Return a client of the registry."""
        from mlflow import MlflowClient

        return MlflowClient(tracking_uri=self.tracking_uri)

    def with_alias(self, alias: str) -> Version | None:
        """Return the version that an alias names, None if none does.

        Raises
        ------
        mlflow.exceptions.MlflowException
            If the registry cannot be asked.
        """
        from mlflow.exceptions import MlflowException

        try:
            found = self.client().get_model_version_by_alias(self.model_name, alias)
        except MlflowException as fault:
            if _says_no_version_has(alias, fault):
                return None
            raise
        return _as_version(found, tuple(sorted(found.aliases)))

    def numbered(self, number: int) -> Version:
        """Return a version by its number.

        Raises
        ------
        LookupError
            If there is none; the message names those that there are.
        """
        versions = self.versions()
        found = next((version for version in versions if version.number == number), None)
        if found is None:
            known = ", ".join(str(version.number) for version in versions) or "none"
            raise LookupError(f"{self.model_name} has no version {number}; there are {known}")
        return found

    def versions(self) -> list[Version]:
        """Return all versions, newest first."""
        client = self.client()
        aliases: dict[int, list[str]] = {}
        for model in client.search_registered_models(f"name = '{self.model_name}'"):
            for alias, number in client.get_registered_model(model.name).aliases.items():
                aliases.setdefault(int(number), []).append(alias)
        found = client.search_model_versions(f"name = '{self.model_name}'")
        versions = [_as_version(each, tuple(sorted(aliases.get(int(each.version), ())))) for each in found]
        return sorted(versions, key=lambda version: version.number, reverse=True)

    def registered_in(self, dagster_run: str) -> Version | None:
        """Return the version that a Dagster run has registered, None if it has registered none."""
        return next((one for one in self.versions() if one.tags.get(DAGSTER_RUN_TAG) == dagster_run), None)

    def lineage_contract(self) -> dict[str, Any] | None:
        """Return the label scheme that new versions keep: that in production, else that of the newest version.

        It is returned as it was stored: a version of an earlier release does not name its categories in it.
        """
        versions = self.versions()
        kept = self.with_alias(PRODUCTION) or (versions[0] if versions else None)
        return None if kept is None else json.loads(kept.tags[LINEAGE_CONTRACT])

    def download(self, version: Version, folder: Path) -> Path:
        """Download a version's files and return the folder of its model artifact."""
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # two bars a download in the run's log
        import mlflow

        mlflow.set_tracking_uri(self.tracking_uri)
        uri = f"models:/{self.model_name}/{version.number}"
        root = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=str(folder)))
        return root / _data_folder((root / "MLmodel").read_text())

    def read_text(self, version: Version, name: str) -> str:
        """Return one file of a version's model artifact.

        Raises
        ------
        LookupError
            If the version has no such file.
        mlflow.exceptions.MlflowException, OSError
            If the registry, or where it keeps its files, cannot be read.
        """
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import mlflow

        mlflow.set_tracking_uri(self.tracking_uri)
        uri = f"models:/{self.model_name}/{version.number}"
        folder = f"{uri}/{_data_folder(mlflow.artifacts.load_text(f'{uri}/MLmodel'))}"
        # Asked for a file that is not there, each kind of storage fails in its own way, as it does when it is down.
        if name not in {Path(file.path).name for file in mlflow.artifacts.list_artifacts(artifact_uri=folder)}:
            raise LookupError(f"version {version.number} of {self.model_name} has no {name}")
        return str(mlflow.artifacts.load_text(f"{folder}/{name}"))

    def attach_card(self, version: Version, folder: Path, summary: str) -> str:
        """Store a version's model card with its run, and say in the version's description what and where it is.

        Parameters
        ----------
        version : Version
        folder : Path
            With the card's files.
        summary : str
            The first lines of it.

        Returns
        -------
        path : str
            Among the files of the run: more than one version may come of a run.
        """
        client, path = self.client(), f"{CARD}/version-{version.number}"
        client.log_artifacts(version.run_id, str(folder), path)
        told = f"{summary} The model card is {path} among the artifacts of the run."
        client.update_model_version(self.model_name, str(version.number), told)
        self.tag(version, {CARD: path})
        return path

    def read_card(self, version: Version, name: str) -> str:
        """Return one file of a version's model card.

        Raises
        ------
        LookupError
            If it has none, as a version of an older release.
        mlflow.exceptions.MlflowException, OSError
            If the registry, or where it keeps its files, cannot be read.
        """
        from tempfile import TemporaryDirectory

        if CARD not in version.tags:
            raise LookupError(f"version {version.number} of {self.model_name} has no model card")
        with TemporaryDirectory() as folder:
            found = self.client().download_artifacts(version.run_id, f"{version.tags[CARD]}/{name}", folder)
            return Path(found).read_text(encoding="utf-8")

    def predict(self, version: Version, raw: "pd.DataFrame") -> "pd.DataFrame":
        """Return what a version answers to raw rows, one row each.

        Raises
        ------
        mlflow.exceptions.MlflowException, ValueError, OSError
            If it cannot be loaded.
        """
        os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
        import mlflow

        mlflow.set_tracking_uri(self.tracking_uri)
        model = mlflow.pyfunc.load_model(f"models:/{self.model_name}/{version.number}")
        return model.predict(raw)

    def register(
        self,
        folder: Path,
        run_id: str,
        tags: Mapping[str, str],
        lineage_contract: Mapping[str, Any],
        *,
        loader_module: str,
        requirements: Sequence[str],
        example: "pd.DataFrame",
        answer: Mapping[str, str],
        required: Collection[str] = (),
    ) -> Version:
        """Log a model artifact to an MLflow run, whose status stays as it is, and register it as a new version.

        Parameters
        ----------
        folder : Path
            Of the artifact.
        run_id : str
            The MLflow run that it was trained in.
        tags : mapping of str to str
            The audit trail: fingerprints, commit, decision.
        lineage_contract : mapping
            What later versions of the lineage keep, as JSON types.
        loader_module : str
            Module whose ``_load_pyfunc(path)`` reads the artifact; no code or pickle is stored with the model.
        requirements : sequence of str
            What must be installed to load it, as pip writes it.
        example : DataFrame
            Input to predict from, stored with the model; each of its columns may hold any type, and a null.
        answer : mapping of str to str
            Columns of a prediction and their MLflow types.
        required : collection of str
            Columns that must not be absent, as misnamed ones are. MLflow drops those that it does not know, and has
            no rows left of a frame without a known one.
        """
        from mlflow.exceptions import MlflowException
        from mlflow.models import ModelSignature
        from mlflow.types import ColSpec, Schema
        from mlflow.types.schema import AnyType

        any_type = AnyType()  # type: ignore[no-untyped-call]
        client = self.client()
        logged = self._log_model(
            run_id,
            loader_module=loader_module,
            data_path=str(folder),
            signature=ModelSignature(
                inputs=Schema([ColSpec(any_type, name, required=name in required) for name in example.columns]),
                outputs=Schema([ColSpec(kind, name) for name, kind in answer.items()]),
            ),
            input_example=example,
            pip_requirements=list(requirements),
        )
        try:
            client.create_registered_model(self.model_name)
        except MlflowException as fault:
            if fault.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        labels = {**tags, LINEAGE_CONTRACT: json.dumps(lineage_contract)}
        created = client.create_model_version(
            self.model_name, source=logged.model_uri, run_id=run_id, tags=labels, model_id=logged.model_id
        )
        return _as_version(created, ())

    def _log_model(self, run_id: str, **described: Any) -> "ModelInfo":
        """Do what ``mlflow.pyfunc.log_model`` does, which would reopen the run and end it as FINISHED."""
        import mlflow
        from mlflow.models import Model

        mlflow.set_tracking_uri(self.tracking_uri)
        client = self.client()
        trained = client.get_run(run_id)
        created = client.create_logged_model(
            trained.info.experiment_id, name="model", source_run_id=run_id, params=trained.data.params
        )
        return Model.log(
            artifact_path=None,
            flavor=mlflow.pyfunc,
            name="model",
            run_id=run_id,
            model_id=created.model_id,
            **described,
        )

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        """Set tags of a version; its others stay."""
        client = self.client()
        for name, value in tags.items():
            client.set_model_version_tag(self.model_name, str(version.number), name, value)

    def point(self, alias: str, version: Version) -> None:
        """Point an alias to a version and record nothing, as where the same model was registered anew."""
        self.client().set_registered_model_alias(self.model_name, alias, str(version.number))

    def stage(self, version: Version) -> None:
        """Point the alias ``staging`` to a version."""
        self.point(STAGING, version)

    def promote(self, version: Version) -> None:
        """Point the alias ``production`` to a version, remembering the one it replaces, and record that it is there."""
        replaced = self.with_alias(PRODUCTION)
        if replaced is not None and replaced.number != version.number:
            self.tag(version, {REPLACED: str(replaced.number)})
        self.point(PRODUCTION, version)
        # Last, so that a process that dies before has not recorded what never happened.
        self.tag(version, {DECISION: PROMOTED})

    def rollback(
        self, to: int | None = None, reason: str = "", *, replacing: int | None = None
    ) -> tuple[Version, Version]:
        """Point ``production`` back to an earlier version and record why.

        Parameters
        ----------
        to : int, optional
            A version; by default the one that the current version replaced.
        reason : str
        replacing : int, optional
            The version that must be in production for it.

        Returns
        -------
        old, new : Version
            The versions that were and are in production.

        Raises
        ------
        LookupError
            If nothing is in production, or another version than ``replacing``, if there is no such version to go back
            to, or it is in production.
        """
        current = self.with_alias(PRODUCTION)
        if current is None:
            raise LookupError(f"no version of {self.model_name} is in production")
        if replacing not in (None, current.number):
            raise LookupError(f"version {current.number} is in production, not {replacing}")
        if to == current.number:
            raise LookupError(f"version {to} is in production already")
        target = to if to is not None else int(current.tags.get(REPLACED, 0))
        found = [version for version in self.versions() if version.number == target]
        if not found:
            known = ", ".join(str(version.number) for version in self.versions())
            wanted = f"version {target}" if to is not None else f"version that {current.number} replaced"
            raise LookupError(f"{self.model_name} has no {wanted} to go back to; there are {known}")
        self.point(PRODUCTION, found[0])
        note = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC to version {target}: {reason or 'no reason given'}"
        notes = [*filter(None, [current.tags.get(ROLLED_BACK)]), note]
        self.tag(current, {ROLLED_BACK: "; ".join(notes)})
        return current, found[0]


def _says_no_version_has(alias: str, fault: "MlflowException") -> bool:
    """Tell whether a fault is the registry's answer that there is no such model or alias, and no failure to answer.

    An alias that no version has is an invalid parameter to MLflow, as a malformed name is: only the message differs.
    """
    if fault.error_code == "INVALID_PARAMETER_VALUE":
        return f"alias {alias} not found" in str(fault)
    return fault.error_code == "RESOURCE_DOES_NOT_EXIST"


def _data_folder(described: str) -> str:
    """Return the name of the model artifact's folder among the files of a version, from the text of its ``MLmodel``."""
    import yaml

    # The parser in C: what describes a model is read by every report, and takes the one in Python some 50 ms.
    return str(yaml.load(described, Loader=yaml.CSafeLoader)["flavors"]["python_function"]["data"])


def _as_version(version: "ModelVersion", aliases: tuple[str, ...]) -> Version:
    tags: dict[str, Any] = version.tags or {}
    registered_at = datetime.fromtimestamp(version.creation_timestamp / 1e3, UTC)
    return Version(int(version.version), aliases, tags, str(version.run_id), str(version.source), registered_at)
