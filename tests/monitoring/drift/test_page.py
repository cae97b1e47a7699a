"""The page: a file of its own, that says first what matters."""

import re
from html.parser import HTMLParser

import pytest

from housing_assets.markets.istanbul import MARKET
from housing_assets.monitoring.drift.glossary import GLOSSARY
from housing_assets.monitoring.drift.page import CheckOutcome, render_page
from housing_assets.monitoring.drift.report import DriftReport, judge_drift
from housing_assets.monitoring.drift.worst_columns import N_WORST, compare_worst_columns, worst_columns
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.report_context import ReportContext
from housing_assets.monitoring.thresholds import Thresholds
from tests.monitoring.small_platform import Platform, ads

MAX_BYTES = 500_000

DAY = "2026-03-01"


def page_of(
    platform: Platform, report: DriftReport, window: Profile | None = None, *, in_production: bool = True
) -> str:
    return render_page(
        report,
        ReportContext(DAY, (DAY,), f"drift_report/{DAY}/run", 3, in_production),
        facts=[("Window", f"2,000 rows of <b>{DAY}</b>")],
        checks=[CheckOutcome("psi_within_limit", not report.material, "as found")],
        columns=compare_worst_columns(report, platform.reference, window, MARKET.personal_names),
    )


@pytest.fixture(scope="module")
def shifted(platform: Platform) -> tuple[DriftReport, str]:
    """Give the report of a day that has drifted in many ways, and its page."""
    listings = ads(2_000, seed=90, new_district_share=0.5, gross_area_factor=10, missing={"HeatingType": 0.6})
    window = platform.profile(listings)
    report = judge_drift(platform.reference, window)
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


def test_the_outcome_comes_first_and_then_why(shifted: tuple[DriftReport, str]) -> None:
    report, text = shifted
    body = text[text.index("<body>") :]

    assert (
        body.index("Drift: ") < body.index("<h2>Why</h2>") < body.index("Side by side") < body.index("All measurements")
    )
    for column in report.offending_columns:
        assert f"<strong>{column}</strong>" in body


def test_the_worst_columns_are_shown_and_none_that_leads_to_a_person(shifted: tuple[DriftReport, str]) -> None:
    report, text = shifted

    chosen = worst_columns(report, MARKET.personal_names)
    assert len(chosen) == N_WORST
    assert {"district", "gross_m2"} <= set(chosen)
    assert not MARKET.personal_names & set(chosen)
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

    text = page_of(platform, judge_drift(platform.reference, window), window)

    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert "&lt;b&gt;" in text


def test_a_day_without_drift_asks_for_nothing(platform: Platform) -> None:
    window = platform.profile(ads(2_000, seed=92))

    text = page_of(platform, judge_drift(platform.reference, window), window)

    assert "Nothing to do." in text
    assert "<h2>Why</h2>" not in text


def test_a_day_that_is_not_judged_says_so_and_shows_no_figures(platform: Platform) -> None:
    text = page_of(platform, DriftReport.skipped("Not judged: version 3 answered nothing.", Thresholds()))

    assert "Not judged: version 3 answered nothing." in text
    assert "All measurements" not in text


def test_what_was_found_of_a_replaced_version_is_called_history(platform: Platform) -> None:
    window = platform.profile(ads(2_000, seed=93, gross_area_factor=10))
    report = judge_drift(platform.reference, window)

    assert "the version has been replaced since" in page_of(platform, report, window, in_production=False)
    assert "retrains by itself" in page_of(platform, report, window)


def test_every_statistic_of_a_report_is_explained(shifted: tuple[DriftReport, str]) -> None:
    report, _ = shifted
    measured = {finding.statistic for finding in report.findings}

    assert measured <= GLOSSARY.keys()
    assert all(GLOSSARY[finding.statistic].alarm for finding in report.findings if finding.alert is not None)
