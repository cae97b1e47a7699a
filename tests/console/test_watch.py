"""What the console knows: all of it once, then what is new, and the last of it while something cannot be read."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import dagster as dg
import orjson
import pytest
from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

from housing_assets.console import watch as watching
from housing_assets.console.check_history import CheckHistory
from housing_assets.console.days import LONGEST, Outcome
from housing_assets.console.reports import MADE_ANEW
from housing_assets.console.service_health import ServiceProbe
from housing_assets.console.sources import Platform, check_keys, reports_of
from housing_assets.console.versions import Registered
from housing_assets.console.watch import Watch
from resources.mlflow.registry import ModelRegistry
from resources.settings import Settings
from resources.values.ancestry import Provenance, StoredValue
from resources.values.disk import DiskValues
from resources.values.opening import open_value_store
from resources.verdicts import Verdict
from tests.console.history import DRIFTED, PASSED, Past, copy_past, make_past, remove_reports


@pytest.fixture(scope="module")
def week(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Past]:
    made = make_past(tmp_path_factory.mktemp("week"), 7)
    yield made
    made.instance.dispose()


@pytest.fixture
def own(week: Past, tmp_path: Path) -> Iterator[Past]:
    """Give a past of a week that a test may change."""
    made = copy_past(week, tmp_path)
    yield made
    made.instance.dispose()


def judged(past: Past, day: str, *, passed: bool) -> None:
    verdict = Verdict(day, "drift_report/x/run", 1, True, False, "said anew", True, value=0.3, threshold=0.25)
    past.instance.report_runless_asset_event(
        dg.AssetCheckEvaluation(
            asset_key=dg.AssetKey("drift_report"),
            check_name="psi_within_limit",
            passed=passed,
            metadata=verdict.to_metadata(),
        )
    )


def test_what_is_judged_meanwhile_is_seen_at_the_next_look(own: Past) -> None:
    watch, day = own.watch(), own.newest(PASSED)
    watch.refresh()
    before = watch.view.day(day)
    assert before is not None
    assert before.outcome is Outcome.PASSED

    judged(own, str(day), passed=False)
    watch.refresh()

    after = watch.view.day(day)
    assert after is not None
    assert (after.outcome, after.reason) == (Outcome.DRIFTED, "said anew")
    assert len(after.judgements) == len(before.judgements)
    assert not watch.view.troubles


def test_only_what_is_new_is_read_again(own: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    history = CheckHistory(own.instance, check_keys(()), LONGEST)
    first = history.read(datetime.now(UTC))
    assert len(first) == 13 * len(own.kinds)
    asked: list[int] = []
    storage = type(own.instance.event_log_storage)
    read = storage.get_asset_check_execution_history

    def counted(self: object, *key: object, limit: int, **more: object) -> object:
        asked.append(limit)
        return read(self, *key, limit=limit, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(storage, "get_asset_check_execution_history", counted)
    assert len(history.read(datetime.now(UTC))) == len(first)
    assert set(asked) == {10}  # what was stored while it was read
    asked.clear()
    assert len(history.read(datetime.now(UTC))) == len(first)
    assert not asked  # no event was stored

    judged(own, str(own.newest(PASSED)), passed=True)
    assert len(history.read(datetime.now(UTC))) == len(first) + 1
    assert asked
    assert max(asked) == 10


def test_evaluations_that_are_too_old_are_forgotten(own: Past) -> None:
    history = CheckHistory(own.instance, check_keys(()), timedelta(days=3))
    kept = history.read(datetime.now(UTC))
    assert {one.window for one in kept} <= {str(day) for day in sorted(own.kinds)[-4:]}
    judged(own, str(own.newest(PASSED)), passed=True)
    assert len(history.read(datetime.now(UTC))) == len(kept) + 1
    judged(own, str(own.newest(PASSED)), passed=True)
    assert not history.read(datetime.now(UTC) + timedelta(days=30))


def test_a_report_is_read_once_and_again_when_it_was_made_anew(own: Past) -> None:
    reports = reports_of(own.settings)
    first, again = reports.read().by_day, reports.read().by_day
    assert first == again
    day = own.newest(PASSED)
    assert again[day].drift is first[day].drift
    drift = first[own.newest(DRIFTED)].drift
    assert drift is not None
    assert drift.worst is not None
    assert drift.worst.over
    assert drift.worst.column in ("district", "gross_m2")
    assert drift.predictions is not None
    assert not drift.predictions.over


def test_a_damaged_report_stands_as_it_was_and_hides_no_other(own: Past) -> None:
    watch, day, other = own.watch(), own.newest(DRIFTED), own.newest(PASSED)
    watch.refresh()
    damage(own, day)

    watch.refresh()

    (trouble,) = watch.view.troubles
    assert trouble.startswith(f"The drift_report of {day} cannot be read (JSONDecodeError): what is shown of it")
    assert trouble.endswith(f"Make the day's reports again with: housing judge {day}")
    seen = watch.view.day(day)
    assert seen is not None
    assert seen.figures.drift is not None

    afresh = own.watch()
    afresh.refresh()
    assert afresh.view.troubles == (trouble,)
    seen, sound = afresh.view.day(day), afresh.view.day(other)
    assert seen is not None
    assert sound is not None
    assert seen.figures.drift is None
    assert seen.figures.performance is not None
    assert sound.figures.drift is not None

    remove_reports(own)
    watch.refresh()
    assert not watch.view.troubles
    seen = watch.view.day(day)
    assert seen is not None
    assert seen.figures.drift is None
    assert seen.outcome is Outcome.DRIFTED  # as its checks said


def test_a_damaged_report_is_read_once_and_again_when_it_was_made_anew(
    own: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in own.kinds:
        damage(own, day)
    read: list[str] = []
    opened = DiskValues.open
    monkeypatch.setattr(DiskValues, "open", lambda self, value: read.append(value.name) or opened(self, value))  # type: ignore[func-returns-value]
    reports = reports_of(own.settings)
    assert len(reports.read().unreadable) == len(own.kinds)
    assert len(read) == 3 * len(own.kinds)

    read.clear()
    assert len(reports.read().unreadable) == len(own.kinds)
    assert not read

    newest = max(own.kinds)
    other = next(day for day in own.kinds if day != newest)
    damage(own, newest, "{}")
    assert {(one.day, one.fault) for one in reports.read().unreadable if one.day in (newest, other)} == {
        (newest, "KeyError"),
        (other, "JSONDecodeError"),
    }
    assert read == [f"drift_report|{newest}"]


def test_old_days_are_asked_for_again_at_a_whole_look_alone_though_one_is_damaged(
    past: Past, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = copy_past(past, tmp_path)
    damage(own, min(own.kinds))
    asked: list[str] = []
    newest = DiskValues.newest

    def noting(values: DiskValues, name: str) -> StoredValue | None:
        if values.where(name).startswith(str(tmp_path)):  # and no look of a console that another test has left running
            asked.append(name)
        return newest(values, name)

    monkeypatch.setattr(DiskValues, "newest", noting)
    reports = reports_of(own.settings)
    reports.read()
    assert len(asked) == 3 * len(own.kinds)
    asked.clear()

    reports.read()

    assert len(asked) <= 3 * MADE_ANEW.days
    own.instance.dispose()


def test_reports_whose_place_is_away_are_known_as_they_were(own: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    watch, day = own.watch(), own.newest(DRIFTED)
    watch.refresh()

    def away(self: object, name: str) -> None:
        raise ConnectionError("nobody answers")

    monkeypatch.setattr(DiskValues, "newest", away)
    watch.refresh()

    (trouble,) = watch.view.troubles
    assert trouble.startswith("The stored reports cannot be read (ConnectionError): what is shown was known at ")
    seen = watch.view.day(day)
    assert seen is not None
    assert seen.figures.drift is not None


def damage(past: Past, day: date, text: str = "{") -> None:
    """Store a drift report that cannot be read."""
    store = open_value_store(past.settings.values_location)
    store.write(f"drift_report|{day}", Provenance(), lambda folder: write(folder / "drift_report.json", text))


def write(file: Path, text: str) -> None:
    file.write_text(text)


def test_a_registry_that_is_away_hides_nothing_else(own: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    away = Settings(storage=own.settings.storage, MLFLOW_TRACKING_URI="http://127.0.0.1:9")
    watch = replace(own, settings=away).watch()
    watch.refresh()

    (trouble,) = watch.view.troubles
    assert trouble.startswith("MLflow's registry cannot be read (")
    assert trouble.endswith("nothing of it is shown.")
    assert watch.view.days
    assert watch.view.decisions
    told = own.pages().overview(watch.view)
    assert "Not up to date." in told
    assert "No version is in production." in told


def test_a_version_whose_run_was_removed_is_shown_without_its_metrics(own: Past) -> None:
    registry = ModelRegistry(tracking_uri=own.settings.mlflow_uri)
    removed, kept = registry.numbered(1), registry.numbered(2)
    registry.client().delete_run(removed.run_id)
    rows = SqlAlchemyStore(own.settings.mlflow_uri, str(own.settings.storage))
    rows._hard_delete_run(removed.run_id)  # as mlflow gc does, which would also delete files that other tests share
    watch = own.watch()

    watch.refresh()

    assert not watch.view.troubles
    assert [one.version.number for one in watch.view.versions] == [2, 1]
    assert [one.run_removed for one in watch.view.versions] == [False, True]
    told = own.pages().versions(watch.view)
    assert told.count("Its training run was removed from MLflow, and its metrics with it.") == 1
    assert removed.run_id not in told
    assert kept.run_id in told
    assert "/versions/1/card" not in told
    assert watch.card_page(1) is None


def test_a_source_that_hangs_keeps_no_other_from_being_up_to_date(own: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "START_SECONDS", 0.0)
    answers = threading.Event()
    platform = Platform(own.settings, own.instance, "http://127.0.0.1:9")
    versions = platform.versions

    def late() -> Sequence[Registered]:
        answers.wait(60)
        return versions()

    monkeypatch.setattr(platform, "versions", late)
    watch = Watch(platform, seconds=0.5)
    try:
        watch.start()
        wait_until(lambda: watch.view.troubles == ("MLflow's registry does not answer: nothing of it is shown.",))
        day = own.newest(PASSED)
        judged(own, str(day), passed=False)
        wait_until(lambda: (seen := watch.view.day(day)) is not None and seen.outcome is Outcome.DRIFTED)
        answers.set()
        wait_until(lambda: not watch.view.troubles)
        assert len(watch.view.versions) == 2
    finally:
        answers.set()
        watch.stop()


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


HEALTHY = {
    "status": "healthy",
    "golden_rows": "as evaluated",
    "models": {"reasons": [], "champion": {"version": "3", "tier": "production", "since": ""}},
    "prediction_store": {"last_error": None},
}


CASES: list[tuple[int, object, str, str]] = [
    (200, HEALTHY, "healthy", "Model, registry and prediction store answer."),
    (
        503,
        {**HEALTHY, "status": "failing", "golden_rows": "row 1 differs"},
        "failing",
        "The model does not answer as it was evaluated: row 1 differs.",
    ),
    (
        200,
        {**HEALTHY, "status": "degraded", "prediction_store": {"last_error": "locked"}},
        "degraded",
        "The prediction store cannot be written to: locked.",
    ),
    (401, {}, "unknown", "HOUSING_CONSOLE_SERVICE_KEY"),
    (200, {"hello": "world"}, "unknown", "it is not the service of this platform"),
    (200, {**HEALTHY, "status": "splendid"}, "unknown", "it is not the service of this platform"),
    (200, [], "unknown", "it is not the service of this platform"),
]


def test_the_service_is_told_of_as_it_tells_itself() -> None:
    replies = iter(CASES)
    keys: list[str | None] = []

    class Answers(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body, *_ = next(replies)
            keys.append(self.headers["authorization"])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(orjson.dumps(body))

        def log_message(self, *_: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Answers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        probe = ServiceProbe(f"http://127.0.0.1:{server.server_port}", "a-key")
        found = [probe.ask() for _ in CASES]
        server.shutdown()
        thread.join()
    for health, (_, _, status, detail) in zip(found, CASES, strict=True):
        assert health.status == status
        assert detail in health.detail
    assert set(keys) == {"Bearer a-key"}
    assert "does not answer" in probe.ask().detail
