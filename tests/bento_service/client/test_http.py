"""Both clients against the real service, and against a server with the faults of networks, proxies and overload."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from bento_service.client.errors import (
    Invalid,
    NotAllowed,
    ServiceProblem,
    TooLarge,
    Unavailable,
    Unreachable,
)
from bento_service.client.http import AsyncHousingClient, HousingClient
from resources.ports import free_port
from tests.bento_service.client.scripted import HANG_UP, Reply, answering, losing_first_answers
from tests.bento_service.serving import KEY, PROJECT, Service, serving

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1"}
MAX_BATCH = 50
MAX_BYTES = 10_000
ANSWERED = Reply(200, b'{"price_category": "low"}')
BUSY = Reply(503, b'{"type": "urn:housing-price-platform:overloaded", "detail": "busy"}')
BUSY = BUSY._replace(headers={"content-type": "application/problem+json", "retry-after": "1"})
Ask = Callable[..., Any]


@pytest.fixture(params=["waited for", "awaited"])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Give a function that calls a method of one client or the other."""

    def wait(url: str, method: str, *given: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
        with HousingClient(url, **{"api_key": KEY} | (options or {})) as client:
            return getattr(client, method)(*given, **named)

    def run(url: str, method: str, *given: Any, options: dict[str, Any] | None = None, **named: Any) -> Any:
        async def call() -> Any:
            async with AsyncHousingClient(url, **{"api_key": KEY} | (options or {})) as client:
                return await getattr(client, method)(*given, **named)

        return asyncio.run(call())

    return wait if request.param == "waited for" else run


@pytest.fixture(scope="module")
def small(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """Serve with small limits."""
    limits = {"HOUSING_MAX_BATCH": str(MAX_BATCH), "HOUSING_MAX_REQUEST_BYTES": str(MAX_BYTES)}
    with serving(tmp_path_factory.mktemp("small"), {"HOUSING_MODEL_FOLDER": str(saved), **limits}) as service:
        yield service


def test_a_listing_its_feedback_and_the_model_are_answered(service: Service, ask: Ask) -> None:
    answer = ask(service.url, "predict", HOME)
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    told = {"price": "3,100,000TL", "price_kind": "paid", "observed_at": moment}
    accepted = ask(service.url, "feedback", answer["prediction_id"], **told)
    assert (accepted["prediction_id"], accepted["price"]) == (answer["prediction_id"], 3_100_000)
    assert accepted["price_kind"] == "paid"
    assert accepted["observed_at"] == "2026-03-01T12:00:00.000000Z"
    assert ask(service.url, "model")["champion"]["model_version"] == answer["model_version"]


def test_any_number_of_listings_is_answered_in_order_in_batches_that_the_service_takes(
    small: Service, ask: Ask
) -> None:
    listings: list[dict[str, Any]] = [{**HOME, "GrossSquareMeters": 40 + row} for row in range(2 * MAX_BATCH + 7)]
    listings[MAX_BATCH + 1] = {"district": "kadikoy"}
    answers = ask(small.url, "predict_batch", iter(listings))
    assert len(answers) == len(listings)
    assert [row for row, answer in enumerate(answers) if "error" in answer] == [MAX_BATCH + 1]
    for row in (0, MAX_BATCH, len(listings) - 1):
        assert answers[row]["probabilities"] == ask(small.url, "predict", listings[row])["probabilities"]
    assert ask(small.url, "predict_batch", []) == []


def test_batches_with_too_many_bytes_are_cut_further(small: Service, ask: Ask) -> None:
    listings = [{**HOME, "address": "Anasayfa > " + "x" * 700} for _ in range(MAX_BATCH)]
    assert len(str(listings)) > 3 * MAX_BYTES
    answers = ask(small.url, "predict_batch", listings)
    assert [answer["price_category"] for answer in answers] == [answers[0]["price_category"]] * MAX_BATCH
    with pytest.raises(TooLarge):
        ask(small.url, "predict_batch", [{**HOME, "address": "x" * MAX_BYTES}])


def test_what_is_wrong_with_a_request_is_raised_by_kind_and_field(service: Service, ask: Ask) -> None:
    with pytest.raises(Invalid, match="GrossSquareMeters is 'big'") as caught:
        ask(service.url, "predict", HOME | {"GrossSquareMeters": "big"})
    assert (caught.value.status, caught.value.kind, caught.value.retry_after) == (422, "invalid", None)
    assert [each["field"] for each in caught.value.errors] == ["GrossSquareMeters"]
    with pytest.raises(NotAllowed):
        ask(service.url, "predict_batch", [HOME], options={"api_key": "wrong"})
    with pytest.raises(NotAllowed):
        ask(service.url, "predict_batch", [HOME], options={"api_key": None})


def test_a_busy_service_is_asked_again_after_the_time_that_it_asks_for(ask: Ask) -> None:
    with answering([BUSY, ANSWERED]) as server:
        began = time.monotonic()
        assert ask(server.url, "predict", HOME) == {"price_category": "low"}
        assert 1 <= time.monotonic() - began < 3
        assert len(server.asked) == 2


def test_retry_after_may_be_a_moment(ask: Ask) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    with answering([BUSY._replace(headers={**BUSY.headers, "retry-after": later}), ANSWERED]) as server:
        began = time.monotonic()
        ask(server.url, "predict", HOME)
        assert 0.5 <= time.monotonic() - began < 4


def test_a_longer_wait_than_the_client_has_patience_for_is_raised_at_once(ask: Ask) -> None:
    with answering([BUSY._replace(headers={**BUSY.headers, "retry-after": "30"})]) as server:
        began = time.monotonic()
        with pytest.raises(Unavailable, match="busy") as caught:
            ask(server.url, "predict", HOME, options={"patience": 10})
        assert time.monotonic() - began < 3
        assert (caught.value.kind, caught.value.retry_after) == ("overloaded", 30)
        assert len(server.asked) == 1


def test_broken_connections_and_errors_of_proxies_are_tried_again_with_the_same_key(ask: Ask) -> None:
    page = Reply(502, b"<html>bad gateway</html>", {"content-type": "text/html"})
    with answering([HANG_UP, page, ANSWERED]) as server:
        assert ask(server.url, "feedback", "an id", price=3) == {"price_category": "low"}
        keys = {headers["idempotency-key"] for _, headers in server.asked}
        assert len(server.asked) == 3
        assert len(keys) == 1
        ask(server.url, "feedback", "an id", price=3)
        assert server.asked[-1][1]["idempotency-key"] not in keys


def test_what_is_asked_again_because_its_answer_was_lost_is_recorded_once(service: Service, ask: Ask) -> None:
    with losing_first_answers(service.url) as (url, answers):
        answer = ask(url, "predict", HOME)
        batch = ask(url, "predict_batch", [HOME, HOME])
        accepted = ask(url, "feedback", answer["prediction_id"], price=3_100_000)
    lost, again = map(json.loads, answers["/predict"])
    assert lost["prediction_id"] == again["prediction_id"] == answer["prediction_id"]
    lost, again = map(json.loads, answers["/predict_batch"])
    assert lost == again == {"answers": batch}
    assert len({answer["prediction_id"], *(each["prediction_id"] for each in batch)}) == 3
    lost, again = map(json.loads, answers["/feedback"])
    assert lost["feedback_id"] == again["feedback_id"] == accepted["feedback_id"]


def test_a_request_is_sent_as_often_as_was_asked_for_and_no_more(ask: Ask) -> None:
    with answering([Reply(502, b"<html>", {"content-type": "text/html"})]) as server:
        with pytest.raises(Unavailable, match="502, Bad Gateway") as caught:
            ask(server.url, "predict", HOME, options={"attempts": 2})
        assert caught.value.kind == ""
        assert len(server.asked) == 2


@pytest.mark.parametrize("status", [400, 404, 500])
def test_what_a_retry_would_not_mend_is_raised_at_once(ask: Ask, status: int) -> None:
    with answering([Reply(status)]) as server:
        with pytest.raises(ServiceProblem):
            ask(server.url, "model")
        assert len(server.asked) == 1


def test_a_page_in_place_of_an_answer_is_a_problem(ask: Ask) -> None:
    with (
        answering([Reply(200, b"<html>log in", {"content-type": "text/html"})]) as server,
        pytest.raises(ServiceProblem),
    ):
        ask(server.url, "model")


def test_a_service_that_is_not_there_is_unreachable(ask: Ask) -> None:
    with pytest.raises(Unreachable, match="POST /predict"):
        ask(f"http://127.0.0.1:{free_port()}", "predict", HOME, options={"attempts": 2})


def test_a_key_of_the_callers_own_and_a_request_key_are_sent(ask: Ask) -> None:
    described = Reply(200, b'{"components": {"schemas": {"Batch": {"properties": {"listings": {"maxItems": 2}}}}}}')
    with answering([described, Reply(200, b'{"answers": []}')]) as server:
        ask(server.url, "predict_batch", [HOME] * 3, idempotency_key="mine", request_key="client 7")
        (_, first), (_, second) = server.asked[1:]
    assert (first["idempotency-key"], second["idempotency-key"]) == ("mine-0-2", "mine-2-3")
    assert first["housing-request-key"] == second["housing-request-key"] == "client 7"
    assert first["authorization"] == f"Bearer {KEY}"


@pytest.mark.acceptance
def test_more_batches_at_once_than_the_service_lets_wait_are_all_answered_in_the_end(
    saved: Path, tmp_path: Path
) -> None:
    settings = {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_MAX_DELAY": "0.02"}
    listings = [{**HOME, "GrossSquareMeters": 40 + row} for row in range(500)]

    async def ask_all(url: str) -> list[Any]:
        async with AsyncHousingClient(url, KEY, attempts=30) as client:
            return await asyncio.gather(*(client.predict_batch(listings) for _ in range(12)))

    with serving(tmp_path, settings) as service:
        found = asyncio.run(ask_all(service.url))
        assert [len(answers) for answers in found] == [500] * 12
        assert not any("error" in answer for answers in found for answer in answers)
        with service.client() as http:
            assert 'endpoint="predict_batch",protocol="http",status="503"' in http.get("/metrics").text


HTTPX_ALONE = """
import sys
needed_by_httpx = {"anyio", "certifi", "h11", "httpcore", "httpx", "idna", "sniffio", "typing_extensions"}
class Refuse:
    def find_spec(self, name, path, target=None):
        top = name.partition(".")[0]
        if top not in {"bento_service", *needed_by_httpx, *sys.stdlib_module_names}:
            raise ImportError(f"{name} is not installed")
sys.meta_path.insert(0, Refuse())
import bento_service.client.http
print(sorted(name for name in sys.modules if name.startswith("bento_service.") and "client" not in name))
"""


def test_the_client_works_where_nothing_but_httpx_is_installed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", HTTPX_ALONE], cwd=PROJECT, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip() == "[]"
