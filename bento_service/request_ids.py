"""The id of a request, by which a client, a balancer and the service's records name the same one."""

import re
from contextvars import ContextVar

import uuid_utils

HEADER = "x-request-id"

MAX_LENGTH = 128

current: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Of the request that this task answers: for records and logs, whatever is called in between."""

_FORM = re.compile(rf"[A-Za-z0-9._:/+=@~-]{{1,{MAX_LENGTH}}}")


def request_id(sent: str | None) -> str:
    """Return the id that a client sent, or a new one where it sent none, or one that could break a log or a header."""
    if sent is not None and _FORM.fullmatch(sent):
        return sent
    return str(uuid_utils.uuid7())
