"""Traces: a sampled ``traceparent`` (W3C Trace Context) is continued by a span of OpenTelemetry. Others cost nothing.

Whoever calls decides what is sampled: the service begins no trace of its own.
"""

from collections.abc import Mapping

from opentelemetry.trace import Span, SpanKind, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

TRACEPARENT, TRACESTATE = "traceparent", "tracestate"

_LENGTH = len("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
_ODD = frozenset("13579bdf")


class Tracing:
    """Makes spans.

    Parameters
    ----------
    provider : TracerProvider
        Of what exports them.
    """

    def __init__(self, provider: TracerProvider) -> None:
        self._tracer = provider.get_tracer("housing_price_classifier")
        self._propagator = TraceContextTextMapPropagator()

    def begin(self, name: str, traceparent: str, tracestate: str | None, attributes: Mapping[str, str]) -> Span | None:
        """Return the span that continues a trace, None where it is not sampled or the header is none.

        Parameters
        ----------
        name : str
        traceparent, tracestate : str
            The headers.
        attributes : mapping of str to str
            By OpenTelemetry's semantic conventions.
        """
        if len(traceparent) != _LENGTH or traceparent[-1] not in _ODD:
            return None
        carrier = {TRACEPARENT: traceparent, TRACESTATE: tracestate or ""}
        parent = self._propagator.extract(carrier)
        if not parent:
            return None
        return self._tracer.start_span(name, parent, SpanKind.SERVER, attributes)


def end(span: Span, status: int | str, *, failed: bool) -> None:
    """End a span with the status of the answer: a number over HTTP, a name over gRPC."""
    key = "http.response.status_code" if isinstance(status, int) else "rpc.response.status_code"
    span.set_attribute(key, status)
    if failed:
        span.set_status(StatusCode.ERROR)
    span.end()
