"""The form to try the service: the market's fields, the answer in words, and nothing that another site could send."""

import asyncio
import re
from html.parser import HTMLParser
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from bento_service.access import Access
from bento_service.answers import Tier
from bento_service.auth import ApiKeys, Client
from bento_service.errors import Kind
from bento_service.models.snapshot import ServedModel, Snapshot
from bento_service.protocols import try_form
from bento_service.protocols.http_messages import RefusedWithPage, Reply, Request
from bento_service.protocols.try_reasons import tell_reasons
from bento_service.rate_limits import RateLimits
from housing_assets.inference.market import Market
from tests.bento_service.hand_built import model_of
from tests.bento_service.protocols.test_openapi import classifier_of
from tests.bento_service.serving import KEY, KEYS, Service
from tests.other_markets import PARCELS, THREE_GRADES, TWO_GRADES

HOME = {"cell.district": "kadikoy", "cell.GrossSquareMeters": "120 m2", "cell.NumberOfRooms": "3+1"}


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, reply: httpx.Response | Reply):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.values: dict[str, str] = {}
        self._texts: list[str] = []
        self.feed(reply.text if isinstance(reply, httpx.Response) else reply.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        found = dict(attrs)
        if tag in ("input", "select"):
            self.values[found.get("name") or ""] = found.get("value") or ""

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self._texts))


def send(http: httpx.Client, form: dict[str, str], **headers: str) -> httpx.Response:
    return http.post("/try", data=form, headers=headers)


def test_the_form_asks_for_what_the_market_declares_and_for_nothing_personal(
    http: httpx.Client, market: Market
) -> None:
    page = Page(http.get("/try"))

    cells = {name.removeprefix("cell.") for name in page.values if name.startswith("cell.")}
    assert cells == {column.raw for column in market.inputs if not column.personal}
    assert "address" not in cells
    assert "price" not in cells
    assert "such as 3+1" in page.text
    assert "key" not in page.values  # predict is open on this machine
    assert not {"script", "style"} & set(page.tags)
    assert "style" not in page.attributes
    assert not [name for name in page.attributes if name.startswith("on")]


def test_the_example_is_answered_in_plain_words(http: httpx.Client, market: Market) -> None:
    example = Page(http.get("/try/example"))
    assert example.values["cell.district"] == "kadikoy"

    reply = send(http, example.values)

    assert reply.status_code == 200
    told = Page(reply).text
    category = re.search(r"Most likely (\w+)", told)
    assert category is not None
    assert category[1] in market.categories
    assert re.search(r"That is an asking price (above|up to|of) [\d,]+( to [\d,]+)? TRY\.", told)
    chances = told.partition(" Why ")[0]
    assert sum(map(int, re.findall(r"(\d+) %", chances))) in (99, 100, 101)
    assert "recorded like any other request" in told


def test_it_answers_as_predict_does(http: httpx.Client) -> None:
    cells = {name.removeprefix("cell."): text for name, text in HOME.items()}
    answer = http.post("/predict", json=cells).json()
    told = Page(send(http, HOME)).text
    assert f"Most likely {answer['price_category']} " in told
    for category, share in answer["probabilities"].items():
        assert f"{category} {100 * share:.0f} %" in told


def test_the_answer_has_its_reasons_and_homes_like_it(http: httpx.Client) -> None:
    cells = {name.removeprefix("cell."): text for name, text in HOME.items()}
    found = http.post("/explain", json=cells, timeout=30).json()
    page = Page(send(http, HOME))
    first = found["contributions"][0]
    change = 100 * abs(first["price_factor"] - 1)
    told = f"{change:.0f} % {'more' if first['price_factor'] > 1 else 'less'}"
    assert told in page.text
    assert "from {:,.0f}, which the model expects".format(float(f"{found['base_price']:.3g}")) in page.text
    assert "Homes like it" in page.text
    assert f"{100 * found['comparables'][0]['similarity']:.0f} %" in page.text
    assert not {"script", "style"} & set(page.tags)


def test_an_answer_without_reasons_says_why_there_are_none() -> None:
    service = closed(PARCELS)
    form = {f"cell.{name}": text for name, text in PARCELS.example.items()} | {"key": KEY}
    told = Page(ask(service, form)).text
    assert "Most likely" in told
    assert "No reasons are available: The version was registered by a release that kept nothing" in told


def test_reasons_of_classes_are_told_in_points() -> None:
    found = {
        "base_price": None,
        "price_category": "A",
        "base_probabilities": {"A": 0.25, "B": 0.75},
        "no_contributions": None,
        "contributions": [
            {"column": "view", "probabilities": {"A": -0.1, "B": 0.1}, "price_factor": None},
            {"column": "sqft_living", "probabilities": {"A": 0.4, "B": -0.4}, "price_factor": None},
            {"column": "lat", "probabilities": {"A": 0.001, "B": -0.001}, "price_factor": None},
        ],
        "comparables": [],
    }
    told = tell_reasons(found, THREE_GRADES, {"view": "v" * 90})  # type: ignore[arg-type]
    assert [(bar["label"], bar["told"], bar["width"]) for bar in told.bars] == [
        ("sqft living", "40 points more", "100.0"),
        ("view", "10 points less", "25.0"),
    ]
    assert told.bars[1]["said"] == "v" * 40 + "…"
    assert "how likely A is, from 25 %" in told.caption


def test_what_cannot_be_used_is_said_beside_its_field_and_what_was_written_stays(http: httpx.Client) -> None:
    reply = send(http, {**HOME, "cell.district": " ", "cell.GrossSquareMeters": "120 <b>ft2"})

    assert reply.status_code == 422
    page = Page(reply)
    assert page.values["cell.GrossSquareMeters"] == "120 <b>ft2"
    assert page.values["cell.NumberOfRooms"] == "3+1"
    assert "b" not in page.tags
    assert re.search(r"district needed such as kadikoy ▲ This is needed\.", page.text)
    assert re.search(r"Gross Square Meters .* ▲ This cannot be used: not in square metres \(m2\)", page.text)


def test_a_form_that_is_sent_twice_is_recorded_once_and_marked(service: Service, http: httpx.Client) -> None:
    form = {**HOME, "repeat": Page(http.get("/try")).values["repeat"]}
    ids = {re.findall(r"<code>([0-9a-f-]{36})</code>", send(http, form).text)[0] for _ in range(2)}
    assert len(ids) == 1
    assert Page(http.get("/try")).values["repeat"] != form["repeat"]


def test_it_is_counted_under_its_own_name(http: httpx.Client) -> None:
    send(http, HOME)
    send(http, {})
    lines = http.get("/metrics").text
    assert 'housing_requests_total{endpoint="try",protocol="http",status="200"}' in lines
    assert 'housing_requests_total{endpoint="try",protocol="http",status="422"}' in lines


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"sec-fetch-site": "cross-site"}, 403),
        ({"sec-fetch-site": "same-site"}, 403),
        ({"origin": "https://elsewhere.example"}, 403),
        ({"origin": "null"}, 403),
        ({"sec-fetch-site": "same-origin", "origin": "http://behind.a.proxy"}, 200),
        ({"sec-fetch-site": "none"}, 200),
        ({}, 200),
    ],
)
def test_the_page_of_another_site_cannot_send_it(http: httpx.Client, headers: dict[str, str], status: int) -> None:
    reply = http.post("/try", data=HOME, headers=headers)
    assert reply.status_code == status
    assert ("by the page of another site" in reply.text) == (status == 403)


def test_its_own_page_may_send_it_where_the_browser_names_no_site(service: Service, http: httpx.Client) -> None:
    assert http.post("/try", data=HOME, headers={"origin": service.url}).status_code == 200


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        (b"cell.district=%ff", try_form.FORM, 422),
        (b"cell.district=a&cell.district=b", try_form.FORM, 422),
        (b"cell.district=a&else=b", try_form.FORM, 422),
        (b"no pair", try_form.FORM, 422),
        (b"&".join(b"cell.%d=x" % number for number in range(1_001)), try_form.FORM, 422),
        ("cell.district=ş".encode(), try_form.FORM, 422),
        (b"cell.colour=red", try_form.FORM, 422),
        (b'{"district": "kadikoy"}', "application/json", 415),
        (b"x" * 70_000, try_form.FORM, 413),
    ],
)
def test_what_is_no_form_is_refused(http: httpx.Client, body: bytes, content_type: str, status: int) -> None:
    assert http.post("/try", content=body, headers={"content-type": content_type}).status_code == status


def test_it_may_fetch_its_style_alone_and_may_be_sent_here_alone(http: httpx.Client) -> None:
    for reply in (http.get("/try"), send(http, HOME), send(http, {}), http.get("/try.css")):
        policy = reply.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self';")
        assert "form-action 'self'" in policy
        assert "script" not in policy
        assert reply.headers["cache-control"] == "no-store"
    assert http.get("/try.css").headers["content-type"] == "text/css"


class Closed(SimpleNamespace):
    """A service that answers keys alone."""

    def require_capacity(self) -> None: ...


def closed(market: Market, limit: float = 0.0) -> Any:
    snapshot = Snapshot(ServedModel("1", Tier.PRODUCTION, model_of(market)))
    keys = ApiKeys.from_settings([KEYS, f"admin:{'0' * 64}:admin"], ())
    return Closed(
        access=Access(keys, RateLimits(limit)),
        classifier=classifier_of(snapshot),
        models=SimpleNamespace(snapshot=snapshot),
    )


def ask(service: Any, form: dict[str, str]) -> Reply:
    headers = {b"content-type": try_form.FORM.encode()}
    request = Request(headers, urlencode(form).encode(), Client("anonymous", frozenset()), 0.0)
    return asyncio.run(try_form.try_listing(service, request))


def test_where_predict_needs_a_key_the_form_asks_for_it_and_never_shows_it() -> None:
    service = closed(PARCELS)
    empty = asyncio.run(try_form.show_form(service, Request({}, b"", Client("anonymous", frozenset()), 0.0)))
    assert "key" in Page(empty).values
    form = {f"cell.{name}": text for name, text in PARCELS.example.items()}

    for key in ("", "wrong", "ü"):
        with pytest.raises(RefusedWithPage) as refused:
            ask(service, {**form, "key": key})
        assert refused.value.kind is Kind.UNAUTHENTICATED
        page = Page(refused.value.page)
        assert "The API key is missing or not valid." in page.text
        assert page.values["key"] == ""
        assert "lowest" not in page.text

    reply = ask(service, {**form, "key": KEY})
    assert "Most likely" in Page(reply).text
    assert KEY not in reply.body.decode()


def test_a_key_has_its_rate_in_the_form_too() -> None:
    service = closed(PARCELS, limit=0.1)
    form = {f"cell.{name}": text for name, text in PARCELS.example.items()} | {"key": KEY}
    ask(service, form)
    with pytest.raises(RefusedWithPage) as refused:
        ask(service, form)
    assert refused.value.kind is Kind.RATE_LIMITED


@pytest.mark.parametrize("market", [PARCELS, THREE_GRADES, TWO_GRADES], ids=lambda market: market.name)
def test_any_market_has_a_form_whose_example_is_answered(market: Market) -> None:
    service = closed(market)
    anonymous = Client("anonymous", frozenset())
    filled = Page(asyncio.run(try_form.show_example(service, Request({}, b"", anonymous, 0.0))))
    required = {f"cell.{name}" for name in market.required}
    assert required <= filled.values.keys()  # even where it can lead to a person: an answer needs it

    told = Page(ask(service, {**filled.values, "key": KEY})).text

    assert ("That is" in told) == market.has_price
    assert any(f"Most likely {category}" in told for category in market.categories)
