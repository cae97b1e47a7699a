"""Whether the fields of a listing are those of its market, and which one a client may have meant."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from bento_service.errors import MAX_FIELD_ERRORS, MAX_SHOWN, FieldError, Kind, Reason, ServiceError


def require_known(cells: Any, known: frozenset[str]) -> Mapping[str, Any]:
    """Return a listing all of whose fields are known.

    Raises
    ------
    ServiceError
        If it is no object, or has others; the message says which field may have been meant.
    """
    if not isinstance(cells, Mapping):
        wrong = FieldError("listing", cells, "an object of its fields", Reason.MALFORMED)
        raise ServiceError(Kind.INVALID, "a listing is an object", [wrong])
    if not cells.keys() <= known:
        raise _unknown_fields(cells, known)
    return cells


def _unknown_fields(cells: Mapping[Any, Any], known: frozenset[str]) -> ServiceError:
    unknown = sorted((name for name in cells if name not in known), key=str)  # a gRPC map has no order of its own
    faults = [
        FieldError(str(name), cells[name], "no such field", Reason.UNKNOWN_FIELD) for name in unknown[:MAX_FIELD_ERRORS]
    ]
    first = faults[0]
    if near := _nearest(first.field[:MAX_SHOWN], known):  # of one alone: a request may have many
        faults[0] = first._replace(message=f"no such field; did you mean {near}?")
    wrong = "is unknown" if len(unknown) == 1 else "are unknown"
    return ServiceError(Kind.INVALID, f"{len(unknown)} of the listing's fields {wrong}", faults)


@lru_cache(maxsize=1_000)
def _nearest(name: str, known: frozenset[str]) -> str | None:
    """Return the field that a client may have meant: one that begins alike, as comparing takes a while.

    A client with a wrong one sends it again and again.
    """
    written = name.casefold()
    plain = {one.casefold(): one for one in sorted(known) if one[:1].casefold() == written[:1]}
    near = get_close_matches(written, plain, n=1)
    return plain[near[0]] if near else None
