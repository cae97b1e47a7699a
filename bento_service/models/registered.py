"""The registered versions that aliases point to, as models: from the cache where they are in it, else downloaded.

Look-ups and loading block, and are for one background thread; ``state`` may be read by any.
"""

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from weakref import WeakValueDictionary

from bento_service.answers import RegistryState, Tier
from bento_service.models.availability import (
    Availability,
    SourceStatus,
    Unavailable,
    describe_shortage,
    load_artifact,
    write_version,
)
from bento_service.models.mlflow_rest import SHA256_TAG, SIGNATURE_TAG, RegisteredVersion, RegistryFault
from bento_service.models.registry import MlflowRegistry
from bento_service.models.version_cache import NamedVersions, VersionCache
from housing_assets.inference.artifact import ArtifactRefused, ModelArtifact
from resources.signatures import is_signed

ALIASES = (Tier.PRODUCTION.value, Tier.STAGING.value)
"""What is looked up in the registry: its aliases are the names of the tiers."""

MAX_DEATHS = 2
"""Processes that may die while they load a version before it is quarantined: one may have been killed by chance."""

logger = logging.getLogger("housing.models")


class RegisteredModels:
    """Models of the versions that the aliases of a registry point to.

    Parameters
    ----------
    registry : MlflowRegistry, optional
        None: no alias points to a version.
    cache_folder : Path
        Where downloaded versions are kept; processes may share it.
    refusal_seconds : float
        How long a refused version is not fetched again, unless no alias points to it meanwhile.
    allow_unverified : bool
        Whether versions are loaded that were registered without the digest of their manifest.
    trusted_signers : sequence of str
        Public keys one of which must have signed a version; none is needed where there are none.

    Attributes
    ----------
    vanished : str or None
        What the registry no longer knows, though it did, and that this is not believed.
    """

    def __init__(
        self,
        registry: MlflowRegistry | None,
        cache_folder: Path,
        refusal_seconds: float,
        *,
        allow_unverified: bool = False,
        trusted_signers: Sequence[str] = (),
    ):
        self._trusted_signers = tuple(trusted_signers)
        self.vanished: str | None = None
        self._registry = registry
        self._allow_unverified = allow_unverified
        self._refusal_seconds = refusal_seconds
        self._cache = VersionCache(cache_folder, f"{registry.url} {registry.model_name}" if registry else "")
        self._named = self._cache.recall() if registry else None
        self._fault: str | None = "no look-up yet" if registry else None
        self._cache_fault: str | None = None
        self._refused: dict[RegisteredVersion, tuple[str, float]] = {}
        self._models: WeakValueDictionary[RegisteredVersion, ModelArtifact] = WeakValueDictionary()
        self._last_loaded = self._cache.recall_loaded() if registry else None

    def look_up(self) -> None:
        """Look the aliases up in the registry; while it does not answer, the last known versions stay."""
        if self._registry is None:
            return
        try:
            versions = self._registry.resolve(*ALIASES)
            self.vanished = self._find_vanished(versions)
            if self.vanished is not None:
                raise RegistryFault(self.vanished)
        except RegistryFault as fault:
            if self._fault != str(fault):
                logger.warning("the aliases cannot be looked up in the registry: %s", fault)
            self._fault = str(fault)
            return
        if self._fault is not None:
            logger.info("the registry answers")
        self._fault = None
        self._named = NamedVersions(versions, time.time())
        self._refused = {version: why for version, why in self._refused.items() if version in versions.values()}
        try:
            self._cache.remember(self._named)
            self._cache.forget_deaths_of_others(versions.values())
            self._cache_fault = None
        except OSError as fault:
            self._cache_fault = str(fault)

    def status(self, alias: str) -> SourceStatus:
        """Return whether the version that an alias points to can be had, without loading it."""
        try:
            version = self._version(alias)
            self._require_unrefused(version)
        except Unavailable as fault:
            return fault.status
        return SourceStatus(Availability.AVAILABLE, str(version.number))

    def load(self, alias: str) -> tuple[str, ModelArtifact]:
        """Return the number and the model of the version that an alias points to.

        Raises
        ------
        Unavailable
            If it points to none, or to one that cannot be loaded or downloaded now, or is refused.
        """
        version = self._version(alias)
        model = self._models.get(version)
        if model is None:
            self._require_unrefused(version)
            model = self._models[version] = self._load_cached(version) or self._load_anew(version)
        if alias == Tier.PRODUCTION and version != self._last_loaded:
            self._note_loaded(version)
        return str(version.number), model

    def load_last(self) -> tuple[str, ModelArtifact] | None:
        """Return the version that was in production before, where it is in the cache and is not refused."""
        version = self._last_loaded
        if version is None:
            return None
        try:
            self._require_unrefused(version)
            model = self._models.get(version) or self._load_cached(version)
        except Unavailable:  # the tiers below production need no cache
            return None
        if model is None:
            return None
        self._models[version] = model
        return str(version.number), model

    def stop(self) -> None:
        """Make no further attempts, and take back that a version is being loaded."""
        if self._registry is not None:
            self._registry.close()
            self._cache.withdraw_marks()

    def folders(self) -> list[Path]:
        """Return the folders of the versions that were downloaded, the newest first."""
        return [] if self._registry is None else self._cache.paths()

    def age(self) -> float | None:
        """Return the seconds since the last look-up that the registry answered; None if it never did."""
        return None if self._named is None else max(0.0, time.time() - self._named.confirmed_at)

    def state(self) -> RegistryState:
        """Return what is known of the registry and its aliases."""
        registry, named = self._registry, self._named
        return {
            "url": registry.url if registry else None,
            "breakers": registry.breakers if registry else None,
            "aliases": {alias: version.number for alias, version in named.versions.items()} if named else {},
            "aliases_confirmed": self._fault is None and named is not None,
            "age_seconds": self.age(),
            "last_error": self._fault,
            "cache_error": self._cache_fault,
        }

    def _version(self, alias: str) -> RegisteredVersion:
        if self._registry is None:
            raise Unavailable(Availability.ABSENT, "no registry is configured")
        if self._named is None:
            raise Unavailable(Availability.UNREACHABLE, f"the registry has not answered yet: {self._fault}")
        version = self._named.versions.get(alias)
        if version is None:
            raise Unavailable(Availability.ABSENT, f"no version has the alias {alias}")
        return version

    def _find_vanished(self, versions: Mapping[str, RegisteredVersion]) -> str | None:
        """Return which known alias is missing, unless it may be: a challenger's comes and goes beside production's.

        Nobody takes production away; a registry that was reset, restored or is another one has forgotten it.
        """
        known = self._named.versions if self._named else {}
        missing = [alias for alias in ALIASES if alias in known and alias not in versions]
        if not missing or (versions and Tier.PRODUCTION not in missing):
            return None
        were = ", ".join(f"{alias}, which was version {known[alias].number}" for alias in missing)
        return f"it no longer knows {were}: taken for a fault, what is known stays"

    def _require_unrefused(self, version: RegisteredVersion) -> None:
        reason, until = self._refused.get(version, ("", 0.0))
        if time.monotonic() < until:
            raise Unavailable(Availability.REFUSED, reason, str(version.number))
        if version.artifact_sha256 is None and not self._allow_unverified:
            raise Unavailable(
                Availability.REFUSED,
                f"it was registered without the tag {SHA256_TAG}, the digest of its manifest: register it anew, or set "
                "HOUSING_ALLOW_UNVERIFIED=true",
                str(version.number),
            )
        if self._trusted_signers and not self._is_signed(version):
            raise Unavailable(
                Availability.REFUSED,
                f"none of HOUSING_TRUSTED_SIGNERS has signed it (the tag {SIGNATURE_TAG})",
                str(version.number),
            )
        deaths = self._cache.deaths(version)
        if deaths >= MAX_DEATHS:
            raise Unavailable(
                Availability.REFUSED,
                f"{deaths} processes died while they loaded it: it is in quarantine until no alias points to it",
                str(version.number),
            )

    def _is_signed(self, version: RegisteredVersion) -> bool:
        digest, signature = version.artifact_sha256, version.artifact_signature
        return bool(digest and signature and is_signed(digest, signature, self._trusted_signers))

    def _load_cached(self, version: RegisteredVersion) -> ModelArtifact | None:
        """Return the model of a version in the cache, None where it is not there; what is damaged is removed from it.

        Raises
        ------
        Unavailable
            If it is there and whole, but cannot be loaded: a look-up later may, so nothing is removed.
        """
        folder = self._cache.path(version)
        if not folder.is_dir():
            return None
        try:
            return self._load_unless_damaged(version, folder)
        except ArtifactRefused as fault:
            raise self._refuse(version, fault) from fault
        except (OSError, MemoryError) as fault:
            self._cache_fault = describe_shortage(fault)
            raise Unavailable(Availability.UNREACHABLE, self._cache_fault, str(version.number)) from fault

    def _load_unless_damaged(self, version: RegisteredVersion, folder: Path) -> ModelArtifact | None:
        try:
            return self._load(version, folder)
        except (ArtifactRefused, OSError):  # loading checks every file: only where it fails are they read once more
            if not _is_damaged(version, folder):
                raise
        self._cache.discard(version)
        return None

    def _load_anew(self, version: RegisteredVersion) -> ModelArtifact:
        try:
            return self._download(version)
        except RegistryFault as fault:
            raise Unavailable(Availability.UNREACHABLE, str(fault), str(version.number)) from fault
        except (ArtifactRefused, OSError, MemoryError) as fault:
            raise self._refuse(version, fault) from fault

    def _refuse(self, version: RegisteredVersion, fault: Exception) -> Unavailable:
        """Note that a version is not to be loaded again for a while, and return what to raise."""
        reason = str(fault) or type(fault).__name__
        self._refused = {**self._refused, version: (reason, time.monotonic() + self._refusal_seconds)}
        return Unavailable(Availability.REFUSED, reason, str(version.number))

    def _download(self, version: RegisteredVersion) -> ModelArtifact:
        if self._registry is None or self._fault is not None:
            raise RegistryFault(f"it is not in the cache, and the registry does not answer: {self._fault}")
        with self._cache.adding(version) as folder:
            self._registry.fetch(version, folder)
            model = self._load(version, folder)
            write_version(folder, version.number)
        named = self._named.versions.values() if self._named else ()
        last = [] if self._last_loaded is None else [self._last_loaded]
        try:
            self._cache.prune({*named, *self._models, *last})
        except OSError as fault:
            self._cache_fault = str(fault)
        return model

    def _load(self, version: RegisteredVersion, folder: Path) -> ModelArtifact:
        version.require_manifest(folder)
        with self._cache.loading(version):
            model = load_artifact(folder)
        self._cache.forget_deaths(version)
        return model

    def _note_loaded(self, version: RegisteredVersion) -> None:
        self._last_loaded = version
        try:
            self._cache.remember_loaded(version)
        except OSError as fault:
            self._cache_fault = str(fault)


def _is_damaged(version: RegisteredVersion, folder: Path) -> bool:
    try:
        version.require_files(folder)
    except ArtifactRefused as fault:
        logger.warning("version %d is damaged in the cache and is removed from it: %s", version.number, fault)
        return True
    return False
