"""The service as a real process on a free port, in front of a real model artifact."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from housing_assets.listings.sample import synthetic_listings
from housing_assets.packaging.artifact import ModelArtifact

ROOT = Path(__file__).parents[2]
START_SECONDS = 60


@pytest.fixture(scope="module")
def raw() -> pd.DataFrame:
    return synthetic_listings(1_500, seed=3)


@pytest.fixture(scope="module")
def url(saved: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {
        **os.environ,
        "HOUSING_MODEL_FOLDER": str(saved),
        "BENTOML_HOME": str(tmp_path_factory.mktemp("bentoml")),
        "BENTOML_DO_NOT_TRACK": "True",
    }
    command = ["serve", "bento_service.service:HousingPriceClassifier", "--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen([Path(sys.executable).parent / "bentoml", *command], cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_ready(f"http://127.0.0.1:{port}"):
            assert process.poll() is None, "the service ended"
            assert time.monotonic() < deadline, "the service was not ready in time"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)


def is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=2) as answer:
            return answer.status == 200
    except OSError:
        return False


def post(url: str, listing: dict[str, Any]) -> tuple[int, Any]:
    body = json.dumps({"listing": listing}).encode()
    request = urllib.request.Request(f"{url}/predict", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as refused:
        return refused.code, json.load(refused)


def test_the_service_answers_as_the_artifact_predicts_in_a_batch(
    url: str, raw: pd.DataFrame, artifact: ModelArtifact
) -> None:
    expected = artifact.predict(raw)
    usable = expected.index[expected["reason"].isna()][:20]
    for row in usable:
        cells = {name: cell for name, cell in raw.loc[row].items() if isinstance(cell, str)}
        status, answer = post(url, cells)
        assert status == 200
        assert answer["price_category"] == expected.loc[row, "price_category"]
        assert answer["probability_high"] == expected.loc[row, "probability_high"]


def test_a_listing_that_cannot_be_used_is_answered_with_422_and_the_reason(url: str) -> None:
    status, answer = post(url, {"district": "kadikoy", "GrossSquareMeters": "-110 m2"})

    assert status == 422
    assert "GrossSquareMeters" in json.dumps(answer)


def test_the_service_predicts_where_the_training_stack_cannot_be_imported(saved: Path) -> None:
    program = f"""
import sys
for name in ("pandas", "sklearn", "dagster", "mlflow", "imblearn", "scipy"):
    sys.modules[name] = None
from pathlib import Path
import bento_service.service
from housing_assets.packaging.artifact import ModelArtifact
model = ModelArtifact.load(Path({str(saved)!r}))
print(model.predict_one({{"district": "kadikoy", "GrossSquareMeters": 110}}).sum())
"""
    ended = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)

    assert float(ended.stdout) == pytest.approx(1.0)
