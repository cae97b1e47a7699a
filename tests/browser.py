"""A real browser, Debian's Chromium, for the tests that look at pages as people do."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import WebDriverException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
needs_browser = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="no browser (Debian: apt install chromium chromium-driver)"
)

NARROW = 320
"""Width of the narrowest screens, in CSS pixels (WCAG 2.2, reflow)."""

MOST_TABS = 200
PAGE_SECONDS = 30

CONTRASTS = """
const channel = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
const behind = element => {
  for (let at = element; at; at = at.parentElement) {
    const found = parse(getComputedStyle(at).backgroundColor);
    if (found.length === 3 || found[3] > 0) return found;
  }
  return matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
};
const poor = [];
const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
for (let node; node = walker.nextNode();) {
  const element = node.parentElement, style = getComputedStyle(element);
  if (!node.textContent.trim() || !element.checkVisibility() || element.closest('title, .unseen, .skip')) continue;
  const colour = parse(element.closest('svg') && style.fill !== 'none' ? style.fill : style.color);
  const [high, low] = [luminance(colour), luminance(behind(element))].sort((a, b) => b - a);
  const ratio = (high + 0.05) / (low + 0.05), size = parseFloat(style.fontSize);
  const large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
  if (ratio < (large ? 3 : 4.5)) poor.push(`${node.textContent.trim().slice(0, 40)}: ${ratio.toFixed(2)}`);
}
return poor;
"""
"""What is written with less contrast than WCAG's level AA asks for."""


class Browser:
    """A window of a browser."""

    def __init__(self, driver: Chrome) -> None:
        self.driver = driver

    def open(self, url: str) -> None:
        self.driver.get(url)

    def resize(self, width: int, height: int = 800) -> None:
        screen = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)

    def prefer(self, scheme: str) -> None:
        """Let pages be ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})

    def press(self, *keys: str) -> None:
        """Press keys, or write a text, where the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    @contextmanager
    def leaving(self) -> Iterator[None]:
        """Wait until what is done has led to another page."""
        self.driver.execute_script("window.before = true")
        yield
        WebDriverWait(self.driver, PAGE_SECONDS, ignored_exceptions=[WebDriverException]).until(
            lambda driver: driver.execute_script("return !window.before && document.readyState === 'complete'")
        )

    def submit(self) -> None:
        """Click the button of the page's form."""
        with self.leaving():
            self.driver.find_element("css selector", "button").click()

    def tab_to(self, text: str) -> WebElement:
        """Press the tabulator until what has the focus has a text, or is the field with that label."""
        for _ in range(MOST_TABS):
            self.press(Keys.TAB)
            focused = self.driver.switch_to.active_element
            if text in (focused.text.strip(), focused.accessible_name.strip()) or focused.get_attribute("name") == text:
                return focused
        raise AssertionError(f"the tabulator does not lead to {text!r}")

    @property
    def focus_is_visible(self) -> bool:
        focused = self.driver.switch_to.active_element
        return focused.value_of_css_property("outline-style") != "none" and focused.is_displayed()

    @property
    def width(self) -> int:
        """Width of the page, which is more than that of the window where one has to scroll sideways."""
        return int(self.driver.execute_script("return document.documentElement.scrollWidth"))

    @property
    def text(self) -> str:
        return self.driver.find_element("tag name", "body").text

    def poor_contrasts(self) -> list[str]:
        found: list[str] = self.driver.execute_script(CONTRASTS)
        return found

    def complaints(self) -> list[str]:
        """Return what the browser has logged since it was asked last: violations of the policy among it."""
        entries: list[dict[str, Any]] = self.driver.get_log("browser")
        return [entry["message"] for entry in entries]


@contextmanager
def browsing(folder: Path) -> Iterator[Browser]:
    """Open a browser whose profile is in a folder."""
    options = ChromeOptions()
    options.binary_location = CHROMIUM or ""
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *("--disable-background-networking", "--no-first-run", f"--user-data-dir={folder}"),
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = Chrome(options=options, service=Service(executable_path=DRIVER))
    try:
        yield Browser(driver)
    finally:
        driver.quit()
