"""``python -m benchmarks.loading MODULE`` prints the seconds that importing a module takes in this fresh interpreter.

Connections are refused, so that a module that talks to anything while it loads fails here.
"""

import importlib
import socket
import sys
import time
from typing import NoReturn


def refuse(*_: object) -> NoReturn:
    """Refuse a connection."""
    raise ConnectionRefusedError("the benchmark lets nothing connect while a module loads")


def seconds_to_import(module: str) -> float:
    """Import a module with connections refused; return the seconds that took."""
    socket.socket.connect = refuse  # type: ignore[method-assign]
    socket.socket.connect_ex = refuse  # type: ignore[method-assign]
    socket.getaddrinfo = refuse  # type: ignore[assignment]
    started = time.perf_counter()
    importlib.import_module(module)
    return time.perf_counter() - started


if __name__ == "__main__":
    print(seconds_to_import(sys.argv[1]))
