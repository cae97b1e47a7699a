"""What the service tells of itself to those who are no administrators: states and versions, but no hosts."""

from typing import Any, TypeVar

T = TypeVar("T")

HIDDEN = "shown to keys with the scope admin"

_NAMING_HOSTS = frozenset({"url", "last_error", "cache_error", "reason", "reasons"})
"""Fields of a state that hold an address, or an error, which may quote one."""


def without_hosts(state: T) -> T:
    """Return a state with its addresses and the texts of its errors replaced; what is null stays so."""
    return _replaced(state)


def _replaced(found: Any) -> Any:
    if not isinstance(found, dict):
        return found
    return {name: _hidden(value) if name in _NAMING_HOSTS else _replaced(value) for name, value in found.items()}


def _hidden(value: Any) -> Any:
    if value is None:
        return None
    return [HIDDEN] * len(value) if isinstance(value, list) else HIDDEN
