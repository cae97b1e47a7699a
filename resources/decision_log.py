"""What the platform decided by itself, and why: written into Dagster's event log, and read back from there.

Each kind of decision has a log: an asset that is only observed. Its observations lie where Dagster's events lie (SQLite
or PostgreSQL), show in the lineage page, and outlive the machine that the sensors run on.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import dagster as dg

GROUP = "monitoring"


class Log(StrEnum):
    """The logs, by the name of their asset."""

    RETRAINING = "retraining_decisions"
    NEW_LISTINGS = "new_listings_decisions"
    ROLLBACK = "rollback_decisions"


_DESCRIPTIONS = {
    Log.RETRAINING: "Whether failed checks led to a retraining, and why or why not.",
    Log.NEW_LISTINGS: "Which files in the landing place led to a run.",
    Log.ROLLBACK: "Whether production was taken from a version that performs worse than the one before it.",
}


@dataclass(frozen=True)
class Decision:
    """A decision with what it rests on.

    Attributes
    ----------
    outcome : str
        What was decided, in a word or two; the same word for ever.
    reason : str
        One sentence for people. It names points in time, never durations until then: it must not change while nothing
        does.
    evidence : mapping
        What it rests on, as JSON types.
    run_key : str
        Of the run that it asks for; empty if it asks for none.
    needs_person : bool
        Whether a person should hear of it now.
    """

    outcome: str
    reason: str
    evidence: Mapping[str, Any] = field(default_factory=dict)
    run_key: str = ""
    needs_person: bool = False

    @property
    def fingerprint(self) -> str:
        """Equal for equal decisions."""
        parts = [self.outcome, self.reason, self.evidence, self.run_key, self.needs_person]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Recorded:
    """A decision as it stands in its log."""

    log: Log
    decision: Decision
    storage_id: int
    at: datetime


@dataclass(frozen=True)
class DecisionLogs:
    """The logs of one code location; those of two markets do not mix.

    Attributes
    ----------
    prefix : tuple of str
        Of the keys of the code location's assets; empty where they are bare.
    """

    prefix: tuple[str, ...] = ()

    def key(self, log: Log) -> dg.AssetKey:
        """Return the asset that is a log."""
        return dg.AssetKey([*self.prefix, log.value])

    def assets(self) -> list[dg.AssetSpec]:
        """Return the assets under which the decisions show in the lineage page."""
        return [dg.AssetSpec(self.key(log), group_name=GROUP, description=_DESCRIPTIONS[log]) for log in Log]

    def event(self, log: Log, decision: Decision) -> dg.AssetObservation:
        """Return the event that records a decision."""
        return dg.AssetObservation(
            asset_key=self.key(log),
            description=decision.reason,
            metadata={
                "outcome": dg.MetadataValue.text(decision.outcome),
                "reason": dg.MetadataValue.text(decision.reason),
                "evidence": dg.MetadataValue.json(dict(decision.evidence)),
                "run_key": dg.MetadataValue.text(decision.run_key),
                "needs_person": dg.MetadataValue.bool(decision.needs_person),
            },
        )

    def read(
        self, instance: dg.DagsterInstance, log: Log, limit: int = 20, *, since: float | None = None
    ) -> list[Recorded]:
        """Return the decisions of a log, newest first.

        Parameters
        ----------
        instance : DagsterInstance
        log : Log
        limit : int
        since : float, optional
            Seconds since 1970: only those that were recorded later.
        """
        wanted = dg.AssetRecordsFilter(asset_key=self.key(log), after_timestamp=since)
        records = instance.fetch_observations(wanted, limit=limit).records
        return [_recorded(log, record) for record in records]

    def last_fingerprint(self, instance: dg.DagsterInstance, log: Log) -> str:
        """Return the fingerprint of the newest decision, empty if there is none."""
        newest = self.read(instance, log, limit=1)
        return newest[0].decision.fingerprint if newest else ""


def _recorded(log: Log, record: dg.EventLogRecord) -> Recorded:
    observation = record.asset_observation
    metadata = {key: entry.value for key, entry in (observation.metadata if observation else {}).items()}
    evidence = metadata.get("evidence")
    decision = Decision(
        outcome=str(metadata.get("outcome", "")),
        reason=str(metadata.get("reason", "")),
        evidence=evidence if isinstance(evidence, Mapping) else {},
        run_key=str(metadata.get("run_key", "")),
        needs_person=bool(metadata.get("needs_person")),
    )
    return Recorded(log, decision, record.storage_id, datetime.fromtimestamp(record.timestamp, UTC))
