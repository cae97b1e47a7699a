"""The rules of Prometheus: they fire when they should, on what is exposed, and have a page."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.bento_service.serving import KEY, Service
from tests.deploy.prometheus import PROMTOOL, needs_prometheus, scraping

PROJECT = Path(__file__).parents[2]
RULES = [PROJECT / "deploy" / "prometheus" / f"{name}.rules.yaml" for name in ("service", "platform")]
RUNBOOK = PROJECT / "docs" / "runbook"
PARTS = ("Meaning", "Impact", "Diagnosis", "Mitigation")


def rules(*files: Path) -> list[dict[str, Any]]:
    groups = [group for file in files or RULES for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def alerts(*files: Path) -> set[str]:
    return {rule["alert"] for rule in rules(*files) if "alert" in rule}


@pytest.mark.acceptance
@needs_prometheus
@pytest.mark.parametrize("file", RULES, ids=lambda file: file.name.partition(".")[0])
def test_alerts_fire_when_they_should_and_at_no_other_time(file: Path) -> None:
    tests = sorted(file.parent.glob(f"{file.name.partition('.')[0]}.*tests.yaml"))
    ended = subprocess.run([PROMTOOL or "", "test", "rules", *tests], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    cases = [case for each in tests for case in yaml.safe_load(each.read_text())["tests"]]
    tried = {one["alertname"] for case in cases for one in case["alert_rule_test"]}
    assert tried == alerts(file)


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
    used = {name for rule in rules(RULES[0]) for name in re.findall(r"\b(housing_\w+)", rule["expr"])}
    assert used <= known

    target = f"127.0.0.1:{service.port}"
    (tmp_path / "key").write_text(KEY)
    job = {
        "authorization": {"credentials_file": str(tmp_path / "key")},
        "static_configs": [{"targets": [target]}],
    }
    until = f'up{{instance="{target}"}} and on () housing:requests:rate5m'
    with scraping(tmp_path, {"housing": job}, RULES[:1], until) as prometheus:
        assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
        assert prometheus.value('ALERTS{alertname="HousingWatchdog"}') == 1
        assert prometheus.value('housing_predictions_total{tier="baked"}') is not None
