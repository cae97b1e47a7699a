"""The one path that a request takes, whichever protocol it came by: model, record, answer.

A listing is read as the market of the model that answers declares it; nothing here knows a column or a category.
"""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Protocol

import orjson

from bento_service.answers import Accepted, Answer, Explanation, Refusal
from bento_service.batch_queue import BatchQueue
from bento_service.errors import MAX_FIELD_ERRORS, FieldError, Kind, Reason, ServiceError, unusable_listing
from bento_service.explanations import ExplanationQueue, explain
from bento_service.feedback import CATEGORY, FIELDS, KIND, PRICE, read_feedback
from bento_service.listing_fields import require_known
from bento_service.metrics import Metrics
from bento_service.models.snapshot import ServedModel, Snapshot
from bento_service.record_ids import new_id, repeatable_id
from bento_service.records.journal import JournalFull
from bento_service.records.predictions import PredictionLog, answer_record, why_no_estimate
from bento_service.records.refusals import RefusalCounts
from bento_service.records.shadows import Answered, Shadows
from bento_service.split import TrafficSplit
from housing_assets.inference.explanation import BUDGET_MS
from housing_assets.inference.prediction import UnusableListing

ROWS_BETWEEN_PAUSES = 16
"""Listings of a batch after which other requests are let in: about two milliseconds of work."""

MAX_KEY_LENGTH = 128

MAX_BATCH_FIELD_ERRORS = 1_000
"""Fields that the errors of a batch name together, at least one for each listing."""


class Models(Protocol):
    """Where the model comes from."""

    @property
    def snapshot(self) -> Snapshot:
        """What answers now."""


class Journal(Protocol):
    """Where records are safe before the answer leaves."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Write records."""


class Stored(Protocol):
    """What is known of predictions that were recorded."""

    async def is_unknown(self, prediction_id: str, now: datetime) -> bool:
        """Return whether it is certain that no answer has an id."""


class Classifier:
    """Answers requests.

    Parameters
    ----------
    models : Models
    journal : Journal
    metrics : Metrics
    split : TrafficSplit
    log : PredictionLog
    max_batch : int
        Listings that one batch may have.
    max_delay : float
        Seconds that a batch may have to wait for others.
    explain_ms : float
        Milliseconds that exact contributions may take.
    stored : Stored, optional
        What feedback is held against.

    Attributes
    ----------
    batches : BatchQueue
    explanations : ExplanationQueue
    refusals : RefusalCounts
        Refused requests that are not in the journal yet.
    shadows : Shadows
        What the challenger is still to predict in the shadow.
    """

    def __init__(
        self,
        models: Models,
        journal: Journal,
        metrics: Metrics,
        split: TrafficSplit,
        log: PredictionLog,
        *,
        max_batch: int,
        max_delay: float = 1.0,
        explain_ms: float = BUDGET_MS,
        stored: Stored | None = None,
    ) -> None:
        self.max_batch = max_batch
        self.batches = BatchQueue(max_delay)
        self.explanations = ExplanationQueue()
        self.refusals = RefusalCounts(journal)
        self.shadows = Shadows(journal)
        self._models = models
        self._journal = journal
        self._metrics = metrics
        self._split = split
        self._log = log
        self._stored = stored
        self._explain_ms = explain_ms

    def predict(
        self,
        cells: Any,
        key: str | None,
        protocol: str,
        at: datetime | None = None,
        idempotency_key: str | None = None,
    ) -> Answer:
        """Classify one listing.

        Parameters
        ----------
        cells : mapping
            Raw texts or clean numbers by raw column name.
        key : str, optional
            Requests with the same key are answered by the same version while traffic is split.
        protocol : str
            ``http`` or ``grpc``, for the record.
        at : datetime, optional
            The moment that the record is dated, in UTC, where recorded traffic is replayed; now by default.
        idempotency_key : str, optional
            A request that is sent again with the same key is recorded once.

        Raises
        ------
        ServiceError
            If the listing cannot be used, or there is no model, or the answer cannot be recorded.
        """
        _check_keys(key, idempotency_key)
        repeated = None if idempotency_key is None else (idempotency_key, "predict")
        answer, record, shadowed = self._answer(self._models.snapshot, cells, key, protocol, at, repeated)
        self._record([record])
        if shadowed is not None:
            self.shadows.put(shadowed)
        return answer

    async def explain(self, cells: Any, key: str | None) -> Explanation:
        """Classify one listing and tell why; nothing is recorded.

        Parameters
        ----------
        cells : mapping
        key : str, optional
            As for ``predict``.

        Raises
        ------
        ServiceError
            If the listing cannot be used, or there is no model, or too many explanations wait.
        """
        _check_keys(key, None)
        served, _ = self._choose(self._models.snapshot, key or new_id())
        known_cells = require_known(cells, served.model.market.known_names)
        return await self.explanations.run(partial(explain, served, known_cells, self._explain_ms))

    async def predict_batch(
        self,
        listings: Any,
        key: str | None,
        protocol: str,
        deadline: float | None = None,
        at: datetime | None = None,
        idempotency_key: str | None = None,
        whole: bool = False,
    ) -> list[Answer | Refusal]:
        """Classify several listings by one version; what cannot be used has its error in place of an answer.

        Parameters
        ----------
        listings : sequence of mappings
        key : str, optional
        protocol : str
        deadline : float, optional
            Of the monotonic clock, in seconds, after which the client no longer waits for the answer.
        at : datetime, optional
        idempotency_key : str, optional
            As for ``predict``.
        whole : bool
            Refuse all listings if one of them cannot be used, and record none.

        Raises
        ------
        ServiceError
            If it is not a batch, or there is no model, or too many batches wait, or the deadline passes, or the answers
            cannot be recorded.
        """
        if not isinstance(listings, Sequence) or isinstance(listings, str):
            raise ServiceError(Kind.INVALID, "a batch is a list of listings")
        if not 1 <= len(listings) <= self.max_batch:
            raise ServiceError(
                Kind.INVALID,
                f"a batch has 1 to {self.max_batch} listings",
                [FieldError("listings", f"{len(listings)} listings", f"1 to {self.max_batch}", Reason.MALFORMED)],
            )
        _check_keys(key, idempotency_key)
        async with self.batches.turn(len(listings), deadline):
            return await self._answer_batch(listings, key, protocol, deadline, at, idempotency_key, whole)

    async def _answer_batch(
        self,
        listings: Sequence[Any],
        key: str | None,
        protocol: str,
        deadline: float | None,
        at: datetime | None,
        idempotency_key: str | None,
        whole: bool,
    ) -> list[Answer | Refusal]:
        snapshot = self._models.snapshot
        snapshot.require_champion()
        answers: list[Answer | Refusal] = []
        records: list[bytes] = []
        shadows: list[Answered] = []
        refused: list[ServiceError] = []
        max_fields = max(1, min(MAX_FIELD_ERRORS, MAX_BATCH_FIELD_ERRORS // len(listings)))
        for row, cells in enumerate(listings):
            if row % ROWS_BETWEEN_PAUSES == ROWS_BETWEEN_PAUSES - 1:
                await asyncio.sleep(0)
                if deadline is not None and time.monotonic() > deadline:
                    raise ServiceError(
                        Kind.DEADLINE_EXCEEDED, f"{row} of {len(listings)} listings were done by the deadline"
                    )
            try:
                repeated = None if idempotency_key is None else (idempotency_key, "predict_batch", row)
                answer, record, shadowed = self._answer(snapshot, cells, key, protocol, at, repeated)
                answers.append(answer)
                records.append(record)
                shadows += [] if shadowed is None else [shadowed]
            except ServiceError as fault:
                if whole:
                    raise ServiceError(fault.kind, f"listing {row + 1}: {fault.detail}", fault.fields) from None
                answers.append({"error": fault.to_problem(max_fields)})
                refused.append(fault)
        self._record(records)
        for each in refused:
            self.count_refusal("predict_batch", protocol, each, at)
        for answered in shadows:
            self.shadows.put(answered)
        return answers

    async def record_feedback(
        self, feedback: Any, at: datetime | None = None, idempotency_key: str | None = None
    ) -> Accepted:
        """Record what a listing really was: its price, or its class, whichever the champion's market predicts.

        Parameters
        ----------
        feedback : mapping
            ``prediction_id``; ``price``, a raw text or a number, perhaps with its ``price_kind``, or
            ``price_category``; and ``observed_at``, ISO 8601 with its UTC offset, or nothing for now.
        at : datetime, optional
            When it counts as received, where recorded traffic is replayed; now by default.
        idempotency_key : str, optional
            As for ``predict``.

        Raises
        ------
        ServiceError
            If it cannot be used, or it is on a prediction that nobody made, or there is no model, or it cannot be
            recorded.
        """
        _check_keys(None, idempotency_key)
        market = self._models.snapshot.require_champion().model.market
        now = datetime.now(UTC)
        accepted = read_feedback(market, feedback, at or now, idempotency_key)
        if self._stored is not None and await self._stored.is_unknown(accepted["prediction_id"], now):
            wrong = FieldError("prediction_id", accepted["prediction_id"], "the id of an answer: none has this one")
            raise ServiceError(Kind.INVALID, "there is no such prediction", [wrong])
        truth = {name: accepted.get(name) for name in (PRICE, CATEGORY, KIND)}
        self._record([orjson.dumps({"kind": "feedback", **accepted, **truth})])
        return accepted

    def count_refusal(self, endpoint: str, protocol: str, fault: ServiceError, at: datetime | None = None) -> None:
        """Count a request that is refused for what it holds, by the first field that is wrong; no other error is one.

        Parameters
        ----------
        endpoint : str
        protocol : str
            ``http`` or ``grpc``.
        fault : ServiceError
        at : datetime, optional
            As for ``predict``.
        """
        if fault.kind is not Kind.INVALID:
            return
        field, reason = None, Reason.MALFORMED
        if fault.fields:
            champion = self._models.snapshot.champion
            named = FIELDS if champion is None else FIELDS | champion.model.market.known_names
            first = fault.fields[0]
            field, reason = first.field if first.field in named else None, first.reason
        self.refusals.count(at or datetime.now(UTC), endpoint, protocol, field, reason)

    def _answer(
        self,
        snapshot: Snapshot,
        cells: Any,
        key: str | None,
        protocol: str,
        at: datetime | None,
        repeated: tuple[Any, ...] | None,
    ) -> tuple[Answer, bytes, Answered | None]:
        """Return the answer for a listing, its record, and what is to be predicted in the shadow.

        ``repeated`` is what a retry has again.
        """
        started = time.perf_counter()
        prediction_id = new_id()
        served, shadow = self._choose(snapshot, key or (repeated[0] if repeated else prediction_id))
        cells = require_known(cells, served.model.market.known_names)
        try:
            prediction = served.model.predict_one(cells)
        except UnusableListing as fault:
            raise unusable_listing(fault.reasons, cells) from None
        if repeated:  # only now is known that the cells are texts and numbers
            prediction_id = repeatable_id(*repeated, dict(cells))
        record = answer_record(
            served,
            prediction,
            cells,
            prediction_id=prediction_id,
            at=at or datetime.now(UTC),
            protocol=protocol,
            key=key,
        )
        category = record["price_category"]
        self._metrics.count_prediction(served.tier, category, bool(prediction.unseen), time.perf_counter() - started)
        self._log.sample(record, served)
        answer: Answer = {
            "prediction_id": prediction_id,
            "price_category": category,
            "probabilities": record["probabilities"],
            "band": served.bands[prediction.category],
            "model_version": served.version,
            "tier": served.tier,
            "unseen": list(prediction.unseen),
            "estimate": record["estimate"],
            "no_estimate": why_no_estimate(prediction),
        }
        return answer, orjson.dumps(record), None if shadow is None else Answered(shadow, cells, record)

    def _choose(self, snapshot: Snapshot, key: str) -> tuple[ServedModel, ServedModel | None]:
        """Return the model that answers a key, and the one that predicts in its shadow."""
        champion, challenger = snapshot.require_champion(), snapshot.challenger
        if challenger is None:
            return champion, None
        if self._split.goes_to_challenger(key):
            return challenger, None
        return champion, challenger if self._split.shadow else None

    def _record(self, records: Sequence[bytes]) -> None:
        if not records:
            return
        try:
            self._journal.append(records)
        except JournalFull as fault:
            raise ServiceError(Kind.JOURNAL_FULL, str(fault), retry_after=30) from fault


def _check_keys(key: str | None, idempotency_key: str | None) -> None:
    for name, given in (("request key", key), ("idempotency key", idempotency_key)):
        if given is not None and len(given) > MAX_KEY_LENGTH:
            message = f"at most {MAX_KEY_LENGTH} characters"
            fault = FieldError(name, given, message, Reason.MALFORMED)
            raise ServiceError(Kind.INVALID, f"the {name} is too long", [fault])
