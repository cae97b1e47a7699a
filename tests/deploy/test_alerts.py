"""The rules of Prometheus for the service: they fire when they should, on what it exposes, and have a page."""

import re
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from resources.ports import free_port
from tests.bento_service.serving import KEY, Service

PROJECT = Path(__file__).parents[2]
RULES = PROJECT / "deploy" / "prometheus" / "service.rules.yaml"
RUNBOOK = PROJECT / "docs" / "runbook"
PARTS = ("Meaning", "Impact", "Diagnosis", "Mitigation")

promtool, prometheus = shutil.which("promtool"), shutil.which("prometheus")
needs_prometheus = pytest.mark.skipif(
    not (promtool and prometheus), reason="no Prometheus (Debian: apt install prometheus)"
)


def rules() -> list[dict[str, Any]]:
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def alerts() -> set[str]:
    return {rule["alert"] for rule in rules() if "alert" in rule}


@pytest.mark.acceptance
@needs_prometheus
def test_alerts_fire_when_they_should_and_at_no_other_time() -> None:
    tests = RULES.with_name("service.tests.yaml")
    ended = subprocess.run([promtool or "", "test", "rules", tests], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    tried = {one["alertname"] for test in yaml.safe_load(tests.read_text())["tests"] for one in test["alert_rule_test"]}
    assert tried == alerts()


def test_every_alert_has_a_page_of_four_parts_that_the_runbook_lists() -> None:
    assert {page.stem for page in RUNBOOK.glob("*.md")} == alerts() | {"README"}
    listed = (RUNBOOK / "README.md").read_text()
    for rule in rules():
        if "alert" in rule:
            assert rule["annotations"]["runbook"] == f"docs/runbook/{rule['alert']}.md"
            assert f"[{rule['alert']}]({rule['alert']}.md)" in listed
    for name in alerts():
        page = (RUNBOOK / f"{name}.md").read_text()
        assert page.startswith(f"# {name}\n")
        assert [part for part in PARTS if f"**{part}.**" in page] == list(PARTS)


@pytest.mark.acceptance
@needs_prometheus
def test_prometheus_reads_the_service_and_computes_every_rule(service: Service, tmp_path: Path) -> None:
    with service.client() as client:
        client.post("/predict", json={"district": "kadikoy", "GrossSquareMeters": "120 m2"}).raise_for_status()
        exposed = client.get("/metrics", headers={"authorization": f"Bearer {KEY}"}).text
    known = set(re.findall(r"^(housing_\w+)\{?", exposed, re.MULTILINE)) | {"up"}
    used = {name for rule in rules() for name in re.findall(r"\b(housing_\w+)", rule["expr"])}
    assert used <= known

    port = free_port()
    target = f"127.0.0.1:{service.port}"
    (tmp_path / "key").write_text(KEY)
    scrape = {
        "job_name": "housing",
        "scrape_interval": "1s",
        "authorization": {"credentials_file": str(tmp_path / "key")},
        "static_configs": [{"targets": [target]}],
    }
    configuration = {"global": {"evaluation_interval": "1s"}, "rule_files": [str(RULES)], "scrape_configs": [scrape]}
    (tmp_path / "prometheus.yaml").write_text(yaml.safe_dump(configuration))
    options = {
        "config.file": tmp_path / "prometheus.yaml",
        "storage.tsdb.path": tmp_path / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [prometheus or "", *(f"--{name}={value}" for name, value in options.items())], stdout=log, stderr=log
        )
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}/api/v1", timeout=5, verify=False) as asked:
            deadline = time.monotonic() + 60
            while _value(asked, f'up{{instance="{target}"}} and on () housing:requests:rate5m') is None:
                assert time.monotonic() < deadline, (tmp_path / "log").read_text()[-2_000:]
                time.sleep(0.2)
            groups = asked.get("/rules").raise_for_status().json()["data"]["groups"]
            assert {rule["health"] for group in groups for rule in group["rules"]} == {"ok"}
            assert _value(asked, 'ALERTS{alertname="HousingWatchdog"}') == 1
            assert _value(asked, 'housing_predictions_total{tier="baked"}') is not None
    finally:
        process.terminate()
        process.wait(timeout=30)


def _value(asked: httpx.Client, query: str) -> float | None:
    try:
        found = asked.get("/query", params={"query": query}).raise_for_status().json()["data"]["result"]
    except httpx.HTTPError:  # it is starting
        return None
    return float(found[0]["value"][1]) if found else None
