"""What Prometheus reads: metrics that are read anew every few seconds, not when they are asked for.

Polling sees what no event tells of: a run whose process was killed, a queue that stands still, a daemon that is gone.
What cannot be read is not told of, so that no old number passes for a new one; ``housing_exporter_reads`` says so.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

Reading = Callable[[], Iterable[Metric]]

SECONDS = 15.0
"""From one look to the next: Prometheus asks no more often."""

logger = logging.getLogger("housing.exporter")


class Exporter(Collector):
    """Reads metrics again and again, and tells of what was read last.

    Parameters
    ----------
    readings : mapping of str to callable
        What is read, by the name of where it lies.
    seconds : float
        From one look to the next.

    Attributes
    ----------
    registry : CollectorRegistry
        With these metrics, and those of this process.
    """

    def __init__(self, readings: Mapping[str, Reading], seconds: float = SECONDS) -> None:
        self.registry = CollectorRegistry()
        self._readings = dict(readings)
        self._seconds = seconds
        self._faults: dict[str, str] = {}
        self._metrics: Sequence[Metric] = ()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="exporter", daemon=True)
        self.registry.register(self)
        ProcessCollector(registry=self.registry)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: which metrics there are is known once they were read."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Return what was read last."""
        return self._metrics

    def poll(self) -> None:
        """Read everything once."""
        began = time.monotonic()
        reads = GaugeMetricFamily(
            "housing_exporter_reads", "Whether it could be read at the last look.", labels=["what"]
        )
        found: list[Metric] = [reads]
        for what, read in self._readings.items():
            try:
                found += read()
            except Exception as fault:  # whichever library it comes of: the metric says so, and other readings go on
                self._tell(what, f"{type(fault).__name__}: {fault}")
                reads.add_metric([what], 0)
            else:
                self._tell(what, "")
                reads.add_metric([what], 1)
        found.append(gauge("housing_exporter_look_seconds", "How long the last look took.", time.monotonic() - began))
        self._metrics = found

    def start(self) -> None:
        """Read everything, and go on to do so in a thread."""
        self.poll()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._ended.set()
        self._thread.join()

    def _tell(self, what: str, fault: str) -> None:
        """Log what has changed about a reading: a source that is away would fill the log with the same traceback."""
        before, self._faults[what] = self._faults.get(what, ""), fault
        if fault and fault != before:
            logger.error("%s cannot be read: %s", what, fault, exc_info=True)
        elif before and not fault:
            logger.warning("%s can be read again", what)

    def _look(self) -> None:
        while not self._ended.wait(self._seconds):
            self.poll()


def gauge(name: str, meaning: str, value: float) -> GaugeMetricFamily:
    """Return a metric without labels."""
    return GaugeMetricFamily(name, meaning, value=value)


def gauges(name: str, meaning: str, label: str, values: Mapping[str, float]) -> GaugeMetricFamily:
    """Return a metric with one label, by its values."""
    family = GaugeMetricFamily(name, meaning, labels=[label])
    for key, value in values.items():
        family.add_metric([key], value)
    return family
