"""Feedback: what a classified listing really was, read as the market's declaration says.

A price may be of another kind than the market predicts: one paid, where its ads ask prices. It is recorded as what it
is; what it teaches and judges is decided where it is read.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from bento_service.answers import Accepted
from bento_service.errors import MAX_FIELD_ERRORS, FieldError, Kind, Reason, ServiceError
from bento_service.moments import format_moment, read_past_moment
from bento_service.record_ids import VERSIONS, new_id, repeatable_id
from housing_assets.inference.declaration import PRICE_KINDS
from housing_assets.inference.market import Market

PRICE, CATEGORY, KIND = "price", "price_category", "price_kind"

FIELDS = frozenset({"prediction_id", PRICE, CATEGORY, KIND, "observed_at"})
"""Fields of feedback, of one market or another."""


def truth_field(market: Market) -> str:
    """Return the field by which feedback of a market tells what a listing was: its price, or its class."""
    return PRICE if market.has_price else CATEGORY


def read_feedback(market: Market, feedback: Any, now: datetime, idempotency_key: str | None = None) -> Accepted:
    """Read and check feedback.

    Parameters
    ----------
    market : Market
    feedback : mapping
        ``prediction_id``; ``price`` or ``price_category``, as the market has it; beside a price ``price_kind``, or
        nothing for the market's own; and ``observed_at``, or nothing for now.
    now : datetime
        When it counts as received, in UTC.
    idempotency_key : str, optional
        Feedback that is sent again with the same key has the same id.

    Raises
    ------
    ServiceError
        If a field is missing, unknown or cannot be used.
    """
    if not isinstance(feedback, Mapping):
        raise ServiceError(Kind.INVALID, "feedback is an object")
    truth = truth_field(market)
    checks: Mapping[str, Callable[[Any], Any]] = {
        "prediction_id": _read_prediction_id,
        truth: lambda value: market.target_column.parse(value)[0],
        **({KIND: lambda value: _read_price_kind(market, value)} if market.has_price else {}),
        "observed_at": lambda value: format_moment(now if value is None else read_past_moment(value, now)),
    }
    unknown = [name for name in feedback if name not in checks]
    faults = [
        FieldError(name, feedback[name], _refuse(market, name), Reason.UNKNOWN_FIELD)
        for name in unknown[:MAX_FIELD_ERRORS]
    ]
    unusable: list[FieldError] = []
    checked: dict[str, Any] = {}
    for name, check in checks.items():
        try:
            checked[name] = check(feedback.get(name))
        except ValueError as fault:  # of a rule, too: what it cannot use is a value error
            sent = feedback.get(name)
            reason = Reason.MISSING if sent is None else Reason.UNUSABLE
            unusable.append(FieldError(name, sent, str(fault), reason))
    if unknown or unusable:
        wrong = len(unknown) + len(unusable)
        raise ServiceError(Kind.INVALID, f"{wrong} of the feedback's fields cannot be used", [*unusable, *faults])
    received_at = format_moment(now)
    feedback_id = _feedback_id(feedback, checked, truth, idempotency_key)
    if market.has_price:
        return {
            "feedback_id": feedback_id,
            "prediction_id": checked["prediction_id"],
            "price": float(checked[PRICE]),
            "price_kind": checked[KIND],
            "observed_at": checked["observed_at"],
            "received_at": received_at,
        }
    return {
        "feedback_id": feedback_id,
        "prediction_id": checked["prediction_id"],
        "price_category": checked[CATEGORY],
        "observed_at": checked["observed_at"],
        "received_at": received_at,
    }


def _feedback_id(
    feedback: Mapping[str, Any], checked: Mapping[str, Any], truth: str, idempotency_key: str | None
) -> str:
    """Return an id that is new, or the same for the same feedback that is sent again with its key."""
    if idempotency_key is None:
        return new_id()
    content = (checked["prediction_id"], checked[truth], feedback.get("observed_at"))
    said = () if feedback.get(KIND) is None else (checked[KIND],)
    return repeatable_id(idempotency_key, "feedback", *content, *said)


def _refuse(market: Market, name: str) -> str:
    """Return what is expected instead of a field that the market's feedback does not have."""
    if name == CATEGORY:
        return f"no category: listings of this market have a price, in {market.currency}; send price"
    if name == PRICE:
        classes = ", ".join(market.categories)
        return f"no price: listings of this market have a class; send price_category, one of {classes}"
    fields = ("prediction_id", truth_field(market), *([KIND] if market.has_price else []))
    return f"no such field; there are {', '.join(fields)} and observed_at"


def _read_price_kind(market: Market, value: Any) -> str | None:
    """Return the kind of a price: the market's own where none is said, None where the market does not say it either."""
    if value is None:
        if market.price_kind_column is not None:
            raise ValueError(f"one of {', '.join(PRICE_KINDS)}: the market has prices of both kinds")
        return market.common_price_kind
    if value not in PRICE_KINDS:
        raise ValueError(f"one of {', '.join(PRICE_KINDS)}")
    return str(value)


def _read_prediction_id(value: Any) -> str:
    try:
        found = UUID(value)
        if found.version in VERSIONS:
            return str(found)
    except (TypeError, ValueError, AttributeError):
        pass
    raise ValueError("the prediction_id of an answer, a UUID of version 7 or 8")
