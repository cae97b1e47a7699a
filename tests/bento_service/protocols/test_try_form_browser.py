"""The form in a real browser: by keyboard alone, on a narrow screen, in the dark, with and without a key."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys

from tests.bento_service.serving import KEY, Service, serving
from tests.browser import NARROW, Browser, browsing, needs_browser

pytestmark = [pytest.mark.acceptance, needs_browser]


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with browsing(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def closed(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    environment = {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_OPEN_ENDPOINTS": "none"}
    with serving(tmp_path_factory.mktemp("closed"), environment) as service:
        yield service


def fault_beside(browser: Browser, name: str) -> str:
    described = browser.driver.find_element("name", name).get_attribute("aria-describedby") or ""
    return browser.driver.find_element("id", described.split()[-1]).text


def test_a_listing_is_asked_about_by_keyboard_alone(service: Service, browser: Browser) -> None:
    browser.resize(1280)
    browser.open(f"{service.url}/try")
    browser.tab_to("Skip to the form")
    assert browser.focus_is_visible
    browser.press(Keys.ENTER)
    browser.tab_to("cell.district")
    assert browser.focus_is_visible
    browser.press("kadikoy")
    browser.tab_to("cell.GrossSquareMeters")
    browser.press("120 ft2")
    with browser.leaving():
        browser.press(Keys.ENTER)

    assert "Not answered" in browser.text
    assert "not in square metres" in fault_beside(browser, "cell.GrossSquareMeters")
    assert browser.driver.find_element("name", "cell.district").get_attribute("value") == "kadikoy"

    browser.tab_to("cell.GrossSquareMeters")
    browser.press("120 m2")  # what is in a field that is tabbed to is selected
    browser.tab_to("Ask")
    assert browser.focus_is_visible
    with browser.leaving():
        browser.press(Keys.ENTER)

    assert "Most likely" in browser.text
    assert "asking price" in browser.text
    assert browser.driver.current_url == f"{service.url}/try"


def test_the_other_fields_open_on_demand(service: Service, browser: Browser) -> None:
    browser.open(f"{service.url}/try")
    hidden = browser.driver.find_element("name", "cell.BalconySquareMeters")
    assert not hidden.is_displayed()
    browser.driver.find_element("tag name", "summary").send_keys(Keys.ENTER)
    assert hidden.is_displayed()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_legible_and_whole_on_a_narrow_screen_and_breaks_no_policy(
    service: Service, browser: Browser, scheme: str
) -> None:
    browser.prefer(scheme)
    browser.complaints()
    for width in (NARROW, 1280):
        browser.resize(width)
        browser.open(f"{service.url}/try/example")
        for _ in range(2):  # the form that is filled in, and the answer
            assert browser.width <= width
            assert not browser.poor_contrasts()
            browser.submit()
        assert "Most likely" in browser.text
        browser.driver.find_element("name", "cell.district").clear()
        browser.submit()
        assert "This is needed." in browser.text
        assert browser.width <= width
        assert not browser.poor_contrasts()
    assert not [told for told in browser.complaints() if "Content Security Policy" in told]


def test_a_key_is_asked_for_where_one_is_needed_and_is_not_shown_again(closed: Service, browser: Browser) -> None:
    browser.resize(1280)
    browser.open(f"{closed.url}/try/example")
    browser.submit()
    assert "The API key is missing or not valid." in browser.text

    browser.driver.find_element("name", "key").send_keys(KEY)
    browser.submit()

    assert "Most likely" in browser.text
    assert browser.driver.find_element("name", "key").get_attribute("value") == ""
    assert KEY not in browser.driver.page_source
    assert KEY not in browser.driver.current_url
