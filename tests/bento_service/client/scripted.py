"""Servers with the faults of networks, proxies and overload: one by a script, one that loses the service's answers."""

import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

import httpx


class Reply(NamedTuple):
    status: int
    body: bytes = b"{}"
    headers: Mapping[str, str] = {"content-type": "application/json"}


HANG_UP = Reply(0)
"""The connection is closed without an answer."""


@dataclass
class Scripted:
    """A running server: its address, and the path and headers of each request so far."""

    url: str
    asked: list[tuple[str, Mapping[str, str]]] = field(default_factory=list)


@contextmanager
def answering(replies: Sequence[Reply]) -> Iterator[Scripted]:
    """Answer one request after the other by the script; the last reply is for all that follow."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            reply = replies[min(len(seen.asked), len(replies) - 1)]
            seen.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            if reply is HANG_UP:
                self.close_connection = True
                return
            self.send_response(reply.status)
            for name, value in {**reply.headers, "content-length": str(len(reply.body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *args: object) -> None:
            """Keep the output of the tests clean."""

    with _running(Handler) as address:
        seen = Scripted(address)
        yield seen


@contextmanager
def losing_first_answers(url: str) -> Iterator[tuple[str, Mapping[str, list[bytes]]]]:
    """Pass requests on to a service, and lose the first answer of each path; give the address, and all answers."""
    answers: defaultdict[str, list[bytes]] = defaultdict(list)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
            reply = httpx.request(self.command, f"{url}{self.path}", content=body, headers=headers)
            answers[self.path].append(reply.content)
            if len(answers[self.path]) == 1:
                self.close_connection = True
                return
            self.send_response(reply.status_code)
            self.send_header("content-type", reply.headers["content-type"])
            self.send_header("content-length", str(len(reply.content)))
            self.end_headers()
            self.wfile.write(reply.content)

        def do_GET(self) -> None:
            self.do_POST()

        def log_message(self, *args: object) -> None:
            """Keep the output of the tests clean."""

    with _running(Handler) as address:
        yield address, answers


@contextmanager
def _running(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
