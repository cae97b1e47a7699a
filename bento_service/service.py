"""What BentoML deploys: a class that starts and stops a worker, the endpoints it has, and what makes BentoML fast.

The endpoints are declared for BentoML: for its clients, its ``/schema.json``, and services that depend on this one.
Over HTTP, the adapter answers their paths before BentoML's routes are reached.
"""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import bentoml
import psutil
from bentoml._internal.configuration.containers import BentoMLContainer

from bento_service import answers
from bento_service.departure import announce_before_ending
from bento_service.protocols.connections import bound_connections
from bento_service.protocols.declared import Described
from bento_service.protocols.http import HttpAdapter, HttpApi
from bento_service.shared_counts import settle_where_to_count
from resources.serving_settings import ServingSettings

if TYPE_CHECKING:
    from bento_service.worker import Worker

BAKED_MODEL = "housing_price_artifact"
"""The model in a bento, by its alias in ``bentofile.yaml``."""

HTTP = HttpApi()

bound_connections(partial(HttpAdapter, api=HTTP))

SETTINGS = ServingSettings()
"""Read here, so that a wrong setting fails the start once, before workers are started and restarted."""

Listing = Annotated[dict[str, Any], Described(HTTP, "Listing")]
Listings = Annotated[list[dict[str, Any]], Described(HTTP, "Batch", "listings")]
Feedback = Annotated[dict[str, Any], Described(HTTP, "Feedback")]
Answer = Annotated[answers.Answer, Described(HTTP, "Answer")]
Explanation = Annotated[answers.Explanation, Described(HTTP, "Explanation")]
BatchAnswer = Annotated[answers.BatchAnswer, Described(HTTP, "BatchAnswer")]
Models = Annotated[answers.Models, Described(HTTP, "Models")]


@bentoml.service(
    name="housing_price_classifier",
    workers=SETTINGS.workers,
    # Our own metrics have bounded labels and also cover gRPC; an access log and a look at every request by what traces
    # them cost more than the request itself. What a caller samples is traced by the adapters.
    metrics={"enabled": False},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
    traffic={"timeout": 5},
    http={"host": str(SETTINGS.host), "port": SETTINGS.port},  # where `bentoml serve` is told nothing else
)
class HousingPriceClassifier:
    """Classifies real-estate listings."""

    def __init__(self) -> None:
        self._worker: Worker | None = None

    @bentoml.on_startup
    async def start(self) -> None:
        """Load a model, then answer requests."""
        settle_where_to_count(SETTINGS.workers)
        from bento_service.worker import Worker

        self._worker = Worker(SETTINGS, baked_folder(), listening_host(), BentoMLContainer.tracer_provider.get())
        await self._worker.start()
        announce_before_ending(self._worker.runtime.leave, SETTINGS.drain_seconds)
        HTTP.service = self._worker.runtime

    @bentoml.api
    async def predict(self, listing: Listing, /) -> Answer:
        """Classify one listing."""
        return HTTP.require().classifier.predict(listing, None, "http")

    @bentoml.api
    async def predict_batch(self, listings: Listings) -> BatchAnswer:
        """Classify several listings by one version; one that cannot be used has its error in its place."""
        return {"answers": await HTTP.require().classifier.predict_batch(listings, None, "http")}

    @bentoml.api
    async def explain(self, listing: Listing, /) -> Explanation:
        """Classify one listing and tell why, with comparable listings; it is not recorded as a prediction."""
        return await HTTP.require().classifier.explain(listing, None)

    @bentoml.api
    async def feedback(self, feedback: Feedback, /) -> answers.Accepted:
        """Tell what a classified listing really was."""
        return await HTTP.require().classifier.record_feedback(feedback)

    @bentoml.api
    async def model(self) -> Models:
        """Return which versions answer: bands, metrics, fingerprints and sources."""
        return HTTP.require().describe_models(hosts=False)

    @bentoml.on_shutdown
    async def stop(self) -> None:
        """Finish the requests in flight, and ship what is recorded to the store."""
        if self._worker is not None:
            await self._worker.stop()


def listening_host() -> str:
    """Return the IP address that this process answers HTTP on, whether a setting or an option of BentoML named it.

    Raises
    ------
    RuntimeError
        If it listens nowhere, or on several addresses: who is let in then is not known.
    """
    found = {each.laddr.ip for each in psutil.Process().net_connections("tcp") if each.status == psutil.CONN_LISTEN}
    if len(found) != 1:
        raise RuntimeError(f"the service listens on {sorted(found)}: one address was expected")
    return str(found.pop())


def baked_folder() -> Path | None:
    """Return the folder of the model in the bento, None where there is none."""
    try:
        return Path(bentoml.models.get(BAKED_MODEL).path)
    except bentoml.exceptions.NotFound:
        return None
