"""The page: a file of its own, that says first what matters."""

import re
from html.parser import HTMLParser

import pytest

from housing_assets.listings.columns import personal_names
from housing_assets.monitoring.comparison import N_WORST, compared_cells, worst_columns
from housing_assets.monitoring.drift import DriftReport, compare
from housing_assets.monitoring.report_page import GLOSSARY, MEANINGS, CheckOutcome, render_page
from housing_assets.monitoring.thresholds import Thresholds
from housing_assets.monitoring.window import Window
from tests.monitoring.production import Platform, ads

MAX_BYTES = 500_000


def page_of(platform: Platform, report: DriftReport, window: object = None, *, in_production: bool = True) -> str:
    columns = compared_cells(worst_columns(report), platform.reference, window) if window else {}  # type: ignore[arg-type]
    return render_page(
        report,
        day="2026-03-01",
        report_id="drift_report/2026-03-01/run",
        version=3,
        in_production=in_production,
        facts=[("Window", "2,000 rows of <b>2026-03-01</b>")],
        checks=[CheckOutcome("psi_within_limit", not report.material, "as found")],
        columns=columns,
    )


@pytest.fixture(scope="module")
def shifted(platform: Platform) -> tuple[DriftReport, str]:
    """Give the report of a day that has drifted in many ways, and its page."""
    listings = ads(2_000, seed=90, new_district_share=0.5, gross_area_factor=10, missing={"HeatingType": 0.6})
    window = platform.profile(listings)
    report = compare(platform.reference, window)
    return report, page_of(platform, report, window)


class Page(HTMLParser):
    """What a page consists of."""

    def __init__(self, text: str):
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("src", "href", "action", "data", "srcset")]

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def test_the_page_of_much_drift_is_small_and_fetches_nothing(shifted: tuple[DriftReport, str]) -> None:
    _, text = shifted
    page = Page(text)

    assert 10_000 < len(text.encode()) <= MAX_BYTES
    assert page.links == []
    assert not {"script", "link", "img", "iframe", "object", "base"} & set(page.tags)
    assert not re.search(r"https?:|//|@import|url\(", text)


def test_the_verdict_comes_first_and_then_why(shifted: tuple[DriftReport, str]) -> None:
    report, text = shifted
    body = text[text.index("<body>") :]

    assert body.index("Drift: ") < body.index("<h2>Why</h2>") < body.index("Side by side") < body.index("Everything")
    for column in report.offending_columns:
        assert f"<strong>{column}</strong>" in body


def test_the_worst_columns_are_shown_and_none_that_leads_to_a_person(shifted: tuple[DriftReport, str]) -> None:
    report, text = shifted

    chosen = worst_columns(report)
    assert len(chosen) == N_WORST
    assert {"district", "gross_m2"} <= set(chosen)
    assert not set(personal_names()) & set(chosen)
    assert [name for name in chosen if re.search(rf"<h3[^>]*>{name}</h3>", text)] == chosen


def test_every_table_has_headings_that_a_screen_reader_tells(shifted: tuple[DriftReport, str]) -> None:
    _, text = shifted
    page = Page(text)

    assert page.tags.count("table") >= 4
    assert text.count("<th ") == text.count('scope="row"') + text.count('scope="col"') == page.tags.count("th")
    assert 'lang="en"' in text
    assert "prefers-color-scheme: dark" in text
    assert "@media print" in text


def test_what_listings_say_is_shown_and_not_run(platform: Platform) -> None:
    listings = ads(2_000, seed=91)
    listings["district"] = listings["district"].cat.rename_categories({"kadikoy": "<script>alert(1)</script>"})
    window = platform.profile(listings)

    text = page_of(platform, compare(platform.reference, window), window)

    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;b&gt;" in text


def test_a_day_without_drift_asks_for_nothing(platform: Platform) -> None:
    window = platform.profile(ads(2_000, seed=92))

    text = page_of(platform, compare(platform.reference, window), window)

    assert "Nothing needs to be done." in text
    assert "<h2>Why</h2>" not in text


def test_a_day_that_is_not_judged_says_so_and_shows_no_figures(platform: Platform) -> None:
    window = Window(3, True, None, None, 0, "Not judged: version 3 answered nothing.")

    text = page_of(platform, window.judge_drift(Thresholds()))

    assert "Not judged: version 3 answered nothing." in text
    assert "Everything that was measured" not in text


def test_what_was_found_of_a_replaced_version_is_called_history(platform: Platform) -> None:
    window = platform.profile(ads(2_000, seed=93, gross_area_factor=10))
    report = compare(platform.reference, window)

    assert "this is history" in page_of(platform, report, window, in_production=False)
    assert "retrains by itself" in page_of(platform, report, window)


def test_every_statistic_of_a_report_is_explained(shifted: tuple[DriftReport, str]) -> None:
    report, _ = shifted
    measured = {finding.statistic for finding in report.findings}

    assert measured <= {name for name, _ in GLOSSARY}
    assert {finding.statistic for finding in report.findings if finding.alert is not None} <= MEANINGS.keys()
