"""BentoML services that do nothing, with the service's own configuration and its check of keys.

``bentoml serve benchmarks.serving.floor:Nothing`` answers a constant through BentoML's own route to a handler;
``:NothingMounted`` through the service's ASGI adapter, mounted as BentoML mounts an application.
``benchmarks.serving.adapted:NothingAdapted`` has the adapter where the service has it.
"""

import logging
from typing import TYPE_CHECKING, Any

import bentoml
import uvicorn.config
from opentelemetry.trace import NoOpTracerProvider
from pydantic import BaseModel
from starlette.applications import Starlette

from benchmarks.serving.constant import ANSWER
from benchmarks.serving.listing import Listing
from bento_service.access import Access
from bento_service.auth import ApiKeys
from bento_service.errors import ServiceError
from bento_service.memory import freeze_loaded_objects
from bento_service.protocols.http import HttpAdapter, HttpApi
from bento_service.protocols.http_messages import problem
from bento_service.rate_limits import RateLimits
from bento_service.request_queue import RequestQueue
from bento_service.service import HousingPriceClassifier
from bento_service.tracing import Tracing
from resources.serving_settings import ServingSettings

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send


def read_access() -> Access:
    """Return whom the service would let in."""
    settings = ServingSettings()
    return Access(ApiKeys.from_settings(settings.api_keys, settings.open_endpoints or ()), RateLimits(0))


class KeyCheck:
    """ASGI middleware that lets requests with a valid key through to the classifier's path, and all to the others."""

    def __init__(self, app: "ASGIApp"):
        self.app = app
        self._access = read_access()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Check a request."""
        if scope["type"] == "http" and scope["path"] == "/predict":
            found = dict(scope["headers"]).get(b"authorization")
            try:
                shown = None if found is None else found.decode("latin-1")
                self._access.require("predict", self._access.identify(shown))
            except ServiceError as fault:
                refusal = problem(fault)
                await send({"type": "http.response.start", "status": int(refusal.status), "headers": []})
                await send({"type": "http.response.body", "body": refusal.body})
                return
        await self.app(scope, receive, send)


uvicorn.config.HTTP_PROTOCOLS["auto"] = "uvicorn.protocols.http.auto:AutoHTTPProtocol"
"""BentoML's connections as they come, which the import of the service has bounded."""

CONFIGURATION = HousingPriceClassifier.config  # type: ignore[attr-defined]


class Band(BaseModel):
    """Edges of the category, in a currency."""

    above: float | None
    up_to: float | None
    currency: str
    price_kind: str


class Answer(BaseModel):
    """The constant, typed as users of BentoML do: of a ``dict`` it would make a JSON schema for every request."""

    prediction_id: str
    price_category: str
    probabilities: dict[str, float]
    band: Band | None
    model_version: str
    tier: str
    unseen: list[str]


@bentoml.service(name="nothing", **CONFIGURATION)
class Nothing:
    """Answers a constant through BentoML's route."""

    @bentoml.on_startup
    async def start(self) -> None:
        """Settle as the service does."""
        freeze_loaded_objects()

    @bentoml.api
    async def predict(self, listing: Listing, /) -> Answer:  # type: ignore[valid-type]
        """Answer."""
        return Answer.model_validate(ANSWER)


class ConstantClassifier:
    """Takes the place of the service's classifier."""

    def predict(self, *request: object) -> dict[str, Any]:
        """Answer."""
        return ANSWER


class UncountedMetrics:
    """Takes the place of the service's metrics."""

    def count_request(self, endpoint: str, protocol: str, status: str, seconds: float) -> None:
        """Count nothing."""


class ConstantRuntime:
    """Takes the place of the running service."""

    def __init__(self) -> None:
        self.logger = logging.getLogger("nothing")
        self.model_name = "nothing"
        self.access = read_access()
        self.max_request_bytes = ServingSettings().max_request_bytes
        self.leaving = False
        self.metrics = UncountedMetrics()
        self.tracing = Tracing(NoOpTracerProvider())
        self.classifier = ConstantClassifier()
        self.wait_for_turn = RequestQueue(max_delay=1.0).wait_for_turn

    def require_capacity(self) -> None:
        """Let everything in."""

    def is_ready(self) -> bool:
        """Return that it is."""
        return True


MOUNTED = HttpApi()


@bentoml.asgi_app(HttpAdapter(Starlette(), MOUNTED), path="/")
@bentoml.service(name="nothing_mounted", **CONFIGURATION)
class NothingMounted:
    """Answers a constant through the service's adapter, which BentoML's own routes come before."""

    @bentoml.on_startup
    async def start(self) -> None:
        """Let requests in."""
        MOUNTED.service = ConstantRuntime()  # type: ignore[assignment]
        freeze_loaded_objects()


Nothing.add_asgi_middleware(KeyCheck)
