"""A worker: the runtime, and the gRPC server that answers from it. HTTP is answered by BentoML's own server."""

from pathlib import Path

from opentelemetry.trace import TracerProvider

from bento_service.log_queue import LogQueue
from bento_service.memory import freeze_loaded_objects, return_compiler, return_large_blocks
from bento_service.models.baked import market_name
from bento_service.protocols.grpc_server import GrpcServer
from bento_service.runtime import Runtime
from resources.serving_settings import ServingSettings

_LOG_SECONDS = 1.0


class Worker:
    """What one process of the service runs.

    Parameters
    ----------
    settings : ServingSettings
    baked_folder : Path, optional
        Model artifact to fall back on.
    host : str
        IP address that HTTP listens on: gRPC listens there, too.
    tracer_provider : TracerProvider, optional
        Of what exports traces.

    Attributes
    ----------
    runtime : Runtime

    Raises
    ------
    ValueError
        If the local model is of another market than HOUSING_MARKET names, or an API key is wrong.
    """

    def __init__(
        self,
        settings: ServingSettings,
        baked_folder: Path | None,
        host: str,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        settings = settings_of_model(settings, settings.model_folder or baked_folder)
        self.runtime = Runtime(settings, baked_folder, host, tracer_provider)
        self._log = LogQueue()
        self._grpc = (
            GrpcServer(self.runtime, host, settings.grpc_port, shared=settings.workers > 1)
            if settings.grpc_port
            else None
        )

    async def start(self) -> None:
        """Load a model, then start to answer.

        Raises
        ------
        RuntimeError
            If the gRPC port is taken.
        """
        return_large_blocks()
        self._log.start()
        await self.runtime.start()
        if self._grpc is not None:
            await self._grpc.start()
        return_compiler()
        freeze_loaded_objects()

    async def stop(self) -> None:
        """Let the calls in flight finish, then ship what is recorded."""
        if self._grpc is not None:
            await self._grpc.stop()
        await self.runtime.stop()
        self._log.stop(_LOG_SECONDS)


def settings_of_model(settings: ServingSettings, folder: Path | None) -> ServingSettings:
    """Return the settings of the market whose model is baked in: its registered model, its prediction store.

    Parameters
    ----------
    settings : ServingSettings
    folder : Path, optional
        Of the local model artifact.

    Raises
    ------
    ValueError
        If HOUSING_MARKET names another market.
    """
    name = None if folder is None else market_name(folder)
    if name is None or name == settings.market_name:
        return settings
    if "market" in settings.model_fields_set:
        raise ValueError(
            f"HOUSING_MARKET is {settings.market!r}, and the model in {folder} is of {name}: "
            f"expected HOUSING_MARKET={name}"
        )
    return ServingSettings(market=name)  # of the environment, where each market may have its own
