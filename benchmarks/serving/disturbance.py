"""How much of the processors everything else took while servers were measured."""

import os
from collections.abc import Sequence

import psutil

from benchmarks.serving.servers import Server


class Disturbance:
    """Counts from its making on.

    Parameters
    ----------
    servers : sequence of Server
        They, this process and the clients that it starts are not what disturbs.
    """

    def __init__(self, servers: Sequence[Server]) -> None:
        self._servers = servers
        self._busy, self._all = self._read()

    def share(self) -> float:
        """Return the share of all processors' time, 0 to 1, that other processes and other machines took."""
        busy, all_ = self._read()
        return max((busy - self._busy) / (all_ - self._all), 0.0)

    def _read(self) -> tuple[float, float]:
        """Return the seconds in which a processor did something else than our work, and of all of them."""
        machine = psutil.cpu_times()
        idle = machine.idle + getattr(machine, "iowait", 0.0)
        all_ = sum(machine) - getattr(machine, "guest", 0.0) - getattr(machine, "guest_nice", 0.0)  # in user and nice
        own = os.times()
        ours = sum(own[:4]) + sum(server.cpu_seconds() for server in self._servers)
        return all_ - idle - ours, all_
