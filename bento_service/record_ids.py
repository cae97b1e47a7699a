"""Ids of records: new ones, and those that a retry has again, by which the prediction store keeps it once."""

import hashlib
from typing import Any
from uuid import UUID

import orjson
import uuid_utils

VERSIONS = (7, 8)
"""Versions of the UUIDs (RFC 9562): 7 begins with the time, 8 is ours."""

_VERSION, _VARIANT = 0xF << 76, 0x3 << 62


def new_id() -> str:
    """Return a UUID of version 7."""
    return str(uuid_utils.uuid7())


def repeatable_id(idempotency_key: str, *content: Any) -> str:
    """Return a UUID of version 8 that is the same whenever, and wherever, the same is sent again with the same key.

    Another content under the same key is another record: a client that uses a key twice loses nothing. The hash has no
    secret, so that a client that tries keys can choose among ids: what is drawn by its id, such as the answers to be
    reviewed, says nothing against a client that wants to hide.

    Parameters
    ----------
    idempotency_key : str
        That a client chose for a request and its retries.
    *content : JSON types
        What the record is about.
    """
    sent = orjson.dumps([idempotency_key, *content], option=orjson.OPT_SORT_KEYS)
    number = int.from_bytes(hashlib.sha256(sent).digest()[:16])
    return str(UUID(int=number & ~(_VERSION | _VARIANT) | 8 << 76 | 0b10 << 62))
