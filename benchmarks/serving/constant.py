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
}
"""Of the form and size of the service's answers."""
