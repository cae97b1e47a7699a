"""What BentoML deploys: a class that starts and ends the running service, and the settings that make BentoML fast."""

from pathlib import Path

import bentoml

from bento_service.protocols.http import HttpAdapter, HttpApi
from resources.settings import ServingSettings

BAKED_MODEL = "housing_price_artifact"
"""The model that a bento carries, by its alias in ``bentofile.yaml``."""

HTTP = HttpApi()

SETTINGS = ServingSettings()
"""Read here, so that a wrong one ends the start once, before workers are started and started again."""


@bentoml.service(
    name="housing_price_classifier",
    workers=SETTINGS.workers,
    # Our own metrics have bounded labels and cover gRPC, too; access logs and traces of every request cost more than
    # the request.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
    traffic={"timeout": 5},
)
class HousingPriceClassifier:
    """Classifies the price of a real-estate listing as low, medium or high."""

    @bentoml.on_startup
    async def start(self) -> None:
        """Load a model, and let requests in."""
        from bento_service.runtime import Runtime

        runtime = Runtime(SETTINGS, baked_folder())
        await runtime.start()
        HTTP.runtime = runtime

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """End what has begun, and bring what is recorded to the store."""
        if HTTP.runtime is not None:
            await HTTP.runtime.stop()


HousingPriceClassifier.add_asgi_middleware(HttpAdapter, api=HTTP)  # type: ignore[attr-defined]


def baked_folder() -> Path | None:
    """Return the folder of the model that the bento carries, None where there is none."""
    try:
        return Path(bentoml.models.get(BAKED_MODEL).path)
    except bentoml.exceptions.NotFound:
        return None
