"""API keys: who may call what. Of a key, only its SHA-256 is ever stored.

``python -m bento_service.auth NAME`` makes a new key. Keys are 256 random bits, so that a fast hash is as good as a
slow one: there is nothing to guess.
"""

import argparse
import hashlib
import hmac
import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Self

from bento_service.errors import Kind, ServiceError

ALWAYS_OPEN = ("metrics", "openapi", "ready")
"""What monitoring and people need before they have a key, and what tells nothing of anybody."""

_BEARER = "bearer "


class ApiKeys:
    """Checks keys of requests.

    Parameters
    ----------
    digests : mapping of str to bytes
        SHA-256 of each key that is valid, by its name; during a rotation the old and the new one.
    open_endpoints : collection of str
        What is answered without a key.
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
        """Let a request pass.

        Parameters
        ----------
        endpoint : str
        authorization : str, optional
            The header of that name: ``Bearer <key>``.

        Raises
        ------
        ServiceError
            If the endpoint is not open and the key is not one of ours.
        """
        if endpoint in self.open_endpoints:
            return
        if authorization is None or not authorization.lower().startswith(_BEARER):
            raise ServiceError(Kind.UNAUTHENTICATED, "send the header Authorization: Bearer <API key>")
        found = digest(authorization[len(_BEARER) :].strip())
        # Every key is compared, in constant time: how long it takes tells nothing about any of them.
        if not sum(hmac.compare_digest(found, known) for known in self._digests.values()):
            raise ServiceError(Kind.UNAUTHENTICATED, "the API key is not valid")


def digest(key: str) -> bytes:
    """Return what is stored of a key."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a new key and print it with what the service must be given."""
    parser = argparse.ArgumentParser(prog="python -m bento_service.auth", description="Make a new API key.")
    parser.add_argument("name", help="whose key it is, such as mobile-2026")
    name = parser.parse_args(arguments).name
    if ":" in name or "," in name:
        parser.error("a name has neither : nor ,")
    key = secrets.token_urlsafe(32)
    print(f"key, for the client, shown only now:  {key}")
    print(f"entry of HOUSING_API_KEYS:            {name}:{digest(key).hex()}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
