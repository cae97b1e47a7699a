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
    """Let a step be tried again after an outage: to be put below the decorator of an asset.

    An outage is raised as ``RetryRequested``. What else is raised goes on as it is, for another try would end the same
    way; so does an outage that is still there at the last try.
    """
    if inspect.isgeneratorfunction(compute):

        @functools.wraps(compute)
        def stream(*arguments: P.args, **named: P.kwargs) -> Any:
            with _requesting_retries():
                yield from compute(*arguments, **named)

        return stream

    @functools.wraps(compute)
    def attempt(*arguments: P.args, **named: P.kwargs) -> T:
        with _requesting_retries():
            return compute(*arguments, **named)

    return attempt


@contextmanager
def _requesting_retries() -> Iterator[None]:
    try:
        yield
    except Exception as fault:
        tried = dg.AssetExecutionContext.get().retry_number
        if isinstance(fault, dg.Failure) or tried >= len(DELAYS) or not is_outage(fault):
            raise
        raise dg.RetryRequested(max_retries=len(DELAYS), seconds_to_wait=DELAYS[tried]) from fault
