"""A market whose rows have classes and no price, from raw rows to the retraining that its labelled rows call for."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pytest
from sklearn.datasets import load_digits

from housing_assets.listings.origins import ORIGIN, PRODUCTION, SOURCE
from sensors.training_runs import TRIGGER
from tests.acceptance.platform import Judged, Platform, Served, days_ago, failed, why, write_rows
from tests.bento_service.serving import AUTHORIZED
from tests.markets.digits import DIGITS, INK, PIXELS

pytestmark = pytest.mark.acceptance

DECLARATION = Path(__file__).parents[1] / "markets" / "digits.py"
TRAINING_ROWS, A_DAY = 1_000, 300

ORDINARY, DRIFTED = days_ago(2), days_ago(1)


@pytest.fixture(scope="module")
def digits() -> pd.DataFrame:
    """Give all images, in an order by chance: those of one writer stand together in the data set."""
    shipped = load_digits()
    rows = pd.DataFrame(shipped.data.astype(int), columns=list(PIXELS)).assign(digit=shipped.target.astype(str))
    return rows.sample(frac=1, random_state=0, ignore_index=True)


def inverted(rows: pd.DataFrame) -> pd.DataFrame:
    """Return white digits on black paper."""
    return rows.assign(**{name: INK - rows[name] for name in PIXELS})


@pytest.fixture(scope="module")
def platform(digits: pd.DataFrame, instance: dg.DagsterInstance, tmp_path_factory: pytest.TempPathFactory) -> Platform:
    storage = tmp_path_factory.mktemp("digits")
    source = write_rows(digits[:TRAINING_ROWS], storage / "digits.csv")
    return Platform(str(DECLARATION), source, storage, instance)


@pytest.fixture(scope="module")
def trained(platform: Platform) -> dg.ExecuteInProcessResult:
    result = platform.train(without=("price_bento",))
    assert result.success, why(result)
    return result


@pytest.fixture(scope="module")
def served(platform: Platform, trained: dg.ExecuteInProcessResult) -> Iterator[Served]:
    with platform.served() as served:
        yield served


@pytest.fixture(scope="module")
def judged(platform: Platform, served: Served, digits: pd.DataFrame) -> Mapping[str, dict[str, Judged]]:
    """Give the checks of two days that were served: an ordinary one, and one of inverted images."""
    day = digits[TRAINING_ROWS : TRAINING_ROWS + A_DAY]
    ordinary = write_rows(day, platform.storage / "ordinary.csv")
    drifted = write_rows(inverted(day), platform.storage / "inverted.csv")
    tally = served.day(ordinary, ORDINARY, A_DAY, seed=1, label_share=1)
    assert tally.feedback == {202: A_DAY}
    first = platform.judge(ORDINARY)
    assert platform.decide()[0].outcome == "nothing found"
    served.day(drifted, DRIFTED, A_DAY, seed=2, label_share=1)
    return {"ordinary": first, "drifted": platform.judge(DRIFTED)}


def test_each_digit_has_a_probability_over_http_and_grpc(served: Served, digits: pd.DataFrame) -> None:
    images = digits[TRAINING_ROWS + A_DAY :][:50]
    answers = [served.predict(image) for image in json.loads(images[list(PIXELS)].to_json(orient="records"))]
    right = [answer["price_category"] == digit for answer, digit in zip(answers, images["digit"], strict=True)]
    feedback = {"prediction_id": answers[0]["prediction_id"], "price_category": "ten"}
    refused = served.http.post("/feedback", json=feedback, headers=AUTHORIZED)
    assert np.mean(right) > 0.8
    assert {answer["band"] for answer in answers} == {None}
    assert refused.status_code == 422
    assert ", ".join(DIGITS) in refused.json()["errors"][0]["message"]


@pytest.mark.trial
def test_an_ordinary_day_passes_all_checks(judged: Mapping[str, dict[str, Judged]]) -> None:
    assert failed(judged["ordinary"]) == {}
    assert len(judged["ordinary"]) == 13


@pytest.mark.trial
def test_inverted_images_fail_the_checks_and_the_labelled_ones_are_learned_from(
    platform: Platform, judged: Mapping[str, dict[str, Judged]], digits: pd.DataFrame
) -> None:
    found = failed(judged["drifted"])
    assert {"psi_within_limit", "features_valid", "performance_held"} <= set(found)
    assert set(judged["drifted"]["psi_within_limit"].verdict.columns) <= set(PIXELS)

    decision, request = platform.decide()
    assert decision.outcome == "retrain", decision.reason
    assert request is not None
    assert request.tags[TRIGGER] == "failed_drift_checks"
    before = platform.production()

    retrained = platform.train(tags=request.tags)

    assert retrained.success, why(retrained)
    listings = retrained.asset_value(platform.key("listings"))
    assert listings[ORIGIN].value_counts()[[SOURCE, PRODUCTION]].to_list() == [TRAINING_ROWS, 2 * A_DAY]
    after = platform.production()
    assert (before.number, after.number) == (1, 2)
    unknown = inverted(digits[TRAINING_ROWS + A_DAY :])
    accuracy = [
        np.mean(platform.registry.predict(version, unknown)["price_category"] == unknown["digit"])
        for version in (before, after)
    ]
    assert accuracy[0] < 0.4 < 0.7 < accuracy[1]
    assert platform.decide()[0].outcome == "nothing found"
