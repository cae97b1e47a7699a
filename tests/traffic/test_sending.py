"""What goes over the wire, against a server that keeps it."""

import asyncio
import time
from datetime import UTC, date, datetime

import numpy as np
import pandas as pd
import pytest

from housing_assets.markets.istanbul import MARKET as ISTANBUL
from housing_assets.traffic.rows import sample_rows
from housing_assets.traffic.sending import Plan, Tally, send
from tests.other_markets import BOTH_KINDS, drawn_sales
from tests.traffic.recorder import Recorder, recording
from tests.traffic.shops import MARKET as SHOPS

pytestmark = pytest.mark.acceptance

DAY = date(2026, 3, 1)


def sent(recorder: Recorder, rows: pd.DataFrame, plan: Plan) -> Tally:
    market = SHOPS if "grade" in rows else ISTANBUL
    return asyncio.run(send(recorder.url, "secret", market, rows, plan))


def shops(rows: int) -> pd.DataFrame:
    return pd.DataFrame({"town": "Ede", "area": [100.5] * rows, "rooms": "3+1", "grade": ["A", "B"] * (rows // 2)})


def test_the_target_is_not_sent_but_fed_back_under_the_id_of_its_answer() -> None:
    with recording() as recorder:
        tally = sent(recorder, shops(20), Plan(rate=1000, label_share=1, connections=1))

    assert recorder.bodies("/predict") == [{"town": "Ede", "area": 100.5, "rooms": "3+1"}] * 20
    told = {(body["prediction_id"], body["price_category"]) for body in recorder.bodies("/feedback")}
    assert told == {(str(number + 1), "AB"[number % 2]) for number in range(20)}
    assert all(headers["authorization"] == "Bearer secret" for _, _, headers in recorder.received)
    assert tally.describe().endswith("20 by production 1; 20 labels fed back")


def test_a_market_with_prices_is_told_prices() -> None:
    rows = sample_rows(ISTANBUL, 60, seed=1, as_of=DAY)
    with recording() as recorder:
        sent(recorder, rows, Plan(rate=1000, label_share=0.5, seed=3))

    feedback = recorder.bodies("/feedback")
    assert 15 < len(feedback) < 45
    assert all(set(body) == {"prediction_id", "price"} for body in feedback)
    assert {body["price"] for body in feedback} <= set(rows["price"])
    assert not any("price" in body for body in recorder.bodies("/predict"))


def test_a_market_with_prices_of_both_kinds_is_told_which_each_is() -> None:
    rows = drawn_sales(BOTH_KINDS, 4).assign(offer=["asking", "paid"] * 2)
    with recording() as recorder:
        asyncio.run(send(recorder.url, "secret", BOTH_KINDS, rows, Plan(rate=1000, label_share=1)))

    told = {body["price"]: body["price_kind"] for body in recorder.bodies("/feedback")}
    assert told == dict(zip(rows["price"], rows["offer"], strict=True))
    assert sorted(body["offer"] for body in recorder.bodies("/predict")) == ["asking", "asking", "paid", "paid"]


def test_what_says_nothing_is_not_sent_and_what_is_no_json_is_sent_as_text() -> None:
    cells = {"town": pd.Timestamp(2026, 3, 1), "area": np.int64(3), "rooms": float("nan"), "grade": np.nan}
    with recording() as recorder:
        rows = pd.DataFrame([cells, cells | {"town": "", "area": None}], dtype=object)
        sent(recorder, rows, Plan(rate=1000, label_share=1))

    assert sorted(map(str, recorder.bodies("/predict"))) == ["{'town': '2026-03-01 00:00:00', 'area': 3}", "{}"]
    assert recorder.bodies("/feedback") == []


def test_a_replayed_day_is_dated_over_that_day() -> None:
    with recording() as recorder:
        sent(recorder, shops(4), Plan(rate=1000, day=DAY, connections=1, label_share=1))

    dated = [datetime.fromisoformat(headers["housing-as-of"]) for headers in recorder.headers("/predict")]
    assert dated == [datetime(2026, 3, 1, hour, tzinfo=UTC) for hour in (0, 6, 12, 18)]
    assert all("housing-as-of" in headers for headers in recorder.headers("/feedback"))


def test_live_traffic_is_not_dated() -> None:
    with recording() as recorder:
        sent(recorder, shops(2), Plan())
    assert not any("housing-as-of" in headers for _, _, headers in recorder.received)


def test_feedback_waits_for_its_delay() -> None:
    began = time.monotonic()
    with recording() as recorder:
        sent(recorder, shops(2), Plan(label_share=1, label_delay=0.5))
    assert time.monotonic() - began > 0.5
    assert len(recorder.bodies("/feedback")) == 2


def test_the_rate_is_kept() -> None:
    began = time.monotonic()
    with recording() as recorder:
        sent(recorder, shops(20), Plan(rate=20))
    assert time.monotonic() - began > 0.9


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (422, "0 answered; 4 refused; 0 failed"),
        (401, "0 answered; 4 refused"),
        (503, "0 answered; 0 refused; 4 failed"),
    ],
)
def test_requests_without_an_answer_are_told_apart(status: int, outcome: str) -> None:
    with recording(predict_status=status) as recorder:
        tally = sent(recorder, shops(4), Plan(rate=1000, label_share=1))
    assert tally.describe().startswith(outcome)
    assert recorder.bodies("/feedback") == []
