"""API keys: who may call what. Of a key, only its SHA-256 is ever stored.

``housing keys new NAME`` makes a key. Keys are 256 random bits: too many to guess, so that a fast hash is as good as a
slow one.
"""

import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Self

from bento_service.errors import Kind, ServiceError

ALWAYS_OPEN = ("metrics", "openapi", "ready")
"""What probes, monitoring and readers of the documentation need before they have a key; none of it is private."""

_BEARER = "bearer "


class ApiKeys:
    """Checks keys of requests.

    Parameters
    ----------
    digests : mapping of str to bytes
        SHA-256 of each valid key, by its name; during a rotation the old and the new one.
    open_endpoints : collection of str
        Names of the endpoints that are answered without a key.
    """

    def __init__(self, digests: Mapping[str, bytes], open_endpoints: Collection[str]):
        self._digests = dict(digests)
        self.open_endpoints = frozenset(open_endpoints)

    @classmethod
    def from_settings(cls, entries: Sequence[str], open_endpoints: Collection[str]) -> Self:
        """Read entries of the form ``name:sha256``."""
        named = (entry.partition(":") for entry in entries)
        return cls({name: bytes.fromhex(known) for name, _, known in named}, open_endpoints)

    def require(self, endpoint: str, authorization: str | None) -> None:
        """Check the key of a request.

        Parameters
        ----------
        endpoint : str
        authorization : str, optional
            The header ``Authorization``: ``Bearer <key>``.

        Raises
        ------
        ServiceError
            If the endpoint is not open and the key is missing or not valid.
        """
        if endpoint in self.open_endpoints:
            return
        if authorization is None or not authorization.lower().startswith(_BEARER):
            raise ServiceError(Kind.UNAUTHENTICATED, "send the header Authorization: Bearer <API key>")
        found = digest(authorization[len(_BEARER) :].strip())
        # Every key is compared, in constant time: the time tells nothing about any of them.
        if not sum(hmac.compare_digest(found, known) for known in self._digests.values()):
            raise ServiceError(Kind.UNAUTHENTICATED, "the API key is not valid")


def digest(key: str) -> bytes:
    """Return the SHA-256 of a key, which is stored in its place."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def new_key(name: str) -> tuple[str, str]:
    """Make a key.

    Returns
    -------
    key : str
        For the client; it is stored nowhere.
    entry : str
        For ``HOUSING_API_KEYS``.

    Raises
    ------
    ValueError
        If the name would break the entry.
    """
    if not name or set(name) & set(":, \t\n"):
        raise ValueError(f"the name is {name!r}: expected one without colons, commas and spaces, such as mobile-2026")
    key = secrets.token_urlsafe(32)
    return key, f"{name}:{digest(key).hex()}"
