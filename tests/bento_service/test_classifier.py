"""One listing, two versions: who answers, who predicts in the shadow, and what is recorded of each."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from bento_service.answers import Tier
from bento_service.classifier import Classifier
from bento_service.metrics import Metrics
from bento_service.models.snapshot import ServedModel, Snapshot
from bento_service.records.predictions import PredictionLog
from bento_service.split import TrafficSplit
from housing_assets.inference.artifact import ModelArtifact
from tests.bento_service.versions import of_fewer_trees

HOME = {"district": "kadikoy", "GrossSquareMeters": "120 m2", "NumberOfRooms": "3+1"}


@dataclass
class TwoVersions:
    snapshot: Snapshot


class Failing:
    """A model that fails, as one that does not fit the code may."""

    def predict_one(self, cells: Any) -> Any:
        raise RuntimeError("failed on purpose")


class Kept(list[bytes]):
    """A journal in memory."""

    def append(self, lines: Sequence[bytes]) -> None:  # type: ignore[override]
        self.extend(lines)


Predict = Callable[..., tuple[dict[str, Any], list[dict[str, Any]]]]


@pytest.fixture
def predict(artifact: ModelArtifact) -> Predict:
    """Give what answers a listing with a champion and a challenger, and returns the answer and its records."""

    def answer(split: TrafficSplit, challenger: Any = None) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        second = challenger or of_fewer_trees(artifact, 8)
        models = TwoVersions(
            Snapshot(ServedModel("1", Tier.PRODUCTION, artifact), ServedModel("2", Tier.STAGING, second))
        )
        journal = Kept()
        service = Classifier(models, journal, Metrics(), split, PredictionLog(0, personal=False), max_batch=10)
        answered = service.predict(HOME, None, "http")
        service.shadows.stop(20)
        return answered, [json.loads(line) for line in journal]

    return answer


def test_a_challenger_that_nobody_sends_traffic_to_is_not_asked(predict: Predict) -> None:
    answer, records = predict(TrafficSplit(0.0))

    assert (answer["model_version"], answer["tier"]) == ("1", "production")
    assert [record["role"] for record in records] == ["answer"]


def test_the_challenger_answers_its_share(predict: Predict) -> None:
    answer, records = predict(TrafficSplit(1.0))

    assert (answer["model_version"], answer["tier"]) == ("2", "staging")
    assert [(record["role"], record["model_version"]) for record in records] == [("answer", "2")]


def test_in_the_shadow_the_champion_answers_and_both_are_recorded(predict: Predict) -> None:
    answer, records = predict(TrafficSplit(0.0, shadow=True))

    assert answer["model_version"] == "1"
    assert [(record["role"], record["model_version"]) for record in records] == [("answer", "1"), ("shadow", "2")]
    assert {record["prediction_id"] for record in records} == {answer["prediction_id"]}
    assert records[0]["probabilities"] != records[1]["probabilities"]


def test_a_challenger_that_fails_in_the_shadow_fails_no_request(predict: Predict) -> None:
    answer, records = predict(TrafficSplit(0.0, shadow=True), Failing())

    assert answer["model_version"] == "1"
    assert [record["role"] for record in records] == ["answer"]
