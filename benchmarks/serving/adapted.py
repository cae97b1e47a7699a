"""BentoML with the service's adapter, which is all that is left of the service: it comes before what BentoML does."""

from functools import partial

import bentoml

from benchmarks.serving.floor import CONFIGURATION, ConstantRuntime
from bento_service.memory import freeze_loaded_objects
from bento_service.protocols.connections import bound_connections
from bento_service.protocols.http import HttpAdapter, HttpApi

API = HttpApi()

bound_connections(partial(HttpAdapter, api=API))


@bentoml.service(name="nothing_adapted", **CONFIGURATION)
class NothingAdapted:
    """Answers a constant through the service's adapter."""

    @bentoml.on_startup
    async def start(self) -> None:
        """Let requests in."""
        API.service = ConstantRuntime()  # type: ignore[assignment]
        freeze_loaded_objects()
