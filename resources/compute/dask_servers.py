"""The processes of a compute cluster: its scheduler and its workers, over mutual TLS and nothing else.

Dask's pages and metrics over HTTP know no certificates: there are none.
"""

import asyncio
import signal
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import dask
from distributed import Nanny, Scheduler

from resources.compute.certificates import security

_NO_PAGES: dict[str, list[str]] = {"distributed.scheduler.http.routes": [], "distributed.worker.http.routes": []}
_NOWHERE = "127.0.0.1:0"
"""Where Dask's HTTP server without pages listens: it cannot be left out."""

_ONE_THREAD = {"NUMBA_NUM_THREADS": "1"}
"""Beside what Dask's nanny sets for the other libraries."""


def run_scheduler(host: str, port: int, certificates: Path) -> None:
    """Run a scheduler until it is asked to stop.

    Parameters
    ----------
    host : str
        Address to listen on.
    port : int
    certificates : Path
        Folder of the role ``scheduler``.

    Raises
    ------
    OSError
        If the port is taken.
    """
    _run(_schedule(host, port, certificates))


def run_workers(address: str, certificates: Path, count: int, memory: str) -> None:
    """Run workers until they are asked to stop, or the scheduler is.

    Each is a process with one thread, which a nanny starts again where it dies, or ends where it holds more memory than
    95 % of its limit: what numba and pandas hold counts only there, not in what Dask could move to disk before.

    Parameters
    ----------
    address : str
        Of the scheduler.
    certificates : Path
        Folder of the role ``worker``.
    count : int
    memory : str
        Limit of each worker, as ``4GiB``, or ``auto``: its share of the machine's, or the container's, memory.
    """
    _run(_work(address, certificates, count, memory))


async def _schedule(host: str, port: int, certificates: Path) -> None:
    async with Scheduler(
        host=host,
        port=port,
        protocol="tls",
        security=security(certificates),
        dashboard=False,
        dashboard_address=_NOWHERE,
    ) as scheduler:
        print(f"scheduler at {scheduler.address}", flush=True)
        await _until_stopped(scheduler.finished())


async def _work(address: str, certificates: Path, count: int, memory: str) -> None:
    async with AsyncExitStack() as workers:
        nannies = [
            Nanny(
                address,
                nthreads=1,
                memory_limit=memory,
                security=security(certificates),
                protocol="tls",
                env=_ONE_THREAD,
                dashboard=False,
                dashboard_address=_NOWHERE,
            )
            for _ in range(count)
        ]
        await asyncio.gather(*map(workers.enter_async_context, nannies))
        for nanny in nannies:
            print(f"worker {nanny.worker_address}, {_shown(nanny.memory_manager.memory_limit)}", flush=True)
        await _until_stopped(*(nanny.finished() for nanny in nannies))


def _shown(limit: int | None) -> str:
    return f"at most {limit / 2**30:.1f} GiB" if limit else "without a limit of memory"


def _run(server: Coroutine[Any, Any, None]) -> None:
    with dask.config.set(_NO_PAGES):
        asyncio.run(server)


async def _until_stopped(*servers: Coroutine[Any, Any, Any]) -> None:
    """Wait until one of the servers has ended by itself, or this process is asked to stop."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    waiting: list[asyncio.Future[Any]] = [asyncio.ensure_future(each) for each in (*servers, stopped.wait())]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    for each in waiting:
        each.cancel()
