"""A form to try the service in a browser: raw cells in, the answer out in plain words. It works without any script.

The form itself is open to everybody, as ``/docs.json`` is: it tells no more. An answer needs what ``/predict`` needs.
Where that is a key, it is typed into the form and sent in its body: never in an address, never shown again, and the
page of another site cannot have it sent along. What is answered is recorded as any other request's answer, under one
request key of its own; monitoring takes it for the requests of one client.
"""

import asyncio
from collections.abc import Mapping
from functools import cache
from http import HTTPStatus
from importlib.resources import files
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qsl

from bento_service.auth import Client
from bento_service.errors import FieldError, Kind, Reason, ServiceError
from bento_service.explanations import EXPLANATION_REQUESTS
from bento_service.protocols.http_messages import RefusedWithPage, Reply, Request
from bento_service.protocols.try_reasons import Reasons, rounded, tell_reasons, words
from bento_service.record_ids import new_id
from housing_assets.inference.cells import MAX_CELL_LENGTH
from housing_assets.inference.declaration import ASKING, PAID, Column
from housing_assets.inference.market import Market

if TYPE_CHECKING:
    from jinja2 import Template

    from bento_service.answers import Answer, Band
    from bento_service.protocols.surface import Service

REQUEST_KEY = "try-it form"
"""Request key of what the form sends."""

FORM = "application/x-www-form-urlencoded"

KEY, REPEAT, CELL = "key", "repeat", "cell."
"""Names of the form's fields: the API key, what a form that is sent again has in common with itself, and what the name
of a cell begins with."""

FIRST_FIELDS = 10
"""Fields that are shown at once; the others open on demand."""

MAX_FIELDS = 1_000
"""Fields that a form may have: more than any market has columns."""

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),  # stricter, and browsers would not say which page a form was sent from
    (b"cache-control", b"no-store"),
)


class Field(NamedTuple):
    """An input of the form."""

    name: str
    label: str
    unit: str
    example: str
    options: tuple[str, ...]
    required: bool
    value: str
    fault: str


async def show_form(service: "Service", request: Request) -> Reply:
    """Return the empty form."""
    return await _page(service, {})


async def show_example(service: "Service", request: Request) -> Reply:
    """Return the form with the market's example in it."""
    market = service.models.snapshot.require_champion().model.market
    return await _page(service, {column.raw: column.example for column in columns(market)})


async def try_listing(service: "Service", request: Request) -> Reply:
    """Answer a form that was filled in: the same page, with the answer or with what is wrong beside each field.

    Raises
    ------
    RefusedWithPage
        If there is no answer.
    """
    cells: dict[str, str] = {}
    try:
        _require_own_page(request.headers)
        cells, key, repeat = read_form(request)
        service.require_capacity()
        client = service.access.identify(f"Bearer {key}") if key else request.client
        service.access.require("predict", client)
        answer = service.classifier.predict(cells, REQUEST_KEY, "http", request.at, repeat)
    except ServiceError as fault:
        raise RefusedWithPage(fault, await _page(service, cells, fault=fault)) from None
    reasons = await _explain(service, cells, client)
    return await _page(service, cells, answer=answer, reasons=reasons)


async def _explain(service: "Service", cells: Mapping[str, str], client: Client) -> Reasons:
    """Return the reasons of an answer; that there are none just now takes nothing from the answer itself."""
    try:
        service.access.require("explain", client)
        service.access.owe(client, EXPLANATION_REQUESTS - 1)
        found = await service.classifier.explain(cells, REQUEST_KEY)
    except ServiceError as fault:
        return Reasons(_sentence(fault), "", [], [])
    return tell_reasons(found, service.models.snapshot.require_champion().model.market, cells)


async def style(service: "Service", request: Request) -> Reply:
    """Return the form's style sheet."""
    return Reply(HTTPStatus.OK, _style_sheet(), b"text/css", _HEADERS)


def read_form(request: Request) -> tuple[dict[str, str], str, str | None]:
    """Return the cells that were filled in, the API key, and what a form that is sent again has again.

    Raises
    ------
    ServiceError
        If it is not this form.
    """
    declared = request.headers.get(b"content-type", b"").decode("latin-1")
    if declared.partition(";")[0].strip().lower() != FORM:
        raise ServiceError(Kind.UNSUPPORTED_MEDIA_TYPE, f"send {FORM}, not {declared}")
    try:
        pairs = parse_qsl(
            request.body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=True,
            errors="strict",
            max_num_fields=MAX_FIELDS,
        )
    except ValueError:
        raise ServiceError(Kind.INVALID, "the form cannot be read") from None
    form = dict(pairs)
    unknown = [name for name in form if name not in (KEY, REPEAT) and not name.startswith(CELL)]
    if len(form) != len(pairs) or unknown:
        raise ServiceError(Kind.INVALID, "the form has fields twice, or fields that are none of its own")
    cells = {name.removeprefix(CELL): text for name, text in form.items() if name.startswith(CELL) and text.strip()}
    return cells, form.get(KEY, "").strip(), form.get(REPEAT) or None


def columns(market: Market) -> list[Column]:
    """Return the columns that the form asks for, required ones first: none that can lead to a person unless it must."""
    shown = [column for column in market.inputs if column.required or not column.personal]
    return sorted(shown, key=lambda column: not column.required)


def _require_own_page(headers: Mapping[bytes, bytes]) -> None:
    """Refuse a form that another site's page has sent: a browser sends it to this machine, too, which asks for no key.

    Browsers say where a form comes from, by ``Sec-Fetch-Site`` or ``Origin``; other programs say neither.
    """
    site, origin = headers.get(b"sec-fetch-site"), headers.get(b"origin")
    own = origin is None or origin.partition(b"://")[2] == headers.get(b"host")
    if site is not None:
        own = site in (b"same-origin", b"none")
    if not own:
        raise ServiceError(Kind.FORBIDDEN, "the form was sent by the page of another site: open /try and send it there")


async def _page(
    service: "Service",
    cells: Mapping[str, str],
    *,
    answer: "Answer | None" = None,
    reasons: Reasons | None = None,
    fault: ServiceError | None = None,
) -> Reply:
    market = service.models.snapshot.require_champion().model.market
    body = await asyncio.to_thread(
        _render,
        market,
        cells,
        answer=answer,
        reasons=reasons,
        fault=fault,
        needs_key="predict" not in service.access.open_endpoints,
    )
    status = HTTPStatus.OK if fault is None else fault.kind.http_status
    return Reply(status, body, b"text/html; charset=utf-8", _HEADERS)


def _render(
    market: Market,
    cells: Mapping[str, str],
    *,
    answer: "Answer | None",
    reasons: Reasons | None,
    fault: ServiceError | None,
    needs_key: bool,
) -> bytes:
    faults = {} if fault is None else {one.field: _told(one) for one in fault.fields}
    fields = [_field(column, cells.get(column.raw, ""), faults.pop(column.raw, "")) for column in columns(market)]
    page = _template().render(
        title=market.title,
        first=fields[:FIRST_FIELDS],
        others=fields[FIRST_FIELDS:],
        others_open=any(field.value or field.fault for field in fields[FIRST_FIELDS:]),
        answer=answer,
        band=_band(answer["band"]) if answer else "",
        estimate=_estimate(answer) if answer else "",
        chances=_chances(answer) if answer else [],
        reasons=reasons,
        fault=fault,
        why=_sentence(fault) if fault else "",
        key_fault=fault is not None and fault.kind in (Kind.UNAUTHENTICATED, Kind.FORBIDDEN, Kind.RATE_LIMITED),
        other_faults=faults,
        needs_key=needs_key,
        repeat=new_id(),
        max_length=MAX_CELL_LENGTH,
        request_key=REQUEST_KEY,
    )
    return page.encode()


def _field(column: Column, value: str, fault: str) -> Field:
    return Field(
        name=CELL + column.raw,
        label=words(column.raw),
        unit=next((each.unit for each in column.values if each.unit), ""),
        example=column.example,
        options=tuple(getattr(column.rule, "options", ())),
        required=column.required,
        value=value,
        fault=fault,
    )


def _sentence(fault: ServiceError) -> str:
    if fault.kind is Kind.UNAUTHENTICATED:
        return "The API key is missing or not valid."
    again = "" if fault.retry_after is None else f" Try again in {fault.retry_after} s."
    return f"{fault.detail[:1].upper()}{fault.detail[1:]}.{again}"


def _told(fault: FieldError) -> str:
    return "This is needed." if fault.reason is Reason.MISSING else f"This cannot be used: {fault.message}."


def _band(band: "Band | None") -> str:
    """Return what a category stands for, in words; empty where it is no band of a price."""
    if band is None:
        return ""
    price = {ASKING: "asking price", PAID: "price paid"}.get(band["price_kind"] or "", "price")
    above, up_to = (None if edge is None else f"{edge:,.0f}" for edge in (band["above"], band["up_to"]))
    limits = f"above {above}" if up_to is None else f"up to {up_to}" if above is None else f"of {above} to {up_to}"
    article = "an" if price.startswith("a") else "a"
    return f"{article} {price} {limits} {band['currency']}"


def _estimate(answer: "Answer") -> str:
    """Return the estimate in words, or why there is none; empty where the market has no prices."""
    found = answer["estimate"]
    if found is None:
        return f"There is no estimate of the price: {answer['no_estimate']}." if answer["band"] else ""
    half, most = found["interval_50"], found["interval_80"]
    return (
        f"Its price is estimated at {rounded(found['price'])} {found['currency']}. Half of such homes cost "
        f"{rounded(half['low'])} to {rounded(half['high'])}, four fifths {rounded(most['low'])} to "
        f"{rounded(most['high'])}."
    )


def _chances(answer: "Answer") -> list[dict[str, Any]]:
    return [
        {"category": category, "percent": f"{100 * share:.0f}", "width": f"{200 * share:.1f}"}
        for category, share in answer["probabilities"].items()
    ]


@cache
def _template() -> "Template":
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("bento_service.protocols", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("try_form.html.jinja")


@cache
def _style_sheet() -> bytes:
    return files("bento_service.protocols").joinpath("try_form.css").read_bytes()
