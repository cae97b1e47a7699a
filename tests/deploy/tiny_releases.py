"""Releases that are a few lines of Python and do one thing wrong, behind real sockets."""

import json
import socket
import threading
import time
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from deploy.release.probes import GoldenRequest
from deploy.release.sides import Address, Refused, Side

RIGHT, WRONG = {"low": 0.75, "high": 0.25}, {"low": 0.25, "high": 0.75}
GOLDEN = [GoldenRequest({"district": "kadikoy"}, RIGHT), GoldenRequest({"district": "besiktas"}, RIGHT)]

DIES_AFTER = 0.1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 50


class TinyRelease:
    """Answers as its name says: ``good``, or what is wrong with it, with anything behind a number sign.

    Attributes
    ----------
    asked : list of dict
        The headers of each request for a prediction that was not a golden one.
    """

    def __init__(self, name: str, address: Address) -> None:
        self.name = name.partition("#")[0]
        self.asked: list[dict[str, str]] = []
        self.is_running = True
        self._counts = {"200": 0, "500": 0}
        self._http = _Server(("127.0.0.1", address.port), self._handler())
        self._grpc = socket.create_server(("127.0.0.1", address.grpc_port))
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def end(self) -> None:
        if self.is_running:
            self.is_running = False
            self._http.shutdown()
            self._http.server_close()
            self._grpc.close()

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, str]:
        if path == "/readyz":
            return (503 if self.name == "never ready" else 200), "{}"
        if path == "/metrics":
            counts = [
                f'housing_requests_total{{endpoint="predict",status="{name}"}} {each}'
                for name, each in self._counts.items()
            ]
            counts.append('housing_requests_total{endpoint="readyz",status="503"} 1000.0')
            pending = f"housing_journal_pending_bytes {7.0 if self.name == 'keeps records' else 0.0}"
            return (401 if self.name == "keeps its metrics" else 200), "\n".join([*counts, pending])
        is_golden = headers.get("idempotency-key", "").startswith("golden-")
        if not is_golden:
            self.asked.append(headers)
        if self.name == "hangs" and not is_golden:
            time.sleep(0.5)
        if self.name == "fails" and not is_golden:
            self._counts["500"] += 1
            return 500, "{}"
        self._counts["200"] += 1
        turned = self.name == "turns wrong" and self._counts["200"] > len(GOLDEN)
        probabilities = WRONG if self.name == "wrong" or turned else RIGHT
        return 200, json.dumps({"probabilities": probabilities, "model_version": "7", "tier": "production"})

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        release = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def do_GET(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                status, body = release.answer(self.path, {name.lower(): at for name, at in self.headers.items()})
                if not release.is_running:  # a process that has died answers nothing
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            do_POST = do_GET  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


class TinyHost:
    """Runs tiny releases in this process.

    Attributes
    ----------
    kept : dict of Side to str
        Releases that are to be started again whenever they end.
    """

    def __init__(self, addresses: Mapping[Side, Address]) -> None:
        self._addresses = addresses
        self._running: dict[Side, TinyRelease] = {}
        self.kept: dict[Side, str] = {}

    def start(self, side: Side, release: str) -> None:
        if release == "no such image":
            raise Refused("no such image")
        self._running[side] = TinyRelease(release, self._addresses[side])
        if release == "ends":
            self._running[side].end()

    def is_running(self, side: Side) -> bool:
        return side in self._running and self._running[side].is_running

    def keep(self, side: Side) -> None:
        self.kept[side] = self._running[side].name

    def stop(self, side: Side) -> None:
        self.kept.pop(side, None)
        if side in self._running:
            self._running[side].end()

    def log(self, side: Side) -> str:
        return f"what {self._running[side].name} has printed" if side in self._running else ""

    def release(self, side: Side) -> TinyRelease:
        return self._running[side]
