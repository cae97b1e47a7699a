"""The references of registered versions, read from the registry when they are first asked for."""

import json

from housing_assets.inference.labels import LabelScheme
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.profiles.reference import FILE, Reference
from housing_assets.monitoring.profiles.refused import ProfileRefused
from resources.mlflow.registry import LINEAGE_CONTRACT, PRODUCTION, STAGING, ModelRegistry, Version


class References:
    """What each registered version is held against.

    Parameters
    ----------
    registry : ModelRegistry

    Attributes
    ----------
    troubles : list of str
        Why a version that was asked for cannot be judged, a sentence each.
    """

    def __init__(self, registry: ModelRegistry):
        self._registry = registry
        self._versions = {version.number: version for version in registry.versions()}
        self._references: dict[int, Reference | None] = {}
        self._labels: dict[int, LabelScheme | None] = {}
        self.troubles: list[str] = []

    @property
    def production(self) -> Version | None:
        """The version in production, the champion."""
        return self._with_alias(PRODUCTION)

    @property
    def challenger(self) -> Version | None:
        """The version in staging, None if it is also the one in production."""
        staged = self._with_alias(STAGING)
        return None if staged is None or PRODUCTION in staged.aliases else staged

    def version(self, number: int) -> Version | None:
        """Return a version, None if it is not registered."""
        return self._versions.get(number)

    def of(self, number: int) -> Reference | None:
        """Return a version's reference, None if it is not registered, or without a reference that can be read."""
        if number not in self._references:
            self._references[number] = self._fetch(number)
        return self._references[number]

    def profile_of(self, number: int) -> Profile | None:
        """Return the profile of a version's reference, None if it has none."""
        reference = self.of(number)
        return None if reference is None else reference.profile

    def labels_of(self, number: int) -> LabelScheme | None:
        """Return what a version's categories mean, None if it is not registered, or that cannot be read."""
        if number not in self._labels:
            self._labels[number] = self._read_labels(number)
        return self._labels[number]

    def _with_alias(self, alias: str) -> Version | None:
        return next((version for version in self._versions.values() if alias in version.aliases), None)

    def _fetch(self, number: int) -> Reference | None:
        version = self._versions.get(number)
        if version is None:
            self.troubles.append(f"version {number} is not registered")
            return None
        try:
            return Reference.from_json(self._registry.read_text(version, FILE))
        except (LookupError, ProfileRefused) as fault:
            self.troubles.append(f"version {number} has no reference: {fault}")
            return None

    def _read_labels(self, number: int) -> LabelScheme | None:
        version = self._versions.get(number)
        if version is None:
            return None
        try:
            return LabelScheme.from_dict(json.loads(version.tags[LINEAGE_CONTRACT]))
        except (LookupError, ValueError, TypeError) as fault:
            self.troubles.append(f"the categories of version {number} cannot be read: {fault}")
            return None
