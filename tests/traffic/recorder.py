"""A server that answers as the service does and keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Recorder:
    """What was sent to it."""

    url: str
    received: list[tuple[str, dict[str, Any], dict[str, str]]] = field(default_factory=list)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        return [body for where, body, _ in self.received if where == path]

    def headers(self, path: str) -> list[dict[str, str]]:
        return [headers for where, _, headers in self.received if where == path]


@contextmanager
def recording(predict_status: int = 200) -> Iterator[Recorder]:
    """Run a server for a while; its ids are the numbers of its answers."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            recorder.received.append((self.path, body, {name.lower(): text for name, text in self.headers.items()}))
            if self.path == "/feedback":
                self.reply(202, {})
            else:
                number = len(recorder.bodies("/predict"))
                answer = {"price_category": "A", "tier": "production", "model_version": "1"}
                self.reply(predict_status, answer | {"prediction_id": str(number)})

        def reply(self, status: int, body: dict[str, Any]) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that it has there
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    recorder = Recorder(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield recorder
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
