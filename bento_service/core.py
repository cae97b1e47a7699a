"""The one path that a request takes, whichever protocol it came by: model, record, answer."""

import asyncio
import logging
import random
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

import orjson
import uuid_utils

from bento_service.errors import FieldError, Kind, ServiceError, unusable_listing
from bento_service.metrics import Metrics
from bento_service.models.cascade import ServedModel, Snapshot
from bento_service.records.journal import JournalFull
from bento_service.split import TrafficSplit
from housing_assets.features.bands import CATEGORIES, PriceBands
from housing_assets.listings.columns import COLUMNS, TARGET, personal_names
from housing_assets.listings.parsing import Unusable
from housing_assets.packaging.artifact import ModelArtifact
from housing_assets.packaging.prediction import Prediction, UnusableListing

logger = logging.getLogger("housing.predictions")

ROWS_BETWEEN_PAUSES = 16
"""Listings of a batch after which others get their turn: two milliseconds' work."""

MAX_KEY_LENGTH = 128

_TARGET_COLUMN = next(column for column in COLUMNS if column.values[0].name == TARGET)
_READ = frozenset(column.raw for column in COLUMNS)
_PERSONAL = frozenset(personal_names())


class Models(Protocol):
    """Where the model comes from."""

    @property
    def snapshot(self) -> Snapshot:
        """What answers now."""


class Journal(Protocol):
    """Where records are safe before the answer leaves."""

    def append(self, lines: Sequence[bytes]) -> None:
        """Write records."""


class Classifier:
    """Answers requests.

    Parameters
    ----------
    models : Models
    journal : Journal
    metrics : Metrics
    split : TrafficSplit
    max_batch : int
        Listings that one batch may have.
    log_share : float
        Share of the predictions that are logged, 0 to 1.
    log_personal : bool
        Whether the log shows what can lead to a person.
    """

    def __init__(
        self,
        models: Models,
        journal: Journal,
        metrics: Metrics,
        split: TrafficSplit,
        *,
        max_batch: int,
        log_share: float,
        log_personal: bool,
    ) -> None:
        self.max_batch = max_batch
        self._models = models
        self._journal = journal
        self._metrics = metrics
        self._split = split
        self._log_share = log_share
        self._log_personal = log_personal

    def predict(self, cells: Any, key: str | None, protocol: str, at: datetime | None = None) -> dict[str, Any]:
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

        Returns
        -------
        answer : dict
            As JSON types, see ``docs/serving.md``.

        Raises
        ------
        ServiceError
            If the listing cannot be used, or there is no model, or the answer cannot be recorded.
        """
        _check_key(key)
        snapshot = self._snapshot()
        answer, records = self._answer(snapshot, cells, key, protocol, at)
        self._record(records)
        return answer

    async def predict_batch(
        self,
        listings: Any,
        key: str | None,
        protocol: str,
        deadline: float | None = None,
        at: datetime | None = None,
    ) -> list[dict[str, Any]]:
        """Classify several listings by one version; what cannot be used has its error in place of an answer.

        Parameters
        ----------
        listings : sequence of mappings
        key : str, optional
        protocol : str
        deadline : float, optional
            Of the monotonic clock, in seconds, after which nobody waits for the answer.
        at : datetime, optional
            As for ``predict``.
        """
        if not isinstance(listings, Sequence) or isinstance(listings, str):
            raise ServiceError(Kind.INVALID, "a batch is a list of listings")
        if not 1 <= len(listings) <= self.max_batch:
            raise ServiceError(
                Kind.INVALID,
                f"a batch has 1 to {self.max_batch} listings",
                [FieldError("listings", f"{len(listings)} listings", f"1 to {self.max_batch}")],
            )
        _check_key(key)
        snapshot = self._snapshot()
        answers: list[dict[str, Any]] = []
        records: list[bytes] = []
        for row, cells in enumerate(listings):
            if row % ROWS_BETWEEN_PAUSES == ROWS_BETWEEN_PAUSES - 1:
                await asyncio.sleep(0)
                if deadline is not None and time.monotonic() > deadline:
                    raise ServiceError(Kind.TOO_LATE, f"{row} of {len(listings)} listings were done by the deadline")
            try:
                answer, made = self._answer(snapshot, cells, key, protocol, at)
            except ServiceError as fault:
                answer, made = {"error": fault.to_problem()}, []
            answers.append(answer)
            records += made
        self._record(records)
        return answers

    def record_feedback(self, feedback: Any, at: datetime | None = None) -> dict[str, Any]:
        """Record the price that a listing really had.

        Parameters
        ----------
        feedback : mapping
            ``prediction_id``; ``price``, a raw text or a number; and ``observed_at``, ISO 8601 with its offset, or
            nothing for now.
        at : datetime, optional
            When it counts as received, where recorded traffic is replayed; now by default.
        """
        if not isinstance(feedback, Mapping):
            raise ServiceError(Kind.INVALID, "feedback is an object")
        faults = [
            FieldError(name, feedback[name], "no such field; there are prediction_id, price and observed_at")
            for name in feedback
            if name not in ("prediction_id", "price", "observed_at")
        ]
        now = at or datetime.now(UTC)
        checked: dict[str, Any] = {}
        for name, check in (
            ("prediction_id", _prediction_id),
            ("price", _price),
            ("observed_at", lambda value: _moment(value, now)),
        ):
            try:
                checked[name] = check(feedback.get(name))
            except ValueError as fault:
                faults.append(FieldError(name, feedback.get(name), str(fault)))
        if faults:
            raise ServiceError(Kind.INVALID, f"{len(faults)} of the feedback's fields cannot be used", faults)
        accepted = {"feedback_id": str(uuid_utils.uuid7()), **checked, "received_at": _as_text(now)}
        self._record([orjson.dumps({"kind": "feedback", **accepted})])
        return accepted

    def describe_models(self) -> dict[str, Any]:
        """Return the versions that answer, with their bands, metrics and fingerprints."""
        snapshot = self._snapshot()
        return {
            "champion": _describe(snapshot.champion),
            "challenger": _describe(snapshot.challenger),
            "challenger_share": self._split.challenger_share,
            "shadow": self._split.shadow,
        }

    def _snapshot(self) -> Snapshot:
        snapshot = self._models.snapshot
        if snapshot.champion is None:
            raise ServiceError(Kind.NO_MODEL, "no model could be loaded yet: see /health/deep", retry_after=5)
        return snapshot

    def _answer(
        self, snapshot: Snapshot, cells: Any, key: str | None, protocol: str, at: datetime | None
    ) -> tuple[dict[str, Any], list[bytes]]:
        """Return the answer for a listing, and what is to be recorded of it."""
        started = time.perf_counter()
        _check_names(cells)
        prediction_id = str(uuid_utils.uuid7())
        served, shadow = self._choose(snapshot, key or prediction_id)
        try:
            prediction = served.model.predict_one(cells)
        except UnusableListing as fault:
            raise unusable_listing(fault.reasons, cells) from None
        record = {
            "kind": "prediction",
            "prediction_id": prediction_id,
            "predicted_at": _as_text(at or datetime.now(UTC)),
            "protocol": protocol,
            "request_key": key,
            "listing": {name: cell for name, cell in cells.items() if cell is not None and name != _TARGET_COLUMN.raw},
        }
        records = [orjson.dumps(record | _outcome(served, prediction, "answer"))]
        category = CATEGORIES[prediction.category]
        self._metrics.count_prediction(served.tier, category, bool(prediction.unseen), time.perf_counter() - started)
        if shadow is not None:
            records += _predict_in_shadow(shadow, cells, record)
        if self._log_share and random.random() < self._log_share:  # noqa: S311
            self._log(record | _outcome(served, prediction, "answer"))
        return {
            "prediction_id": prediction_id,
            "price_category": category,
            "probabilities": dict(zip(CATEGORIES, prediction.probabilities, strict=True)),
            "band": _band(served.model.bands, prediction.category),
            "model_version": served.version,
            "tier": served.tier,
            "unseen": list(prediction.unseen),
        }, records

    def _choose(self, snapshot: Snapshot, key: str) -> tuple[ServedModel, ServedModel | None]:
        """Return what answers a key, and what predicts in its shadow."""
        champion, challenger = snapshot.champion, snapshot.challenger
        assert champion is not None  # noqa: S101
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

    def _log(self, record: Mapping[str, Any]) -> None:
        if not self._log_personal:
            shown = {name: cell for name, cell in record["listing"].items() if name not in _PERSONAL}
            record = {**record, "listing": shown}
        logger.info(orjson.dumps(record).decode())


def _predict_in_shadow(shadow: ServedModel, cells: Any, record: dict[str, Any]) -> list[bytes]:
    """Return the record of what a challenger would have answered; none if it fails, which is no concern of clients."""
    try:
        return [orjson.dumps(record | _outcome(shadow, shadow.model.predict_one(cells), "shadow"))]
    except Exception:
        logger.exception("version %s failed in the shadow", shadow.version)
        return []


def _check_key(key: str | None) -> None:
    if key is not None and len(key) > MAX_KEY_LENGTH:
        expected = f"at most {MAX_KEY_LENGTH} characters"
        raise ServiceError(Kind.INVALID, "the request key is too long", [FieldError("request key", key, expected)])


def _check_names(cells: Any) -> None:
    if not isinstance(cells, Mapping):
        raise ServiceError(
            Kind.INVALID, "a listing is an object", [FieldError("listing", cells, "an object of its fields")]
        )
    if not cells.keys() <= _READ:
        faults = [FieldError(str(name), cells[name], "no such field") for name in cells if name not in _READ]
        raise ServiceError(Kind.INVALID, f"{len(faults)} of the listing's fields are unknown", faults[:20])


def _outcome(served: ServedModel, prediction: Prediction, role: str) -> dict[str, Any]:
    named = {f"probability_{name}": share for name, share in zip(CATEGORIES, prediction.probabilities, strict=True)}
    return {
        "role": role,
        "tier": served.tier,
        "model_version": served.version,
        "price_category": CATEGORIES[prediction.category],
        **named,
    }


def _band(bands: PriceBands, category: int) -> dict[str, Any]:
    limits = (None, *bands.edges, None)
    return {"above": limits[category], "up_to": limits[category + 1], "currency": bands.currency}


def _describe(served: ServedModel | None) -> dict[str, Any] | None:
    if served is None:
        return None
    model = served.model
    described: dict[str, Any] = {"model_version": served.version, "tier": served.tier, "bands": model.bands.to_dict()}
    if isinstance(model, ModelArtifact):
        described |= {"metrics": dict(model.metrics), "fingerprints": dict(model.provenance)}
    return described


def _prediction_id(value: Any) -> str:
    try:
        found = uuid_utils.UUID(value)
        if found.version == 7:
            return str(found)
    except (TypeError, ValueError, AttributeError):
        pass
    raise ValueError("the prediction_id of an answer, a UUID of version 7")


def _price(value: Any) -> float:
    try:
        return float(_TARGET_COLUMN.parse(value)[0])
    except Unusable as fault:
        raise ValueError(str(fault)) from None


def _moment(value: Any, now: datetime) -> str:
    return _as_text(now if value is None else read_past_moment(value, now))


def read_past_moment(text: Any, now: datetime) -> datetime:
    """Return a moment that has passed, in UTC.

    Raises
    ------
    ValueError
        If the text is none; the message says what was expected.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or moment > now:
            raise ValueError
        return moment.astimezone(UTC)
    except (TypeError, ValueError, OverflowError):  # the first year has no UTC everywhere
        raise ValueError("a moment that has passed, as ISO 8601 with its offset: 2026-03-01T12:00:00+03:00") from None


def _as_text(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"
