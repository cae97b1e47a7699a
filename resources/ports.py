"""Ports for servers that are started for a while."""

import random
import socket

_RANGE = range(20_000, 32_000)
"""Below what systems hand out by themselves (32768 and up on Linux, 49152 on others): there a port that is free now may
be anybody's end of a connection before the server listens on it."""


_CHOSEN: list[socket.socket] = []
"""UDP sockets on the ports that this process has chosen: while it lives, no other process chooses the same ones."""


def free_port() -> int:
    """Return a TCP port of this machine that nobody listens on, and that no other process was given here.

    Raises
    ------
    OSError
        If none is found.
    """
    for port in random.sample(_RANGE, 100):  # nosec B311
        chosen = socket.socket(type=socket.SOCK_DGRAM)
        try:
            with socket.socket() as listener:
                listener.bind(("127.0.0.1", port))
            chosen.bind(("127.0.0.1", port))
        except OSError:
            chosen.close()
            continue
        _CHOSEN.append(chosen)
        return port
    raise OSError(f"no free port found between {_RANGE.start} and {_RANGE.stop}")
