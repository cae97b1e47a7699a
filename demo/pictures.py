"""The pictures of the README, taken of a demonstration that was told: ``python -m demo.pictures``.

Debian's Chromium takes them (``apt install chromium chromium-driver``).
"""

import argparse
import io
import secrets
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlencode

from PIL import Image
from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.support.ui import WebDriverWait

from demo.processes import ProcessError, Processes, answers
from demo.story import MARKER, environment_of
from resources.mlflow.server import server_command
from resources.ports import free_port

WIDTH = 1280
LINEAGE_SIZE = (1600, 1420)
GROUPS = ("listings", "features", "training", "registry", "serving", "monitoring")
"""Groups of assets, whose parts the lineage page shows."""

MOST_BYTES = 200_000
"""Of a picture: they are part of every clone."""

START_SECONDS = 120


def main() -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m demo.pictures", description=__doc__)
    parser.add_argument("--storage", type=Path, default=Path(".housing/demo"), help="of a demonstration that was run")
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"), help="folder of the pictures")
    arguments = parser.parse_args()
    try:
        take_pictures(arguments.storage.absolute(), arguments.out)
    except ProcessError as fault:
        print(f"no pictures: {fault}", file=sys.stderr)
        return 1
    return 0


def take_pictures(storage: Path, out: Path) -> None:
    """Write the pictures of a demonstration to a folder.

    Raises
    ------
    ProcessError
        If there is no demonstration or no browser, or something does not come up; if a picture is too large.
    """
    if not (storage / MARKER).exists():
        raise ProcessError(f"{storage} holds no demonstration: make demo tells one")
    environment = environment_of(storage, secrets.token_urlsafe(24))
    registry, service, console, lineage = (free_port() for _ in range(4))
    urls = {port: f"http://127.0.0.1:{port}" for port in (registry, service, console, lineage)}
    out.mkdir(parents=True, exist_ok=True)
    with Processes(storage / "logs", environment) as processes, _browser() as browser:
        processes.start("pictures-registry", server_command(environment["MLFLOW_TRACKING_URI"], registry))
        processes.start(
            "pictures-webserver",
            ["dagster-webserver", "-m", "housing_assets.definitions", "-h", "127.0.0.1", "-p", str(lineage)],
        )
        processes.wait_until(lambda: answers(f"{urls[registry]}/health"), "the registry answers", START_SECONDS)
        of_checkout = ["bentoml", "serve", "bento_service.service:HousingPriceClassifier"]
        http = ["--host", "127.0.0.1", "--port", str(service)]
        processes.start("pictures-service", [*of_checkout, *http], MLFLOW_TRACKING_URI=urls[registry])
        processes.wait_until(lambda: answers(f"{urls[service]}/readyz"), "the service is ready", START_SECONDS)
        time.sleep(5)  # until it has followed the registry
        processes.start(
            "pictures-console",
            ["housing", "console"],
            HOUSING_CONSOLE_PORT=str(console),
            HOUSING_CONSOLE_SERVICE=urls[service],
        )
        processes.wait_until(lambda: answers(f"{urls[console]}/livez"), "the console answers", START_SECONDS)
        _take(browser, urls[console], out / "console-overview.png", 860)
        _take(browser, f"{urls[console]}/windows", out / "console-days.png", 440)
        _take(browser, f"{urls[console]}/drift?days=30", out / "console-drift.png", 1000)
        _resize(browser, (WIDTH, 860))
        browser.get(f"{urls[service]}/try/example")
        browser.find_element("css selector", "button").click()
        _save(browser, out / "try-it-form.png")
        processes.wait_until(lambda: answers(f"{urls[lineage]}/server_info"), "the lineage page answers", START_SECONDS)
        _resize(browser, LINEAGE_SIZE)  # before the graph is laid out, which fills the page then
        groups = ",".join(f"global@global:{group}" for group in GROUPS)
        browser.get(f"{urls[lineage]}/asset-groups?{urlencode({'expanded': groups})}")
        WebDriverWait(browser, START_SECONDS).until(lambda page: "raw_listings" in page.page_source)
        time.sleep(15)  # until the graph is laid out, and shows what was materialized
        _save(browser, out / "lineage.png")


@contextmanager
def _browser() -> Iterator[Chrome]:
    chromium, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if chromium is None or driver is None:
        raise ProcessError("there is no browser: apt install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = chromium
    with TemporaryDirectory() as profile:
        for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
            options.add_argument(argument)
        opened = Chrome(options=options, service=Service(executable_path=driver))
        try:
            yield opened
        finally:
            opened.quit()


def _take(browser: Chrome, url: str, path: Path, height: int) -> None:
    _resize(browser, (WIDTH, height))
    browser.get(url)
    _save(browser, path)


def _resize(browser: Chrome, size: tuple[int, int]) -> None:
    screen = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)


def _save(browser: Chrome, path: Path) -> None:
    picture = Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB")
    picture.quantize(128, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    if size > MOST_BYTES:
        raise ProcessError(f"{path} has {size:,} bytes, at most {MOST_BYTES:,} are expected")
    print(f"{path}: {size:,} bytes")


if __name__ == "__main__":
    sys.exit(main())
