"""Who is let in: keys, rates, and the audit log, one line of JSON for each that used a key or was refused."""

import logging
import time
from datetime import UTC, datetime

import orjson

from bento_service.auth import ApiKeys, Client
from bento_service.errors import Kind, ServiceError
from bento_service.moments import format_moment
from bento_service.rate_limits import RateLimits

AUDITED = frozenset({"feedback", "replay", "model", "health"})
"""What is in the audit log with the name of the key. Predictions are in the store, and too many for a log."""

REFUSALS_A_SECOND = 10
"""Lines about refused clients: a flood of them must not fill the disk."""

_ABOUT_CLIENTS = (Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.RATE_LIMITED)

logger = logging.getLogger("housing.audit")


class Access:
    """Lets clients in, or not.

    Parameters
    ----------
    keys : ApiKeys
    limits : RateLimits
    """

    def __init__(self, keys: ApiKeys, limits: RateLimits) -> None:
        self._keys = keys
        self._limits = limits
        self._second, self._written, self._left_out = 0, 0, 0
        self.identify = keys.identify
        self.require_permission = keys.require
        self.owe = limits.owe

    @property
    def open_endpoints(self) -> frozenset[str]:
        """What is answered without a key."""
        return self._keys.open_endpoints

    def require(self, endpoint: str, client: Client) -> None:
        """Refuse a client that may not do something, or has done too much of it.

        Raises
        ------
        ServiceError
        """
        self._keys.require(endpoint, client)
        self._limits.spend(client)

    def audit(self, client: Client, endpoint: str, protocol: str, request_id: str, fault: ServiceError | None) -> None:
        """Record what became of a request, where that is wanted."""
        if fault is not None and fault.kind in _ABOUT_CLIENTS:
            if self._may_write():
                self._write("refused", client, endpoint, protocol, request_id, fault, left_out=self._left_out)
                self._left_out = 0
        elif endpoint in AUDITED and not client.is_anonymous:
            self._write("used", client, endpoint, protocol, request_id, fault)

    def _may_write(self) -> bool:
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._written = second, 0
        self._written += 1
        if self._written > REFUSALS_A_SECOND:
            self._left_out += 1
        return self._written <= REFUSALS_A_SECOND

    def _write(
        self,
        event: str,
        client: Client,
        endpoint: str,
        protocol: str,
        request_id: str,
        fault: ServiceError | None,
        **more: int,
    ) -> None:
        line = {
            "at": format_moment(datetime.now(UTC)),
            "event": event,
            "key": client.name,
            "endpoint": endpoint,
            "protocol": protocol,
            "outcome": "answered" if fault is None else fault.kind.urn,
            "request_id": request_id,
        }
        logger.info(orjson.dumps(line | more).decode())
