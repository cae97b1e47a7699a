"""HTTP connections of bounded cost: what anybody may send before the service knows who it is, and who answers first.

uvicorn bounds neither the size of a request's head, nor the number of its headers, nor the time that they take to
arrive, and BentoML passes it no settings that would. Nor can a middleware come before BentoML's own ones, of which each
request would cost a second task and a timer that stays for seconds.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import uvicorn.config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bento_service.errors import Kind, ServiceError
from bento_service.protocols.http_messages import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MAX_HEAD_BYTES = 32_768
"""Of a request's line and headers, or of its trailers: what nginx takes, too."""

MAX_HEADERS = 100

MAX_PIPELINED = 16
"""Requests that may wait on a connection for the answer to the one before them."""

_END_OF_HEAD = b"\r\n\r\n"

HEAD_SECONDS = 5.0
"""Time for a request's head to arrive, from its first byte."""


Wrap = Callable[["ASGIApp"], "ASGIApp"]


def bound_connections(wrap: Wrap) -> None:
    """Let uvicorn use ``BoundedHttpProtocol`` where it is told nothing else, as by BentoML.

    Parameters
    ----------
    wrap : callable
        Returns what answers in place of the application that it is given.
    """
    uvicorn.config.HTTP_PROTOCOLS["auto"] = partial(BoundedHttpProtocol, wrap)  # type: ignore[assignment]


class BoundedHttpProtocol(HttpToolsProtocol):
    """An HTTP connection whose client is cut off when a head is too large, too long, or too late.

    Parameters
    ----------
    wrap : callable
        Returns what answers in place of the application that it is given.
    *arguments, **named
        As uvicorn's protocol takes them.
    """

    def __init__(self, wrap: Wrap, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.app = wrap(self.app)
        self._unread = 0
        """Bytes since the last that were of a body, or a whole head: what the parser may hold."""
        self._deadline: asyncio.TimerHandle | None = None
        self._fault = ServiceError(Kind.MALFORMED, "the request is not valid HTTP/1.1")

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Wait for the first request no longer than for the next one."""
        super().connection_made(JoinedWrites(transport, self.loop))  # type: ignore[arg-type]
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the timer."""
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what has come, and give up on a head that does not end."""
        self._unread += len(data)
        super().data_received(data)
        if self._unread > MAX_HEAD_BYTES:
            self._refuse(_too_large())
        elif not self._is_answering():
            if self._deadline is None:
                self._deadline = self.loop.call_later(HEAD_SECONDS, self._give_up)
        elif self._deadline is not None:
            self._stop_waiting()

    def on_headers_complete(self) -> None:
        """Start to answer a request, unless its head is too large.

        Raises
        ------
        ServiceError
            Out of the parser, which then reads no further.
        """
        if len(self.headers) > MAX_HEADERS or (self._unread > MAX_HEAD_BYTES and self._head_bytes() > MAX_HEAD_BYTES):
            self._fault = _too_large()
            raise self._fault
        if len(self.pipeline) >= MAX_PIPELINED:
            raise self._fault
        self._unread = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of a body, which is bounded where it is read."""
        self._unread = 0
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Say in the service's own form why the parser reads no further."""
        self._refuse(self._fault)

    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) for name, value in self.headers)

    def _give_up(self) -> None:
        has_begun = self.scope is not None and "method" not in self.scope
        if has_begun:
            self._refuse(ServiceError(Kind.REQUEST_TIMEOUT, f"the headers did not arrive within {HEAD_SECONDS:g} s"))
        else:
            self.transport.close()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _refuse(self, fault: ServiceError) -> None:
        """Close the connection: with an error, unless that would get into the middle of an answer."""
        if self.transport.is_closing():
            return
        if not self._is_answering():
            self.transport.write(_as_bytes(fault))
        self.transport.close()


class JoinedWrites:
    """A transport that writes the head of an answer together with its body: two writes would cost a tenth more CPU.

    Parameters
    ----------
    transport : asyncio.Transport
    loop : asyncio.AbstractEventLoop
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._call_soon = loop.call_soon
        self._head = b""
        self.is_closing = transport.is_closing
        self.resume_reading = transport.resume_reading

    def __getattr__(self, name: str) -> Any:
        """Leave all else to the transport."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write, but let a head wait for what comes at once: until the event loop goes on at most."""
        if self._head:
            data, self._head = self._head + data, b""
        elif data.endswith(_END_OF_HEAD):
            self._head = data
            self._call_soon(self._flush)
            return
        self._transport.write(data)

    def close(self) -> None:
        """Write what waits, and close."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)


def _too_large() -> ServiceError:
    return ServiceError(
        Kind.HEADERS_TOO_LARGE, f"a request has at most {MAX_HEADERS} headers and {MAX_HEAD_BYTES:,} bytes of them"
    )


def _as_bytes(fault: ServiceError) -> bytes:
    reply = problem(fault)
    head = (
        f"HTTP/1.1 {fault.kind.http_status} {HTTPStatus(fault.kind.http_status).phrase}\r\n"
        f"content-type: {reply.content_type.decode()}\r\n"
        f"content-length: {len(reply.body)}\r\n"
        "connection: close\r\n\r\n"
    )
    return head.encode() + reply.body
