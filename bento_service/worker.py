"""A worker: the runtime, and the gRPC server that answers from it. HTTP is answered by BentoML's own server."""

from pathlib import Path

from bento_service.memory import freeze_loaded_objects, return_large_blocks
from bento_service.protocols.grpc_server import GrpcServer
from bento_service.runtime import Runtime
from resources.settings import ServingSettings


class Worker:
    """What one process of the service runs.

    Parameters
    ----------
    settings : ServingSettings
    baked_folder : Path, optional
        Model artifact to fall back on.

    Attributes
    ----------
    runtime : Runtime
    """

    def __init__(self, settings: ServingSettings, baked_folder: Path | None) -> None:
        self.runtime = Runtime(settings, baked_folder)
        self._grpc = GrpcServer(self.runtime, settings.grpc_port) if settings.grpc_port else None

    async def start(self) -> None:
        """Load a model, then start to answer.

        Raises
        ------
        RuntimeError
            If the gRPC port is taken.
        """
        return_large_blocks()
        await self.runtime.start()
        if self._grpc is not None:
            await self._grpc.start()
        freeze_loaded_objects()

    async def stop(self) -> None:
        """Let the calls in flight finish, then ship what is recorded."""
        if self._grpc is not None:
            await self._grpc.stop()
        await self.runtime.stop()
