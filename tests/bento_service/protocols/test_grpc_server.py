"""The gRPC server's life: its port, health, deadlines, refusals of a worker in trouble, and its end."""

import asyncio
import contextlib
import gc
import os
import shutil
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from sqlalchemy import select

from bento_service import runtime
from bento_service.auth import digest
from bento_service.protocols.grpc_methods import RETRY, SERVICE
from bento_service.protocols.grpc_server import DrainGate, GrpcServer
from bento_service.protocols.proto.housing.v1.price_classifier_pb2 import GetModelRequest, PredictBatchRequest
from bento_service.protocols.proto.housing.v1.price_classifier_pb2_grpc import PriceClassifierStub
from bento_service.worker import Worker
from resources.predictions.tables import PREDICTIONS
from resources.serving_settings import ServingSettings
from tests.bento_service.protocols.grpc_client import calling, listing, predict_request, refusal
from tests.bento_service.serving import AUTHORIZED, free_port, serving
from tests.bento_service.stored import read_store, ship_what_is_left

pytestmark = pytest.mark.acceptance

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2"}
STATES = health_pb2.HealthCheckResponse


class LoopedWorker:
    """A worker in an event loop of its own."""

    def __init__(self, settings: ServingSettings):
        self.port = settings.grpc_port
        self.storage = settings.storage
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.worker = Worker(settings, None, "127.0.0.1")
        self.runtime = self.worker.runtime
        self.stopped = False

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(timeout=60)

    def hold(self, seconds: float, each: float = 0.1) -> None:
        """Keep the loop busy for a time, with something long in each of its rounds."""
        end = time.monotonic() + seconds

        def work() -> None:
            if time.monotonic() < end:
                time.sleep(each)
                self.loop.call_soon(work)

        self.loop.call_soon_threadsafe(work)

    def wait_for(self, condition: Callable[[DrainGate], object]) -> None:
        """Wait until the gate that calls pass is as is asked for: ``_in_flight``, ``_draining``."""
        server = self.worker._grpc
        assert server is not None
        deadline = time.monotonic() + 20
        while not condition(server._gate):
            assert time.monotonic() < deadline
            time.sleep(0.002)

    def stop(self) -> None:
        if not self.stopped:
            self.stopped = True
            self.run(self.worker.stop())

    def recorded(self) -> set[str | None]:
        """Return the request keys of what was recorded, once the worker has stopped."""
        self.stop()
        ship_what_is_left(self.storage)
        return {key for (key,) in read_store(self.storage, select(PREDICTIONS.c.request_key))}

    def count(self, endpoint: str) -> Counter[str]:
        found: Counter[str] = Counter()
        for line in self.runtime.expose_metrics().decode().splitlines():
            if line.startswith(f'housing_requests_total{{endpoint="{endpoint}",protocol="grpc",status="'):
                found[line.split('status="')[1].split('"')[0]] = int(float(line.rpartition(" ")[2]))
        return found


@contextlib.contextmanager
def working(storage: Path, **settings: Any) -> Iterator[LoopedWorker]:
    opened = {"open_endpoints": ["predict", "predict_batch", "feedback", "model", "health"]}
    worker = LoopedWorker(ServingSettings(storage=storage, **({"grpc_port": free_port()} | opened | settings)))
    threshold = gc.get_threshold()
    try:
        with pytest.MonkeyPatch.context() as patch:  # what is loaded here stays no longer than the worker
            patch.setattr(gc, "freeze", lambda: None)
            worker.run(worker.worker.start())
        yield worker
    finally:
        worker.stop()
        worker.loop.call_soon_threadsafe(worker.loop.stop)
        worker.thread.join()
        worker.loop.close()
        gc.set_threshold(*threshold)


@pytest.fixture
def worker(saved: Path, tmp_path: Path) -> Iterator[LoopedWorker]:
    with working(tmp_path, model_folder=saved, max_batch=10_000, max_request_bytes=50_000_000) as worker:
        yield worker


def large_batch(key: str, size: int = 10_000) -> PredictBatchRequest:
    return PredictBatchRequest(listings=[listing(HOME)] * size, request_key=key)


def test_a_worker_without_a_model_refuses_until_it_has_one_and_health_follows(saved: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with (
        working(tmp_path / "storage", model_folder=folder) as worker,
        calling(worker.port) as stub,
        grpc.insecure_channel(f"127.0.0.1:{worker.port}") as channel,
    ):
        watched = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(service=SERVICE), timeout=30)
        assert next(watched).status == STATES.NOT_SERVING
        for method, request in ((stub.Predict, predict_request(HOME)), (stub.GetModel, GetModelRequest())):
            with pytest.raises(grpc.RpcError) as caught:
                method(request)
            found = refusal(caught.value)
            assert found.status is grpc.StatusCode.UNAVAILABLE
            assert found.problem.type == "urn:housing-price-platform:no-model"
            assert found.metadata[RETRY] == "5000"
        shutil.copytree(saved, folder)
        worker.runtime.models.refresh_now()
        assert next(watched).status == STATES.SERVING
        assert stub.Predict(predict_request(HOME)).tier == "rule"
        worker.stop()
        assert next(watched).status == STATES.NOT_SERVING


def test_a_call_whose_deadline_passed_before_its_turn_is_neither_answered_nor_recorded(worker: LoopedWorker) -> None:
    statuses: dict[str, grpc.StatusCode] = {}
    with calling(worker.port) as stub:
        # grpc drops most late calls by itself; the deadline must pass in the very round in which a call has its turn.
        for attempt in range(40):
            worker.hold(1.3, each=0.05)
            keys = [f"visitor-{attempt}-{number}" for number in range(20)]
            calls = [stub.Predict.future(predict_request(HOME, key), timeout=1.0) for key in keys]
            statuses |= {key: call.code() for key, call in zip(keys, calls, strict=True)}
            time.sleep(0.4)
            if worker.count("predict")["DEADLINE_EXCEEDED"]:
                break
    assert set(statuses.values()) == {grpc.StatusCode.OK, grpc.StatusCode.DEADLINE_EXCEEDED}
    recorded, counted = worker.recorded(), worker.count("predict")
    assert recorded >= {key for key, status in statuses.items() if status is grpc.StatusCode.OK}
    assert len(recorded) == counted["OK"]
    assert counted["DEADLINE_EXCEEDED"] > 0


@pytest.mark.trial
def test_a_batch_is_given_up_at_its_deadline_and_not_recorded(worker: LoopedWorker) -> None:
    with calling(worker.port) as stub:
        begun = time.monotonic()
        assert len(stub.PredictBatch(large_batch("patient")).answers) == 10_000
        whole = time.monotonic() - begun
        with pytest.raises(grpc.RpcError) as caught:
            stub.PredictBatch(large_batch("hasty"), timeout=whole / 4)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        begun = time.monotonic()
        stub.Predict(predict_request(HOME, key="next"))
        assert time.monotonic() - begun < whole / 4
    assert worker.recorded() == {"patient", "next"}
    counted = worker.count("predict_batch")
    assert counted["OK"] == 1
    assert counted["DEADLINE_EXCEEDED"] + counted["CANCELLED"] == 1


def test_a_batch_that_its_client_cancels_is_given_up_and_not_recorded(worker: LoopedWorker) -> None:
    with calling(worker.port) as stub:
        call = stub.PredictBatch.future(large_batch("cancelled"))
        worker.wait_for(lambda gate: gate._in_flight)
        call.cancel()
        stub.Predict(predict_request(HOME, key="next"), timeout=5)
    assert worker.recorded() == {"next"}
    assert worker.count("predict_batch") == {"CANCELLED": 1}


def test_others_are_answered_while_a_batch_is_computed(worker: LoopedWorker) -> None:
    with calling(worker.port) as stub, calling(worker.port) as other:
        asked = time.monotonic()
        batch = stub.PredictBatch.future(large_batch("batch"))
        worker.wait_for(lambda gate: gate._in_flight)
        longest, answered = 0.0, 0
        while not batch.done():
            begun = time.monotonic()
            other.Predict(predict_request(HOME), timeout=5)
            longest, answered = max(longest, time.monotonic() - begun), answered + 1
        took = time.monotonic() - asked
        assert len(batch.result().answers) == 10_000
    assert answered > 10
    assert longest < took / 3


def test_calls_that_wait_too_long_are_turned_away_with_a_time_to_try_again(saved: Path, tmp_path: Path) -> None:
    with working(tmp_path, model_folder=saved, max_delay=0.05) as worker, calling(worker.port) as stub:
        stub.Predict(predict_request(HOME))
        worker.hold(1.0)
        with pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request(HOME, key="queued"), timeout=10)
        found = refusal(caught.value)
        assert found.status is grpc.StatusCode.UNAVAILABLE
        assert found.problem.type == "urn:housing-price-platform:overloaded"
        assert found.metadata[RETRY] == "1000"
        time.sleep(1.2)
        assert stub.Predict(predict_request(HOME)).prediction_id


def test_a_client_with_a_retry_policy_gets_its_answer_after_the_overload(saved: Path, tmp_path: Path) -> None:
    policy = (
        '{"methodConfig": [{"name": [{"service": "housing.v1.PriceClassifier"}], "retryPolicy": {"maxAttempts": 3, '
        '"initialBackoff": "0.01s", "maxBackoff": "0.01s", "backoffMultiplier": 1, '
        '"retryableStatusCodes": ["UNAVAILABLE"]}}]}'
    )
    with (
        working(tmp_path, model_folder=saved, max_delay=0.05) as worker,
        grpc.insecure_channel(f"127.0.0.1:{worker.port}", [("grpc.service_config", policy)]) as channel,
    ):
        stub = PriceClassifierStub(channel)
        stub.Predict(predict_request(HOME))
        worker.hold(1.0)
        begun = time.monotonic()
        assert stub.Predict(predict_request(HOME), timeout=10).prediction_id
        assert 1.0 < time.monotonic() - begun < 5.0  # as the service said, not as the policy would have had it
    assert worker.count("predict") == {"OK": 2, "UNAVAILABLE": 1}


def test_a_full_journal_refuses_what_it_cannot_record(saved: Path, tmp_path: Path) -> None:
    nowhere = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    settings = {"journal_bytes": 1_000_000, "prediction_store": nowhere}
    answered: list[str] = []
    with working(tmp_path / "storage", model_folder=saved, **settings) as worker, calling(worker.port) as stub:
        requests = [predict_request(HOME, key=f"visitor-{number}") for number in range(10_000)]
        with pytest.raises(grpc.RpcError) as caught:
            answered.extend(stub.Predict(each, timeout=10).prediction_id for each in requests)
        found = refusal(caught.value)
        assert found.status is grpc.StatusCode.UNAVAILABLE
        assert found.problem.type == "urn:housing-price-platform:journal-full"
        assert found.metadata[RETRY] == "30000"
    assert len(answered) > 500


def test_a_failure_of_our_own_is_internal_and_tells_nothing(worker: LoopedWorker) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker.runtime, "classifier", None)
        with calling(worker.port) as stub, pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request(HOME))
    found = refusal(caught.value)
    assert found.status is grpc.StatusCode.INTERNAL
    assert found.problem.status == 500
    assert "NoneType" not in str(found)


def test_an_old_and_a_new_key_are_valid_during_a_rotation_and_the_old_one_no_longer_after_it(
    saved: Path, tmp_path: Path
) -> None:
    entries = {name: f"{name}:{digest(name).hex()}" for name in ("old", "new")}
    request = PredictBatchRequest(listings=[listing(HOME)])
    closed = {"model_folder": saved, "open_endpoints": []}

    def is_valid(port: int, key: str) -> bool:
        with calling(port) as stub:
            how = {"metadata": (("authorization", f"Bearer {key}"),)}
            calls = [stub.PredictBatch.future(request, **how), stub.Predict.future(predict_request(HOME), **how)]
            statuses = {call.code() for call in calls}
        assert statuses in ({grpc.StatusCode.OK}, {grpc.StatusCode.UNAUTHENTICATED})
        return statuses == {grpc.StatusCode.OK}

    with working(tmp_path / "during", api_keys=[*entries.values()], **closed) as worker:
        assert [is_valid(worker.port, key) for key in ("old", "new", "other", "")] == [True, True, False, False]
    with working(tmp_path / "after", api_keys=[entries["new"]], **closed) as worker:
        assert [is_valid(worker.port, key) for key in ("old", "new")] == [False, True]


@pytest.mark.trial
def test_a_port_that_another_process_has_is_named(saved: Path, tmp_path: Path) -> None:
    with socket.socket() as foreign:
        foreign.bind(("0.0.0.0", 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        settings = {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_GRPC_PORT": str(port)}
        message = f"the gRPC port {port} is taken by another process: set HOUSING_GRPC_PORT"
        with serving(tmp_path, settings, wait=False) as service:
            deadline = time.monotonic() + 60
            while message not in service.log.read_text():
                assert time.monotonic() < deadline, service.log.read_text()
                time.sleep(0.1)


def test_two_services_do_not_share_a_port(saved: Path, tmp_path: Path) -> None:
    port = free_port()
    with working(tmp_path, model_folder=saved, grpc_port=port) as worker:
        second = GrpcServer(worker.runtime, "127.0.0.1", port)
        with pytest.raises(RuntimeError, match=f"the gRPC port {port} is taken by another process"):
            worker.run(second.start())


def test_workers_share_the_port(saved: Path, tmp_path: Path) -> None:
    port = free_port()
    with working(tmp_path, model_folder=saved, grpc_port=0) as worker:
        servers = [GrpcServer(worker.runtime, "127.0.0.1", port, shared=True) for _ in range(2)]
        for server in servers:
            worker.run(server.start())
        for server in servers:  # whichever is left answers
            with calling(port) as stub:
                assert stub.Predict(predict_request(HOME)).prediction_id
            worker.run(server.stop())
        with calling(port) as stub, pytest.raises(grpc.RpcError) as caught:
            stub.Predict(predict_request(HOME))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_a_client_that_sends_more_than_can_be_answered_is_answered_or_turned_away(worker: LoopedWorker) -> None:
    with calling(worker.port) as stub:
        calls = [stub.Predict.future(predict_request(HOME), timeout=30) for _ in range(3_000)]
        statuses = Counter(call.code().name for call in calls)
        assert statuses["OK"] >= 100
        assert set(statuses) <= {"OK", "UNAVAILABLE"}
        assert stub.Predict(predict_request(HOME), timeout=5).prediction_id


def test_stopping_lets_a_batch_end_and_refuses_what_comes_new(worker: LoopedWorker) -> None:
    with calling(worker.port) as stub, calling(worker.port) as other:
        other.Predict(predict_request(HOME, key="before"))
        batch = stub.PredictBatch.future(large_batch("batch", 1_000))  # takes a tenth of the grace
        worker.wait_for(lambda gate: gate._in_flight)
        stopping = threading.Thread(target=worker.stop)
        stopping.start()
        worker.wait_for(lambda gate: gate._draining)
        assert not batch.done()
        with pytest.raises(grpc.RpcError) as caught:
            other.Predict(predict_request(HOME, key="too late"))
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert len(batch.result().answers) == 1_000
        stopping.join()
    assert worker.recorded() == {"before", "batch"}


def test_what_is_recorded_is_in_the_store_when_a_worker_has_ended_that_has_the_time(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "_DRAIN_SECONDS", 20.0)
    with working(tmp_path, model_folder=saved) as worker:
        with calling(worker.port) as stub:
            stub.Predict(predict_request(HOME, key="last"))
        worker.stop()
        assert not list(tmp_path.rglob("*.journal"))
        assert read_store(tmp_path, select(PREDICTIONS.c.request_key)) == [("last",)]


def test_no_answer_is_lost_and_no_call_fails_in_its_middle_when_the_service_is_ended_under_load(
    saved: Path, tmp_path: Path
) -> None:
    settings = {
        "HOUSING_MODEL_FOLDER": str(saved),
        "HOUSING_MAX_BATCH": "10000",
        "HOUSING_MAX_REQUEST_BYTES": "50000000",
    }
    ended, statuses, answered = threading.Event(), Counter[str](), set()

    def call_until_the_end() -> None:
        with calling(service.grpc_port) as stub:
            while not ended.is_set():
                try:
                    answered.add(stub.Predict(predict_request(HOME), timeout=20).prediction_id)
                    statuses["OK"] += 1
                except grpc.RpcError as fault:
                    found = refusal(fault)
                    statuses[found.status.name] += 1
                    ended.wait(int(found.metadata.get(RETRY, 20)) / 1_000)

    def call_a_batch() -> int:
        with calling(service.grpc_port) as stub:
            answers = stub.PredictBatch(large_batch("batch", 3_000), metadata=tuple(AUTHORIZED.items())).answers
            answered.update(each.answer.prediction_id for each in answers)
            return len(answers)

    with serving(tmp_path, settings) as service, ThreadPoolExecutor(17) as threads:
        callers = [threads.submit(call_until_the_end) for _ in range(16)]
        time.sleep(1.5)
        batch = threads.submit(call_a_batch)
        time.sleep(0.3)
        in_flight = not batch.done()
        begun = time.monotonic()
        os.killpg(service.process.pid, signal.SIGTERM)
        assert service.process.wait(timeout=30) == 0
        took = time.monotonic() - begun
        ended.set()
        assert batch.result() == 3_000
        for caller in callers:
            caller.result()
    assert in_flight
    assert statuses["OK"] > 200
    assert set(statuses) == {"OK", "UNAVAILABLE"}
    assert took < 15
    ship_what_is_left(tmp_path)
    found = [identifier for (identifier,) in read_store(tmp_path, select(PREDICTIONS.c.prediction_id))]
    assert len(found) == len(set(found))
    assert answered <= set(found)
