"""Which model answers: the version in production, else the one in staging, else the baked one, else the fallback rule.

A request reads ``ModelCascade.snapshot`` once; loading, checking and following the registry happen beside it, in a
thread of their own.
"""

import logging
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

from bento_service.answers import HealthStatus, ModelsState, Tier, TierState
from bento_service.models.availability import Availability, Model, SourceStatus, Unavailable
from bento_service.models.baked import BakedModel, RuleSource
from bento_service.models.registered import RegisteredModels
from bento_service.models.registry import MlflowRegistry
from bento_service.models.snapshot import ServedModel, Snapshot

logger = logging.getLogger("housing.models")

_STALE_REFRESHES = 4
"""Refreshes without an answer of the registry after which the version in production counts as unconfirmed: one slow
download or lost packet is not worth reporting."""

_STOP_SECONDS = 1.0
"""How long stopping waits for the thread: a download may take longer, and its result is no longer needed."""


class ModelCascade:
    """Keeps the best available model, and a challenger.

    A version that cannot be loaded, and a registry that does not answer or has forgotten what is in production, change
    nothing about what is served: only moving an alias does. A forest is never replaced by the rule.

    Parameters
    ----------
    registry : MlflowRegistry, optional
        None: there is none to follow.
    baked_folder : Path, optional
        Of a local model artifact. A ``registration.json`` beside its files may hold its version.
    cache_folder : Path
        Where downloaded versions are kept; processes may share it.
    refresh_seconds : float
        How often the aliases are looked up in the registry.
    startup_wait_seconds : float
        How long starting waits for the registry before the best local model answers.
    follow_challenger : bool
        Whether the version in staging is loaded beside the champion.
    allow_unverified : bool
        Whether versions are loaded that were registered without the digest of their manifest.
    trusted_signers : sequence of str
        Public keys one of which must have signed a version; none is needed where there are none.
    refusal_seconds : float
        How long a refused version is not fetched again, unless no alias points to it meanwhile.

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
        allow_unverified: bool = False,
        trusted_signers: Sequence[str] = (),
        refusal_seconds: float = 600.0,
    ):
        self.snapshot = Snapshot()
        self._registry = registry
        self._refresh_seconds = refresh_seconds
        self._startup_wait_seconds = startup_wait_seconds
        self._follow_challenger = follow_challenger
        self._registered = RegisteredModels(
            registry,
            cache_folder,
            refusal_seconds,
            allow_unverified=allow_unverified,
            trusted_signers=trusted_signers,
        )
        baked = [baked_folder] if baked_folder else []
        self._sources: Mapping[Tier, Callable[[], tuple[str, Model]]] = {
            Tier.PRODUCTION: partial(self._registered.load, Tier.PRODUCTION),
            Tier.STAGING: partial(self._registered.load, Tier.STAGING),
            Tier.BAKED: BakedModel(baked_folder).load,
            Tier.RULE: RuleSource(lambda: baked + self._registered.folders()).load,
        }
        self._statuses: Mapping[Tier, SourceStatus] = {}
        self._told_absence: SourceStatus | None = None
        self._refreshing = threading.Lock()
        self._refreshed_at: float | None = None
        self._crash: str | None = None
        self._looked_up = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="model-cascade", daemon=True)

    def start(self) -> None:
        """Load the best local model, then that of the registry if it answers in time, and keep following it."""
        begun = time.monotonic()
        with self._refreshing:
            self._choose()
        if self._registry is None:
            self._tell_if_nothing_answers()
        else:
            self._thread.start()
            self._looked_up.wait(max(0.0, self._startup_wait_seconds - (time.monotonic() - begun)))

    def stop(self) -> None:
        """Stop following the registry; the current models stay."""
        self._stopping.set()
        self._registered.stop()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def refresh_now(self) -> None:
        """Look the aliases up and load the versions that they point to; blocks for as long as that takes."""
        with self._refreshing:
            self._registered.look_up()
            self._choose()
            self._refreshed_at = time.monotonic()
            self._tell_if_nothing_answers()

    def state(self) -> ModelsState:
        """Return which models answer, the status of each source, and what is known of the registry.

        Its ``status`` is ``healthy`` if the version in production answers and the registry confirmed it lately,
        ``failing`` if no model answers, else ``degraded``; ``reasons`` says why.
        """
        snapshot = self.snapshot
        reasons = self._find_reasons(snapshot)
        status: HealthStatus = "failing" if snapshot.champion is None else "degraded" if reasons else "healthy"
        return {
            "status": status,
            "reasons": reasons,
            "champion": snapshot.champion.summarize() if snapshot.champion else None,
            "challenger": snapshot.challenger.summarize() if snapshot.challenger else None,
            "tiers": {str(tier): _describe(tier, source, snapshot) for tier, source in self._statuses.items()},
            "registry": self._registered.state(),
            "refreshed_seconds_ago": None if self._refreshed_at is None else time.monotonic() - self._refreshed_at,
        }

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.refresh_now()
                self._crash = None
            except Exception as fault:  # whatever it is, the thread must live: without it no promotion is noticed
                logger.exception("following the registry failed")
                self._crash = f"{type(fault).__name__}: {fault}"
            self._looked_up.set()
            self._stopping.wait(self._refresh_seconds * random.uniform(0.9, 1.1))  # noqa: S311  # nosec B311

    def _choose(self) -> None:
        champion = self._choose_champion()
        self._publish(champion, self.snapshot.challenger)
        if self._follow_challenger:
            self._publish(champion, self._choose_challenger(champion))

    def _choose_champion(self) -> ServedModel | None:
        current, chosen = self.snapshot.champion, None
        statuses = {}
        for tier in Tier:
            if chosen is None:
                chosen, statuses[tier] = self._try(tier, current)
            else:
                statuses[tier] = self._find_status(tier)
        self._update(statuses)
        if current is not None and current.tier is not Tier.RULE and (chosen is None or chosen.tier is Tier.RULE):
            return current
        return chosen

    def _try(self, tier: Tier, current: ServedModel | None) -> tuple[ServedModel | None, SourceStatus]:
        of_this_tier = current if current is not None and current.tier is tier else None
        try:
            version, model = self._sources[tier]()
        except Unavailable as fault:
            is_absent = fault.status.availability is Availability.ABSENT
            return (None if is_absent else of_this_tier or self._find_former(tier)), fault.status
        unchanged = of_this_tier is not None and of_this_tier.model is model
        served = of_this_tier if unchanged else ServedModel(version, tier, model)
        return served, SourceStatus(Availability.AVAILABLE, version)

    def _find_former(self, tier: Tier) -> ServedModel | None:
        """Return what this tier would still serve if the process had not started anew."""
        former = self._registered.load_last() if tier is Tier.PRODUCTION else None
        return None if former is None else ServedModel(former[0], tier, former[1])

    def _find_status(self, tier: Tier) -> SourceStatus:
        """Return the status of a source that is not needed; what loading it has shown stays valid."""
        known = self._statuses.get(tier)
        if tier is Tier.STAGING:
            current = self._registered.status(Tier.STAGING)
            return known if known is not None and known.version == current.version else current
        return known if known is not None and tier is Tier.BAKED else self._try(tier, None)[1]

    def _choose_challenger(self, champion: ServedModel | None) -> ServedModel | None:
        if champion is None or champion.tier is Tier.STAGING:
            return None
        chosen, status = self._try(Tier.STAGING, self.snapshot.challenger)
        self._update({**self._statuses, Tier.STAGING: status})
        return chosen

    def _update(self, statuses: Mapping[Tier, SourceStatus]) -> None:
        for tier, status in statuses.items():
            before = self._statuses.get(tier)
            failed = status.availability in (Availability.REFUSED, Availability.UNREACHABLE)
            # At the start nothing has been looked up yet, so that unreachable says nothing then.
            first = before is None and status.availability is Availability.UNREACHABLE
            if failed and status != before and not first:
                logger.warning("%s, version %s, is %s: %s", tier, status.version, status.availability, status.reason)
        self._statuses = statuses

    def _tell_if_nothing_answers(self) -> None:
        """Log, once for each reason, that there is no model, and what gives one."""
        production = self._statuses[Tier.PRODUCTION]
        if self.snapshot.champion is not None:
            self._told_absence = None
        elif production != self._told_absence:
            self._told_absence = production
            logger.warning(
                "no model answers, so requests are refused (503): %s. `make materialize` trains and registers a "
                "version; once one is in production it is followed without a restart",
                production.reason,
            )

    def _publish(self, champion: ServedModel | None, challenger: ServedModel | None) -> None:
        if champion is None or (challenger is not None and challenger.version == champion.version):
            challenger = None
        before = self.snapshot
        if champion is before.champion and challenger is before.challenger:
            return
        self.snapshot = Snapshot(champion, challenger)
        logger.info(
            "champion %s, challenger %s",
            *(f"{each.version} ({each.tier})" if each else "none" for each in (champion, challenger)),
        )

    def _find_reasons(self, snapshot: Snapshot) -> list[str]:
        champion, statuses, age = snapshot.champion, self._statuses, self._registered.age()
        reasons = [] if self._crash is None else [f"following the registry failed: {self._crash}"]
        if champion is None:
            reasons.append("there is no model")
        elif champion.tier is not Tier.PRODUCTION:
            reasons.append(f"answers come from the {champion.tier} tier, not from the version in production")
        production, staging = statuses.get(Tier.PRODUCTION), statuses.get(Tier.STAGING)
        if production is not None and production.reason is not None:
            reasons.append(f"production: {production.reason}")
        if self._registered.vanished is not None:
            reasons.append(f"the registry was reset or is another one: {self._registered.vanished}")
        if (
            self._follow_challenger
            and staging is not None
            and staging.availability in (Availability.REFUSED, Availability.UNREACHABLE)
        ):
            reasons.append(f"staging: {staging.reason}")
        if age is not None and age > _STALE_REFRESHES * self._refresh_seconds:
            reasons.append(f"the registry last confirmed the version in production {age:.0f} s ago")
        return reasons


def _describe(tier: Tier, status: SourceStatus, snapshot: Snapshot) -> TierState:
    serves = any(each is not None and each.tier is tier for each in (snapshot.champion, snapshot.challenger))
    shown = "serving" if serves and status.availability is Availability.AVAILABLE else str(status.availability)
    return {"status": shown, "version": status.version, "reason": status.reason}
