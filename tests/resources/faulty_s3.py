"""An S3 server that can be told to fail: moto's over real sockets, behind a proxy with the faults."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["none", "503", "slow", "cut off"]

_BUSY = b"<?xml version='1.0'?><Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"


@dataclass
class FaultyS3:
    """The proxy.

    Attributes
    ----------
    endpoint : str
    fault : callable
        Returns what befalls a request, by its method and path. "slow": it is answered after ``delay`` seconds; "cut
        off": it is done, and the connection ends in the middle of the answer.
    befallen : int
        Requests that a fault befell.
    """

    endpoint: str = ""
    fault: Callable[[str, str], Fault] = lambda method, path: "none"
    delay: float = 0.5
    befallen: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self) -> None:
        with self._lock:
            self.befallen += 1

    @contextmanager
    def failing(self, fault: Fault) -> Iterator[None]:
        """Let all requests in a block meet a fault."""
        before, self.fault = self.fault, lambda method, path: fault
        try:
            yield
        finally:
            self.fault = before

    def fail_next(self, times: int, fault: Fault, *, only: Callable[[str, str], bool] = lambda m, p: True) -> None:
        """Let the next requests of a kind meet a fault."""
        left = [fault] * times

        def decide(method: str, path: str) -> Fault:
            with self._lock:
                return left.pop() if left and only(method, path) else "none"

        self.fault = decide


@contextmanager
def in_front_of(endpoint: str) -> Iterator[FaultyS3]:
    """Run the proxy of a server."""
    server = urlsplit(endpoint)
    faulty = FaultyS3()

    class Proxy(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            fault = faulty.fault(self.command, self.path)
            body = self._body()
            if fault != "none":
                faulty.count()
            if fault == "503":
                self._answer(503, [("Content-Type", "application/xml")], _BUSY)
                return
            if fault == "slow":
                time.sleep(faulty.delay)
            upstream = http.client.HTTPConnection(str(server.hostname), server.port, timeout=60)
            kept = {name: value for name, value in self.headers.items() if name.lower() not in _OF_THE_HOP}
            upstream.request(self.command, self.path, body, {**kept, "Content-Length": str(len(body))})
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            if fault == "cut off":
                self.close_connection = True
                if self.command != "GET" or not content:  # done, and no answer
                    return
                self._head(answer.status, answer.getheaders(), len(content))
                self.wfile.write(content[: len(content) // 2])
                return
            length = answer.getheader("Content-Length") if self.command == "HEAD" else None
            self._answer(answer.status, answer.getheaders(), content, length)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _pass_on  # noqa: N815

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            while self.rfile.readline().strip():
                pass
            return b"".join(parts)

        def _answer(
            self, status: int, headers: list[tuple[str, str]], content: bytes, length: str | None = None
        ) -> None:
            self._head(status, headers, length or len(content))
            if self.command != "HEAD":
                self.wfile.write(content)

        def _head(self, status: int, headers: list[tuple[str, str]], length: int | str) -> None:
            self.send_response_only(status)
            for name, value in headers:
                if name.lower() not in _OF_THE_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(length))
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    proxy = ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    proxy.daemon_threads = True
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    faulty.endpoint = f"http://127.0.0.1:{proxy.server_port}"
    try:
        yield faulty
    finally:
        proxy.shutdown()
        thread.join()
        proxy.server_close()


_OF_THE_HOP = {"connection", "content-length", "transfer-encoding", "keep-alive", "expect"}
