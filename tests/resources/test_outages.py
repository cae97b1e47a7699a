"""Faults of real databases, registries and object stores: those that may pass, and those that would come again."""

import socket
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread

import boto3
import botocore.config
import httpx
import pytest
from mlflow import MlflowClient
from sqlalchemy import create_engine, text

from resources.outages import is_outage
from resources.ports import free_port


@pytest.fixture
def failing_server() -> Iterator[str]:
    """Run a server that answers 503 in the forms of its clients."""

    class Failing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"error_code": "TEMPORARILY_UNAVAILABLE", "message": "starting"}'
            self.send_response(503)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Failing)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def fault_of(work: Callable[[], object]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - whichever it is
        work()
    return caught.value


def query(url: str, statement: str = "select 1", **options: object) -> None:
    engine = create_engine(url, connect_args=options)
    try:
        with engine.connect() as connection:
            connection.execute(text(statement))
    finally:
        engine.dispose()


def ask_s3(endpoint: str, bucket: str = "ads") -> None:
    config = botocore.config.Config(retries={"max_attempts": 0}, connect_timeout=2)
    keys = {"aws_access_key_id": "x", "aws_secret_access_key": "x", "region_name": "eu-central-1"}
    boto3.client("s3", endpoint_url=endpoint, config=config, **keys).list_objects_v2(Bucket=bucket)


@pytest.fixture(autouse=True)
def no_retries_of_mlflow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")


def test_a_database_that_is_gone_or_locked_is_an_outage(tmp_path: Path) -> None:
    assert is_outage(fault_of(lambda: query(f"postgresql+psycopg://x@127.0.0.1:{free_port()}/x")))
    file = tmp_path / "store.db"
    with closing(sqlite3.connect(file)) as holder:
        holder.execute("create table kept (id)")
        holder.execute("begin exclusive")
        assert is_outage(fault_of(lambda: query(f"sqlite:///{file}", "insert into kept values (1)", timeout=0)))


def test_a_statement_that_is_wrong_is_none(tmp_path: Path) -> None:
    assert not is_outage(fault_of(lambda: query(f"sqlite:///{tmp_path / 'store.db'}", "select * from nothing")))
    assert not is_outage(fault_of(lambda: query("sqlite://", "select no_such_function()")))


def test_a_registry_that_is_gone_or_starts_is_an_outage(failing_server: str) -> None:
    for url in (f"http://127.0.0.1:{free_port()}", failing_server):
        assert is_outage(fault_of(lambda url=url: MlflowClient(url).get_registered_model("x")))  # type: ignore[misc]


def test_a_model_that_is_not_registered_is_none(tmp_path: Path) -> None:
    registry = MlflowClient(f"sqlite:///{tmp_path / 'mlflow.db'}")
    assert not is_outage(fault_of(lambda: registry.get_registered_model("x")))


def test_an_object_store_that_is_gone_or_busy_is_an_outage(failing_server: str) -> None:
    for endpoint in (f"http://127.0.0.1:{free_port()}", failing_server):
        assert is_outage(fault_of(lambda endpoint=endpoint: ask_s3(endpoint)))  # type: ignore[misc]


def test_a_bucket_that_does_not_exist_is_none(s3_endpoint: str) -> None:
    assert not is_outage(fault_of(lambda: ask_s3(s3_endpoint, "nothing")))


def test_what_an_outage_led_to_counts_and_what_is_wrong_does_not(failing_server: str) -> None:
    def translated() -> None:
        try:
            socket.create_connection(("127.0.0.1", free_port()))
        except OSError as fault:
            raise ValueError("the source cannot be read") from fault

    assert is_outage(fault_of(translated))
    assert is_outage(fault_of(lambda: httpx.get(failing_server).raise_for_status()))
    for fault in (ValueError("3 rows"), KeyError("price"), FileNotFoundError("ads.csv"), MemoryError()):
        assert not is_outage(fault)
