"""Schemas of the OpenAPI document: answers as their types declare them, requests as the served market reads them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from bento_service.answers import (
    AcceptedCategory,
    AcceptedPrice,
    Answer,
    BatchAnswer,
    Explanation,
    Health,
    InferenceProblem,
    InferenceResponse,
    Liveness,
    ModelMetadata,
    Models,
    Problem,
    Readiness,
    Refusal,
    ServerMetadata,
)
from bento_service.models.snapshot import ServedModel, Snapshot
from bento_service.protocols.inference_protocol import DATATYPES, LISTING_JSON, output_names
from housing_assets.inference.cells import MAX_CELL_LENGTH
from housing_assets.inference.declaration import PRICE_KINDS, Column
from housing_assets.inference.market import Market

Schema = dict[str, Any]

ANSWERS: tuple[Any, ...] = (
    *(Answer, Explanation, Refusal, BatchAnswer, AcceptedPrice, AcceptedCategory, Models, Health, Problem),
    *(ServerMetadata, Liveness, Readiness, ModelMetadata, InferenceResponse, InferenceProblem),
)

_SHARE = {"type": "number", "minimum": 0, "maximum": 1}


def schemas(snapshot: Snapshot, max_batch: int) -> Mapping[str, Schema]:
    """Return the schemas by name.

    Parameters
    ----------
    snapshot : Snapshot
        Whose market is described; without a model, listings and categories are left open.
    max_batch : int
        Listings that one batch may have.
    """
    found = {
        **answer_schemas(),
        "Listing": {"type": "object"},
        "Batch": _batch(max_batch),
        "Feedback": _feedback(None),
        "InferenceRequest": _inference_request({"type": "string"}),
    }
    champion = snapshot.champion
    if champion is None:
        return found
    served = [each for each in (champion, snapshot.challenger) if each is not None]
    for name in ("Answer", "Explanation"):
        found[name] = {**found[name], "properties": found[name]["properties"] | _outcome(served)}
    found["Listing"] = _listing(champion.model.market)
    found["Feedback"] = _feedback(champion.model.market)
    found["InferenceRequest"] = _inference_request({"enum": list(output_names(snapshot))})
    return found


@cache
def answer_schemas() -> Mapping[str, Schema]:
    """Return the schemas of the answers and their parts by name; they are not to be changed."""
    _, generated = TypeAdapter.json_schemas(
        [(answer.__name__, "serialization", TypeAdapter(answer)) for answer in ANSWERS],
        schema_generator=_ClosedObjects,
        ref_template="#/components/schemas/{model}",
    )
    return dict(generated["$defs"])


class _ClosedObjects(GenerateJsonSchema):
    """Allows no other fields than the declared ones, and leaves out titles that only repeat a field's name."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def typed_dict_schema(self, schema: Any) -> Schema:
        return super().typed_dict_schema(schema) | {"additionalProperties": False}


def ref(name: str) -> Schema:
    """Return a reference to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def _outcome(served: list[ServedModel]) -> Schema:
    """Return what answers of these models hold that their types leave open: categories, probabilities, bands."""
    categories = list(dict.fromkeys(category for each in served for category in each.model.labels.categories))
    probabilities = [_object(**dict.fromkeys(each.model.labels.categories, _SHARE)) for each in served]
    bands = [ref("Band") if each.model.labels.has_bands else {"type": "null"} for each in served]
    described = answer_schemas()["Answer"]["properties"]
    return {
        "price_category": {"enum": categories},
        "probabilities": {"description": described["probabilities"]["description"], **_one_of(probabilities)},
        "band": {"description": described["band"]["description"], **_one_of(bands)},
    }


def _one_of(found: list[Schema]) -> Schema:
    different = [each for position, each in enumerate(found) if each not in found[:position]]
    return different[0] if len(different) == 1 else {"oneOf": different}


def _listing(market: Market) -> Schema:
    return {
        "type": "object",
        "title": market.title,
        "description": "Raw texts or clean numbers. A field that is absent or null is empty. The target is not read.",
        "properties": {column.raw: _cell(column) for column in market.columns},
        "required": list(market.required),
        "additionalProperties": False,
    }


def _cell(column: Column) -> Schema:
    if column.is_target:
        return {"description": "May be sent, and is not read."}
    kinds = ["string", "number", "boolean", "null"]
    return {"type": kinds, "maxLength": MAX_CELL_LENGTH, "examples": [column.example]}


def _batch(max_batch: int) -> Schema:
    return _object(
        listings={
            "type": "array",
            "items": {"description": "A Listing; one that cannot be used has its error in its place in the answer."},
            "minItems": 1,
            "maxItems": max_batch,
        }
    )


def _inference_request(output: Schema) -> Schema:
    tensor = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": f"A column, or `{LISTING_JSON}` for whole listings as texts."},
            "datatype": {"enum": list(DATATYPES)},
            "shape": {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
            "data": {"type": "array", "description": "An element for each listing, null for an empty cell."},
        },
        "required": ["name", "datatype", "shape", "data"],
    }
    wanted = {"type": "object", "properties": {"name": output}, "required": ["name"]}
    return {
        "type": "object",
        "properties": {
            "id": {"type": ["string", "null"]},
            "inputs": {"type": "array", "items": tensor, "minItems": 1},
            "outputs": {"type": ["array", "null"], "items": wanted, "description": "All, if absent."},
        },
        "required": ["inputs"],
    }


def _feedback(market: Market | None) -> Schema:
    price: Schema = {"type": ["string", "number"]}
    category: Schema = {"type": "string"}
    truth, kind = {"price": price, "price_category": category}, {"price_kind": _price_kind("")}
    if market is not None and market.has_price:
        truth = {"price": {**price, "description": f"In {market.currency}: a text as in an ad, or a number."}}
        kind = {"price_kind": _price_kind(market.common_price_kind or "")}
        if market.price_kind_column is not None:
            truth, kind = truth | {"price_kind": {"enum": list(PRICE_KINDS)}}, {}
    elif market is not None:
        truth, kind = {"price_category": {"enum": list(market.categories)}}, {}
    return {
        **_object(
            prediction_id={"type": "string", "format": "uuid"},
            **truth,
            **kind,
            observed_at={
                "type": ["string", "null"],
                "format": "date-time",
                "description": "When it was known; now, if absent.",
            },
        ),
        "required": ["prediction_id", *(truth if market is not None else ())],
    }


def _price_kind(of_market: str) -> Schema:
    told = f"; {of_market}, if absent" if of_market else ""
    return {
        "enum": [*PRICE_KINDS, None],
        "description": f"Whether an ad asks the price, or it was paid in the end{told}. Only prices of the predicted "
        "kind teach and judge.",
    }


def _object(**properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
