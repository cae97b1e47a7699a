"""What anybody may do with a connection before the service knows who it is."""

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from http.client import HTTPResponse

import psutil
import pytest

from bento_service.protocols.connections import HEAD_SECONDS, MAX_HEADERS, MAX_PIPELINED
from tests.bento_service.serving import AUTHORIZED, Service

pytestmark = pytest.mark.acceptance

MEGABYTE = 1 << 20
FLOOD = 50 * MEGABYTE
READY = b"GET /readyz HTTP/1.1\r\nhost: x\r\n"
HOME = b'{"district": "kadikoy", "GrossSquareMeters": "120 m2"}'


def memory(service: Service) -> int:
    """Return the bytes that the service's processes hold."""
    supervisor = psutil.Process(service.process.pid)
    return sum(each.memory_info().rss for each in (supervisor, *supervisor.children(recursive=True)))


@pytest.fixture
def connection(service: Service) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", service.port), timeout=HEAD_SECONDS + 10) as connection:
        yield connection


def flood(connection: socket.socket, piece: bytes) -> int:
    """Send a piece again and again; return how many bytes were taken before the connection was closed."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < FLOOD:
            connection.sendall(piece)
            sent += len(piece)
    return sent


def read_answer(connection: socket.socket) -> int:
    """Return the status of one answer, and leave the connection open."""
    answer = HTTPResponse(connection)
    answer.begin()
    answer.read()
    return answer.status


def read_all(connection: socket.socket) -> bytes:
    """Return what comes until the other end closes."""
    found = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            found += piece
    return found


@pytest.mark.parametrize(
    ("begun", "piece"),
    [
        (READY + b"x: ", b"a" * 65_536),
        (READY, b"".join(b"name-%04d: value\r\n" % number for number in range(4_000))),
        (READY + b"x", b"a" * 65_536),
        (b"GET /", b"a" * 65_536),
        (b"POST /predict HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx: ", b"a" * 65_536),
        (b"", b"\r\n" * 32_768),
        (b"", (READY + b"\r\n") * 2_000),
    ],
    ids=["value", "count", "name", "path", "trailer", "blank lines", "pipelined"],
)
def test_a_flood_of_headers_takes_no_memory(
    service: Service, connection: socket.socket, begun: bytes, piece: bytes
) -> None:
    before = memory(service)
    connection.sendall(begun)
    taken = flood(connection, piece)

    assert taken < 20 * MEGABYTE  # what waits in the buffers of both sockets counts, too
    assert memory(service) - before < 8 * MEGABYTE


@pytest.mark.parametrize(
    "head",
    [
        READY + b"".join(b"name-%d: x\r\n" % number for number in range(MAX_HEADERS)) + b"\r\n",
        READY + b"x: " + b"a" * 60_000 + b"\r\n\r\n",
        b"GET /readyz?" + b"a" * 60_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["count", "size", "path"],
)
def test_headers_that_are_too_many_or_too_large_are_refused_as_a_problem(
    connection: socket.socket, head: bytes
) -> None:
    connection.sendall(head)
    status, _, rest = read_all(connection).partition(b"\r\n")
    headers, _, body = rest.partition(b"\r\n\r\n")

    assert status == b"HTTP/1.1 431 Request Header Fields Too Large"
    assert b"content-type: application/problem+json" in headers
    assert b"connection: close" in headers
    problem = json.loads(body)
    assert problem["type"] == "urn:housing-price-platform:headers-too-large"
    assert problem["status"] == 431


@pytest.mark.parametrize(("begun", "drop"), [(READY, b"x"), (b"", b"\r\n")], ids=["header", "blank lines"])
def test_a_header_that_is_never_finished_is_given_up(connection: socket.socket, begun: bytes, drop: bytes) -> None:
    connection.settimeout(0.5)
    connection.sendall(begun + drop)
    start = time.monotonic()
    ended = False
    while not ended and time.monotonic() - start < HEAD_SECONDS + 10:
        try:
            connection.sendall(drop)
            ended = not connection.recv(65_536)
        except TimeoutError:
            continue
        except ConnectionError:
            ended = True
    assert ended
    assert time.monotonic() - start < HEAD_SECONDS + 3


def test_a_connection_that_drips_between_two_requests_is_given_up(connection: socket.socket) -> None:
    connection.sendall(READY + b"\r\n")
    assert read_answer(connection) == 200
    begun = time.monotonic()
    connection.sendall(b"\r\n")

    assert read_all(connection) == b""
    assert time.monotonic() - begun < HEAD_SECONDS + 3


def test_a_body_that_goes_on_after_its_refusal_is_given_up(connection: socket.socket) -> None:
    connection.settimeout(0.5)
    connection.sendall(b"POST /feedback HTTP/1.1\r\nhost: x\r\ncontent-length: 900000\r\n\r\n")
    begun = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - begun < HEAD_SECONDS + 5:
            connection.sendall(b" ")
            time.sleep(0.1)
    assert time.monotonic() - begun < HEAD_SECONDS + 3


def test_a_request_in_many_pieces_is_answered(connection: socket.socket) -> None:
    request = b"POST /predict HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n%b" % (len(HOME), HOME)
    for _ in range(2):  # on one connection
        for start in range(0, len(request), 7):
            connection.sendall(request[start : start + 7])
            time.sleep(0.002)
        assert read_answer(connection) == 200


def test_a_connection_that_is_used_for_longer_than_a_header_may_take_stays(connection: socket.socket) -> None:
    begun = time.monotonic()
    while time.monotonic() - begun < HEAD_SECONDS + 2:
        connection.sendall(READY + b"\r\n")
        assert read_answer(connection) == 200
        time.sleep(0.2)


def test_some_requests_may_come_before_the_first_is_answered(connection: socket.socket) -> None:
    connection.sendall((READY + b"\r\n") * MAX_PIPELINED + READY + b"connection: close\r\n\r\n")

    assert read_all(connection).count(b"HTTP/1.1 200") == MAX_PIPELINED + 1


def test_a_large_body_in_small_chunks_is_no_large_header(connection: socket.socket) -> None:
    listings = b'{"listings": [%b]}' % b",".join([HOME] * 500)
    chunked = b"".join(b"1\r\n%c\r\n" % byte for byte in listings) + b"0\r\n\r\n"
    key = AUTHORIZED["authorization"].encode()
    connection.sendall(
        b"POST /predict_batch HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: %b\r\n"
        b"transfer-encoding: chunked\r\n\r\n%b" % (key, chunked)
    )

    assert read_all(connection).startswith(b"HTTP/1.1 200")


def test_a_client_that_leaves_within_its_request_is_no_fault_of_the_service(
    service: Service, connection: socket.socket
) -> None:
    said = service.log.stat().st_size
    head = f"POST /predict HTTP/1.1\r\nhost: x\r\nauthorization: {AUTHORIZED['authorization']}\r\n"
    connection.sendall(head.encode() + b"content-length: %d\r\n\r\n" % len(HOME) + HOME[:20])
    time.sleep(0.2)  # until the service waits for the rest
    connection.close()
    with socket.create_connection(("127.0.0.1", service.port), timeout=10) as another:
        another.sendall(READY + b"\r\n")
        assert read_answer(another) == 200
    time.sleep(0.2)
    assert service.log.read_bytes()[said:].count(b"Traceback") == 0
