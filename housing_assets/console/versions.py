"""The registered versions with what their MLflow runs measured."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from housing_assets.packaging.card.document import PAGE
from resources.mlflow.registry import CARD, DECISION, PRODUCTION, ROLLED_BACK, ModelRegistry, Version

MOST = 50
"""Versions that are shown, the newest: a year of weekly trainings."""

METRICS = ("macro_f1", "accuracy", "roc_auc_ovr", "calibration_error")
"""The metrics that a table of versions has room for; MLflow has all of them."""


@dataclass(frozen=True)
class Registered:
    """A version, with the run that it was trained in.

    Attributes
    ----------
    version : Version
    experiment_id : str
        Empty where the run was removed from MLflow.
    metrics, parameters : mapping
        Of the run.
    """

    version: Version
    experiment_id: str = ""
    metrics: Mapping[str, float] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def run_removed(self) -> bool:
        """Whether its run was removed from MLflow, as ``mlflow gc`` does."""
        return not self.experiment_id

    @property
    def in_production(self) -> bool:
        """Whether it is the champion."""
        return PRODUCTION in self.version.aliases

    @property
    def decision(self) -> str:
        """What was decided about it."""
        return self.version.tags.get(DECISION, "not decided")

    @property
    def reason(self) -> str:
        """Why that was decided."""
        return self.version.tags.get("reason", "")

    @property
    def has_card(self) -> bool:
        """Whether a model card was written of it, and is kept: it is stored with the run."""
        return CARD in self.version.tags and not self.run_removed

    @property
    def rolled_back(self) -> str:
        """When production was taken from it, and why; empty where it never was."""
        return self.version.tags.get(ROLLED_BACK, "")


class Versions:
    """Reads the registry; what a run measured is read once."""

    def __init__(self, registry: ModelRegistry) -> None:
        self._registry = registry
        self._runs: dict[str, Any] = {}

    def read(self) -> tuple[Registered, ...]:
        """Return the newest versions, newest first.

        Raises
        ------
        mlflow.exceptions.MlflowException, sqlalchemy.exc.SQLAlchemyError
            If the registry cannot be read.
        """
        return tuple(map(self._with_run, self._registry.versions()[:MOST]))

    def card(self, number: int) -> str | None:
        """Return the model card of a version as a page, None where there is none, or none any more."""
        try:
            version = self._registry.numbered(number)
            return None if self._run(version) is None else self._registry.read_card(version, PAGE)
        except LookupError:
            return None

    def _run(self, version: Version) -> Any:
        """Return the run of a version, None where it was removed for good."""
        from mlflow.exceptions import MlflowException

        if version.run_id not in self._runs:
            try:
                self._runs[version.run_id] = self._registry.client().get_run(version.run_id)
            except MlflowException as fault:
                if fault.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
                self._runs[version.run_id] = None
        return self._runs[version.run_id]

    def _with_run(self, version: Version) -> Registered:
        run = self._run(version)
        if run is None:
            return Registered(version)
        return Registered(version, str(run.info.experiment_id), dict(run.data.metrics), dict(run.data.params))
