"""Where assets compute: in this process, or on a cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Self

import dagster as dg

from resources.compute.certificates import require_certificates
from resources.compute.engines import Engine, LocalEngine
from resources.settings import LOCAL_COMPUTE, Settings


class Compute(dg.ConfigurableResource):
    """Opens an engine for a step; ``distributed`` is imported only for a cluster's.

    ``address`` is ``local`` or a scheduler's ``tls://host:port``, ``certificates`` the folder of the certificate
    to show it, ``shard_rows`` the rows that a shard has at most there.
    """

    address: str = LOCAL_COMPUTE
    certificates: str = ""
    shard_rows: int = 200_000

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the resource that the settings name.

        Raises
        ------
        ValueError
            If a cluster is named, and Dask is not installed or the certificates are not there.
        """
        if settings.compute == LOCAL_COMPUTE:
            return cls()
        if find_spec("distributed") is None:
            raise ValueError("HOUSING_COMPUTE names a cluster: install the extra, housing-price-platform[dask]")
        folder = settings.compute_certificates or Path()
        try:
            require_certificates(folder)
        except ValueError as fault:
            raise ValueError(f"HOUSING_COMPUTE_CERTIFICATES: {fault}") from fault
        return cls(address=settings.compute, certificates=str(folder), shard_rows=settings.compute_shard_rows)

    @contextmanager
    def open(self) -> Iterator[Engine]:
        """Open the engine.

        Raises
        ------
        ConnectionError
            If the cluster cannot be reached, or has no worker.
        """
        if self.address == LOCAL_COMPUTE:
            yield LocalEngine()
            return
        from resources.compute.dask_engine import DaskEngine

        log = dg.get_dagster_logger()
        with DaskEngine(self.address, Path(self.certificates), self.shard_rows, log.info) as engine:
            yield engine
