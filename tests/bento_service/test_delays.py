"""No answer waits for what is done beside it: neither for a log that nobody reads, nor for a challenger."""

import json
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bento_service.answers import Tier
from bento_service.classifier import Classifier
from bento_service.metrics import Metrics
from bento_service.models.snapshot import ServedModel, Snapshot
from bento_service.records import shadows
from bento_service.records.predictions import PredictionLog
from bento_service.split import TrafficSplit
from housing_assets.inference.artifact import ModelArtifact
from tests.bento_service.serving import serving

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "HeatingType": "Kombi Doğalgaz"}


@pytest.mark.trial
def test_a_log_that_nobody_reads_delays_no_answer_and_has_what_was_predicted(saved: Path, tmp_path: Path) -> None:
    pipe = tmp_path / "service.log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    slowest = 0.0
    try:
        with (
            serving(tmp_path, {"HOUSING_MODEL_FOLDER": str(saved), "HOUSING_LOG_SHARE": "1"}) as service,
            service.client() as http,
        ):
            for _ in range(1_000):  # about ten times what a pipe holds
                started = time.perf_counter()
                assert http.post("/predict", json=HOME).status_code == 200
                slowest = max(slowest, time.perf_counter() - started)
            said = os.read(reader, 1 << 20)
            assert service.stop() == 0
    finally:
        os.close(reader)
    assert slowest < 1
    assert said.count(b'"prediction_id"') > 20


@dataclass
class Halting:
    """A challenger that predicts only when it is let, as one that is far too slow may."""

    model: ModelArtifact
    may: threading.Event = field(default_factory=threading.Event)

    @property
    def market(self) -> Any:
        return self.model.market

    @property
    def labels(self) -> Any:
        return self.model.labels

    def predict_one(self, cells: Any) -> Any:
        assert self.may.wait(20)
        return self.model.predict_one(cells)


class Models:
    """A champion, and a challenger in its shadow."""

    def __init__(self, champion: Any, challenger: Any) -> None:
        self.snapshot = Snapshot(
            ServedModel("1", Tier.PRODUCTION, champion), ServedModel("2", Tier.STAGING, challenger)
        )


class Kept(list[bytes]):
    """A journal in memory."""

    def append(self, lines: Sequence[bytes]) -> None:  # type: ignore[override]
        self.extend(lines)


def test_a_challenger_that_is_slow_delays_no_answer_and_what_it_cannot_keep_up_with_is_left_out(
    artifact: ModelArtifact, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(shadows, "MOST_WAITING", 20)
    challenger, journal = Halting(artifact), Kept()
    models, split = Models(artifact, challenger), TrafficSplit(0.0, shadow=True)
    service = Classifier(models, journal, Metrics(), split, PredictionLog(0, personal=False), max_batch=10)

    started = time.perf_counter()
    ids = [service.predict(HOME, None, "http")["prediction_id"] for _ in range(100)]
    seconds = time.perf_counter() - started

    assert [json.loads(line)["role"] for line in journal] == ["answer"] * 100
    assert seconds < 2
    challenger.may.set()
    service.shadows.stop(20)
    shadowed = [record for record in map(json.loads, journal) if record["role"] == "shadow"]
    assert {record["model_version"] for record in shadowed} == {"2"}
    assert [record["prediction_id"] for record in shadowed[:20]] == ids[:20]
    assert len(shadowed) in (20, 21)  # one is in the challenger's hands
    assert "too many wait" in caplog.text
