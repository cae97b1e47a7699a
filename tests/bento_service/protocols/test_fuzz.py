"""Thousands of generated requests, by the service's own description: none may fail, none may be answered off it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bento_service.hand_built import model_of, save
from tests.bento_service.serving import KEY, Service, serving
from tests.other_markets import THREE_GRADES

EXAMPLES = os.environ.get("HOUSING_FUZZ_EXAMPLES", "25")
"""For each path, in each of several ways: 25 are about two hundred requests; ``make fuzz`` sends more."""


def require_answers_as_described(service: Service, folder: Path) -> None:
    report = folder / "report.json"
    run = subprocess.run(
        [
            *(str(Path(sys.executable).parent / "schemathesis"), "run", f"{service.url}/docs.json"),
            *("--max-examples", EXAMPLES, "--seed", "1", "--continue-on-failure", "--no-shrink"),
            # A text that the schema allows may still be no area; the table in test_http.py has those.
            *("--exclude-checks", "positive_data_acceptance"),
            *("--header", f"Authorization: Bearer {KEY}"),
            *("--report", "json", "--report-json-path", str(report)),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout[-6000:]
    generated = json.loads(report.read_text())["test_cases"]["generated"]
    print(f"{generated:,} requests were answered as described")
    assert generated > 3 * int(EXAMPLES)


@pytest.mark.trial
@pytest.mark.acceptance  # make fuzz runs both
def test_generated_requests_are_answered_as_described(service: Service, tmp_path: Path) -> None:
    require_answers_as_described(service, tmp_path)


@pytest.mark.trial
@pytest.mark.acceptance
def test_generated_requests_of_a_market_of_classes_are_answered_as_described(tmp_path: Path) -> None:
    settings = {"HOUSING_MODEL_FOLDER": str(save(model_of(THREE_GRADES), tmp_path / "model"))}
    with serving(tmp_path / "service", settings) as service:
        require_answers_as_described(service, tmp_path)
