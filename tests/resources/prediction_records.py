"""Records of the journal in the form of this release, and in that of the one before it."""

from typing import Any

import uuid_utils

SHARES = {"low": 0.9, "medium": 0.1, "high": 0.0}


def prediction(number: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a prediction as the journal has it."""
    return {
        "kind": "prediction",
        "prediction_id": str(uuid_utils.uuid7()),
        "role": "answer",
        "predicted_at": f"2026-11-21T10:{number // 60 % 60:02d}:{number % 60:02d}.123456Z",
        "protocol": "http",
        "request_key": None,
        "request_id": f"request {number}",
        "tier": "production",
        "model_version": "3",
        "price_category": "low",
        "probabilities": SHARES,
        "estimate": {
            "price": 2_900_000.5,
            "interval_50": {"low": 2_600_000.0, "high": 3_300_000.0},
            "interval_80": {"low": 2_300_000.0, "high": 3_900_000.0},
            "forecast_deviation": 0.2,
            "currency": "TRY",
        },
        "listing": {"district": "Kadıköy 🏠", "GrossSquareMeters": "160 m2", "NetSquareMeters": 140, "number": number},
    } | changes


def feedback(prediction_id: str, **changes: Any) -> dict[str, Any]:
    """Return a price that was reported."""
    return {
        "kind": "feedback",
        "feedback_id": str(uuid_utils.uuid7()),
        "prediction_id": prediction_id,
        "price": 3_100_000.0,
        "price_category": None,
        "price_kind": None,
        "observed_at": "2026-12-01T08:00:00.000000Z",
        "received_at": "2026-12-01T09:00:00.000000Z",
    } | changes


def refusal(requests: int = 1, **changes: Any) -> dict[str, Any]:
    """Return requests that were refused alike."""
    return {
        "kind": "refusal",
        "refusal_id": str(uuid_utils.uuid7()),
        "refused_at": "2026-11-21T10:00:00.000000Z",
        "endpoint": "predict",
        "protocol": "http",
        "field": "GrossSquareMeters",
        "reason": "unusable",
        "requests": requests,
    } | changes


def older_prediction(number: int = 0, **changes: Any) -> dict[str, Any]:
    """Return a prediction as an older release wrote it: a field for each category."""
    record = prediction(number)
    shares = record.pop("probabilities")
    del record["request_id"], record["estimate"]
    return record | {f"probability_{category}": share for category, share in shares.items()} | changes


def older_feedback(prediction_id: str, **changes: Any) -> dict[str, Any]:
    """Return a price as an older release wrote it."""
    record = feedback(prediction_id)
    del record["price_category"], record["price_kind"]
    return record | changes
