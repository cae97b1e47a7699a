"""How a worker leaves: first it says that it is not ready, and only later does it take no more connections.

A balancer sends requests until it has looked at the readiness again. Those that come meanwhile are answered, each with
the advice to make another connection.
"""

import asyncio
import signal
from collections.abc import Callable


def announce_before_ending(announce: Callable[[], None], seconds: float) -> None:
    """Let SIGTERM end the server some seconds later than it would, and be announced at once.

    To be called in the event loop of the main thread, once the server has set its own handler.

    Parameters
    ----------
    announce : callable
        Called once, in the event loop.
    seconds : float
        From the signal to what its present handler does.
    """
    end = signal.getsignal(signal.SIGTERM)
    if not callable(end):
        return  # nothing handles it, so that it ends the process, as it should
    loop = asyncio.get_running_loop()
    begun = False

    def begin() -> None:
        nonlocal begun
        if not begun:  # it may be sent twice: by the supervisor, and by who ends the group of processes
            begun = True
            announce()
            loop.call_later(seconds, end, signal.SIGTERM, None)

    signal.signal(signal.SIGTERM, lambda *_: loop.call_soon_threadsafe(begin))
