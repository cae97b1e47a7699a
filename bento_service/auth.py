"""API keys: who may do what. Of a key, only its SHA-256 is ever stored.

``housing keys new NAME`` makes a key. Keys are 256 random bits: too many to guess, so that a fast hash is as good as a
slow one.
"""

import hashlib
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple, Self

from bento_service.errors import Kind, ServiceError
from resources.key_entries import KEY_ENTRY, KEY_FORM

PROBED = ("openapi", "ready")
"""What probes and readers of the documentation need before they have a key; none of it is private."""

ALWAYS_OPEN = (*PROBED, "try")
"""What is let in by itself: the form to try the service looks at the key of what it answers, which is in its body."""


class Scope(StrEnum):
    """What a key is good for."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    REPLAY = "replay"
    ADMIN = "admin"


SCOPES: Mapping[str, Scope] = {
    "predict": Scope.PREDICT,
    "predict_batch": Scope.PREDICT,
    "explain": Scope.PREDICT,
    "feedback": Scope.FEEDBACK,
    "replay": Scope.REPLAY,
    "model": Scope.ADMIN,
    "health": Scope.ADMIN,
    "metrics": Scope.ADMIN,
}
"""The scope that each endpoint needs."""

_ALL = frozenset(Scope)

ANONYMOUS = "anonymous"
"""The name of whoever sends no valid key; none has it."""


class Client(NamedTuple):
    """Who sends a request.

    Attributes
    ----------
    name : str
        That of the key.
    scopes : frozenset of Scope
    rate : float, optional
        Requests a second, where the key has a limit of its own; 0 is none.
    """

    name: str
    scopes: frozenset[Scope]
    rate: float | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether it has no valid key."""
        return self.name == ANONYMOUS

    @property
    def is_admin(self) -> bool:
        """Whether hosts and errors of what the service depends on may be named."""
        return Scope.ADMIN in self.scopes


STRANGER = Client(ANONYMOUS, frozenset())
"""Whoever sends no valid key."""

NEIGHBOUR = Client(ANONYMOUS, frozenset({Scope.ADMIN}))
"""Whoever sends no valid key to a service that listens on its own machine alone: its operator, who may see all."""

MISTAKEN = Client(ANONYMOUS, frozenset())
"""Whoever sends a key that is none of the service's: told so everywhere, rather than when it is first needed."""

OPEN_TO_NEIGHBOURS = ("predict", "explain", "model", "health", "metrics")
"""What is answered without a key where the service listens on its own machine alone, and no setting says otherwise."""


class ApiKeys:
    """Checks keys of requests.

    Parameters
    ----------
    clients : mapping of bytes to Client
        By the SHA-256 of their keys; during a rotation of the old and the new one.
    open_endpoints : collection of str
        Names of the endpoints that are answered without a key.
    anonymous : Client
        Who sends no valid key.
    """

    def __init__(
        self, clients: Mapping[bytes, Client], open_endpoints: Collection[str], anonymous: Client = STRANGER
    ) -> None:
        self._clients = dict(clients)
        self._anonymous = anonymous
        self.open_endpoints = frozenset(open_endpoints)

    @classmethod
    def from_settings(
        cls, entries: Sequence[str], open_endpoints: Collection[str], anonymous: Client = STRANGER
    ) -> Self:
        """Read entries as ``read_entries`` does."""
        return cls(read_entries(entries), open_endpoints, anonymous)

    def __len__(self) -> int:
        return len(self._clients)

    def replace(self, clients: Mapping[bytes, Client]) -> None:
        """Let other keys be valid from now on."""
        self._clients = dict(clients)

    def identify(self, authorization: str | None) -> Client:
        """Return whose key a request shows.

        Parameters
        ----------
        authorization : str, optional
            The header ``Authorization``: ``Bearer <key>``.

        Returns
        -------
        Client
            ``MISTAKEN`` for a key that is not valid, where any is.
        """
        if authorization is None:
            return self._anonymous
        scheme, _, key = authorization.partition(" ")
        key = key.strip()
        if not key or scheme.lower() != "bearer":
            return self._anonymous
        return self._clients.get(digest(key), MISTAKEN if self._clients else self._anonymous)

    def require(self, endpoint: str, client: Client) -> None:
        """Refuse a client that may not do something.

        Raises
        ------
        ServiceError
            If the client has sent a key that is not valid; if the endpoint is not open, and it has none or one that is
            good for other things.
        """
        if client is MISTAKEN:
            raise ServiceError(Kind.UNAUTHENTICATED, "the API key is not valid: it may have been withdrawn")
        if endpoint in self.open_endpoints:
            return
        if client.is_anonymous:
            raise ServiceError(Kind.UNAUTHENTICATED, "send the header Authorization: Bearer <API key> with a valid key")
        needed = SCOPES[endpoint]
        if needed not in client.scopes:
            has = ", ".join(sorted(client.scopes))
            raise ServiceError(Kind.FORBIDDEN, f"the key {client.name!r} has the scopes {has}, and not {needed}")


def read_entries(entries: Iterable[str]) -> dict[bytes, Client]:
    """Return the clients that entries name, by the SHA-256 of their keys.

    Parameters
    ----------
    entries : iterable of str
        ``name:sha256``, ``name:sha256:predict+feedback`` or ``name:sha256:predict+feedback:20``: without scopes a key
        is good for everything, and the number is how many requests a second it may send.

    Raises
    ------
    ValueError
        If an entry has another form, or two have one name or one key. The entry is not shown: it may be a key.
    """
    clients: dict[bytes, Client] = {}
    names: set[str] = set()
    for position, entry in enumerate(entries, start=1):
        found = KEY_ENTRY.fullmatch(entry)
        if found is None:
            raise ValueError(f"entry {position} is not {KEY_FORM}; `housing keys new NAME` makes one")
        name, known, scopes, rate = found.groups()
        key = bytes.fromhex(known)
        if name == ANONYMOUS:
            raise ValueError(f"entry {position} has the name {ANONYMOUS!r}, which is that of clients without a key")
        if name in names:
            raise ValueError(f"entry {position} has the name {name!r} of another one: each key has a name of its own")
        if key in clients:
            raise ValueError(f"entry {position}, {name!r}, is the key of {clients[key].name!r}, too")
        names.add(name)
        granted = _ALL if scopes is None else frozenset(map(Scope, scopes.split("+")))
        clients[key] = Client(name, granted, float(rate) if rate else None)
    return clients


def digest(key: str) -> bytes:
    """Return the SHA-256 of a key, which is stored in its place."""
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()


def new_key(name: str, scopes: Sequence[str] = (), rate: float | None = None) -> tuple[str, str]:
    """Make a key.

    Parameters
    ----------
    name : str
    scopes : sequence of str
        What it is good for; by default, for everything.
    rate : float, optional
        Requests a second that it may send.

    Returns
    -------
    key : str
        For the client; it is stored nowhere.
    entry : str
        For the service: ``HOUSING_API_KEYS``, or the file of keys.

    Raises
    ------
    ValueError
        If the name would break the entry.
    """
    if not name or set(name) & set(":,#") or any(letter.isspace() for letter in name):
        raise ValueError(
            f"the name is {name!r}: expected one without colons, commas, # and spaces, such as mobile-2026"
        )
    key = secrets.token_urlsafe(32)
    entry = f"{name}:{digest(key).hex()}"
    if scopes or rate is not None:
        entry += ":" + "+".join(dict.fromkeys(scopes or map(str, Scope)))
    if rate is not None:
        entry += ":" + f"{rate:.3f}".rstrip("0").rstrip(".")
    return key, entry
