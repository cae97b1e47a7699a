"""What the console's pages say of a platform with forty days behind it, and that they are safe to open anywhere."""

import asyncio
import re
from datetime import UTC, date, datetime, timedelta
from html.parser import HTMLParser

import httpx
import pytest

from housing_assets.console.app import HEADERS, build_app
from housing_assets.console.pages import ago
from housing_assets.console.reports import Reports
from housing_assets.console.versions import Versions
from housing_assets.console.watch import Watch
from resources.mlflow.registry import ModelRegistry
from resources.values.opening import open_value_store
from tests.console.history import CAUSE, DRIFTED, EMPTY, FEW, HELD, PASSED, REFUSED, Past
from tests.s3 import access_to

PAGES = ("/", "/versions", "/windows", "/drift", "/drift?days=30", "/decisions", "/alerts")


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self._texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.links += [value or "" for name, value in attrs if name in ("href", "src", "action")]
        self.ids += [value or "" for name, value in attrs if name == "id"]

    def handle_data(self, data: str) -> None:
        self._texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self._texts))


def read(console: httpx.Client, path: str) -> Page:
    reply = console.get(path)
    assert reply.status_code == 200, reply.text
    return Page(reply.text)


@pytest.fixture
def days(past: Past) -> list[str]:
    return [f"/days/{past.newest(kind)}" for kind in (PASSED, DRIFTED, HELD, EMPTY, FEW, REFUSED)]


def test_the_overview_tells_the_health_of_the_day(console: httpx.Client, past: Past) -> None:
    told = read(console, "/").text

    assert "The service does not answer at http://127.0.0.1:9" in told
    assert "✓ passed No drift: 2,000 rows against 5,759." in told
    assert "Version 1 Registered" in told
    assert "reason of version 1" in told
    assert "macro f1 0.810" in told
    assert "Latest decision rolled back Version 2 was <b>worse</b>." in told
    assert "drift_report <script>: 1 failed second line" in told
    assert "run 1 failed" not in told  # it is older than a week


def test_versions_have_their_metrics_decision_and_reason(console: httpx.Client) -> None:
    page = read(console, "/versions")

    assert "Version 2" in page.text
    assert page.text.index("Version 2") < page.text.index("Version 1 production")
    assert "not promoted : reason of version 2" in page.text
    assert "macro f1 0.820" in page.text
    assert "http://mlflow/#/models/HousingPriceClassifier/versions/2" in page.links


@pytest.mark.parametrize(
    ("kind", "outcome", "reason"),
    [
        (PASSED, "passed", "No drift: 2,000 rows against 5,759."),
        (DRIFTED, "drifted", "district"),
        (HELD, "held", CAUSE),
        (EMPTY, "no predictions", "0"),
        (FEW, "not judged", "120 rows are too few"),
        (REFUSED, "alert", "refused"),
    ],
)
def test_a_day_has_one_word_and_its_reason_and_all_checks(
    console: httpx.Client, past: Past, kind: str, outcome: str, reason: str
) -> None:
    day = past.newest(kind)
    page = read(console, f"/days/{day}")

    assert f" {outcome} " in page.text
    assert reason in page.text
    for check in ("psi_within_limit", "performance_held", "input_not_broken", "traffic_held"):
        assert check in page.text
    assert f"http://lineage/assets/drift_report?view=partitions&partition={day}" in page.links
    assert f"http://lineage/runs/run-of-{kind}" in page.links


def test_the_calendar_has_every_day_with_its_outcome_and_the_way_to_its_report(
    console: httpx.Client, past: Past
) -> None:
    page = read(console, "/windows")

    outcomes = {DRIFTED: "drifted", HELD: "held", EMPTY: "no predictions", FEW: "not judged", REFUSED: "alert"}
    for day, kind in past.kinds.items():
        assert f"/days/{day}" in page.links
        assert re.search(rf"\b{day.day}\b\W+{outcomes.get(kind, 'passed')}\b", page.text), (day, kind)
    missed = max(past.kinds) - timedelta(days=12)
    assert missed not in past.kinds
    assert "There is no report on this day." in read(console, f"/days/{missed}").text
    assert console.get("/windows?year=1999").status_code == 404


def test_drift_is_drawn_with_the_worst_columns_first_and_the_figures_as_a_table(
    console: httpx.Client, past: Past
) -> None:
    page = read(console, "/drift?days=30")

    worst = page.text.partition("Worst columns")[2]
    assert min(worst.index("district"), worst.index("gross_m2")) < worst.index("column_")
    assert page.tags.count("figure") == 3
    assert f"{past.newest(DRIFTED)}: 2.4" in page.text  # the tip of a mark
    assert "70.0 %" in page.text
    assert "table" in page.tags
    assert console.get("/drift?days=31").status_code == 404
    assert console.get("/drift?days=30%27").status_code == 404


def test_decisions_have_their_reason_and_evidence(console: httpx.Client) -> None:
    told = read(console, "/decisions").text

    assert told.index("rolled back") < told.index("nothing found")
    assert "Version 2 was <b>worse</b>." in told
    assert "needs a person" in told
    assert '"windows_judged"' in told


def test_alerts_are_told_once_newest_first_with_what_became_of_them(console: httpx.Client) -> None:
    told = read(console, "/alerts").text

    assert told.count("drift_report <script>") == 1
    assert told.index("finding, sent") < told.index("run, logged")


def test_a_day_leads_to_the_stored_report(console: httpx.Client, past: Past) -> None:
    day = past.newest(DRIFTED)
    assert f"/days/{day}/report" in read(console, f"/days/{day}").links

    report = console.get(f"/days/{day}/report")

    assert "Drift report of" in report.text
    policy = report.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none'")
    assert "script" not in policy


def test_a_version_leads_to_its_model_card(console: httpx.Client) -> None:
    links = read(console, "/versions").links
    assert "/versions/1/card" in links
    assert "/versions/2/card" not in links  # as one of an older release

    card = console.get("/versions/1/card")

    assert "<h1>Model card</h1>" in card.text
    assert "&lt;script&gt;" in card.text
    assert card.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
    for path in ("/versions/2/card", "/versions/9/card", "/versions/x/card"):
        assert console.get(path).status_code == 404


def test_every_link_within_leads_somewhere(console: httpx.Client, days: list[str]) -> None:
    seen: set[str] = set()
    for path in (*PAGES, *days):
        page = read(console, path)
        for link in page.links:
            if link.startswith("#"):
                assert link[1:] in page.ids
            elif link.startswith("/"):
                seen.add(link)
            else:
                assert link.startswith(("http://lineage", "http://mlflow")), link
    failed = {link for link in seen if console.get(link).status_code != 200}
    assert not failed


def test_no_page_has_a_script_a_style_of_its_own_or_anything_from_elsewhere(
    console: httpx.Client, days: list[str]
) -> None:
    for path in (*PAGES, *days, "/nothing"):
        reply = console.get(path)
        page = Page(reply.text)
        assert not {"script", "style", "iframe", "form", "img"} & set(page.tags), path
        assert "style" not in page.attributes
        assert not [name for name in page.attributes if name.startswith("on")]
        assert {name: reply.headers[name] for name in HEADERS} == HEADERS
        assert page.tags.count("h1") == 1
        assert len(page.ids) == len(set(page.ids)), path
        assert "main" in page.ids


@pytest.mark.parametrize(
    "path", ["/nothing", "/days/yesterday", "/days/1999-01-01", "/days/2026-02-30", "/days/1999-01-01/report"]
)
def test_what_is_not_known_is_a_page_that_says_so(console: httpx.Client, path: str) -> None:
    reply = console.get(path)

    assert reply.status_code == 404
    assert "There is no such page" in reply.text


def test_what_is_away_is_a_page_that_says_so(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name, value in access_to("http://127.0.0.1:9").items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    watch = past.watch()
    watch.card_page = Versions(ModelRegistry(tracking_uri="http://127.0.0.1:9")).card
    watch.report_page = Reports(
        open_value_store("s3://values/housing", cache=str(past.settings.storage / "cache"))
    ).page
    for path, what in (
        ("/versions/1/card", "MLflow, where model cards"),
        ("/days/2026-03-01/report", "The storage of"),
    ):
        reply = get(past, watch, path)

        assert reply.status_code == 503
        assert "This page is not available now" in reply.text
        assert what in reply.text
        assert {name: reply.headers[name] for name in HEADERS} == HEADERS


def test_a_bug_is_no_outage(past: Past) -> None:
    watch = past.watch()
    watch.card_page = lambda number: str(1 / 0)

    with pytest.raises(ZeroDivisionError):
        get(past, watch, "/versions/1/card")


def get(past: Past, watch: Watch, path: str) -> httpx.Response:
    """Ask for a page in this process."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(build_app(past.pages(), watch))
        async with httpx.AsyncClient(transport=transport, base_url="http://console") as client:
            return await client.get(path)

    return asyncio.run(ask())


def test_pages_can_only_be_read(console: httpx.Client) -> None:
    for path in (*PAGES, "/livez", "/style.css"):
        assert console.post(path).status_code == 405
        assert console.head(path).status_code == 200


def test_age_is_told_in_the_largest_unit() -> None:
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    told = [ago(now - timedelta(seconds=seconds), now) for seconds in (-5, 59, 60, 7_200, 86_400, 864_000)]
    assert told == ["just now", "just now", "1 minute ago", "2 hours ago", "1 day ago", "10 days ago"]


def test_a_day_that_was_not_yet_judged_is_not_shown(past: Past, console: httpx.Client) -> None:
    today = datetime.now(UTC).date()
    assert isinstance(today, date)
    assert console.get(f"/days/{today}").status_code == 404
