"""Ports for servers that are started for a while."""

import random
import socket

_RANGE = range(20_000, 32_000)
"""Below what systems hand out by themselves (32768 and up on Linux, 49152 on others): there a port that is free now may
be anybody's end of a connection before the server listens on it."""


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on.

    Raises
    ------
    OSError
        If none is found.
    """
    for port in random.sample(_RANGE, 100):  # nosec B311
        with socket.socket() as listener:
            try:
                listener.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise OSError(f"no free port found between {_RANGE.start} and {_RANGE.stop}")
