"""How large a request may be."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bento_service.protocols.surface import Service

MAX_LISTING_BYTES = 65_536
"""Of a request about one listing: some hundred ads fit in."""


def max_body_bytes(service: "Service", endpoint: str) -> int:
    """Return the size that a request to an endpoint may have."""
    largest = service.max_request_bytes
    return largest if endpoint == "predict_batch" else min(largest, MAX_LISTING_BYTES)
