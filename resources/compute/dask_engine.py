"""The engine of a Dask cluster: shards are computed by its workers, over mutual TLS.

Imported only where a cluster is configured. Whatever a shard needs travels with its task and stays at the scheduler
until the result is there, so that a worker which dies loses nothing: another one computes its shards anew. Only a few
shards a worker are on their way at once, so that the scheduler holds few of them.
"""

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypeVar

from distributed import Client
from distributed.client import CancelledError, FutureCancelledError

from resources.compute.certificates import security

if TYPE_CHECKING:
    from distributed import Future

from resources.compute.engines import Engine, R, S

T = TypeVar("T")

IN_FLIGHT = 2
"""Shards on their way for each worker: one that it computes, and one that waits for it."""

PATIENCE_SECONDS = 60.0
"""How long a cluster may be without workers: as long as a container takes to start again."""

PROGRESS_SECONDS = 10.0

_LOOK_SECONDS = 2.0

_LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "numba", "mmh3")


class WorkerDiffers(RuntimeError):
    """A worker runs another release than this process: its results may differ."""


class DaskEngine(Engine):
    """Computes on the workers of a cluster, as a context manager.

    Parameters
    ----------
    address : str
        Of the scheduler, ``tls://host:port``.
    certificates : Path
        Folder of the certificate that this process shows; see ``resources/compute/certificates.py``.
    shard_rows : int
    log : callable
        Told about progress.

    Raises
    ------
    ConnectionError
        If the scheduler cannot be reached or refuses the certificate, or no worker is there for a minute; in the middle
        of work, too. It is an outage: a step is tried again.
    """

    name = "dask"
    shard_trees = 1

    def __init__(
        self, address: str, certificates: Path, shard_rows: int, log: Callable[[str], object] = lambda line: None
    ) -> None:
        super().__init__()
        self.address, self.certificates, self.shard_rows, self.log = address, certificates, shard_rows, log

    def __enter__(self) -> Self:
        """Connect, and wait for a worker."""
        try:
            self._client = Client(
                self.address, security=security(self.certificates), set_as_default=False, timeout=PATIENCE_SECONDS
            )
        except (OSError, TimeoutError) as fault:
            raise ConnectionError(f"the scheduler of HOUSING_COMPUTE, {self.address}: {fault}") from fault
        try:
            self._client.wait_for_workers(1, timeout=PATIENCE_SECONDS)
        except TimeoutError as fault:
            self._client.close()
            raise self._no_workers() from fault
        return self

    def __exit__(self, *_: object) -> None:
        """Take leave; what is on its way is dropped."""
        self._client.close()

    @property
    def workers(self) -> int:
        """Workers that the scheduler knows of now."""
        try:
            return len(self._client.nthreads())
        except OSError as fault:
            raise self._gone(fault) from fault

    def map_shards(self, function: Callable[[S], R], shards: Iterable[S]) -> Iterator[R]:
        """Apply a function to shards on the workers; one that fails raises what it failed with.

        Raises
        ------
        WorkerDiffers
            If a worker runs another release.
        distributed.KilledWorker
            If four workers have died on the same shard: it needs more memory than they have.
        """
        shipped = self._client.submit(_Given(function), pure=False)
        waiting: deque[Future] = deque()
        progress = _Progress(self.log)
        for shard in shards:
            waiting.append(self._client.submit(_OnShard(shard, release()), shipped, pure=False))
            if len(waiting) >= IN_FLIGHT * max(self.workers, 1):
                yield self._result(waiting.popleft(), progress)
        while waiting:
            yield self._result(waiting.popleft(), progress)
        progress.say(self.workers)

    def _result(self, future: "Future", progress: "_Progress") -> Any:
        since = time.monotonic()
        while True:
            try:
                result = future.result(timeout=_LOOK_SECONDS)  # also of one that is done: its worker may die with it
                break
            except TimeoutError:
                if future.status == "error":  # the shard's own
                    raise
                if self.workers:
                    since = time.monotonic()
                elif time.monotonic() - since > PATIENCE_SECONDS:
                    raise self._no_workers() from None
            except (CancelledError, FutureCancelledError) as fault:
                raise self._gone(fault) from None
        self.shards += 1
        progress.count(self.workers)
        return result

    def _gone(self, fault: BaseException) -> ConnectionError:
        return ConnectionError(f"the scheduler of HOUSING_COMPUTE, {self.address}, has gone: {fault}")

    def _no_workers(self) -> ConnectionError:
        return ConnectionError(
            f"{self.address} has had no worker for {PATIENCE_SECONDS:.0f} s: start `housing compute worker`"
        )


class _Progress:
    """Says how far the shards are, every few seconds and at the end."""

    def __init__(self, log: Callable[[str], object]) -> None:
        self._log, self._done = log, 0
        self._started = self._said = time.monotonic()

    def count(self, workers: int) -> None:
        self._done += 1
        if time.monotonic() - self._said >= PROGRESS_SECONDS:
            self.say(workers)

    def say(self, workers: int) -> None:
        self._said = time.monotonic()
        seconds = self._said - self._started
        self._log(f"{self._done:,} shards in {seconds:.1f} s on {workers} workers")


class _Given(Generic[T]):
    """A task that returns what it was made with: the scheduler keeps it, and a worker that needs it has it once."""

    def __init__(self, what: T) -> None:
        self.what = what

    def __call__(self) -> T:
        return self.what


class _OnShard(Generic[S]):
    """A task that applies a function to its shard, which Dask does not look into."""

    def __init__(self, shard: S, release: str) -> None:
        self.shard, self.release = shard, release

    def __call__(self, function: Callable[[S], R]) -> R:
        if self.release != release():
            raise WorkerDiffers(f"the worker has {release()}, this process {self.release}: start both of one image")
        return function(self.shard)


@cache
def release() -> str:
    """Return what results depend on: a hash of the platform's code, and the versions of what computes."""
    root, digest = Path(__file__).parents[1], hashlib.sha256()
    for path in sorted(each for package in ("housing_assets", "resources") for each in (root / package).rglob("*.py")):
        digest.update(path.read_bytes())
    libraries = ", ".join(f"{library} {version(library)}" for library in _LIBRARIES)
    return f"code {digest.hexdigest()[:12]}, {libraries}"
