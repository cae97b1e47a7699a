"""The gRPC adapter: each method as bytes in, bytes out, over the same classifier as HTTP.

One function around every method does what a chain of interceptors would, at a fraction of the cost. It also parses and
serializes the messages: grpc itself would answer UNKNOWN to bytes that it cannot parse.
"""

import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, NamedTuple

import grpc
import grpc.aio
import orjson
from google.protobuf.json_format import ParseDict
from google.protobuf.message import DecodeError, Message

from bento_service import request_ids, tracing
from bento_service.auth import Client
from bento_service.errors import FieldError, Kind, ServiceError
from bento_service.explanations import EXPLANATION_REQUESTS
from bento_service.protocols.body_sizes import max_body_bytes
from bento_service.protocols.proto.housing.v1 import price_classifier_pb2 as messages
from bento_service.protocols.surface import Service

SERVICE = messages.DESCRIPTOR.services_by_name["PriceClassifier"].full_name

PROBLEM = "problem-bin"
"""Trailing metadata: the error as a serialized ``Problem``."""

RETRY = "grpc-retry-pushback-ms"
"""Trailing metadata: when to retry, in the form that gRPC's own retry policies read."""

IDEMPOTENCY_KEY = "idempotency-key"
"""Metadata: a call that is made again with the same key is recorded once."""

MAX_PROBLEM_BYTES = 4_000
"""Clients accept 8 KiB of metadata, in which bytes count as base64."""

MAX_STATUS_CHARACTERS = 300


class Call(NamedTuple):
    """What a method is called with."""

    service: Service
    request: Any
    client: Client
    remaining: float | None
    """Seconds until the client's deadline; None if it set none."""
    idempotency_key: str | None
    """What a call and its retries have in common."""

    @property
    def key(self) -> str | None:
        """The request key."""
        return self.request.request_key if self.request.HasField("request_key") else None


Method = Callable[[Call], Awaitable[Message]]


def handlers(service: Service, gate: AbstractContextManager[None]) -> grpc.GenericRpcHandler:
    """Return the handler of the service's calls.

    Parameters
    ----------
    service : Service
    gate : context manager
        What calls are answered in; it raises ServiceError while the server shuts down.
    """
    return grpc.method_handlers_generic_handler(
        SERVICE,
        {
            name: grpc.unary_unary_rpc_method_handler(_answering(service, gate, endpoint, request, method))
            for name, (endpoint, request, method) in METHODS.items()
        },
    )


def _answering(
    service: Service, gate: AbstractContextManager[None], endpoint: str, request: type[Message], method: Method
) -> Callable[[bytes, grpc.aio.ServicerContext[bytes, bytes]], Awaitable[bytes]]:
    """Wrap a method in what every call needs: capacity, deadline, key, parsing, errors and metrics."""

    async def answer(sent: bytes, context: grpc.aio.ServicerContext[bytes, bytes]) -> bytes:
        started = time.perf_counter()
        status, fault, reply = "CANCELLED", None, b""
        metadata = dict(context.invocation_metadata() or ())
        client = service.access.identify(_text(metadata.get("authorization")))
        request_id = request_ids.request_id(_text(metadata.get(request_ids.HEADER)))
        request_ids.current.set(request_id)
        span = None
        if (traceparent := _text(metadata.get(tracing.TRACEPARENT))) is not None:
            named = {"rpc.system.name": "grpc", "rpc.method": f"{SERVICE}/{endpoint}"}
            state = _text(metadata.get(tracing.TRACESTATE))
            span = service.tracing.begin(endpoint, traceparent, state, named | {"housing.request_id": request_id})
        try:
            with gate:
                service.require_capacity()
                remaining = _remaining(context)
                service.access.require(endpoint, client)
                if len(sent) > (limit := max_body_bytes(service, endpoint)):
                    raise ServiceError(
                        Kind.TOO_LARGE, f"the request has {len(sent):,} bytes, at most {limit:,} are allowed"
                    )
                try:
                    call = Call(service, _parse(request, sent), client, remaining, _text(metadata.get(IDEMPOTENCY_KEY)))
                    reply = (await method(call)).SerializeToString()
                except ServiceError as refused:
                    service.classifier.count_refusal(endpoint, "grpc", refused)
                    raise
            status = "OK"
        except ServiceError as raised:
            fault = raised
        except Exception:
            service.logger.exception("%s failed, request %s", endpoint, request_id)
            fault = ServiceError(Kind.INTERNAL, "the failure is in the service's log")
        finally:
            if fault is not None:
                status = fault.kind.grpc_status
            service.metrics.count_request(endpoint, "grpc", status, time.perf_counter() - started)
            service.access.audit(client, endpoint, "grpc", request_id, fault)
            if span is not None:
                tracing.end(span, status, failed=fault is not None and fault.kind.http_status >= 500)
        told = ((request_ids.HEADER, request_id),)
        if fault is not None:
            trailers = (*told, *_trailers(fault))
            await context.abort(grpc.StatusCode[status], fault.detail[:MAX_STATUS_CHARACTERS], trailers)
        context.set_trailing_metadata(told)
        return reply

    return answer


def _remaining(context: grpc.aio.ServicerContext[bytes, bytes]) -> float | None:
    remaining = context.time_remaining()
    if remaining is not None and remaining <= 0:
        raise ServiceError(Kind.DEADLINE_EXCEEDED, "the deadline had passed before the request could be answered")
    return remaining


def _text(value: str | bytes | None) -> str | None:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _parse(request: type[Message], sent: bytes) -> Message:
    try:
        return request.FromString(sent)
    except DecodeError:
        raise ServiceError(Kind.INVALID, f"the request is not a {request.DESCRIPTOR.full_name}") from None


def _trailers(fault: ServiceError) -> tuple[tuple[str, str | bytes], ...]:
    problem = messages.Problem(**fault.to_problem())
    while problem.ByteSize() > MAX_PROBLEM_BYTES and problem.errors:
        problem.errors.pop()
    trailers: list[tuple[str, str | bytes]] = [(PROBLEM, problem.SerializeToString())]
    if fault.retry_after is not None:
        trailers.append((RETRY, str(fault.retry_after * 1_000)))
    return tuple(trailers)


def _read_cells(listing: messages.Listing, where: str = "") -> dict[str, str | float | None]:
    """Return a listing as it would be in JSON."""
    cells: dict[str, str | float | None] = {}
    for name, cell in listing.cells.items():
        # Most cells are texts; finding out which kind a cell is costs more than reading its text.
        cells[name] = cell.text or _read_cell(cell, where + name)
    return cells


def _read_cell(cell: messages.Cell, where: str) -> str | float | None:
    kind = cell.WhichOneof("value")
    if kind == "number":
        if not math.isfinite(cell.number):
            raise ServiceError(
                Kind.INVALID, "a number is not finite", [FieldError(where, cell.number, "a finite number")]
            )
        return cell.number
    return None if kind is None else cell.text


async def _predict(call: Call) -> messages.Answer:
    cells = _read_cells(call.request.listing)
    return messages.Answer(**call.service.classifier.predict(cells, call.key, "grpc", None, call.idempotency_key))


async def _explain(call: Call) -> messages.Explanation:
    call.service.access.owe(call.client, EXPLANATION_REQUESTS - 1)
    explained = await call.service.classifier.explain(_read_cells(call.request.listing), call.key)
    return ParseDict(dict(explained), messages.Explanation())


async def _predict_batch(call: Call) -> messages.PredictBatchResponse:
    deadline = None if call.remaining is None else time.monotonic() + call.remaining
    listings = [_read_cells(listing, f"listings[{row}].") for row, listing in enumerate(call.request.listings)]
    call.service.access.owe(call.client, len(listings) - 1)
    answers = await call.service.classifier.predict_batch(
        listings, call.key, "grpc", deadline, idempotency_key=call.idempotency_key
    )
    return messages.PredictBatchResponse(
        answers=[
            messages.BatchAnswer(error=each["error"]) if "error" in each else messages.BatchAnswer(answer=each)
            for each in answers
        ]
    )


async def _send_feedback(call: Call) -> messages.SendFeedbackResponse:
    request = call.request
    feedback: dict[str, Any] = {"prediction_id": request.prediction_id}
    if request.HasField("price"):
        feedback["price"] = _read_cell(request.price, "price")
    for name in ("price_category", "price_kind"):
        if request.HasField(name):
            feedback[name] = getattr(request, name)
    if request.HasField("observed_at"):
        try:
            feedback["observed_at"] = request.observed_at.ToJsonString()
        except ValueError as fault:
            raise ServiceError(
                Kind.INVALID,
                "there is no such moment",
                [FieldError("observed_at", request.observed_at.seconds, str(fault))],
            ) from None
    accepted = await call.service.classifier.record_feedback(feedback, idempotency_key=call.idempotency_key)
    return ParseDict(dict(accepted), messages.SendFeedbackResponse())


async def _get_model(call: Call) -> messages.GetModelResponse:
    described = orjson.loads(orjson.dumps(call.service.describe_models(hosts=call.client.is_admin)))
    return ParseDict(described, messages.GetModelResponse(), ignore_unknown_fields=True)


METHODS: Mapping[str, tuple[str, type[Message], Method]] = {
    "Predict": ("predict", messages.PredictRequest, _predict),
    "Explain": ("explain", messages.ExplainRequest, _explain),
    "PredictBatch": ("predict_batch", messages.PredictBatchRequest, _predict_batch),
    "SendFeedback": ("feedback", messages.SendFeedbackRequest, _send_feedback),
    "GetModel": ("model", messages.GetModelRequest, _get_model),
}
"""Endpoint name, request message and function of each method."""
