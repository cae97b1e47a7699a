"""The Open Inference Protocol, version 2, which KServe and others speak: tensors to listings, and answers to tensors.

A listing is a row over tensors of one dimension, one for each column, or one JSON text of the tensor ``listing_json``.
A tensor has no place for an error: a row that cannot be used has the whole request refused, and nothing recorded.

References
----------
https://github.com/kserve/open-inference-protocol/blob/main/specification/protocol/inference_rest.md
"""

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import orjson

from bento_service.answers import InferenceResponse, ModelMetadata, ServerMetadata, Tensor, TensorMetadata
from bento_service.errors import FieldError, Kind, ServiceError
from bento_service.models.snapshot import Snapshot

LISTING_JSON = "listing_json"
"""Name of the tensor whose texts are whole listings."""

PLATFORM = "numpy_npz"
"""What the model's files are: framework and format."""

PROBABILITY = "probability_"
"""What the name of a category's output begins with, as in the answers of the model in MLflow."""

ESTIMATE_JSON = "estimate_json"
"""Name of the output whose texts are the estimates of answers: tensors have no place for one that is missing."""

_NUMBERS = ("FP32", "FP64", "INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16", "UINT32", "UINT64")
_KINDS: Mapping[str, tuple[type, ...]] = {"BYTES": (str,), "BOOL": (bool,), **dict.fromkeys(_NUMBERS, (int, float))}
"""What JSON has for an element of each data type. FP16 has no form in JSON."""

DATATYPES = tuple(_KINDS)


class InferenceRequest(NamedTuple):
    """What an inference request asks.

    Attributes
    ----------
    listings : list of dict
        Cells by raw column name.
    identifier : str or None
        To be returned with the answer.
    outputs : sequence of str
        Names of the tensors to be returned.
    """

    listings: list[dict[str, Any]]
    identifier: str | None
    outputs: Sequence[str]


def describe_server() -> ServerMetadata:
    """Return the server's metadata."""
    return {"name": "housing_price_classifier", "version": "1", "extensions": []}


def describe_model(name: str, snapshot: Snapshot) -> ModelMetadata:
    """Return the metadata of the model that answers: its tensors, of as many rows as a request has.

    Raises
    ------
    ServiceError
        If no model could be loaded yet.
    """
    columns = snapshot.require_champion().model.market.columns
    inputs = [_metadata(column.raw, "BYTES") for column in columns if not column.is_target]
    outputs = [_metadata(output, _datatype(output)) for output in output_names(snapshot)]
    return {"name": name, "platform": PLATFORM, "inputs": inputs, "outputs": outputs}


def read_request(body: Any, snapshot: Snapshot) -> InferenceRequest:
    """Read an inference request.

    Parameters
    ----------
    body : dict
        As JSON has it.
    snapshot : Snapshot
        Whose outputs can be asked for.

    Raises
    ------
    ServiceError
        If it has not the form of one, or there is no model; the listings themselves are not looked at.
    """
    if not isinstance(body, dict) or not isinstance(body.get("inputs"), list) or not body["inputs"]:
        raise ServiceError(Kind.INVALID, 'an inference request is an object of the form {"inputs": [tensor, ...]}')
    columns = [_read_tensor(tensor) for tensor in body["inputs"]]
    names, lengths = [name for name, _ in columns], {len(cells) for _, cells in columns}
    if len(set(names)) < len(names):
        raise _refuse("inputs", ", ".join(names), "each column once")
    if len(lengths) > 1:
        raise _refuse("inputs", f"{min(lengths)} to {max(lengths)} elements", "as many in each tensor")
    if names == [LISTING_JSON]:
        listings = [_read_listing(row, text) for row, text in enumerate(columns[0][1])]
    else:
        listings = [dict(zip(names, cells, strict=True)) for cells in zip(*(data for _, data in columns), strict=True)]
    identifier = body.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise _refuse("id", identifier, "a text")
    return InferenceRequest(listings, identifier, _read_outputs(body.get("outputs"), output_names(snapshot)))


def write_response(
    model_name: str, request: InferenceRequest, answers: Sequence[Mapping[str, Any]]
) -> InferenceResponse:
    """Return the response to an inference request, given an answer for each of its listings."""
    outputs: list[Tensor] = [
        {
            "name": name,
            "datatype": _datatype(name),
            "shape": [len(answers)],
            "data": [_element(name, answer) for answer in answers],
        }
        for name in request.outputs
    ]
    response: InferenceResponse = {"model_name": model_name, "outputs": outputs}
    versions = {answer["model_version"] for answer in answers}
    if len(versions) == 1:
        response["model_version"] = versions.pop()
    if request.identifier is not None:
        response["id"] = request.identifier
    return response


def output_names(snapshot: Snapshot) -> Sequence[str]:
    """Return the names of the output tensors.

    Raises
    ------
    ServiceError
        If no model could be loaded yet.
    """
    served = [each for each in (snapshot.require_champion(), snapshot.challenger) if each is not None]
    categories = dict.fromkeys(category for each in served for category in each.model.labels.categories)
    shares = (PROBABILITY + category for category in categories)
    estimated = [ESTIMATE_JSON] if any(each.model.market.has_price for each in served) else []
    return ["price_category", *shares, *estimated, "prediction_id", "model_version"]


def _element(output: str, answer: Mapping[str, Any]) -> str | float:
    if output == ESTIMATE_JSON:
        return orjson.dumps(answer["estimate"]).decode()
    if not output.startswith(PROBABILITY):
        return answer[output]
    return answer["probabilities"].get(output.removeprefix(PROBABILITY), 0.0)  # one that only the other version has


def _datatype(output: str) -> Literal["FP64", "BYTES"]:
    return "FP64" if output.startswith(PROBABILITY) else "BYTES"


def _metadata(name: str, datatype: str) -> TensorMetadata:
    return {"name": name, "datatype": datatype, "shape": [-1]}


def _read_tensor(tensor: Any) -> tuple[str, list[Any]]:
    """Return the name and the elements of a tensor of one dimension, or of two of which the second is 1."""
    if not isinstance(tensor, dict):
        raise _refuse("inputs", tensor, "tensors with name, shape, datatype and data")
    name, datatype, shape, data = (tensor.get(key) for key in ("name", "datatype", "shape", "data"))
    if not isinstance(name, str):
        raise _refuse("inputs", name, "the name of a column")
    if not isinstance(datatype, str) or datatype not in _KINDS:
        raise _refuse(f"{name}.datatype", datatype, f"one of {', '.join(DATATYPES)}")
    if not isinstance(data, list):
        raise _refuse(f"{name}.data", data, "a list: there are no binary tensors here")
    cells = [cell[0] if isinstance(cell, list) and len(cell) == 1 else cell for cell in data]
    if shape not in ([len(cells)], [len(cells), 1]) or any(isinstance(size, bool) for size in shape):
        raise _refuse(f"{name}.shape", shape, f"[{len(cells)}], the number of elements in data")
    for cell in cells:
        if cell is not None and type(cell) not in _KINDS[datatype]:
            raise _refuse(f"{name}.data", cell, f"elements of {datatype}, or null for an empty cell")
    return name, cells


def _read_listing(row: int, text: Any) -> dict[str, Any]:
    try:
        listing = orjson.loads(text)
    except (orjson.JSONDecodeError, TypeError):
        listing = None
    if not isinstance(listing, dict):
        raise _refuse(f"{LISTING_JSON}[{row}]", text, "a JSON object of a listing's fields, as a text")
    return listing


def _read_outputs(asked: Any, outputs: Sequence[str]) -> Sequence[str]:
    if asked is None:
        return outputs
    if not isinstance(asked, list):
        raise _refuse("outputs", asked, 'a list of objects such as {"name": "price_category"}')
    names: list[str] = []
    for each in asked:
        name = each.get("name") if isinstance(each, dict) else None
        if not isinstance(name, str) or name not in outputs:
            raise _refuse("outputs", each, f"objects with a name, one of {', '.join(outputs)}")
        if name not in names:
            names.append(name)
    return names


def _refuse(field: str, value: Any, message: str) -> ServiceError:
    return ServiceError(Kind.INVALID, "the tensors cannot be used", [FieldError(field, value, message)])
