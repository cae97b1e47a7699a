"""What servers answer that do nothing."""

from typing import Any

ANSWER: dict[str, Any] = {
    "prediction_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "price_category": "medium",
    "probabilities": {"low": 0.25, "medium": 0.5, "high": 0.25},
    "band": {"above": 1.0, "up_to": 2.0, "currency": "TRY", "price_kind": "asking"},
    "model_version": "0",
    "tier": "baked",
    "unseen": [],
    "estimate": {
        "price": 2_345_678.9012345677,
        "interval_50": {"low": 2_012_345.6789012345, "high": 2_698_765.4321098763},
        "interval_80": {"low": 1_701_234.5678901234, "high": 3_123_456.789012345},
        "forecast_deviation": 0.21345678901234567,
        "currency": "TRY",
    },
    "no_estimate": None,
}
"""Of the form and size of the service's answers."""
