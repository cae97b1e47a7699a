"""The dashboards: every query in them is answered by a Prometheus that scrapes a real service and a real exporter."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from resources.ports import free_port
from tests.bento_service.serving import KEY, Service
from tests.console.history import Past, make_past
from tests.deploy.prometheus import needs_prometheus, scraping
from tests.deploy.test_alerts import PROJECT, RULES, rules
from tests.housing_servers import housing_server

DASHBOARDS = sorted((PROJECT / "deploy" / "grafana").glob("*.json"))
JOBS = {"service": "housing", "loop": "dagster", "drift": "dagster", "pipeline": "dagster"}
WITHOUT_SERIES = {
    "housing_code_location_error",
    "housing_last_run_seconds",
    "housing_tick_age_seconds",
    "housing_tick_failed",
}
"""Metrics of what the test does not run: a lineage page, runs, sensors."""


def queries(dashboard: dict[str, Any], job: str) -> Iterator[tuple[str, str]]:
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"].replace("$job", job)


@pytest.mark.parametrize("file", DASHBOARDS, ids=lambda file: file.stem)
def test_a_dashboard_is_one_that_grafana_takes_in(file: Path) -> None:
    dashboard = json.loads(file.read_text())
    assert dashboard["uid"] == f"housing-{file.stem}"
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"]) >= 6
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${prometheus}"
            assert 'job=~"$job"' in target["expr"]


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    made = make_past(tmp_path_factory.mktemp("past"), 14)
    yield made
    made.instance.dispose()


@pytest.fixture(scope="module")
def exporter(past: Past) -> Iterator[int]:
    """Run ``housing exporter`` and give its port."""
    port = free_port()
    settings = {"HOUSING_EXPORTER_PORT": str(port), "HOUSING_LINEAGE_URL": "http://127.0.0.1:9"}
    with housing_server("exporter", past.settings.storage, lambda log: "metrics on" in log, **settings):
        yield port


@pytest.mark.trial
@needs_prometheus
def test_every_query_of_every_dashboard_and_every_rule_is_answered(
    service: Service, exporter: int, past: Past, tmp_path: Path
) -> None:
    exposed = httpx.get(f"http://127.0.0.1:{exporter}/metrics", verify=False).text
    known = set(re.findall(r"^# TYPE (housing_\w+)", exposed, re.MULTILINE)) | {"housing_code_location_error"}
    used = {name for rule in rules(RULES[1]) for name in re.findall(r"\b(housing_\w+)", rule["expr"])}
    assert used <= known
    assert 'housing_exporter_reads{what="code locations"} 0.0' in exposed  # there is no lineage page
    assert exposed.count("housing_exporter_reads{") == exposed.count("} 1.0\n", 0, exposed.index("housing_runs")) + 1

    (tmp_path / "key").write_text(KEY)
    jobs: dict[str, dict[str, Any]] = {
        "housing": {
            "authorization": {"credentials_file": str(tmp_path / "key")},
            "static_configs": [{"targets": [f"127.0.0.1:{service.port}"]}],
        },
        "dagster": {"static_configs": [{"targets": [f"127.0.0.1:{exporter}"]}]},
    }
    with service.client() as client:
        client.post("/predict", json={"district": "kadikoy", "GrossSquareMeters": "120 m2"}).raise_for_status()
        until = "sum(rate(housing_requests_total[5m])) and on () delta(housing_runs[1d])"
        with scraping(tmp_path, jobs, RULES, until) as prometheus:
            client.post("/predict", json={"district": "kadikoy", "GrossSquareMeters": "120 m2"}).raise_for_status()
            deadline = time.monotonic() + 30
            while not prometheus.value("sum(rate(housing_predictions_total[5m]))"):
                assert time.monotonic() < deadline
                time.sleep(0.5)
            time.sleep(3)  # until the rules were computed of that
            executed, empty = 0, set()
            for file in DASHBOARDS:
                for title, query in queries(json.loads(file.read_text()), JOBS[file.stem]):
                    executed += 1
                    if not prometheus.query(query) and not any(name in query for name in WITHOUT_SERIES):
                        empty.add(f"{file.stem}: {title}: {query}")
            print(f"\n{executed} queries of {len(DASHBOARDS)} dashboards executed")
            assert not empty
            assert {rule["health"] for rule in prometheus.rules()} == {"ok"}
            champion = prometheus.value("housing_champion_version")
            assert champion == 1
            assert prometheus.value('housing_check_passed{check="psi_within_limit"}') == 1
            assert prometheus.value("housing_labelled_accuracy") == pytest.approx(0.84)
