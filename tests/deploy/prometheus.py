"""A real Prometheus that scrapes what a test runs."""

import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from resources.ports import free_port

PROMTOOL, PROMETHEUS = shutil.which("promtool"), shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    not (PROMTOOL and PROMETHEUS), reason="no Prometheus (Debian: apt install prometheus)"
)

START_SECONDS = 60


class Prometheus:
    """A running Prometheus."""

    def __init__(self, asked: httpx.Client) -> None:
        self._asked = asked

    def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series of an expression."""
        reply = self._asked.get("/query", params={"query": expression})
        if reply.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # it is starting
            reply.raise_for_status()
        assert reply.is_success, (expression, reply.text)
        found: list[dict[str, Any]] = reply.json()["data"]["result"]
        return found

    def value(self, expression: str) -> float | None:
        """Return the first value of an expression, None where there is none or nobody answers yet."""
        try:
            found = self.query(expression)
        except httpx.HTTPError:
            return None
        return float(found[0]["value"][1]) if found else None

    def rules(self) -> list[dict[str, Any]]:
        """Return all rules with their health."""
        groups = self._asked.get("/rules").raise_for_status().json()["data"]["groups"]
        return [rule for group in groups for rule in group["rules"]]


@contextmanager
def scraping(
    folder: Path, jobs: Mapping[str, Mapping[str, Any]], rules: Sequence[Path], until: str
) -> Iterator[Prometheus]:
    """Run a Prometheus once a second over some targets, and wait until an expression has a value.

    Parameters
    ----------
    folder : Path
    jobs : mapping of str to mapping
        What each job's configuration has, by its name.
    rules : sequence of Path
    until : str
    """
    port = free_port()
    configuration = {
        "global": {"evaluation_interval": "1s", "scrape_interval": "1s"},
        "rule_files": [str(path) for path in rules],
        "scrape_configs": [{"job_name": name, **job} for name, job in jobs.items()],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    options = {
        "config.file": folder / "prometheus.yaml",
        "storage.tsdb.path": folder / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [PROMETHEUS or "", *(f"--{name}={value}" for name, value in options.items())], stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=5, verify=False) as asked:
            running, deadline = Prometheus(asked), time.monotonic() + START_SECONDS
            while running.value(until) is None:
                assert time.monotonic() < deadline, (folder / "log").read_text()[-2_000:]
                time.sleep(0.2)
            yield running
    finally:
        process.terminate()
        process.wait(timeout=30)
