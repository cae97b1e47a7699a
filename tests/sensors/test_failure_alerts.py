"""Every alert is delivered, once, to a real webhook on a free port that fails as told."""

import json
import logging
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import dagster as dg
import pytest

from resources.alerts import Alert, AlertLog, NotDelivered, Webhook
from resources.decision_log import Decision, DecisionLogs, Log
from sensors.failure_alerts import alert_sensor
from tests.sensors.loop import Loop
from tests.sensors.tiny_assets import ASSETS, CHECKS, MARKET, PREDICTIONS, PSI, price_forest

FAILED = {"passed": False}


class Chat:
    """A webhook: it answers with the next of its statuses, with 200 after them, and keeps what it took."""

    def __init__(self) -> None:
        self.statuses: list[int] = []
        self.refuses = ""
        self.taken: list[str] = []
        self.asked = 0
        chat = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                text = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["text"]
                chat.asked += 1
                status = chat.statuses.pop(0) if chat.statuses else 200
                if chat.refuses and chat.refuses in text:
                    status = 400
                if status == 200:
                    chat.taken.append(text)
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/services/T0/B0/secret"
        Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def chat() -> Iterator[Chat]:
    made = Chat()
    yield made
    made.close()


class Teller:
    """The sensor with its cursor, as the daemon keeps it."""

    def __init__(self, loop: Loop, webhook: str | None) -> None:
        self.loop = loop
        self.ahead = 10.0
        self.log = AlertLog(loop.folder / "told" / "alerts.log")
        self.sensor = alert_sensor(
            checks=CHECKS,
            log=self.log,
            webhook=Webhook(webhook, patience=4) if webhook else None,
            market=MARKET,
            clock=self.clock,
        )
        self.repository = dg.Definitions(ASSETS, sensors=[self.sensor]).get_repository_def()
        self.cursor: str | None = None

    def clock(self) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=self.ahead)

    def tick(self) -> str:
        context = dg.build_sensor_context(
            instance=self.loop.instance, cursor=self.cursor, repository_def=self.repository
        )
        result = self.sensor(context)
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return str(result.skip_reason)

    def lines(self) -> list[dict[str, str]]:
        return [json.loads(line) for line in self.log.path.read_text().splitlines()] if self.log.path.exists() else []


def fail_a_run(loop: Loop) -> str:
    loop.training(fails=True)
    return dg.materialize([price_forest], instance=loop.instance, raise_on_error=False).run_id


def test_a_failed_run_and_a_report_with_two_failed_checks_are_told_of_once_each(loop: Loop, chat: Chat) -> None:
    teller = Teller(loop, chat.url)
    teller.tick()
    run_id = fail_a_run(loop)
    loop.judge("2026-03-01", **{PSI: FAILED, PREDICTIONS: {**FAILED, "counts_toward_retraining": False}})
    loop.judge("2026-03-02", **{PSI: {"passed": True}})

    for _ in range(3):
        teller.tick()

    run, report = sorted(chat.taken, key=lambda text: "drift_report" in text)
    assert run == f"tiny: run {run_id} failed in price_forest (RuntimeError)."
    assert report.splitlines() == [
        "tiny: drift_report of 2026-03-01: 2 failed",
        "prediction_drift_within_limit: prediction_drift_within_limit says so",
        "psi_within_limit (counts toward retraining): psi_within_limit says so",
    ]
    assert [line["outcome"] for line in teller.lines()] == ["delivered", "delivered"]


def test_a_report_that_is_made_again_is_not_told_of_again(loop: Loop, chat: Chat) -> None:
    teller = Teller(loop, chat.url)
    for _ in range(2):
        loop.judge("2026-03-01", **{PSI: FAILED})
        teller.tick()

    assert len(chat.taken) == 1


def test_a_decision_that_needs_a_person_is_told_of(loop: Loop, chat: Chat) -> None:
    for needs_person in (True, False):
        decision = Decision("weekly cap", "Three were launched & none <helped>.", needs_person=needs_person)
        loop.instance.report_runless_asset_event(DecisionLogs().event(Log.RETRAINING, decision))
    Teller(loop, chat.url).tick()

    assert chat.taken == ["tiny: retraining_decisions: weekly cap. Three were launched &amp; none &lt;helped&gt;."]


def test_what_fails_for_a_moment_is_delivered_in_the_same_tick(loop: Loop, chat: Chat) -> None:
    chat.statuses = [503, 429]
    fail_a_run(loop)
    Teller(loop, chat.url).tick()

    assert len(chat.taken) == 1
    assert chat.asked == 3


def test_a_webhook_that_is_down_loses_nothing_and_does_not_hold_up_the_daemon(loop: Loop, chat: Chat) -> None:
    chat.statuses = [500] * 9
    teller = Teller(loop, chat.url)
    fail_a_run(loop)
    fail_a_run(loop)

    began = time.monotonic()
    told = teller.tick()
    assert time.monotonic() - began < 3
    assert "0 alerts delivered, 2 waiting: answered 500" in told
    assert chat.asked == 3, "the second alert is not tried on a webhook that is down"
    teller.tick()
    assert chat.asked == 3, "and neither is tried again at once"
    teller.ahead += 70
    teller.tick()
    assert chat.asked == 6
    teller.ahead += 3 * 3600
    teller.tick()
    assert chat.asked == 9
    fail_a_run(loop)
    teller.ahead += 24 * 3600 * 3  # a weekend
    teller.tick()

    assert len(chat.taken) == 3
    assert len(set(chat.taken)) == 3
    outcomes = [line["outcome"] for line in teller.lines()]
    assert outcomes == ["waits: the webhook answered 500"] * 2 + ["delivered"] * 3


def test_an_alert_that_the_webhook_refuses_does_not_hold_up_the_others(loop: Loop, chat: Chat) -> None:
    teller = Teller(loop, chat.url)
    chat.refuses = fail_a_run(loop)
    fail_a_run(loop)
    teller.tick()
    assert len(chat.taken) == 1

    chat.refuses = ""
    teller.tick()
    assert len(chat.taken) == 2


def test_an_alert_that_is_refused_for_a_day_is_given_up_and_stays_in_the_log(loop: Loop, chat: Chat) -> None:
    teller = Teller(loop, chat.url)
    chat.refuses = fail_a_run(loop)
    teller.tick()
    teller.ahead += 25 * 3600
    teller.tick()
    chat.refuses = ""
    teller.tick()

    assert chat.taken == []
    waited, given_up = [line["outcome"] for line in teller.lines()]
    assert (waited, given_up) == ("waits: the webhook answered 400", "given up: the webhook answered 400")


def test_what_is_found_of_a_replaced_version_is_not_told_of(loop: Loop, chat: Chat) -> None:
    loop.judge("2026-03-01", **{PSI: {**FAILED, "in_production": False}})
    Teller(loop, chat.url).tick()

    assert chat.taken == []


@pytest.mark.parametrize("cursor", [None, "{", '{"schema_version": 9, "since": 0}'])
def test_a_lost_cursor_repeats_nothing_that_the_local_log_knows(loop: Loop, chat: Chat, cursor: str | None) -> None:
    teller = Teller(loop, chat.url)
    fail_a_run(loop)
    teller.tick()
    with teller.log.path.open("a") as log:
        log.write('\n{"key": "run:cut o')  # a crash in the middle of a line
    fail_a_run(loop)
    teller.cursor = cursor
    teller.tick()
    teller.cursor = cursor
    teller.tick()

    assert len(chat.taken) == 2


def test_a_log_that_cannot_be_written_does_not_make_the_webhook_repeat_itself(loop: Loop, chat: Chat) -> None:
    fail_a_run(loop)
    teller = Teller(loop, chat.url)
    teller.log.path.parent.mkdir()
    teller.log.path.symlink_to(loop.folder / "nowhere" / "alerts.log")
    teller.tick()
    teller.tick()
    assert len(chat.taken) == 1

    alone = Teller(loop, None)
    with pytest.raises(FileNotFoundError):
        alone.tick()


def test_without_a_webhook_the_local_log_has_every_alert_once(loop: Loop) -> None:
    teller = Teller(loop, None)
    fail_a_run(loop)
    teller.tick()
    teller.cursor = None
    teller.tick()

    assert [line["outcome"] for line in teller.lines()] == ["logged"]


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/services/secret", "no url", "ftp://secret", "http://[secret"])
def test_the_address_of_the_webhook_is_never_written(loop: Loop, url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    teller = Teller(loop, url)
    fail_a_run(loop)
    told = teller.tick()
    assert "1 waiting" in told

    written = told + teller.log.path.read_text() + caplog.text + repr(Webhook(url))
    assert "secret" not in written
    assert url not in written


def test_a_webhook_that_never_answers_is_given_up_in_time(tmp_path: Path) -> None:
    import socket

    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        webhook = Webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/", patience=2)
        began = time.monotonic()
        with pytest.raises(NotDelivered, match="ReadTimeout"):
            webhook.deliver(Alert("k", "run", "text", 0))
        assert time.monotonic() - began < 4
