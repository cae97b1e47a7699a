"""Which model answers: of the version in production, else in staging, else baked in, else the rule.

A request reads ``ModelCascade.snapshot`` once; loading, checking and following the registry happen beside it, in a
thread of their own.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any

from bento_service.models.availability import Model, Standing, Status, Unavailable
from bento_service.models.baked import BakedModel, FallbackRule
from bento_service.models.registered import PRODUCTION, STAGING, RegisteredModels
from bento_service.models.registry import MlflowRegistry

logger = logging.getLogger("housing.models")

_STALE_REFRESHES = 4
"""Refreshes without an answer of the registry after which what is in production counts as unconfirmed: a single slow
download or lost packet is no news."""

_LET_GO_SECONDS = 1.0
"""How long stopping waits for the thread: an attempt under way may take longer, and nobody needs its result."""


class Tier(StrEnum):
    """Where a model comes from, the preferred source first."""

    PRODUCTION = PRODUCTION
    STAGING = STAGING
    BAKED = "baked"
    RULE = "rule"


@dataclass(frozen=True, eq=False)
class ServedModel:
    """A model that answers.

    Attributes
    ----------
    version : str
        The registered version's number; ``baked`` for a local model that does not know its own.
    tier : Tier
    model : ModelArtifact or PriceRule
    since : datetime
        When it began to answer, in UTC.
    """

    version: str
    tier: Tier
    model: Model
    since: datetime = field(default_factory=lambda: datetime.now(UTC))


@dataclass(frozen=True, eq=False)
class Snapshot:
    """The models that answer at one time.

    Attributes
    ----------
    champion : ServedModel or None
    challenger : ServedModel or None
        The version in staging, where it is followed and another one than the champion.
    """

    champion: ServedModel | None = None
    challenger: ServedModel | None = None


class ModelCascade:
    """Keeps the best model that can be had, and a challenger.

    A version that cannot be loaded, and a registry that does not answer, change nothing of what is served: only an
    alias that is moved or taken away does. A forest is never given up for the rule.

    Parameters
    ----------
    registry : MlflowRegistry, optional
        None: none is asked.
    baked_folder : Path, optional
        Of a local model artifact. A ``registration.json`` beside its files may tell its version.
    cache_folder : Path
        Where downloaded versions are kept; processes may share it.
    refresh_seconds : float
        How often the registry is asked.
    startup_wait_seconds : float
        How long starting waits for the registry before the best local model answers.
    follow_challenger : bool
        Whether the version in staging is loaded beside the champion.
    refusal_seconds : float
        How long a refused version is not fetched again, unless the aliases leave it meanwhile.

    Attributes
    ----------
    snapshot : Snapshot
        What answers; replaced as a whole.
    """

    def __init__(
        self,
        registry: MlflowRegistry | None,
        baked_folder: Path | None,
        cache_folder: Path,
        *,
        refresh_seconds: float = 10.0,
        startup_wait_seconds: float = 0.5,
        follow_challenger: bool = False,
        refusal_seconds: float = 600.0,
    ):
        self.snapshot = Snapshot()
        self._registry = registry
        self._refresh_seconds = refresh_seconds
        self._startup_wait_seconds = startup_wait_seconds
        self._follow_challenger = follow_challenger
        self._registered = RegisteredModels(registry, cache_folder, refusal_seconds)
        baked = [baked_folder] if baked_folder else []
        self._sources: Mapping[Tier, Callable[[], tuple[str, Model]]] = {
            Tier.PRODUCTION: partial(self._registered.load, PRODUCTION),
            Tier.STAGING: partial(self._registered.load, STAGING),
            Tier.BAKED: BakedModel(baked_folder).load,
            Tier.RULE: FallbackRule(lambda: baked + self._registered.folders()).load,
        }
        self._standings: Mapping[Tier, Standing] = {}
        self._refreshing = threading.Lock()
        self._refreshed_at: float | None = None
        self._crash: str | None = None
        self._asked = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-cascade", daemon=True)

    def start(self) -> None:
        """Take the best local model, then that of the registry if it answers in time, and go on following it."""
        begun = time.monotonic()
        with self._refreshing:
            self._choose()
        if self._registry is not None:
            self._thread.start()
            self._asked.wait(max(0.0, self._startup_wait_seconds - (time.monotonic() - begun)))

    def stop(self) -> None:
        """Follow the registry no longer; what answers stays."""
        self._stopping.set()
        if self._registry is not None:
            self._registry.close()
        if self._thread.is_alive():
            self._thread.join(_LET_GO_SECONDS)

    def refresh_now(self) -> None:
        """Ask the registry and load what it names; blocks for as long as that takes."""
        with self._refreshing:
            self._registered.look_up()
            self._choose()
            self._refreshed_at = time.monotonic()

    def state(self) -> dict[str, Any]:
        """Return what answers, how each source stands and what is known of the registry, as JSON types.

        Its ``status`` is ``healthy`` if the version that is in production answers and the registry said so lately,
        ``failing`` if nothing answers, else ``degraded``; ``reasons`` tells why.
        """
        snapshot = self.snapshot
        reasons = self._find_reasons(snapshot)
        status = "failing" if snapshot.champion is None else "degraded" if reasons else "healthy"
        return {
            "status": status,
            "reasons": reasons,
            "champion": _describe(snapshot.champion),
            "challenger": _describe(snapshot.challenger),
            "tiers": {str(tier): _describe_standing(tier, each, snapshot) for tier, each in self._standings.items()},
            "registry": self._registered.state(),
            "refreshed_seconds_ago": None if self._refreshed_at is None else time.monotonic() - self._refreshed_at,
        }

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.refresh_now()
                self._crash = None
            except Exception as fault:  # the thread must outlive whatever it meets: without it no promotion is seen
                logger.exception("following the registry failed")
                self._crash = f"{type(fault).__name__}: {fault}"
            self._asked.set()
            self._stopping.wait(self._refresh_seconds * random.uniform(0.9, 1.1))  # noqa: S311

    def _choose(self) -> None:
        champion = self._choose_champion()
        self._publish(champion, self.snapshot.challenger)
        if self._follow_challenger:
            self._publish(champion, self._choose_challenger(champion))

    def _choose_champion(self) -> ServedModel | None:
        current, chosen = self.snapshot.champion, None
        standings = {}
        for tier in Tier:
            if chosen is None:
                chosen, standings[tier] = self._try(tier, current)
            else:
                standings[tier] = self._find_standing(tier)
        self._note(standings)
        if current is not None and current.tier is not Tier.RULE and (chosen is None or chosen.tier is Tier.RULE):
            return current
        return chosen

    def _try(self, tier: Tier, current: ServedModel | None) -> tuple[ServedModel | None, Standing]:
        of_this_tier = current if current is not None and current.tier is tier else None
        try:
            version, model = self._sources[tier]()
        except Unavailable as fault:
            return (None if fault.standing.status is Status.ABSENT else of_this_tier), fault.standing
        unchanged = of_this_tier is not None and of_this_tier.model is model
        return (of_this_tier if unchanged else ServedModel(version, tier, model)), Standing(Status.AVAILABLE, version)

    def _find_standing(self, tier: Tier) -> Standing:
        """Find out how a source stands that is not needed; what was found out by loading holds."""
        known = self._standings.get(tier)
        if tier is Tier.STAGING:
            named = self._registered.standing(STAGING)
            return known if known is not None and known.version == named.version else named
        return known if known is not None and tier is Tier.BAKED else self._try(tier, None)[1]

    def _choose_challenger(self, champion: ServedModel | None) -> ServedModel | None:
        if champion is None or champion.tier is Tier.STAGING:
            return None
        chosen, standing = self._try(Tier.STAGING, self.snapshot.challenger)
        self._note({**self._standings, Tier.STAGING: standing})
        return chosen

    def _note(self, standings: Mapping[Tier, Standing]) -> None:
        for tier, standing in standings.items():
            before = self._standings.get(tier)
            is_news = before is not None or standing.status is Status.REFUSED  # at first, nothing has been asked yet
            if is_news and standing != before and standing.status in (Status.REFUSED, Status.UNREACHABLE):
                logger.warning("%s, version %s, is %s: %s", tier, standing.version, standing.status, standing.reason)
        self._standings = standings

    def _publish(self, champion: ServedModel | None, challenger: ServedModel | None) -> None:
        if champion is None or (challenger is not None and challenger.version == champion.version):
            challenger = None
        before = self.snapshot
        if champion is before.champion and challenger is before.challenger:
            return
        self.snapshot = Snapshot(champion, challenger)
        logger.info(
            "champion %s, challenger %s", *(each and f"{each.version} ({each.tier})" for each in (champion, challenger))
        )

    def _find_reasons(self, snapshot: Snapshot) -> list[str]:
        champion, standings, age = snapshot.champion, self._standings, self._registered.age()
        reasons = [] if self._crash is None else [f"following the registry failed: {self._crash}"]
        if champion is None:
            reasons.append("there is no model")
        elif champion.tier is not Tier.PRODUCTION:
            reasons.append(f"what answers is not in production: {champion.tier}")
        production, staging = standings.get(Tier.PRODUCTION), standings.get(Tier.STAGING)
        if production is not None and production.reason is not None:
            reasons.append(f"production: {production.reason}")
        if self._follow_challenger and staging is not None and staging.status in (Status.REFUSED, Status.UNREACHABLE):
            reasons.append(f"staging: {staging.reason}")
        if age is not None and age > _STALE_REFRESHES * self._refresh_seconds:
            reasons.append(f"what is in production was last confirmed {age:.0f} s ago")
        return reasons


def _describe(served: ServedModel | None) -> dict[str, str] | None:
    if served is None:
        return None
    return {"version": served.version, "tier": str(served.tier), "since": served.since.isoformat(timespec="seconds")}


def _describe_standing(tier: Tier, standing: Standing, snapshot: Snapshot) -> dict[str, str | None]:
    serves = any(each is not None and each.tier is tier for each in (snapshot.champion, snapshot.challenger))
    status = "serving" if serves and standing.status is Status.AVAILABLE else standing.status
    return {"status": str(status), "version": standing.version, "reason": standing.reason}
