"""The references of registered versions, read from the registry when they are first asked for."""

import json

from housing_assets.features.bands import PriceBands
from housing_assets.monitoring.profile import Profile, ProfileRefused
from housing_assets.monitoring.reference import FILE, Reference
from resources.model_registry import LINEAGE_CONTRACT, PRODUCTION, ModelRegistry, Version


class References:
    """What each registered version is held against.

    Parameters
    ----------
    registry : ModelRegistry

    Attributes
    ----------
    troubles : list of str
        Why a version that was asked for has no reference, a sentence each.
    """

    def __init__(self, registry: ModelRegistry):
        self._registry = registry
        self._versions = {version.number: version for version in registry.versions()}
        self._read: dict[int, Reference | None] = {}
        self.troubles: list[str] = []

    @property
    def production(self) -> Version | None:
        """The version in production."""
        return next((version for version in self._versions.values() if PRODUCTION in version.aliases), None)

    def version(self, number: int) -> Version | None:
        """Return a version, None if it is not registered."""
        return self._versions.get(number)

    def of(self, number: int) -> Reference | None:
        """Return a version's reference, None if it is not registered, or without a reference that can be read."""
        if number not in self._read:
            self._read[number] = self._fetch(number)
        return self._read[number]

    def profile_of(self, number: int) -> Profile | None:
        """Return the profile of a version's reference, None if it has none."""
        reference = self.of(number)
        return None if reference is None else reference.profile

    def bands_of(self, number: int) -> PriceBands | None:
        """Return the price bands of a version, None if it is not registered."""
        version = self._versions.get(number)
        return None if version is None else PriceBands.from_dict(json.loads(version.tags[LINEAGE_CONTRACT]))

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
