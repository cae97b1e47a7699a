"""What the service says of itself, where it can be asked."""

from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx

TIMEOUT = 2.0
"""Seconds that the service has to answer."""

STATUSES = ("healthy", "degraded", "failing")

_SOUND = ("as evaluated", "no forest to replay")
"""What ``golden_rows`` says where nothing is wrong."""


@dataclass(frozen=True)
class ServiceHealth:
    """The state of the service.

    Attributes
    ----------
    status : str
        ``healthy``, ``degraded`` or ``failing``, as it says itself; ``unknown`` where it does not.
    detail : str
        Why, in a sentence.
    version, tier : str
        What answers; empty where that is not known.
    """

    status: str = "unknown"
    detail: str = "The service has not been asked yet."
    version: str = ""
    tier: str = ""


NOT_ASKED = ServiceHealth()
"""Before the first look."""


class ServiceProbe:
    """Asks the service how it is.

    Parameters
    ----------
    url : str
    key : str, optional
        API key with the scope ``admin``.
    """

    def __init__(self, url: str, key: str | None) -> None:
        self._url = url
        headers = {"authorization": f"Bearer {key}"} if key else {}
        self._client = httpx.Client(headers=headers, timeout=TIMEOUT)

    def ask(self) -> ServiceHealth:
        """Return what it says, or why it says nothing."""
        try:
            reply = self._client.get(f"{self._url}/health/deep")
            if reply.status_code in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
                return ServiceHealth(
                    detail="The service shows its health only to keys with the scope admin: set "
                    "HOUSING_CONSOLE_SERVICE_KEY."
                )
            return _read(reply.json())
        except httpx.HTTPError as fault:
            return ServiceHealth(detail=f"The service does not answer at {self._url} ({type(fault).__name__}).")
        except (ValueError, KeyError, TypeError):
            return ServiceHealth(
                detail=f"Something else answers at {self._url}: it is not the service of this platform."
            )


def _read(told: Any) -> ServiceHealth:
    status, models, store, golden = told["status"], told["models"], told["prediction_store"], told["golden_rows"]
    if status not in STATUSES:
        raise ValueError(status)
    champion = models["champion"] or {"version": "", "tier": ""}
    found = list(models["reasons"])
    if golden not in _SOUND:
        found.append(f"the model does not answer as it was evaluated: {golden}")
    if store["last_error"]:
        found.append(f"the prediction store cannot be written to: {store['last_error']}")
    detail = " ".join(f"{reason[:1].upper()}{reason[1:]}." for reason in found)
    return ServiceHealth(
        status,
        detail or "Model, registry and prediction store answer.",
        str(champion["version"]),
        str(champion["tier"]),
    )
