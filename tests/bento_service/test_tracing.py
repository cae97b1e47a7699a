"""Traces: what a caller samples is continued, over real sockets, and nothing else is."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import pytest
import uvicorn
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from bento_service.protocols.grpc_server import GrpcServer
from bento_service.protocols.http import HttpAdapter, HttpApi
from bento_service.runtime import Runtime
from resources.ports import free_port
from resources.serving_settings import ServingSettings
from tests.bento_service.protocols.grpc_client import calling, predict_request

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}
TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{PARENT}-01", f"00-{TRACE}-{PARENT}-00"


class Traced:
    """A service whose spans are kept."""

    def __init__(self, url: str, grpc_port: int, exporter: InMemorySpanExporter) -> None:
        self.url = url
        self.grpc_port = grpc_port
        self._exporter = exporter

    def spans(self) -> list[ReadableSpan]:
        found = list(self._exporter.get_finished_spans())
        self._exporter.clear()
        return found


@pytest.fixture(scope="module")
def traced(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Traced]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    settings = ServingSettings(storage=tmp_path_factory.mktemp("traced"), model_folder=saved)
    port, grpc_port = free_port(), free_port()
    api = HttpApi()
    adapter = HttpAdapter(None, api)  # type: ignore[arg-type]
    # by name: the default is the service's own as soon as any test of this process has imported it
    server = uvicorn.Server(uvicorn.Config(adapter, http="httptools", port=port, log_config=None, lifespan="off"))
    ready = threading.Event()

    async def run() -> None:
        runtime = Runtime(settings, None, "127.0.0.1", provider)
        await runtime.start()
        api.service = runtime
        calls = GrpcServer(runtime, "127.0.0.1", grpc_port)
        await calls.start()
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        ready.set()
        await serving
        await calls.stop()
        await runtime.stop()

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(60)
    yield Traced(f"http://127.0.0.1:{port}", grpc_port, exporter)
    server.should_exit = True
    thread.join()


def test_a_sampled_trace_is_continued_over_http(traced: Traced) -> None:
    headers = {"traceparent": SAMPLED, "tracestate": "shop=7", "x-request-id": "order-7"}
    assert httpx.post(f"{traced.url}/predict", json=HOME, headers=headers, verify=False).status_code == 200

    (span,) = traced.spans()
    assert span.parent is not None
    assert (f"{span.context.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, PARENT)
    assert span.context.trace_state.get("shop") == "7"
    assert span.name == "predict"
    assert span.attributes is not None
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["housing.request_id"] == "order-7"
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time > span.start_time


def test_a_sampled_trace_is_continued_over_grpc(traced: Traced) -> None:
    with calling(traced.grpc_port) as stub:
        stub.Predict(predict_request(HOME), metadata=(("traceparent", SAMPLED),), timeout=10)
        with pytest.raises(grpc.RpcError):
            stub.Predict(predict_request({}), metadata=(("traceparent", SAMPLED),), timeout=10)

    answered, refused = traced.spans()
    assert f"{answered.context.trace_id:032x}" == TRACE
    assert answered.attributes is not None
    assert refused.attributes is not None
    assert answered.attributes["rpc.response.status_code"] == "OK"
    assert refused.attributes["rpc.response.status_code"] == "INVALID_ARGUMENT"
    assert refused.status.status_code is StatusCode.UNSET  # the client's fault, not the service's


@pytest.mark.parametrize(
    "sent",
    [None, UNSAMPLED, "", "01", "x" * 55, SAMPLED + "-more", f"00-{'0' * 32}-{PARENT}-01", f"ff-{TRACE}-{PARENT}-01"],
)
def test_what_is_not_sampled_or_no_trace_makes_no_span(traced: Traced, sent: str | None) -> None:
    headers = {} if sent is None else {"traceparent": sent}
    assert httpx.post(f"{traced.url}/predict", json=HOME, headers=headers, verify=False).status_code == 200
    assert traced.spans() == []
