"""Where shards of work are computed: the interface, and the engine of this process.

A function over shards sees nothing but its shard and what was bound to it, so that its results are the same on every
engine and for any number of shards. The other engine is a cluster's (``dask_engine.py``).
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator
from typing import ClassVar, TypeVar

S = TypeVar("S")
R = TypeVar("R")


class Engine(ABC):
    """What computes shards.

    Attributes
    ----------
    shard_rows : int or None
        Rows that a shard has at most; None where all rows are one.
    shard_trees : int or None
        Trees that are grown as one shard; None where it is up to the forest.
    workers : int
        Processes that compute.
    shards : int
        Computed so far.
    """

    name: ClassVar[str]
    shard_rows: int | None = None
    shard_trees: int | None = None

    def __init__(self) -> None:
        self.shards = 0

    @property
    @abstractmethod
    def workers(self) -> int:
        """Processes that compute."""

    @abstractmethod
    def map_shards(self, function: Callable[[S], R], shards: Iterable[S]) -> Iterator[R]:
        """Apply a function to shards, which are drawn as they are needed; results come in the shards' order.

        Parameters
        ----------
        function : callable
            Of a module, or a ``partial`` of one; what is bound to it is sent to a worker once.
        shards : iterable
        """

    def blocks(self, n_rows: int) -> list[slice]:
        """Return the blocks of rows that are a shard each: one at least."""
        size = self.shard_rows or max(n_rows, 1)
        return [slice(start, min(start + size, n_rows)) for start in range(0, max(n_rows, 1), size)]

    def account(self) -> dict[str, str | int]:
        """Return what an asset's metadata says of where it was computed."""
        return {"compute_engine": self.name, "compute_shards": self.shards, "compute_workers": self.workers}


class LocalEngine(Engine):
    """Computes in this process: all rows are one shard."""

    name = "local"

    def __init__(self, shard_rows: int | None = None) -> None:
        super().__init__()
        self.shard_rows = shard_rows

    @property
    def workers(self) -> int:
        """One: the process that asks."""
        return 1

    def map_shards(self, function: Callable[[S], R], shards: Iterable[S]) -> Iterator[R]:
        """Apply a function to one shard after the other."""
        for shard in shards:
            self.shards += 1
            yield function(shard)


LOCAL = LocalEngine()
"""The engine of whoever names none; nobody asks it for its account."""
