"""The error of a declaration, and what refuses a wrong name or an unknown field with it."""

from collections.abc import Iterable, Mapping
from typing import Any

_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")


class DeclarationError(ValueError):
    """A declaration that cannot be used; the message names the field, what was found and what was expected."""


def require_name(what: str, name: Any) -> None:
    """Refuse what cannot name a column.

    Raises
    ------
    DeclarationError
    """
    if not isinstance(name, str) or not name or not set(name) <= _NAME or name[0].isdigit():
        raise DeclarationError(f"{what} is {name!r}: expected lower-case letters, digits and _, a letter first")


def require_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that are not declared.

    Raises
    ------
    DeclarationError
    """
    there = list(known)
    for name in names:
        if name not in there:
            raise DeclarationError(f"{what} names {name!r}: expected one of {', '.join(there)}")


def require_fields(what: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse fields that there are not.

    Raises
    ------
    DeclarationError
    """
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise DeclarationError(f"{what} has the field {', '.join(unknown)}: expected {', '.join(known)}")
