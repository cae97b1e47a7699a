"""The Open Inference Protocol, spoken to the real service."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import jsonschema
import numpy as np
import pytest
from sqlalchemy import select

from housing_assets.inference.market import Market
from resources.predictions.tables import PREDICTIONS
from tests.bento_service.hand_built import LARGE_HOME, SMALL_HOME
from tests.bento_service.serving import AUTHORIZED, Service
from tests.bento_service.stored import read_store

HOMES = [SMALL_HOME, LARGE_HOME, SMALL_HOME]
NUMPY_TYPES: Mapping[str, Any] = {"FP64": np.float64, "BYTES": np.object_}

TENSOR = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "datatype": {"enum": ["FP64", "BYTES"]},
        "shape": {"type": "array", "items": {"type": "integer"}},
        "data": {"type": "array", "items": {"type": ["string", "number"]}},
    },
    "required": ["name", "datatype", "shape", "data"],
}
RESPONSE = {
    "type": "object",
    "properties": {
        "model_name": {"type": "string"},
        "model_version": {"type": "string"},
        "id": {"type": "string"},
        "outputs": {"type": "array", "items": TENSOR, "minItems": 1},
    },
    "required": ["model_name", "outputs"],
    "additionalProperties": False,
}
"""An inference response, as the specification has it."""


@pytest.fixture
def model_path(market: Market) -> str:
    return f"/v2/models/HousingPriceClassifier_{market.name}"


def tensor(name: str, data: Sequence[Any], datatype: str = "BYTES", **other: Any) -> dict[str, Any]:
    return {"name": name, "shape": [len(data)], "datatype": datatype, "data": data, **other}


def by_column(homes: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [tensor(name, [str(home[name]) for home in homes]) for name in homes[0]]


def infer(http: httpx.Client, path: str, body: Any) -> httpx.Response:
    return http.post(f"{path}/infer", json=body, headers=AUTHORIZED)


def arrays(response: Mapping[str, Any]) -> dict[str, Any]:
    """Return the outputs as clients of the protocol read them."""
    return {
        each["name"]: np.array(each["data"], dtype=NUMPY_TYPES[each["datatype"]]).reshape(each["shape"])
        for each in response["outputs"]
    }


def test_the_server_and_its_model_are_described(http: httpx.Client, market: Market, model_path: str) -> None:
    assert set(http.get("/v2").json()) == {"name", "version", "extensions"}
    assert http.get("/v2/health/live").json()["live"] is True
    assert http.get("/v2/health/ready").json()["ready"] is True
    assert http.get(f"{model_path}/ready").json()["name"] == model_path.rpartition("/")[2]
    model = http.get(model_path).json()
    assert model["name"] == model_path.rpartition("/")[2]
    assert [each["name"] for each in model["inputs"]] == [each.raw for each in market.columns if not each.is_target]
    assert {"name": f"probability_{market.categories[0]}", "datatype": "FP64", "shape": [-1]} in model["outputs"]


def test_a_tensor_for_each_column_is_answered_as_predict_answers(
    http: httpx.Client, market: Market, model_path: str
) -> None:
    reply = infer(http, model_path, {"id": "42", "inputs": by_column(HOMES), "parameters": {"content_type": "pd"}})
    assert reply.status_code == 200, reply.text
    response = reply.json()
    jsonschema.validate(response, RESPONSE)
    assert (response["id"], response["model_version"]) == ("42", "baked")
    outputs = arrays(response)
    assert list(outputs["price_category"]) == [market.categories[0], market.categories[-1], market.categories[0]]
    assert len({*outputs["prediction_id"]}) == len(HOMES)
    for row, home in enumerate(HOMES):
        alone = http.post("/predict", json=home).json()
        shares = alone["probabilities"]
        assert {name: outputs[f"probability_{name}"][row] for name in shares} == shares
        if market.has_price:
            assert json.loads(outputs["estimate_json"][row]) == alone["estimate"]
    described = {each["name"]: each["datatype"] for each in http.get(model_path).json()["outputs"]}
    assert {each["name"]: each["datatype"] for each in response["outputs"]} == described


def test_one_tensor_of_json_texts_is_answered_too(http: httpx.Client, market: Market, model_path: str) -> None:
    texts = [httpx.Request("POST", "http://x", json=home).read().decode() for home in HOMES]
    body = {"inputs": [tensor("listing_json", texts)], "outputs": [{"name": "price_category"}]}
    response = infer(http, model_path, body).json()
    assert "id" not in response
    (output,) = response["outputs"]
    assert output["data"] == [market.categories[0], market.categories[-1], market.categories[0]]


def test_numbers_columns_of_shape_n_1_and_empty_cells_are_read(
    http: httpx.Client, market: Market, model_path: str
) -> None:
    inputs = [
        tensor("id", [["1"], ["2"]], shape=[2, 1]),
        tensor("sqft_living", [1180, 4000.0], "FP64"),
        tensor("zipcode", [98178, 98001], "INT64"),
        tensor("view", ["", None]),
    ]
    response = infer(http, model_path, {"inputs": inputs}).json()
    assert list(arrays(response)["price_category"]) == [market.categories[0], market.categories[-1]]


ONE = [{**SMALL_HOME, "sqft_living": "1,180"}]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ([], None),
        ({}, None),
        ({"inputs": []}, None),
        ({"inputs": ["x"]}, "inputs"),
        ({"inputs": [{"shape": [1], "datatype": "BYTES", "data": ["x"]}]}, "inputs"),
        ({"inputs": [tensor("id", ["x"], "FP16")]}, "id.datatype"),
        ({"inputs": [tensor("id", ["x"], datatype=["BYTES"])]}, "id.datatype"),  # type: ignore[arg-type]
        ({"inputs": [tensor("id", ["x"], shape=[10**15])]}, "id.shape"),
        ({"inputs": [tensor("id", ["x"], shape=None)]}, "id.shape"),
        ({"inputs": [tensor("id", [1])]}, "id.data"),
        ({"inputs": [tensor("id", [True], "INT64")]}, "id.data"),
        ({"inputs": [tensor("id", [{}])]}, "id.data"),
        (
            {"inputs": [{"name": "id", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": 5}}]},
            "id.data",
        ),
        ({"inputs": [tensor("id", ["x"]), tensor("id", ["x"])]}, "inputs"),
        ({"inputs": [tensor("id", ["x"]), tensor("zipcode", ["1", "2"])]}, "inputs"),
        ({"inputs": [tensor("listing_json", ["[]"])]}, "listing_json[0]"),
        ({"inputs": [tensor("listing_json", [None])]}, "listing_json[0]"),
        ({"inputs": [tensor("listing_json", [1], "INT64")]}, "listing_json[0]"),
        ({"inputs": [tensor("id", [])]}, "listings"),
        ({"inputs": by_column(ONE), "id": 7}, "id"),
        ({"inputs": by_column(ONE), "outputs": "all"}, "outputs"),
        ({"inputs": by_column(ONE), "outputs": ["price_category"]}, "outputs"),
        ({"inputs": by_column(ONE), "outputs": [{"name": ["price"]}]}, "outputs"),
        ({"inputs": by_column(ONE), "outputs": [{"name": "price"}]}, "outputs"),
        ({"inputs": [*by_column(ONE), tensor("colour", ["red"])]}, "colour"),
        ({"inputs": by_column([SMALL_HOME, SMALL_HOME | {"sqft_living": "huge"}])}, "sqft_living"),
    ],
)
def test_what_cannot_be_used_is_a_problem_with_the_protocols_error(
    http: httpx.Client, model_path: str, body: Any, field: str | None
) -> None:
    reply = infer(http, model_path, body)
    assert reply.status_code == 422, reply.text
    problem = reply.json()
    assert problem["error"] == problem["detail"]
    assert [each["field"] for each in problem["errors"]][:1] == ([] if field is None else [field])


def test_the_row_that_cannot_be_used_is_named_and_none_is_recorded(
    http: httpx.Client, service: Service, market: Market, model_path: str
) -> None:
    def infer_as(key: str, homes: Sequence[Mapping[str, Any]]) -> httpx.Response:
        body = {"inputs": by_column(homes)}
        return http.post(f"{model_path}/infer", json=body, headers={**AUTHORIZED, "Housing-Request-Key": key})

    reply = infer_as("refused", [SMALL_HOME, SMALL_HOME | {"sqft_living": "huge"}])
    assert reply.json()["error"].startswith("listing 2:")
    assert infer_as("taken", HOMES).status_code == 200

    rows = read_store(
        service.storage / market.name,
        select(PREDICTIONS.c.request_key),
        until=lambda rows: ("taken",) in rows,  # which was recorded last
    )
    keys = Counter(row.request_key for row in rows)
    assert (keys["taken"], keys["refused"]) == (len(HOMES), 0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/other", 404),
        ("POST", "/v2/models/other/infer", 404),
        ("GET", "{model}/versions/7", 404),
        ("GET", "{model}/infer", 405),
        ("POST", "/v2", 405),
        ("POST", "{model}/infer", 401),
    ],
)
def test_errors_of_every_kind_have_the_protocols_error(
    http: httpx.Client, model_path: str, method: str, path: str, status: int
) -> None:
    reply = http.request(method, path.format(model=model_path))
    assert reply.status_code == status
    assert reply.json()["error"] == reply.json()["detail"]


def test_more_rows_than_a_batch_may_have_are_refused(http: httpx.Client, model_path: str) -> None:
    reply = infer(http, model_path, {"inputs": by_column([SMALL_HOME] * 501)})
    assert (reply.status_code, reply.json()["error"]) == (422, "a batch has 1 to 500 listings")
