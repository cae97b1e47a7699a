"""Who is let in, by the real service: where it listens, which key is good for what, how often, and what is recorded."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from bento_service.access import REFUSALS_A_SECOND
from bento_service.auth import new_key
from bento_service.discretion import HIDDEN
from bento_service.explanations import EXPLANATION_REQUESTS
from bento_service.key_file import add_entry, remove_entry
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import (
    GetModelRequest,
    PredictBatchRequest,
    SendFeedbackRequest,
)
from bento_service.request_ids import HEADER
from resources.ports import free_port
from tests.bento_service.protocols.grpc_client import as_json, calling, listing, predict_request, refusal
from tests.bento_service.serving import AUTHORIZED, PROJECT, Service, serving

pytestmark = pytest.mark.acceptance

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}
EVERYWHERE = "0.0.0.0"
REGISTRY, STORE = "registry.internal.invalid", "store.internal.invalid"
UNREACHABLE = {
    "MLFLOW_TRACKING_URI": f"http://{REGISTRY}:5000",
    "HOUSING_PREDICTION_STORE": f"postgresql://service@{STORE}/predictions",
}


def wait_until(condition: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def bearer(key: str) -> dict[str, str]:
    return {"authorization": f"Bearer {key}"}


def audited(service: Service) -> list[dict[str, Any]]:
    """Return the lines of the audit log."""
    found = []
    for line in service.log.read_text().splitlines():
        _, brace, rest = line.partition('{"at"')
        if brace and '"event"' in rest:
            found.append(json.loads(brace + rest))
    return found


@pytest.fixture(scope="module")
def facing_others(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve on every address, with a key, and with a registry and a store that do not answer."""
    with serving(
        tmp_path_factory.mktemp("access"), {"HOUSING_MODEL_FOLDER": str(saved), **UNREACHABLE}, host=EVERYWHERE
    ) as service:
        yield service


def test_a_service_that_others_reach_is_closed_without_a_key(facing_others: Service) -> None:
    with facing_others.client() as client:
        assert client.post("/predict", json=HOME).status_code == 401
        for path in ("/model", "/metrics", "/health/deep"):
            assert client.get(path).status_code == 401
        for path in ("/readyz", "/livez", "/docs.json"):
            assert client.get(path).status_code == 200
        assert client.post("/predict", json=HOME, headers=AUTHORIZED).status_code == 200
    with calling(facing_others.grpc_port) as stub:
        for call, request in ((stub.Predict, predict_request(HOME)), (stub.GetModel, GetModelRequest())):
            with pytest.raises(grpc.RpcError) as caught:
                call(request, timeout=10)
            assert refusal(caught.value).status is grpc.StatusCode.UNAUTHENTICATED
        assert stub.Predict(predict_request(HOME), metadata=tuple(AUTHORIZED.items()), timeout=10).prediction_id


def test_an_administrator_sees_hosts(facing_others: Service) -> None:
    with facing_others.client() as client:
        wait_until(lambda: STORE in client.get("/health/deep", headers=AUTHORIZED).text)
        assert REGISTRY in client.get("/model", headers=AUTHORIZED).text


@pytest.mark.trial
def test_what_is_open_to_others_names_no_host(saved: Path, tmp_path: Path) -> None:
    opened = {
        "HOUSING_MODEL_FOLDER": str(saved),
        **UNREACHABLE,
        "HOUSING_OPEN_ENDPOINTS": "predict,model,health,metrics",
    }
    with serving(tmp_path, opened, host=EVERYWHERE) as service, service.client() as client:
        for path in ("/model", "/health/deep"):
            wait_until(lambda path=path: HIDDEN in client.get(path).text)  # type: ignore[misc]
        wait_until(lambda: client.get("/health/deep").json()["prediction_store"]["last_error"] == HIDDEN)
        bodies = [client.get(path).text for path in ("/model", "/health/deep", "/metrics", "/docs.json")]
        with calling(service.grpc_port) as stub:
            bodies.append(json.dumps(as_json(stub.GetModel(GetModelRequest(), timeout=10))))
        bodies.append(client.post("/predict", json=HOME).text)
    for body in bodies:
        assert "invalid:5000" not in body
        assert REGISTRY not in body
        assert STORE not in body
        assert str(tmp_path) not in body


def test_a_service_without_keys_that_others_reach_says_what_it_waits_for(saved: Path, tmp_path: Path) -> None:
    environment = {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_API_KEYS": ""}
    with serving(tmp_path, environment, host=EVERYWHERE) as service:
        assert "has no keys: it answers nothing until" in service.log.read_text()
        with service.client() as client:
            assert client.post("/predict", json=HOME).status_code == 401


def test_grpc_is_answered_where_http_is(service: Service, facing_others: Service) -> None:
    for port in (service.port, service.grpc_port):
        with pytest.raises(ConnectionRefusedError):  # another address of the same machine
            socket.create_connection(("127.0.0.2", port), timeout=5)
    for port in (facing_others.port, facing_others.grpc_port):
        socket.create_connection(("127.0.0.2", port), timeout=5).close()


@pytest.mark.trial
def test_the_settings_say_where_bentoml_serves_unless_it_is_told(saved: Path, tmp_path: Path) -> None:
    port, grpc_port = free_port(), free_port()
    told = {
        "HOUSING_HOST": "127.0.0.2",
        "HOUSING_PORT": str(port),
        "HOUSING_GRPC_PORT": str(grpc_port),
        "HOUSING_STORAGE": str(tmp_path),
        "HOUSING_MODEL_FOLDER": str(saved),
        "BENTOML_HOME": str(tmp_path / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "bentoml", "serve", "bento_service.service:HousingPriceClassifier"],
            cwd=PROJECT,
            env={"PATH": str(Path(sys.executable).parent), **told},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        service = Service(process, port, grpc_port, tmp_path, log)
        url = f"http://127.0.0.2:{port}"

        def is_ready() -> bool:
            try:
                return httpx.get(f"{url}/readyz", verify=False).status_code == 200
            except httpx.TransportError:
                return False

        wait_until(is_ready, 60)
        assert httpx.post(f"{url}/predict", json=HOME).status_code == 200  # loopback, too
        socket.create_connection(("127.0.0.2", grpc_port), timeout=5).close()
        for each in (port, grpc_port):
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(("127.0.0.1", each), timeout=5)
    finally:
        service.stop()


def test_keys_are_added_and_revoked_while_the_service_runs(facing_others: Service) -> None:
    path = facing_others.storage / "keys"
    key, entry = new_key("phones", ["predict"])
    with facing_others.client() as client:

        def status() -> int:
            return client.post("/predict", json=HOME, headers=bearer(key)).status_code

        assert status() == 401
        add_entry(path, entry)
        wait_until(lambda: status() == 200, 5)
        assert client.post("/feedback", json={}, headers=bearer(key)).status_code == 403
        assert client.get("/metrics", headers=bearer(key)).status_code == 403
        dated = bearer(key) | {"housing-as-of": "2026-03-01T12:00:00+03:00"}
        assert client.post("/predict", json=HOME, headers=dated).status_code == 403

        path.write_text(f"{entry}\nsomething else\n")
        wait_until(lambda: "entry 3 is not name:sha256" in facing_others.log.read_text(), 5)
        assert status() == 200  # as it was

        path.write_text(f"{entry}\n")
        remove_entry(path, "phones")
        wait_until(lambda: status() == 401, 5)
        assert client.post("/predict", json=HOME, headers=AUTHORIZED).status_code == 200


def test_a_key_with_a_rate_is_told_when_to_come_back(facing_others: Service) -> None:
    key, entry = new_key("slow", ["predict", "admin"], 0.5)
    add_entry(facing_others.storage / "keys", entry)
    with facing_others.client() as client:
        wait_until(lambda: client.get("/model", headers=bearer(key)).status_code == 200, 5)  # one of five
        batch = {"listings": [HOME] * 3}
        assert client.post("/predict_batch", json=batch, headers=bearer(key)).status_code == 200
        replies = [client.post("/predict", json=HOME, headers=bearer(key)) for _ in range(2)]
        assert [reply.status_code for reply in replies] == [200, 429]
        assert replies[1].json()["type"] == "urn:housing-price-platform:rate-limited"
        assert int(replies[1].headers["retry-after"]) in (1, 2)
        assert client.post("/predict", json=HOME, headers=AUTHORIZED).status_code == 200
    with calling(facing_others.grpc_port) as stub, pytest.raises(grpc.RpcError) as caught:
        stub.Predict(predict_request(HOME), metadata=tuple(bearer(key).items()), timeout=10)
    found = refusal(caught.value)
    assert found.status is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert found.problem is not None
    assert found.problem.type == "urn:housing-price-platform:rate-limited"
    assert "grpc-retry-pushback-ms" in found.metadata


def test_a_replayed_request_counts_as_one(facing_others: Service) -> None:
    key, entry = new_key("past", ["predict", "replay"], 0.2)
    add_entry(facing_others.storage / "keys", entry)
    dated = bearer(key) | {"housing-as-of": "2026-03-01T12:00:00+03:00"}
    with facing_others.client() as client:
        wait_until(lambda: client.post("/predict", json=HOME, headers=dated).status_code == 200, 5)  # one of two
        replies = [client.post("/predict", json=HOME, headers=dated).status_code for _ in range(2)]
    assert replies == [200, 429]


@pytest.mark.parametrize("way", ["predict_batch", "infer", "grpc"])
def test_a_batch_counts_by_its_listings_however_it_is_sent(facing_others: Service, way: str) -> None:
    key, entry = new_key(f"batches-{way}", ["predict"], 0.5)
    add_entry(facing_others.storage / "keys", entry)
    homes = [HOME] * 30
    with facing_others.client() as client:
        wait_until(lambda: client.post("/predict", json=HOME, headers=bearer(key)).status_code == 200, 5)  # one of five
        if way == "grpc":
            with calling(facing_others.grpc_port) as stub:
                batch = PredictBatchRequest(listings=[listing(home) for home in homes])
                assert len(stub.PredictBatch(batch, metadata=tuple(bearer(key).items()), timeout=10).answers) == 30
        else:
            texts = {"name": "listing_json", "shape": [30], "datatype": "BYTES", "data": [json.dumps(HOME)] * 30}
            path, body = {
                "predict_batch": ("/predict_batch", {"listings": homes}),
                "infer": ("/v2/models/HousingPriceClassifier/infer", {"inputs": [texts]}),
            }[way]
            assert client.post(path, json=body, headers=bearer(key)).status_code == 200
        refused = client.post("/predict", json=HOME, headers=bearer(key))
    assert refused.status_code == 429
    assert 40 < int(refused.headers["retry-after"]) <= 54  # seconds until 26 are paid back, and one more is there


def test_an_explanation_counts_as_many_requests(facing_others: Service) -> None:
    key, entry = new_key("curious", ["predict"], 0.5)
    add_entry(facing_others.storage / "keys", entry)
    with facing_others.client() as client:
        assert client.post("/explain", json=HOME).status_code == 401
        wait_until(lambda: client.post("/predict", json=HOME, headers=bearer(key)).status_code == 200, 5)  # one of five
        assert client.post("/explain", json=HOME, headers=bearer(key), timeout=30).status_code == 200
        refused = client.post("/predict", json=HOME, headers=bearer(key))
    assert refused.status_code == 429
    assert (
        2 * (EXPLANATION_REQUESTS - 4) - 20 < int(refused.headers["retry-after"]) <= 2 * (EXPLANATION_REQUESTS - 4 + 1)
    )


def test_what_a_key_was_used_for_is_in_the_audit_log(facing_others: Service) -> None:
    with facing_others.client() as client:
        dated = AUTHORIZED | {"housing-as-of": "2026-03-01T12:00:00+03:00"}
        identifier = client.post("/predict", json=HOME, headers=dated | {HEADER: "replayed-1"}).json()["prediction_id"]
        feedback = {"prediction_id": identifier, "price": 1_500_000}
        client.post("/feedback", json=feedback, headers=AUTHORIZED | {HEADER: "feedback-1"})
    with calling(facing_others.grpc_port) as stub:
        request = SendFeedbackRequest(prediction_id=identifier, price={"number": 1_500_000})
        stub.SendFeedback(request, metadata=(*AUTHORIZED.items(), (HEADER, "feedback-2")), timeout=10)
    wait_until(lambda: "feedback-2" in facing_others.log.read_text())
    found = {each["request_id"]: each for each in audited(facing_others)}
    for request_id, endpoint, protocol in (
        ("replayed-1", "replay", "http"),
        ("feedback-1", "feedback", "http"),
        ("feedback-2", "feedback", "grpc"),
    ):
        line = found[request_id]
        assert (line["event"], line["key"], line["outcome"]) == ("used", "tests", "answered")
        assert (line["endpoint"], line["protocol"]) == (endpoint, protocol)


def test_a_flood_of_wrong_keys_does_not_flood_the_audit_log(facing_others: Service) -> None:
    before = len(audited(facing_others))
    begun = time.monotonic()
    with facing_others.client() as client:
        for _ in range(200):
            client.post("/predict", json=HOME, headers=bearer("wrong"))
        seconds = int(time.monotonic() - begun) + 2
        time.sleep(1)
        client.post("/predict", json=HOME, headers=bearer("wrong"))

    def told() -> list[dict[str, Any]]:
        return audited(facing_others)[before:]

    wait_until(
        lambda: len(told()) + sum(each.get("left_out", 0) for each in told()) == 201
    )  # written in the background
    lines = told()
    assert len(lines) <= (seconds + 1) * REFUSALS_A_SECOND
    assert {(each["event"], each["key"]) for each in lines} == {("refused", "anonymous")}
    assert "wrong" not in facing_others.log.read_text()


def test_the_id_of_a_request_comes_back(http: httpx.Client, service: Service) -> None:
    sent = "shop-7/2026:a.b_c~1+2=@"
    for method, path in (
        ("GET", "/model"),
        ("POST", "/predict"),
        ("GET", "/predict"),
        ("GET", "/nothing"),
        ("GET", "/livez"),
    ):
        assert http.request(method, path, headers={HEADER: sent}).headers[HEADER] == sent
        made = [http.request(method, path).headers[HEADER] for _ in range(2)]
        assert len(set(made)) == 2
    with calling(service.grpc_port) as stub:
        _, call = stub.Predict.with_call(predict_request(HOME), metadata=((HEADER, sent),), timeout=10)
        assert dict(call.trailing_metadata())[HEADER] == sent
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request({}), metadata=((HEADER, sent),), timeout=10)
        assert refusal(caught.value).metadata[HEADER] == sent


@pytest.mark.parametrize("sent", ["x" * 129, "a b", 'a"b', "ü", "", "{}", "a\tb"])
def test_an_id_that_is_too_long_or_would_break_a_log_is_replaced(http: httpx.Client, sent: str) -> None:
    found = http.get("/model", headers={HEADER: sent.encode()}).headers.get_list(HEADER)
    assert len(found) == 1
    assert found != [sent]
    assert len(found[0]) == 36
