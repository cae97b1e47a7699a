"""The web application: pages to read, and nothing to change; no script, and nothing that is fetched from elsewhere."""

import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import date
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from housing_assets.console.pages import PERIODS, Pages
from housing_assets.console.watch import Watch
from resources.outages import is_outage

if TYPE_CHECKING:
    from starlette.requests import Request

logger = logging.getLogger("housing.console")

_SAFE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}

HEADERS = _SAFE | {
    "content-security-policy": "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
}
"""Of every page."""

REPORT_HEADERS = _SAFE | {
    "content-security-policy": "sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}
"""Of a stored report, one file that has its style in itself."""


def build_app(pages: Pages, watch: Watch) -> Starlette:
    """Return the application.

    Parameters
    ----------
    pages : Pages
    watch : Watch
        Is started and stopped with the application.
    """

    def overview(request: "Request") -> Response:
        return _page(pages.overview(watch.view))

    def versions(request: "Request") -> Response:
        return _page(pages.versions(watch.view))

    def card(request: "Request") -> Response:
        with _unless_away("MLflow, where model cards are stored,"):
            return _report(watch.card_page(_number(request.path_params["number"])))

    def windows(request: "Request") -> Response:
        year = request.query_params.get("year")
        return _page(pages.windows(watch.view, None if year is None else _number(year)))

    def day(request: "Request") -> Response:
        return _page(pages.day(watch.view, _day(request)))

    def report(request: "Request") -> Response:
        with _unless_away("The storage of the reports"):
            return _report(watch.report_page(_day(request)))

    def drift(request: "Request") -> Response:
        period = _number(request.query_params.get("days", str(PERIODS[1])))
        return _page(pages.drift(watch.view, period) if period in PERIODS else None)

    def decisions(request: "Request") -> Response:
        return _page(pages.decisions(watch.view))

    def alerts(request: "Request") -> Response:
        return _page(pages.alerts(watch.view))

    def missing(request: "Request", fault: Exception) -> Response:
        status = fault.status_code if isinstance(fault, HTTPException) else HTTPStatus.NOT_FOUND
        return HTMLResponse(pages.missing(watch.view), status, headers=HEADERS)

    def unavailable(request: "Request", fault: Exception) -> Response:
        what = fault.detail if isinstance(fault, HTTPException) else ""
        page = pages.unavailable(watch.view, what)
        return HTMLResponse(page, HTTPStatus.SERVICE_UNAVAILABLE, headers=HEADERS)

    @asynccontextmanager
    async def watching(app: Starlette) -> AsyncIterator[None]:
        await run_in_threadpool(watch.start)
        yield
        watch.stop()

    return Starlette(
        routes=[
            Route("/", overview),
            Route("/versions", versions),
            Route("/versions/{number}/card", card),
            Route("/windows", windows),
            Route("/days/{day}", day),
            Route("/days/{day}/report", report),
            Route("/drift", drift),
            Route("/decisions", decisions),
            Route("/alerts", alerts),
            Route("/style.css", _file("style.css", "text/css")),
            Route("/icon.svg", _file("icon.svg", "image/svg+xml")),
            Route("/livez", _live),
        ],
        exception_handlers={HTTPStatus.NOT_FOUND: missing, HTTPStatus.SERVICE_UNAVAILABLE: unavailable},
        lifespan=watching,
    )


def _page(text: str | None) -> Response:
    if text is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return HTMLResponse(text, headers=HEADERS)


def _report(text: str | bytes | None) -> Response:
    if text is None:
        raise HTTPException(HTTPStatus.NOT_FOUND)
    return HTMLResponse(text, headers=REPORT_HEADERS)


@contextmanager
def _unless_away(what: str) -> Iterator[None]:
    """Answer that something is away where it is; any other fault is a bug."""
    try:
        yield
    except Exception as fault:
        if not is_outage(fault):
            raise
        logger.warning("%s does not answer (%s)", what, type(fault).__name__)
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, what) from fault


def _file(name: str, media_type: str) -> Callable[["Request"], Response]:
    """Return what answers with a file of this package."""
    body = files("housing_assets.console").joinpath(name).read_bytes()
    headers = HEADERS | {"cache-control": "max-age=60"}
    return lambda request: Response(body, media_type=media_type, headers=headers)


def _live(request: "Request") -> Response:
    return PlainTextResponse("\n", headers=HEADERS)


def _day(request: "Request") -> date:
    try:
        return date.fromisoformat(request.path_params["day"])
    except ValueError:
        raise HTTPException(HTTPStatus.NOT_FOUND) from None


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= 4 else 0
