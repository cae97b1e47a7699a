"""What the service counts, for Prometheus. Every label has a bounded set of values.

The process may be one of several workers: they share their counts in files (``shared_counts.py``), and each of them
answers for all.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

from bento_service.shared_counts import FOLDER
from housing_assets.inference.declaration import MAX_CATEGORIES

_SECONDS = (0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)

CONTENT_TYPE = CONTENT_TYPE_LATEST

MAX_CATEGORY_LABELS = 2 * MAX_CATEGORIES
"""Categories with a label of their own: those of a champion and a challenger. A process that outlives several versions
with new categories counts further ones as ``other``."""

OTHER = "other"


class Metrics:
    """The service's metrics.

    Attributes
    ----------
    shared : bool
        Whether there are other workers that answer for this one, too.
    """

    def __init__(self) -> None:
        # The collector below reads the files of all workers, this one's included; registering this process's metrics in
        # the same registry would count them twice.
        self.shared = FOLDER in os.environ
        self._registry = CollectorRegistry()
        own = CollectorRegistry() if self.shared else self._registry
        if self.shared:
            MultiProcessCollector(self._registry)  # type: ignore[no-untyped-call]
        else:  # of several workers, those of the one that happens to be asked would say little
            ProcessCollector(registry=self._registry)
        self._requests = Counter(
            "housing_requests_total", "Requests answered.", ["endpoint", "protocol", "status"], registry=own
        )
        self._durations = Histogram(
            "housing_request_seconds",
            "Time from a request's arrival to its answer.",
            ["endpoint", "protocol"],
            buckets=_SECONDS,
            registry=own,
        )
        self._predictions = Counter(
            "housing_predictions_total", "Listings classified.", ["tier", "price_category"], registry=own
        )
        self._unseen = Counter(
            "housing_unseen_total", "Listings with a text that no training listing had.", registry=own
        )
        self._model_seconds = Counter(
            "housing_model_seconds_total", "Time spent predicting, without transport and recording.", registry=own
        )
        self._states = {
            name: Gauge(f"housing_{name}", meaning, registry=own, multiprocess_mode="livemax")
            for name, meaning in STATES.items()
        }
        self._children: dict[tuple[str, ...], Any] = {}
        self._categories: set[str] = set()

    def count_request(self, endpoint: str, protocol: str, status: str, seconds: float) -> None:
        """Count an answered request."""
        self._child(self._requests, endpoint, protocol, status).inc()
        self._child(self._durations, endpoint, protocol).observe(seconds)

    def count_prediction(self, tier: str, category: str, unseen: bool, seconds: float) -> None:
        """Count a classified listing."""
        self._child(self._predictions, tier, self._category_label(category)).inc()
        self._model_seconds.inc(seconds)
        if unseen:
            self._unseen.inc()

    def set_states(self, values: Mapping[str, float]) -> None:
        """Set the gauges to their current values."""
        for name, value in values.items():
            self._states[name].set(value)

    def expose(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        if self.shared:
            _forget_the_gauges_of_dead_workers(Path(os.environ[FOLDER]))
        return generate_latest(self._registry)

    def close(self) -> None:
        """Remove this process's gauges from those of all workers."""
        if self.shared:
            mark_process_dead(os.getpid())  # type: ignore[no-untyped-call]

    def _category_label(self, category: str) -> str:
        if category in self._categories:
            return category
        if len(self._categories) >= MAX_CATEGORY_LABELS:
            return OTHER
        self._categories.add(category)
        return category

    def _child(self, metric: Counter | Histogram, *labels: str) -> Any:
        """Return a metric's child; looking one up in the library costs more than counting."""
        key = (metric._name, *labels)
        child = self._children.get(key)
        if child is None:
            child = self._children[key] = metric.labels(*labels)
        return child


def _forget_the_gauges_of_dead_workers(folder: Path) -> None:
    """Remove what workers left that could not do so themselves: they were killed."""
    for pid in {int(file.stem.rpartition("_")[2]) for file in folder.glob("gauge_live*_*.db")}:
        try:
            os.kill(pid, 0)
        except (ProcessLookupError, PermissionError):  # it is gone, or its number is another user's process now
            mark_process_dead(pid)  # type: ignore[no-untyped-call]


STATES = {
    "model_tier": "Which model answers: 0 production, 1 staging, 2 baked, 3 rule, 4 none.",
    "registry_age_seconds": "Time since the registry last answered.",
    "journal_pending_bytes": "Records of this host that are not in the prediction store yet.",
    "store_lag_seconds": "Age of the oldest record that is not in the prediction store yet.",
}
"""The gauges, with their help texts; of several workers, the worst stands for all."""
