"""Calls the service over gRPC, for tests."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import grpc
from google.protobuf.json_format import MessageToDict

from bento_service.protocols.grpc_methods import PROBLEM
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import Listing, PredictRequest, Problem
from bento_service.protocols.proto.housing.v1.price_classifier_pb2_grpc import PriceClassifierStub


class Refusal(NamedTuple):
    """What a client learns of a call that failed."""

    status: grpc.StatusCode
    detail: str
    problem: Problem | None
    metadata: Mapping[str, str | bytes]


@contextmanager
def calling(port: int) -> Iterator[PriceClassifierStub]:
    # A connection of its own: channels to the same address share theirs otherwise.
    with grpc.insecure_channel(f"127.0.0.1:{port}", [("grpc.use_local_subchannel_pool", 1)]) as channel:
        yield PriceClassifierStub(channel)


def refusal(fault: grpc.RpcError) -> Refusal:
    metadata = dict(fault.trailing_metadata() or ())
    found = metadata.get(PROBLEM)
    return Refusal(fault.code(), fault.details(), None if found is None else Problem.FromString(found), metadata)


def listing(cells: Mapping[str, Any]) -> Listing:
    """Return a listing message: texts, numbers, and None for a cell that says nothing."""
    return Listing(cells={name: as_cell(cell) for name, cell in cells.items()})


def as_cell(cell: Any) -> dict[str, Any]:
    if cell is None:
        return {}
    return {"text": cell} if isinstance(cell, str) else {"number": cell}


def predict_request(cells: Mapping[str, Any], key: str | None = None) -> PredictRequest:
    return PredictRequest(listing=listing(cells), request_key=key)


def as_json(message: Any) -> Any:
    """Return a message as the HTTP service would answer it."""
    return MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
