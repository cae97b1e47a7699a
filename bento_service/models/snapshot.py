"""The models that answer at one time: what a request reads once, and nothing replaces while it is answered."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

from bento_service.answers import Band, ServedVersion, Tier, Version
from bento_service.errors import no_model
from bento_service.models.availability import Model
from housing_assets.inference.artifact import ModelArtifact


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model that answers.

    Attributes
    ----------
    version : str
        The registered version's number; ``baked`` for a local model that does not know its own.
    tier : Tier
    model : ModelArtifact or FallbackRule
    since : datetime
        When it began to answer, in UTC.
    """

    version: str
    tier: Tier
    model: Model
    since: datetime = field(default_factory=lambda: datetime.now(UTC))

    @cached_property
    def bands(self) -> tuple[Band | None, ...]:
        """What each category stands for, as answers show it; made once, not for each answer."""
        labels = self.model.labels
        found = [labels.band(category) for category in range(len(labels.categories))]
        kind = self.model.market.common_price_kind
        return tuple(
            None if band is None else Band(above=band.above, up_to=band.up_to, currency=band.currency, price_kind=kind)
            for band in found
        )

    def summarize(self) -> ServedVersion:
        """Return which version it is, and since when it has answered."""
        return {"version": self.version, "tier": self.tier, "since": self.since.isoformat(timespec="seconds")}

    def describe(self) -> Version:
        """Return its labels, and a forest's metrics and fingerprints."""
        described: Version = {
            "model_version": self.version,
            "tier": self.tier,
            "bands": self.model.labels.to_dict(),
        }
        if isinstance(self.model, ModelArtifact):
            described["metrics"] = dict(self.model.metrics)
            described["fingerprints"] = dict(self.model.provenance)
        return described


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The models that answer at one time.

    Attributes
    ----------
    champion : ServedModel or None
    challenger : ServedModel or None
        The version in staging, where it is followed and is not the champion's.
    """

    champion: ServedModel | None = None
    challenger: ServedModel | None = None

    def require_champion(self) -> ServedModel:
        """Return the champion.

        Raises
        ------
        ServiceError
            If no model could be loaded yet.
        """
        if self.champion is None:
            raise no_model()
        return self.champion
