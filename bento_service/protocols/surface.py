"""What HTTP and gRPC need of the service that they answer for."""

import logging
from typing import Protocol

from bento_service.access import Access
from bento_service.answers import Health, Models
from bento_service.classifier import Classifier
from bento_service.classifier import Models as ModelSource
from bento_service.metrics import Metrics
from bento_service.tracing import Tracing


class Service(Protocol):
    """A running service.

    Attributes
    ----------
    logger : logging.Logger
        For failures of our own.
    access : Access
    metrics : Metrics
    tracing : Tracing
    classifier : Classifier
    models : Models
        Its snapshot names the market that is described.
    model_name : str
        The registered model.
    max_request_bytes : int
        Size of a batch, at most.
    leaving : bool
        Whether the process is about to end: clients should make other connections.
    """

    @property
    def logger(self) -> logging.Logger: ...  # noqa: D102
    @property
    def access(self) -> Access: ...  # noqa: D102
    @property
    def tracing(self) -> Tracing: ...  # noqa: D102

    @property
    def metrics(self) -> Metrics: ...  # noqa: D102
    @property
    def classifier(self) -> Classifier: ...  # noqa: D102
    @property
    def models(self) -> ModelSource: ...  # noqa: D102
    @property
    def model_name(self) -> str: ...  # noqa: D102
    @property
    def max_request_bytes(self) -> int: ...  # noqa: D102
    @property
    def leaving(self) -> bool: ...  # noqa: D102

    def require_capacity(self) -> None:
        """Refuse a request while requests wait too long."""

    async def wait_for_turn(self) -> None:
        """Wait until a request may be answered."""

    def is_ready(self) -> bool:
        """Return whether there is a model that answers, and the process is to go on."""

    def describe_models(self, *, hosts: bool) -> Models:
        """Return the versions that answer; with ``hosts``, also where they come from and what failed there."""

    def check_health(self, *, hosts: bool) -> Health:
        """Return the state of the model and of each dependency; ``hosts`` as above."""

    def expose_metrics(self) -> bytes:
        """Return the metrics in Prometheus' text format."""
