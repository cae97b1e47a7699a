"""The deep health check: the model that answers, and everything that the service depends on."""

import time

from bento_service.answers import Health, HealthStatus
from bento_service.models.cascade import ModelCascade
from bento_service.records.shipping_process import ShippingProcess
from housing_assets.inference.artifact import ArtifactRefused, ModelArtifact

REPLAY_SECONDS = 5.0
"""How long the result of replaying the golden rows is reused: anybody may ask for the health, and often."""

AS_EVALUATED = "as evaluated"
NO_FOREST = "no forest to replay"


class HealthCheck:
    """Checks the health of a worker.

    Parameters
    ----------
    models : ModelCascade
    shipping : ShippingProcess
    """

    def __init__(self, models: ModelCascade, shipping: ShippingProcess) -> None:
        self._models = models
        self._shipping = shipping
        self._replayed: tuple[object, float, str] = (None, 0.0, "")

    def run(self) -> Health:
        """Return the state of the model and of each dependency: the worst of their statuses counts."""
        models, store = self._models.state(), self._shipping.state()
        golden_rows = self._replay_golden()
        status: HealthStatus = models["status"]
        if golden_rows not in (AS_EVALUATED, NO_FOREST):
            status = "failing"
        elif status == "healthy" and store["last_error"] is not None:
            status = "degraded"
        return {"status": status, "golden_rows": golden_rows, "models": models, "prediction_store": store}

    def _replay_golden(self) -> str:
        """Return whether the model still answers as it was evaluated."""
        champion = self._models.snapshot.champion
        if champion is None or not isinstance(champion.model, ModelArtifact):
            return NO_FOREST
        model, at, outcome = self._replayed
        if model is not champion.model or time.monotonic() - at > REPLAY_SECONDS:
            try:
                champion.model.replay_golden()
                outcome = AS_EVALUATED
            except ArtifactRefused as fault:
                outcome = str(fault)
            self._replayed = champion.model, time.monotonic(), outcome
        return outcome
