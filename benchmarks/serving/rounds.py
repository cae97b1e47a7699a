"""Puts the same load on several servers by turns, so that what disturbs the machine disturbs all of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.serving.load import Client, Load

CONCURRENCIES = (1, 32)
"""Requests that a client keeps running at once."""


@dataclass(frozen=True)
class Rounds:
    """What the servers did.

    Attributes
    ----------
    loads : mapping of (str, int) to sequence of Load
        Of each round, by the server's name and the concurrency.
    answered : mapping of str to int
        Requests that each server has answered in all, warm-up included.
    """

    loads: Mapping[tuple[str, int], Sequence[Load]]
    answered: Mapping[str, int]

    def median(self, name: str, concurrency: int, figure: Callable[[Load], float]) -> float:
        """Return the median of a figure over the rounds."""
        return median(map(figure, self.loads[name, concurrency]))

    def ratios(self, name: str, other: str, concurrency: int, figure: Callable[[Load], float]) -> list[float]:
        """Return a server's figure divided by another's, for each round."""
        pairs = zip(self.loads[name, concurrency], self.loads[other, concurrency], strict=True)
        return [figure(ours) / figure(theirs) for ours, theirs in pairs]


def run_rounds(
    clients: Mapping[str, Client], *, rounds: int, seconds: float, n_requests: int, report: Callable[[str], None]
) -> Rounds:
    """Warm every server up, then let them take turns.

    Parameters
    ----------
    clients : mapping of str to Client
        By the name of the server.
    rounds : int
    seconds : float
        Of each load.
    n_requests : int
        Distinct requests; each load goes on from where the one before it has stopped.
    report : callable
        Told what is done.
    """
    answered = dict.fromkeys(clients, 0)

    def load(name: str, concurrency: int) -> Load:
        seen = clients[name].load(concurrency, seconds, answered[name] % n_requests)
        answered[name] += seen.answered
        report(
            f"{name}, {concurrency} at once: {seen.rate:,.0f}/s, p99 {seen.p99 * 1e3:.1f} ms, "
            f"{seen.cpu_per_request * 1e6:,.0f} µs of CPU each"
        )
        return seen

    loads: dict[tuple[str, int], list[Load]] = {}
    for number in range(rounds + 1):
        order = sorted(clients, reverse=bool(number % 2))
        for concurrency in CONCURRENCIES:
            for name in order:
                seen = load(name, concurrency)
                if number:  # the first is the warm-up
                    loads.setdefault((name, concurrency), []).append(seen)
    return Rounds(loads, answered)
