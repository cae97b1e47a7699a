"""What a worker holds, whichever protocols it is asked by: models, records, and what answers from them."""

import asyncio
import ipaddress
import logging
import sys
import time
from pathlib import Path

from opentelemetry.trace import NoOpTracerProvider, TracerProvider

from bento_service.access import Access
from bento_service.answers import Health, Models, RegistryState, Tier
from bento_service.auth import NEIGHBOUR, OPEN_TO_NEIGHBOURS, STRANGER, ApiKeys
from bento_service.classifier import Classifier
from bento_service.discretion import without_hosts
from bento_service.health import HealthCheck
from bento_service.key_file import KeyFile
from bento_service.metrics import Metrics
from bento_service.models.cascade import ModelCascade
from bento_service.models.registry import MlflowRegistry
from bento_service.rate_limits import RateLimits
from bento_service.records.journal import Journal
from bento_service.records.predictions import PredictionLog
from bento_service.records.refusals import FLUSH_SECONDS
from bento_service.records.shipping_process import ShippingProcess
from bento_service.records.stored import StoredPredictions
from bento_service.request_queue import RequestQueue
from bento_service.split import TrafficSplit
from bento_service.tracing import Tracing
from resources.serving_settings import ServingSettings

_DRAIN_SECONDS = 1.5
"""What is not in the store by then stays in the journal until the next start: all of a service's end must fit into
the ten seconds that container engines give."""

_SHADOW_SECONDS = 1.0

_SWITCH_SECONDS = 0.0005
"""How long a thread that loads a version may keep the interpreter lock while a request waits for it: Python's default,
5 ms, would delay request after request."""

_STATES_SECONDS = 1.0

_FIRST_LOOK_SECONDS = 3.0
"""How long a worker waits for the prediction store before it is ready: one that is away or locked delays no start."""

_TIERS = tuple(Tier)


class Runtime:
    """A worker's models, records and classifier.

    Parameters
    ----------
    settings : ServingSettings
    baked_folder : Path, optional
        Model artifact to fall back on.
    host : str
        IP address that the service listens on.
    tracer_provider : TracerProvider, optional
        Of what exports traces.

    Attributes
    ----------
    leaving : bool
        Whether the process is about to end.

    Raises
    ------
    ValueError
        If the file of keys has a wrong line.
    """

    def __init__(
        self,
        settings: ServingSettings,
        baked_folder: Path | None,
        host: str,
        tracer_provider: TracerProvider | None = None,
    ) -> None:
        folder = settings.market_storage / "serving"
        self._split = TrafficSplit(settings.challenger_share, settings.shadow)
        self._created_at = time.monotonic()
        self.leaving = False
        self.logger = logging.getLogger("housing.service")
        self.metrics = Metrics()
        self.model_name = settings.model_name
        self.tracing = Tracing(tracer_provider or NoOpTracerProvider())
        is_local = ipaddress.ip_address(host).is_loopback
        by_default = OPEN_TO_NEIGHBOURS if is_local else ()
        is_open = by_default if settings.open_endpoints is None else settings.open_endpoints
        self._keys = ApiKeys({}, is_open, NEIGHBOUR if is_local else STRANGER)
        self._key_file = KeyFile(self._keys, settings.api_keys, settings.keys_path)
        self.access = Access(self._keys, RateLimits(settings.rate_limit))
        if not (is_local or self._keys or is_open):
            self.logger.warning(
                "the service listens on %s and has no keys: it answers nothing until %s has one (`housing keys new`), "
                "or HOUSING_OPEN_ENDPOINTS says what is open",
                host,
                settings.keys_path,
            )
        self.max_request_bytes = settings.max_request_bytes
        self.models = ModelCascade(
            _registry(settings),
            settings.model_folder or baked_folder,
            folder / "models",
            refresh_seconds=settings.refresh_seconds,
            follow_challenger=self._split.needs_challenger,
            allow_unverified=settings.allow_unverified,
            trusted_signers=settings.trusted_signers,
        )
        self._journal = Journal(folder / "journal", max_bytes=settings.journal_bytes)
        self._shipping = ShippingProcess(
            self._journal,
            folder / "shipping",
            settings.prediction_store_url,
            max_bytes=settings.journal_bytes,
            retention_days=settings.retention_days,
            drain_seconds=_DRAIN_SECONDS,
        )
        self._stored = StoredPredictions(settings.prediction_store_url, self._shipping.lag)
        self._health = HealthCheck(self.models, self._shipping)
        self.classifier = Classifier(
            self.models,
            self._journal,
            self.metrics,
            self._split,
            PredictionLog(settings.log_share, personal=settings.log_personal),
            max_batch=settings.max_batch,
            max_delay=settings.max_delay,
            explain_ms=settings.explain_ms,
            stored=self._stored,
        )
        self._refusals = self.classifier.refusals
        self._shadows = self.classifier.shadows
        self._queue = RequestQueue(settings.max_delay)
        self.require_capacity = self._queue.require_capacity
        self.wait_for_turn = self._queue.wait_for_turn
        self._states: asyncio.Task[None] | None = None
        self._flushing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load a model, and start to ship records: what both import and compile would delay the first requests."""
        sys.setswitchinterval(_SWITCH_SECONDS)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # it would log each look-up in the registry
        await asyncio.to_thread(self._shipping.start)
        await asyncio.to_thread(self.models.start)
        await asyncio.to_thread(self._shipping.wait_until_tried, _FIRST_LOOK_SECONDS)
        self._queue.start()
        self._key_file.start()
        if self.metrics.shared:
            self._states = asyncio.create_task(self._keep_states_current())
        self._flushing = asyncio.create_task(self._flush_refusals())

    async def stop(self) -> None:
        """Ship what is recorded to the store; no more requests may come."""
        self._queue.stop()
        self._key_file.stop()
        if self._states is not None:
            self._states.cancel()
        if self._flushing is not None:
            self._flushing.cancel()
        self._refusals.flush()
        await asyncio.to_thread(self._shadows.stop, _SHADOW_SECONDS)
        await asyncio.to_thread(self._shipping.stop)
        self.classifier.explanations.stop()
        self._stored.close()
        await asyncio.to_thread(self.models.stop)
        self.metrics.close()

    def leave(self) -> None:
        """Say from now on that this worker is not ready, though it answers until it ends."""
        self.leaving = True

    async def _flush_refusals(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            self._refusals.flush()

    def is_ready(self) -> bool:
        """Return whether there is a model that answers, and the process is to go on."""
        return self.models.snapshot.champion is not None and not self.leaving

    def describe_models(self, *, hosts: bool) -> Models:
        """Return the versions that answer, with their bands, metrics and fingerprints, and where they came from.

        Parameters
        ----------
        hosts : bool
            Whether hosts may be named, and errors, which name them.

        Raises
        ------
        ServiceError
            If no model could be loaded yet.
        """
        snapshot = self.models.snapshot
        state = self.models.state()
        return {
            "champion": snapshot.require_champion().describe(),
            "challenger": snapshot.challenger.describe() if snapshot.challenger else None,
            "challenger_share": self._split.challenger_share,
            "shadow": self._split.shadow,
            "source": state if hosts else without_hosts(state),
        }

    def check_health(self, *, hosts: bool) -> Health:
        """Return the state of the model and of each dependency; ``hosts`` as for the models."""
        health = self._health.run()
        return health if hosts else without_hosts(health)

    def expose_metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
        self.metrics.set_states(self._read_states())
        return self.metrics.expose()

    async def _keep_states_current(self) -> None:
        """Set the gauges each second: another worker may be asked for them."""
        while True:
            self.metrics.set_states(self._read_states())
            await asyncio.sleep(_STATES_SECONDS)

    def _read_states(self) -> dict[str, float]:
        champion, store = self.models.snapshot.champion, self._shipping.state()
        return {
            "model_tier": len(_TIERS) if champion is None else _TIERS.index(champion.tier),
            "registry_age_seconds": self._registry_age(self.models.state()["registry"]),
            "journal_pending_bytes": store["pending_bytes"],
            "store_lag_seconds": store["oldest_pending_seconds"] or 0.0,
        }

    def _registry_age(self, registry: RegistryState) -> float:
        """Return the seconds since the registry last answered; since the start if it never did, 0 if there is none."""
        if registry["url"] is None:
            return 0.0
        age = registry["age_seconds"]
        return time.monotonic() - self._created_at if age is None else age


def _registry(settings: ServingSettings) -> MlflowRegistry | None:
    uri = settings.tracking_uri
    if uri is None or not uri.startswith(("http://", "https://")):
        return None  # only an MLflow server reads a database; /health/deep says that there is no registry
    return MlflowRegistry(
        uri,
        settings.model_name,
        timeout=settings.registry_timeout,
        attempts=settings.registry_attempts,
        breaker_failures=settings.breaker_failures,
        breaker_seconds=settings.breaker_seconds,
    )
