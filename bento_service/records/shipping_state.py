"""What the process that ships records tells the workers of its host, in a file.

The file is of a fixed size, so that no full disk silences the process.
"""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

BYTES = 4096
"""Size of the file: a page, which is written at once."""

MAX_ERROR_CHARACTERS = 500
"""Of the last error: as JSON, each takes up to six bytes."""


class ShippingState(NamedTuple):
    """How shipping goes.

    Attributes
    ----------
    tried : bool
        Whether the store is migrated, or could not be.
    last_shipped_at : str or None
    last_error : str or None
        None unless it persists.
    shipped, damaged : int
        Records since the process was started.
    """

    tried: bool = False
    last_shipped_at: str | None = None
    last_error: str | None = None
    shipped: int = 0
    damaged: int = 0


def write_state(descriptor: int, state: ShippingState) -> None:
    """Write a state in place of the last one; a long error is cut off."""
    error = state.last_error and state.last_error[:MAX_ERROR_CHARACTERS]
    told = state._replace(last_error=error)
    os.pwrite(descriptor, json.dumps(told._asdict()).encode().ljust(BYTES), 0)


def read_state(path: Path) -> ShippingState | None:
    """Return what was written; None if there is nothing, or it is being written."""
    try:
        told: dict[str, Any] = json.loads(path.read_bytes())
        return ShippingState(**told)
    except (FileNotFoundError, ValueError):
        return None
