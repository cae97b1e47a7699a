"""The HTTP service as a real process on a real socket."""

import json
import shutil
import socket
import subprocess
import sys
import time
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pandas as pd
import pytest
from sqlalchemy import select

from housing_assets.inference.artifact import ModelArtifact
from housing_assets.inference.market import Market
from housing_assets.packaging.batch import PRICE_CATEGORY, REASON, predict_frame, probability_names
from resources.predictions.tables import PREDICTIONS
from tests.bento_service.ads import as_ads, sample_rows
from tests.bento_service.serving import AUTHORIZED, PROJECT, Service, serving
from tests.bento_service.stored import read_store

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1"}
CHROMIUM = shutil.which("chromium")
PROBLEM = {"type", "title", "status", "detail", "errors"}


@pytest.fixture(scope="module")
def raw(market: Market) -> pd.DataFrame:
    return sample_rows(market, 300)


def assert_problem(reply: httpx.Response, status: int) -> dict[str, Any]:
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = reply.json()
    assert set(found) == PROBLEM
    assert found["status"] == status
    assert found["type"].startswith("urn:housing-price-platform:")
    return found


def test_every_ad_is_answered_as_the_artifact_predicts_it_in_a_batch(
    http: httpx.Client, raw: pd.DataFrame, artifact: ModelArtifact
) -> None:
    expected = predict_frame(artifact, raw)
    usable = 0
    for cells, row in zip(as_ads(raw), expected.to_dict("records"), strict=True):
        reply = http.post("/predict", json=cells)
        if row[REASON] is not None:
            assert_problem(reply, 422)
            continue
        usable += 1
        answer = reply.json()
        assert answer["price_category"] == row[PRICE_CATEGORY]
        assert list(answer["probabilities"].values()) == [
            row[name] for name in probability_names(artifact.labels.categories)
        ]
    assert usable > 250


def test_clean_values_are_answered_as_the_raw_texts_they_were_read_from(
    http: httpx.Client, artifact: ModelArtifact
) -> None:
    raw = {"district": "kadikoy", "GrossSquareMeters": "2.250 m2", "BuildingAge": "5-10", "RentalIncome": "5.500 TL"}
    clean = {"district": "kadikoy", "GrossSquareMeters": 2250, "BuildingAge": 7.5, "RentalIncome": 5500}
    answers = [http.post("/predict", json=cells).json() for cells in (raw, clean)]
    assert answers[0]["probabilities"] == answers[1]["probabilities"]


def test_an_answer_has_its_band_its_version_its_tier_and_its_own_id(
    http: httpx.Client, artifact: ModelArtifact
) -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    answers = [http.post("/predict", json=HOME).json() for _ in range(3)]
    answer = answers[0]
    assert set(answer) == {
        *("prediction_id", "price_category", "probabilities", "band", "model_version", "tier", "unseen"),
        *("estimate", "no_estimate"),
    }
    identifier = uuid.UUID(answer["prediction_id"])
    assert identifier.version == 7
    made = datetime.fromtimestamp((identifier.int >> 80) / 1000, UTC)
    assert before < made < datetime.now(UTC) + timedelta(seconds=1)
    assert len({each["prediction_id"] for each in answers}) == 3
    limits = [None, *artifact.labels.edges, None]
    category = artifact.labels.categories.index(answer["price_category"])
    edges = {"above": limits[category], "up_to": limits[category + 1]}
    assert answer["band"] == edges | {"currency": "TRY", "price_kind": "asking"}
    assert answer["tier"] == "baked"
    assert answer["model_version"] == "baked"
    assert answer["no_estimate"] is None
    estimate = answer["estimate"]
    assert estimate["currency"] == "TRY"
    assert estimate["interval_80"]["low"] <= estimate["price"] <= estimate["interval_80"]["high"]


def test_what_no_training_listing_had_is_answered_and_marked(http: httpx.Client) -> None:
    path = "Anasayfa > Satılık Daire > Atlantis Satılık Daire > Derin Mahallesi Satılık Daire"
    answer = http.post("/predict", json={**HOME, "district": "atlantis", "address": path}).json()
    assert {"district", "address", "neighbourhood"} <= set(answer["unseen"])
    assert "district" not in http.post("/predict", json=HOME).json()["unseen"]


@pytest.mark.parametrize(
    ("change", "field", "value", "expected"),
    [
        ({"GrossSquareMeters": "-110 m2"}, "GrossSquareMeters", "-110 m2", "not within 5 to 200,000"),
        ({"GrossSquareMeters": 1e300}, "GrossSquareMeters", "1e+300", "not a finite number"),
        ({"GrossSquareMeters": "120 ft2"}, "GrossSquareMeters", "120 ft2", "not in square metres"),
        ({"GrossSquareMeters": ["120"]}, "GrossSquareMeters", "['120']", "neither a text nor a number"),
        ({"district": None}, "district", "null", "missing"),
        ({"Swap": [True, None]}, "Swap", "[true, null]", "neither a text nor a number"),
        ({"district": "x" * 1001}, "district", "x" * 100 + "…", "at most 1,000"),
        ({"AdCreationDate": "31 Şubat 2022"}, "AdCreationDate", "31 Şubat 2022", "not a day"),
        ({"Bedrooms": 3}, "Bedrooms", "3", "no such field"),
        ({"grossSquareMeter": 3}, "grossSquareMeter", "3", "no such field; did you mean GrossSquareMeters?"),
        ({"x" * 1_000: 3}, "x" * 100 + "…", "3", "no such field"),
        ({"Swap": {"deep": [1]}}, "Swap", "{'deep': [1]}", "neither a text nor a number"),
    ],
)
def test_a_field_that_cannot_be_used_is_named_with_its_value_and_what_was_expected(
    http: httpx.Client, change: dict[str, Any], field: str, value: str, expected: str
) -> None:
    errors = assert_problem(http.post("/predict", json=HOME | change), 422)["errors"]
    assert [error["field"] for error in errors] == [field]
    assert errors[0]["value"] == value
    assert expected in errors[0]["message"]


def test_every_field_that_cannot_be_used_is_named(http: httpx.Client) -> None:
    problem = assert_problem(http.post("/predict", json={"GrossSquareMeters": "big", "BuildingAge": "old"}), 422)
    assert {error["field"] for error in problem["errors"]} == {"district", "GrossSquareMeters", "BuildingAge"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b'{"GrossSquareMeters": NaN, "district": "x"}',
        b"[" * 60_000,
        b'{"district": "\\ud800", "GrossSquareMeters": 100}',
        b'{"listing": {"district": "kadikoy"}}',
    ],
)
def test_a_body_that_is_no_listing_is_one_problem(http: httpx.Client, body: bytes) -> None:
    assert_problem(http.post("/predict", content=body, headers={"content-type": "application/json"}), 422)


def test_the_price_may_be_sent_and_is_neither_read_nor_kept(http: httpx.Client) -> None:
    with_price, without = (http.post("/predict", json=HOME | more).json() for more in ({"price": "no price"}, {}))
    assert with_price["probabilities"] == without["probabilities"]


def test_a_body_of_another_type_is_refused(http: httpx.Client) -> None:
    assert_problem(http.post("/predict", content=b"<x/>", headers={"content-type": "text/xml"}), 415)


def test_a_body_that_is_too_large_is_refused_whether_or_not_it_says_so(service: Service, http: httpx.Client) -> None:
    for path, limit in (("/predict", 65_536), ("/feedback", 65_536), ("/predict_batch", 1_000_000)):
        large = b'{"district": "' + b"x" * limit + b'"}'

        def chunks(large: bytes = large) -> Any:
            yield from (large[start : start + 10_000] for start in range(0, len(large), 10_000))

        for content in (large, chunks()):
            reply = http.post(path, content=content, headers=AUTHORIZED | {"content-type": "application/json"})
            assert f"{limit:,}" in assert_problem(reply, 413)["detail"]


def test_a_listing_of_the_largest_size_is_read(http: httpx.Client) -> None:
    padded = json.dumps(HOME).encode().ljust(65_536)
    assert http.post("/predict", content=padded, headers={"content-type": "application/json"}).status_code == 200


def test_a_body_that_does_not_arrive_is_given_up(service: Service) -> None:
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as connection:
        connection.sendall(b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{")
        reply = connection.recv(65_536)
    assert reply.startswith(b"HTTP/1.1 408")
    assert b"application/problem+json" in reply


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("POST", "/nothing", 404),
        ("GET", "/predict", 405),
        ("DELETE", "/feedback", 405),
        ("PUT", "/model", 405),
        ("POST", "/livez", 405),
    ],
)
def test_paths_and_methods_that_are_none_are_problems_too(
    http: httpx.Client, method: str, path: str, status: int
) -> None:
    reply = http.request(method, path)
    assert_problem(reply, status)
    assert status != 405 or reply.headers["allow"]


@pytest.mark.parametrize("path", ["/predict_batch", "/feedback"])
def test_what_is_closed_asks_for_a_key(http: httpx.Client, path: str) -> None:
    for headers in ({}, {"authorization": "Bearer wrong"}):
        reply = http.post(path, json={}, headers=headers)
        assert_problem(reply, 401)
        assert reply.headers["www-authenticate"] == "Bearer"
    assert http.post(path, json={}, headers=AUTHORIZED).status_code == 422


def test_a_batch_is_answered_in_order_with_errors_in_their_place(http: httpx.Client, raw: pd.DataFrame) -> None:
    listings = [*as_ads(raw)[:40], {"district": "kadikoy"}, *as_ads(raw)[40:80]]
    answers = http.post("/predict_batch", json={"listings": listings}, headers=AUTHORIZED).json()["answers"]
    assert len(answers) == len(listings)
    assert answers[40]["error"]["errors"][0]["field"] == "GrossSquareMeters"
    for cells, answer in zip(listings, answers, strict=True):
        alone = http.post("/predict", json=cells).json()
        assert answer.get("probabilities") == alone.get("probabilities")
    assert len({answer["model_version"] for answer in answers if "error" not in answer}) == 1


@pytest.mark.parametrize("body", [{"listings": []}, {"listings": [HOME] * 501}, {"listings": "many"}, {}, [HOME]])
def test_a_batch_that_is_none_or_too_long_is_refused(http: httpx.Client, body: Any) -> None:
    assert_problem(http.post("/predict_batch", json=body, headers=AUTHORIZED), 422)


def test_feedback_is_accepted_for_a_prediction(http: httpx.Client) -> None:
    identifier = http.post("/predict", json=HOME).json()["prediction_id"]
    feedback = {"prediction_id": identifier, "price": "3,100,000TL", "observed_at": "2026-03-01T12:00:00+03:00"}
    reply = http.post("/feedback", json=feedback, headers=AUTHORIZED)
    assert reply.status_code == 202
    accepted = reply.json()
    assert accepted["price"] == 3_100_000
    assert accepted["observed_at"] == "2026-03-01T09:00:00.000000Z"
    assert uuid.UUID(accepted["feedback_id"]).version == 7


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"prediction_id": "none"}, "prediction_id"),
        ({"prediction_id": str(uuid.uuid4())}, "prediction_id"),
        ({"prediction_id": 7}, "prediction_id"),
        ({"price": None}, "price"),
        ({"price": "3 EUR"}, "price"),
        ({"price": -1}, "price"),
        ({"observed_at": "2026-03-01T12:00:00"}, "observed_at"),
        ({"observed_at": "2999-03-01T12:00:00Z"}, "observed_at"),
        ({"observed_at": "yesterday"}, "observed_at"),
        ({"observed_at": "0001-01-01T00:00:00+03:00"}, "observed_at"),
        ({"observed_at": 5}, "observed_at"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_feedback_that_cannot_be_used_is_refused_by_field(
    http: httpx.Client, change: dict[str, Any], field: str
) -> None:
    feedback = {"prediction_id": "0199aee2-6e1c-7e53-9c2d-3f1f2a8f6f10", "price": 3_100_000} | change
    problem = assert_problem(http.post("/feedback", json=feedback, headers=AUTHORIZED), 422)
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_replayed_request_is_recorded_at_its_own_time(service: Service, http: httpx.Client) -> None:
    dated = {"housing-as-of": "2026-03-01T12:00:00+03:00"}
    assert_problem(http.post("/predict", json=HOME, headers=dated), 401)  # predicting is open, dating the record not
    replies = [
        http.post("/predict", json=HOME, headers=dated | AUTHORIZED),
        http.post("/predict_batch", json={"listings": [HOME]}, headers=dated | AUTHORIZED),
    ]
    predicted = [replies[0].json()["prediction_id"], replies[1].json()["answers"][0]["prediction_id"]]
    feedback = {"prediction_id": predicted[0], "price": 1_500_000}
    accepted = http.post("/feedback", json=feedback, headers=dated | AUTHORIZED).json()
    assert accepted["observed_at"] == accepted["received_at"] == "2026-03-01T09:00:00.000000Z"
    moment = datetime(2026, 3, 1, 9, tzinfo=UTC)
    query = select(PREDICTIONS.c.prediction_id).where(PREDICTIONS.c.predicted_at == moment)
    read_store(service.storage, query, until=lambda rows: {row.prediction_id for row in rows} >= set(predicted))


@pytest.mark.parametrize("moment", ["2999-01-01T00:00:00Z", "2026-03-01", "2026-03-01T12:00:00", "yesterday", ""])
def test_a_moment_that_is_none_or_has_not_passed_is_refused(http: httpx.Client, moment: str) -> None:
    problem = assert_problem(http.post("/predict", json=HOME, headers={"housing-as-of": moment} | AUTHORIZED), 422)
    assert problem["errors"][0]["field"] == "housing-as-of"


def test_what_answers_is_described(http: httpx.Client, artifact: ModelArtifact) -> None:
    champion = http.get("/model").json()["champion"]
    assert champion["tier"] == "baked"
    assert champion["bands"] == artifact.labels.to_dict()
    assert champion["metrics"] == dict(artifact.metrics)
    assert champion["fingerprints"]["forest_digest"] == artifact.forest.digest()


def test_health_names_each_dependency(http: httpx.Client) -> None:
    reply = http.get("/health/deep")
    health = reply.json()
    assert reply.status_code == 200
    assert health["status"] == "degraded"  # no registry: what answers is baked
    assert health["golden_rows"] == "as evaluated"
    assert health["models"]["champion"]["tier"] == "baked"
    assert health["prediction_store"]["last_error"] is None


@pytest.mark.parametrize("path", ["/livez", "/readyz"])
def test_probes_are_answered(http: httpx.Client, path: str) -> None:
    assert http.get(path).status_code == 200


def test_a_value_that_is_nested_without_end_is_refused_by_name(http: httpx.Client) -> None:
    deep = '{"district": ' + "[" * 900 + "]" * 900 + "}"
    problem = assert_problem(http.post("/predict", content=deep, headers={"content-type": "application/json"}), 422)
    assert "district" in [error["field"] for error in problem["errors"]]


def test_the_examples_of_the_openapi_page_run_as_shown(http: httpx.Client) -> None:
    described = http.get("/docs.json").json()
    for path in ("/predict", "/predict_batch", "/feedback", "/v2/models/HousingPriceClassifier/infer"):
        operation = described["paths"][path]["post"]
        example = operation["requestBody"]["content"]["application/json"]["example"]
        reply = http.post(path, json=example, headers=AUTHORIZED if "security" in operation else {})
        assert str(reply.status_code) in operation["responses"]
        assert reply.is_success


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium")
def test_the_page_shows_every_path_in_a_browser(service: Service, tmp_path: Path) -> None:
    shown = subprocess.run(
        [
            *(str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"),
            *(f"--user-data-dir={tmp_path}", "--virtual-time-budget=10000", "--dump-dom", f"{service.url}/"),
        ],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    for summary in (
        "Classify one listing",
        "by one version",
        "what a classified listing really was",
        "model's tensors",
    ):
        assert summary in shown


def test_random_paths_add_no_metrics(http: httpx.Client) -> None:
    for number in range(20):
        http.get(f"/random-{number}")
    lines = http.get("/metrics").text
    assert 'housing_requests_total{endpoint="predict",protocol="http",status="200"}' in lines
    assert 'housing_predictions_total{price_category="' in lines
    assert "random" not in lines


WITHOUT_THE_TRAINING_STACK = """
import sys
from pathlib import Path
for name in ("dagster", "mlflow", "sklearn", "pandas", "imblearn", "scipy", "matplotlib"):
    sys.modules[name] = None
import bento_service.protocols.grpc_server, bento_service.protocols.openapi
import bento_service.service, bento_service.worker
from housing_assets.inference.artifact import ModelArtifact
model = ModelArtifact.load(Path(sys.argv[1]))
print(sum(model.predict_one({"district": "kadikoy", "GrossSquareMeters": 110}).probabilities))
"""


@pytest.mark.acceptance
def test_the_service_predicts_where_the_training_stack_cannot_be_imported(saved: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_THE_TRAINING_STACK, str(saved)],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert float(ended.stdout) == pytest.approx(1)


def test_requests_that_wait_too_long_are_turned_away(saved: Path, tmp_path: Path) -> None:
    settings = {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_MAX_DELAY": "0.005"}
    with serving(tmp_path, settings) as service:
        body = json.dumps(HOME).encode()
        request = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n" + (
            b"content-length: %d\r\n\r\n" % len(body)
        )
        connections = [socket.create_connection(("127.0.0.1", service.port), timeout=20) for _ in range(800)]
        for connection in connections:
            connection.sendall(request + body)
        replies = [connection.recv(65_536) for connection in connections]
        for connection in connections:
            connection.close()
        answered = sum(reply.startswith(b"HTTP/1.1 200") for reply in replies)
        turned_away = [reply for reply in replies if reply.startswith(b"HTTP/1.1 503")]
        assert answered
        assert turned_away
        assert answered + len(turned_away) == len(replies)
        assert all(b"retry-after: 1" in reply for reply in turned_away)
        with service.client() as client:
            time.sleep(0.2)
            assert client.post("/predict", json=HOME).status_code == 200


@pytest.mark.acceptance
def test_a_service_without_any_model_is_not_ready_and_says_so(tmp_path: Path) -> None:
    with serving(tmp_path, {}, wait=False) as service, service.client() as client:
        deadline = time.monotonic() + 60
        while True:
            try:
                reply = client.get("/health/deep")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, service.log.read_text()
                time.sleep(0.1)
        assert reply.status_code == 503
        assert reply.json()["status"] == "failing"
        assert_problem(client.post("/predict", json=HOME), 503)
        assert_problem(client.get("/readyz"), 503)
        assert client.get("/livez").status_code == 200


def test_a_wrong_setting_ends_the_service_with_its_name(saved: Path, tmp_path: Path) -> None:
    settings = {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_CHALLENGER_SHARE": "2"}
    with serving(tmp_path, settings, wait=False) as service:
        assert service.process.wait(timeout=60) != 0
        assert "challenger_share" in service.log.read_text()


def test_a_clock_that_is_a_second_ahead_is_no_error(http: httpx.Client) -> None:
    ahead = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    answer = http.post("/predict", json=HOME, headers={**AUTHORIZED, "Housing-As-Of": ahead})
    assert answer.status_code == 200
    report = {"prediction_id": answer.json()["prediction_id"], "price": 3_000_000, "observed_at": ahead}
    told = http.post("/feedback", json=report, headers=AUTHORIZED)
    assert told.status_code == 202
    assert told.json()["observed_at"] <= told.json()["received_at"]


def test_a_large_request_of_wrong_fields_has_a_small_answer(http: httpx.Client) -> None:
    wrong = {f"field {number}": number for number in range(2_500)}
    for path in ("/predict", "/feedback"):
        reply = http.post(path, json=wrong, headers=AUTHORIZED)
        problem = assert_problem(reply, 422)
        assert len(reply.content) < 10_000
        assert problem["detail"].startswith("250")
        assert len(problem["errors"]) == 20
    batch = {"listings": [{f"f{number}": 0 for number in range(100)}] * 500}
    reply = http.post("/predict_batch", json=batch, headers=AUTHORIZED)
    assert reply.status_code == 200
    assert sum(len(answer["error"]["errors"]) for answer in reply.json()["answers"]) == 1_000
    assert len(reply.content) < 300_000


@pytest.mark.parametrize(
    "made", [datetime(2025, 10, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)], ids=["long ago", "in the future"]
)
def test_feedback_on_a_prediction_that_nobody_made_is_told_so(http: httpx.Client, made: datetime) -> None:
    nobody = str(uuid.UUID(int=int(made.timestamp() * 1_000) << 80 | 7 << 76 | 0b10 << 62 | 1))
    deadline = time.monotonic() + 20
    while True:  # until the store has its tables
        reply = http.post("/feedback", json={"prediction_id": nobody, "price": 3_100_000}, headers=AUTHORIZED)
        if reply.status_code == 422 or time.monotonic() > deadline:
            break
    (error,) = assert_problem(reply, 422)["errors"]
    assert (error["field"], error["value"]) == ("prediction_id", nobody)
