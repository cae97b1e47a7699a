"""The running service: everything that a worker holds, from its start to its end."""

import asyncio
import logging
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bento_service.auth import ALWAYS_OPEN, ApiKeys
from bento_service.core import Classifier
from bento_service.memory import keep_what_is_loaded, return_large_blocks
from bento_service.metrics import Metrics
from bento_service.models.cascade import ModelCascade
from bento_service.models.registry import MlflowRegistry
from bento_service.protocols.grpc_server import GrpcServer
from bento_service.records.journal import Journal
from bento_service.records.shipping import Shipper
from bento_service.split import TrafficSplit
from bento_service.turns import TurnClock
from housing_assets.packaging.artifact import ArtifactRefused, ModelArtifact
from resources.settings import ServingSettings

MODEL_NAME = "HousingPriceClassifier"

_DRAIN_SECONDS = 10.0
_REPLAY_SECONDS = 5.0
_SWITCH_SECONDS = 0.0005
"""How long the thread that ships records may keep the interpreter from one that answers: by default five milliseconds,
which a request would wait for again and again."""

_TIERS = ("production", "staging", "baked", "rule")


class Runtime:
    """A worker's model, record keeping and gRPC server.

    Parameters
    ----------
    settings : ServingSettings
    baked_folder : Path, optional
        Model artifact to fall back on.
    """

    def __init__(self, settings: ServingSettings, baked_folder: Path | None) -> None:
        folder = settings.storage / "serving"
        split = TrafficSplit(settings.challenger_share, settings.shadow)
        self._created_at = time.monotonic()
        self._replayed: tuple[object, float, str] = (None, 0.0, "")
        self.logger = logging.getLogger("housing.service")
        self.metrics = Metrics()
        self.keys = ApiKeys.from_settings(settings.api_keys, (*settings.open_endpoints, *ALWAYS_OPEN))
        self.max_request_bytes = settings.max_request_bytes
        self.models = ModelCascade(
            _registry(settings),
            settings.model_folder or baked_folder,
            folder / "models",
            refresh_seconds=settings.refresh_seconds,
            follow_challenger=split.needs_challenger,
        )
        self._journal = Journal(folder / "journal", max_bytes=settings.journal_bytes)
        self._shipper = Shipper(self._journal, settings.prediction_store_url, retention_days=settings.retention_days)
        self.classifier = Classifier(
            self.models,
            self._journal,
            self.metrics,
            split,
            max_batch=settings.max_batch,
            log_share=settings.log_share,
            log_personal=settings.log_personal,
        )
        self._turns = TurnClock(settings.max_delay)
        self.require_turn = self._turns.require_turn
        self._grpc = GrpcServer(self, settings.grpc_port) if settings.grpc_port else None

    async def start(self) -> None:
        """Load a model and begin to answer."""
        return_large_blocks()
        sys.setswitchinterval(_SWITCH_SECONDS)
        logging.getLogger("httpx").setLevel(logging.WARNING)  # each look at the registry is no news
        await asyncio.to_thread(self.models.start)
        self._shipper.start()
        self._turns.start()
        if self._grpc is not None:
            await self._grpc.start()
        keep_what_is_loaded()

    async def stop(self) -> None:
        """Answer what has begun, then bring what is recorded to the store."""
        if self._grpc is not None:
            await self._grpc.stop()
        self._turns.stop()
        await asyncio.to_thread(self._shipper.stop, _DRAIN_SECONDS)
        self._journal.close()
        await asyncio.to_thread(self.models.stop)
        self.metrics.close()

    def is_ready(self) -> bool:
        """Return whether a model answers."""
        return self.models.snapshot.champion is not None

    def describe_models(self) -> dict[str, Any]:
        """Return the versions that answer and where they came from."""
        return {**self.classifier.describe_models(), "source": self.models.state()}

    def check_health(self) -> dict[str, Any]:
        """Return the state of the model and of each dependency: healthy, degraded or failing."""
        models, store = self.models.state(), self._shipper.state()
        replayed = self._replay_golden()
        verdicts = {models["status"], "healthy" if store["last_error"] is None else "degraded"}
        if replayed not in ("as evaluated", "no forest to replay"):
            verdicts.add("failing")
        worst = next(verdict for verdict in ("failing", "degraded", "healthy") if verdict in verdicts)
        return {"status": worst, "golden_rows": replayed, "models": models, "prediction_store": store}

    def expose_metrics(self) -> bytes:
        """Return the metrics for Prometheus."""
        return self.metrics.expose(self._states)

    def _replay_golden(self) -> str:
        """Return whether the model still answers as it was evaluated; anybody may ask, so it is tried now and then."""
        champion = self.models.snapshot.champion
        if champion is None or not isinstance(champion.model, ModelArtifact):
            return "no forest to replay"
        model, at, outcome = self._replayed
        if model is not champion.model or time.monotonic() - at > _REPLAY_SECONDS:
            try:
                champion.model.replay_golden()
                outcome = "as evaluated"
            except ArtifactRefused as fault:
                outcome = str(fault)
            self._replayed = champion.model, time.monotonic(), outcome
        return outcome

    def _states(self) -> dict[str, float]:
        champion, store, models = self.models.snapshot.champion, self._shipper.state(), self.models.state()
        return {
            "model_tier": len(_TIERS) if champion is None else _TIERS.index(champion.tier),
            "registry_age_seconds": self._registry_age(models["registry"]),
            "journal_pending_bytes": store["pending_bytes"],
            "store_lag_seconds": store["oldest_pending_seconds"] or 0.0,
        }

    def _registry_age(self, registry: Mapping[str, Any]) -> float:
        """Return the seconds since the registry last answered; since the start if it never did, 0 if there is none."""
        if registry["url"] is None:
            return 0.0
        age = registry["age_seconds"]
        return time.monotonic() - self._created_at if age is None else float(age)


def _registry(settings: ServingSettings) -> MlflowRegistry | None:
    uri = settings.tracking_uri
    if uri is None or not uri.startswith(("http://", "https://")):
        return None  # a database is read by an MLflow server alone; /health/deep says that no registry is known
    return MlflowRegistry(
        uri,
        MODEL_NAME,
        timeout=settings.registry_timeout,
        attempts=settings.registry_attempts,
        breaker_failures=settings.breaker_failures,
        breaker_seconds=settings.breaker_seconds,
    )
