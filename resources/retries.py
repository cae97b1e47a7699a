"""Steps that talk to a registry, a database or an object store are tried again while that is away, and no others."""

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import dagster as dg

from resources.outages import is_outage

P = ParamSpec("P")
T = TypeVar("T")

DELAYS = (30.0, 60.0, 120.0, 240.0)
"""Seconds before each further try: as long as a database or a server takes to start again."""


def retried(compute: Callable[P, T]) -> Callable[P, T]:
    """Let a step be tried again after an outage: to be put below the decorator of an asset or a check.

    An outage is raised as ``RetryRequested``, also where it is what led to a ``Failure`` that says so, and the log says
    what is away: a wrong address is an outage like any other, and nobody should wait minutes to learn of it. What else
    is raised goes on as it is, for another try would end the same way; so does an outage that is still there at the
    last try.
    """
    if inspect.isgeneratorfunction(compute):

        @functools.wraps(compute)
        def stream(*arguments: P.args, **named: P.kwargs) -> Any:
            with requesting_retries(_tries):
                yield from compute(*arguments, **named)

        return stream

    @functools.wraps(compute)
    def attempt(*arguments: P.args, **named: P.kwargs) -> T:
        with requesting_retries(_tries):
            return compute(*arguments, **named)

    return attempt


@contextmanager
def requesting_retries(tries: Callable[[], int]) -> Iterator[None]:
    """Raise an outage in the block as ``RetryRequested``.

    Parameters
    ----------
    tries : callable
        Returns how often the step was tried before.
    """
    try:
        yield
    except Exception as fault:
        final = isinstance(fault, dg.Failure) and not fault.allow_retries
        if final or not is_outage(fault) or (tried := tries()) >= len(DELAYS):
            raise
        dg.get_dagster_logger().warning(
            f"{_reason(fault)}; trying again in {DELAYS[tried]:.0f} s (retry {tried + 1} of {len(DELAYS)})"
        )
        raise dg.RetryRequested(max_retries=len(DELAYS), seconds_to_wait=DELAYS[tried]) from fault


def _reason(fault: Exception) -> str:
    """Return what an outage says of itself, in a line."""
    said = (fault.description if isinstance(fault, dg.Failure) else str(fault)) or type(fault).__name__
    return said.strip().partition("\n")[0]


def _tries() -> int:
    return dg.OpExecutionContext.get().retry_number  # which stands for that of an asset, and of a check
