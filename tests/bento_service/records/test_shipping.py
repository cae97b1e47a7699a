import logging
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import orjson
import pytest
from sqlalchemy import Engine, event, func, select, text

from bento_service.records.journal import Journal
from bento_service.records.shipping import Shipper
from resources.predictions.records import insert
from resources.predictions.tables import FEEDBACK, PREDICTIONS, migrate, open_store
from tests.databases import KINDS, new_database, new_sqlite, new_store, running_server
from tests.resources.prediction_records import feedback, prediction

pytestmark = pytest.mark.acceptance

WORKER = """if True:
    import logging, os, sys
    from pathlib import Path
    import orjson
    from bento_service.records.journal import Journal
    from bento_service.records.shipping import Shipper
    from tests.resources.prediction_records import prediction
    folder, url, count = sys.argv[1:]
    journal = Journal(Path(folder), max_bytes=1 << 30, segment_bytes=200_000)
    shipper = Shipper(journal, url, retention_days=10_000, interval=0.01)
    shipper.start()
    os.write(1, b"ready\\n")
    for _ in range(int(count)):
        records = [prediction(), prediction()]
        journal.append([orjson.dumps(record) for record in records])
        os.write(1, b"".join(record["prediction_id"].encode() + b"\\n" for record in records))
    os.write(1, b"done\\n")
    sys.stdin.read()
    sys.exit(0 if shipper.stop(30) else 1)
"""


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_store(request, tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "journal"


@pytest.fixture
def server_folder() -> Iterator[Path]:
    """Give a folder that PostgreSQL's own user may enter: pytest closes its folders to others whenever it starts."""
    with TemporaryDirectory() as folder:
        yield Path(folder) / "postgresql"


@contextmanager
def shipping(folder: Path, url: str, *, drain: float = 20.0, **options: Any) -> Iterator[tuple[Journal, Shipper]]:
    journal = Journal(folder, max_bytes=options.pop("max_bytes", 1 << 30), segment_bytes=100_000)
    shipper = Shipper(journal, url, **{"retention_days": 10_000, "interval": 0.02} | options)
    shipper.start()
    try:
        yield journal, shipper
    finally:
        shipper.stop(drain)
        journal.close()


def pending(journal: Journal) -> int:
    """Give the number of records that wait in a journal."""
    found = 0
    for segment in journal.segments():
        with suppress(FileNotFoundError):  # it was shipped just now
            found += segment.path.read_bytes()[segment.shipped_to :].count(b"\n")
    return found


def append(journal: Journal, records: Sequence[dict[str, Any]]) -> None:
    journal.append([orjson.dumps(record) for record in records])


def stored(url: str) -> list[str]:
    engine = open_store(url)
    with engine.connect() as connection:
        found = connection.execute(select(PREDICTIONS.c.prediction_id).order_by(PREDICTIONS.c.prediction_id))
        ids = list(found.scalars())
    engine.dispose()
    return ids


def ids(records: Sequence[dict[str, Any]]) -> list[str]:
    return sorted(record["prediction_id"] for record in records)


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def start_worker(folder: Path, url: str, count: int) -> "subprocess.Popen[bytes]":
    process = subprocess.Popen(
        [sys.executable, "-c", WORKER, str(folder), url, str(count)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def kill(process: "subprocess.Popen[bytes]") -> list[str]:
    """Kill a worker and return the predictions that it acknowledged and that were not read yet."""
    assert process.stdout is not None
    process.kill()
    acknowledged = process.stdout.read().decode().split("\n")[:-1]
    assert process.wait() == -signal.SIGKILL
    return acknowledged


def test_what_is_appended_is_in_the_store_once_and_the_journal_is_empty_at_the_end(folder: Path, url: str) -> None:
    records = [prediction(number) for number in range(2_500)]
    with shipping(folder, url, batch=100) as (journal, shipper):
        for start in range(0, 2_500, 50):
            append(journal, records[start : start + 50])
        append(journal, [feedback(records[0]["prediction_id"], feedback_id=records[1]["prediction_id"])])
    assert stored(url) == ids(records)
    with open_store(url).connect() as connection:
        assert connection.execute(select(FEEDBACK.c.price)).scalars().all() == [3_100_000.0]
    state = shipper.state()
    assert (state.shipped, state.damaged, pending(journal)) == (2_501, 0, 0)
    assert state.last_error is None
    assert list(folder.iterdir()) == []


def test_a_record_reaches_the_store_while_the_service_runs(folder: Path, url: str) -> None:
    with shipping(folder, url) as (journal, shipper):
        append(journal, [prediction()])
        wait_until(lambda: shipper.state().shipped == 1)
        assert len(stored(url)) == 1
        assert pending(journal) == 0
        assert datetime.now(UTC) - datetime.fromisoformat(shipper.state().last_shipped_at) < timedelta(seconds=20)


def test_a_replayed_journal_stores_each_prediction_once(folder: Path, url: str, tmp_path: Path) -> None:
    records = [prediction(number) for number in range(1_000)]
    journal = Journal(folder, max_bytes=1 << 30, segment_bytes=50_000)
    for record in records:
        append(journal, [record])
    journal.close()
    for replay in ("first", "second"):
        shutil.copytree(folder, tmp_path / replay)
        with shipping(tmp_path / replay, url) as (_, shipper):
            wait_until(lambda shipper=shipper: shipper.state().shipped == 1_000)
        assert stored(url) == ids(records)


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.trial) for seed in range(1, 4))])
def test_a_killed_process_loses_no_acknowledged_prediction_and_doubles_none(folder: Path, url: str, seed: int) -> None:
    migrate(open_store(url))
    acknowledged = []
    for life in range(3):
        process = start_worker(folder, url, 1_000_000)
        assert process.stdout is not None
        acknowledged += [process.stdout.readline().decode().strip() for _ in range(2 * (100 + 911 * seed + 401 * life))]
        acknowledged += kill(process)
    before = len(stored(url))
    with shipping(folder, url):
        pass
    found = stored(url)
    assert set(acknowledged) <= set(found)
    assert len(found) - len(acknowledged) <= 3 * 2  # what each life was just about to acknowledge
    assert len(found) > before  # there was something to save
    assert not [path for path in folder.iterdir() if path.suffix != ".damaged"]


def test_a_worker_adopts_what_another_one_left(folder: Path, url: str) -> None:
    migrate(open_store(url))
    survivor = start_worker(folder, url, 500)
    victim = start_worker(folder, url, 1_000_000)
    assert victim.stdout is not None
    acknowledged = [victim.stdout.readline().decode().strip() for _ in range(2_000)]
    acknowledged += kill(victim)
    wait_until(lambda: set(acknowledged) <= set(stored(url)))
    assert survivor.stdout is not None
    assert survivor.stdin is not None
    survivor.stdin.close()
    written = set(survivor.stdout.read().decode().split()) - {"done"}
    assert survivor.wait(timeout=40) == 0
    assert len(written) == 1_000
    assert written <= set(stored(url))
    assert not [path for path in folder.iterdir() if path.suffix != ".damaged"]


def test_a_record_that_the_store_refuses_is_set_aside_with_its_reason_and_holds_up_no_other(
    folder: Path, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    good = [prediction(number) for number in range(300)]
    much = {"low": "much", "medium": 0.1, "high": 0.0}
    bad = [prediction(probabilities=much), prediction(price_category=None), {"kind": "rumour"}, prediction(tier=[])]
    with shipping(folder, url, batch=500) as (journal, shipper):
        append(journal, [*good[:100], bad[0], *good[100:200], bad[1], bad[2], *good[200:], bad[3]])
        journal.append([b'{"kind": "pred'])
        wait_until(lambda: pending(journal) == 0)
        assert (shipper.state().shipped, shipper.state().damaged) == (300, 5)
        assert shipper.state().last_error is None
    assert stored(url) == ids(good)
    kept = [orjson.loads(line) for aside in sorted(folder.iterdir()) for line in aside.read_bytes().splitlines()]
    assert [entry["line"].encode() for entry in kept] == [*map(orjson.dumps, bad), b'{"kind": "pred']
    assert all(entry["reason"] for entry in kept)
    assert "set aside" in caplog.text
    assert "Kadıköy" not in caplog.text


def test_a_damaged_line_is_set_aside_and_counted(folder: Path, url: str) -> None:
    records = [prediction(number) for number in range(3)]
    journal = Journal(folder, max_bytes=1 << 20)
    append(journal, records)
    journal.close()
    (path,) = folder.iterdir()
    content = bytearray(path.read_bytes())
    content[content.index(b"Kad", content.index(b"Kad") + 1)] ^= 1
    path.write_bytes(content + b"0123 torn")
    with shipping(folder, url) as (journal, shipper):
        wait_until(lambda: shipper.state().damaged == 2)
        assert pending(journal) == 0
    assert stored(url) == ids([records[0], records[2]])
    assert path.with_suffix(".damaged").read_bytes().count(b"\n") == 2


def test_a_locked_store_holds_nothing_up_but_the_shipper(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("resources.predictions.tables.LOCK_SECONDS", 1.0)
    url = new_sqlite(tmp_path)
    migrate(open_store(url))
    other = sqlite3.connect(tmp_path / "predictions.db", isolation_level=None)
    with shipping(folder, url, max_backoff=0.3) as (journal, shipper):
        other.execute("BEGIN EXCLUSIVE")
        records = [prediction(number) for number in range(1_000)]
        seconds = []
        for record in records:
            started = time.perf_counter()
            append(journal, [record])
            seconds.append(time.perf_counter() - started)
            time.sleep(0.002)
        wait_until(lambda: shipper.state().last_error is not None)
        state = shipper.state()
        assert "locked" in state.last_error
        assert pending(journal) == 1_000
        other.execute("ROLLBACK")
        wait_until(lambda: pending(journal) == 0)
        assert shipper.state().last_error is None
    other.close()
    assert sorted(seconds)[-10] < 0.1
    assert max(seconds) < 0.5  # who waits for the lock waits a second; a busy machine may keep one for a tenth
    assert stored(url) == ids(records)
    assert caplog.text.count("cannot be written") == 1
    assert caplog.text.count("locked") == 1


def test_a_store_without_space_keeps_the_journal_until_there_is_some(folder: Path, tmp_path: Path) -> None:
    url = new_sqlite(tmp_path)
    pages = 60

    def bound_pages(connection: Any, _: Any) -> None:
        connection.execute(f"PRAGMA max_page_count = {pages}")

    event.listen(Engine, "connect", bound_pages)
    try:
        with shipping(folder, url, max_backoff=0.1, batch=50) as (journal, shipper):
            records = [prediction(number) for number in range(2_000)]
            append(journal, records)
            wait_until(lambda: "full" in str(shipper.state().last_error))
            assert 0 < pending(journal) < 2_000
            pages = 1_000_000
            shipper._engine.dispose()  # connections made from now on may use more
            wait_until(lambda: pending(journal) == 0)
    finally:
        event.remove(Engine, "connect", bound_pages)
    assert stored(url) == ids(records)


def test_a_server_that_stops_and_comes_back_gets_everything(
    folder: Path, server_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    records = [prediction(number) for number in range(3_000)]
    with running_server(server_folder) as server:
        url = new_database(server.get_uri())
    with shipping(folder, url, max_backoff=0.5) as (journal, shipper):
        append(journal, records[:1_000])
        wait_until(lambda: shipper.state().last_error is not None)
        with running_server(server_folder):
            wait_until(lambda: pending(journal) == 0)
            append(journal, records[1_000:2_000])
            wait_until(lambda: pending(journal) == 0)
        append(journal, records[2_000:])
        wait_until(lambda: shipper.state().last_error is not None)
        assert pending(journal) == 1_000
        with running_server(server_folder):
            wait_until(lambda: pending(journal) == 0)
            assert stored(url) == ids(records)
    assert 2 <= caplog.text.count("cannot be written") <= 8  # as many as there were different reasons, not tries


def test_a_read_that_is_cut_short_deletes_no_segment_that_has_records(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = [prediction(number) for number in range(50)]
    pread = os.pread
    cut = iter([0, 10, 100, 300])  # bytes that the first reads give, before the end of the first record

    def read_less(descriptor: int, length: int, start: int) -> bytes:
        return pread(descriptor, min(length, next(cut, length)), start)

    journal = Journal(folder, max_bytes=1 << 20)
    append(journal, records)
    journal.seal()
    monkeypatch.setattr(os, "pread", read_less)
    shipper = Shipper(journal, url, retention_days=10_000, interval=0.02)
    shipper.start()
    wait_until(lambda: shipper.state().shipped == 50)
    assert shipper.stop(20)
    journal.close()
    assert stored(url) == ids(records)


def test_no_message_has_the_password_or_a_listing(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    url = f"postgresql://ada:s3cret@/db?host={tmp_path}"
    with shipping(folder, url, drain=0.1, max_backoff=0.05) as (journal, shipper):
        append(journal, [prediction()])
        wait_until(lambda: shipper.state().last_error is not None)
        state = shipper.state()
    assert "OperationalError" in state.last_error
    assert "s3cret" not in f"{state} {caplog.text}"
    assert "Kadıköy" not in f"{state} {caplog.text}"


def test_stopping_while_the_store_is_away_ends_in_time_and_leaves_the_records_to_the_next_process(
    folder: Path, url: str, tmp_path: Path
) -> None:
    records = [prediction(number) for number in range(10)]
    journal = Journal(folder, max_bytes=1 << 20)
    shipper = Shipper(journal, f"postgresql://ada@/db?host={tmp_path}", retention_days=1, interval=0.02)
    shipper.start()
    append(journal, records)
    started = time.monotonic()
    assert not shipper.stop(0.5)
    assert time.monotonic() - started < 2
    journal.close()
    with shipping(folder, url):
        pass
    assert stored(url) == ids(records)


def test_stopping_ships_what_was_just_appended(folder: Path, url: str) -> None:
    records = [prediction(number) for number in range(5_000)]
    journal = Journal(folder, max_bytes=1 << 30)
    shipper = Shipper(journal, url, retention_days=10_000, interval=60)
    shipper.start()
    wait_until(lambda: shipper._migrated)
    append(journal, records)
    assert shipper.stop(20)
    assert stored(url) == ids(records)
    append(journal, [prediction()])  # an answer that came after all is not lost either
    journal.close()
    with shipping(folder, url):
        pass
    assert len(stored(url)) == 5_001


def test_a_shipper_that_was_never_started_can_be_stopped(folder: Path, tmp_path: Path) -> None:
    journal = Journal(folder, max_bytes=1 << 20)
    assert Shipper(journal, new_sqlite(tmp_path), retention_days=1).stop(1)
    journal.close()


def test_rows_beyond_the_retention_are_deleted(folder: Path, url: str) -> None:
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, [prediction(predicted_at="2020-01-01T00:00:00Z") for _ in range(2_500)])
        insert(connection, [feedback(prediction()["prediction_id"], received_at="2020-01-01T00:00:00Z")])
    fresh = prediction(predicted_at=datetime.now(UTC).isoformat())
    with shipping(folder, url, retention_days=30) as (journal, _):
        append(journal, [fresh])
        wait_until(lambda: stored(url) == ids([fresh]))
    with engine.connect() as connection:
        assert connection.execute(select(func.count()).select_from(FEEDBACK)).scalar_one() == 0


def days_ago(*days: float) -> list[dict[str, Any]]:
    now = datetime.now(UTC)
    return [prediction(predicted_at=(now - timedelta(days=age)).isoformat()) for age in days]


class InTwoYears(datetime):
    """A clock that was set forward."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        return datetime.now(tz) + timedelta(days=730)


def test_a_clock_that_is_set_forward_deletes_nothing(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    records = days_ago(20, 10, 0)
    with shipping(folder, url, retention_days=30) as (journal, shipper):
        append(journal, records)
        wait_until(lambda: shipper._prune_at)
        monkeypatch.setattr("bento_service.records.shipping.datetime", InTwoYears)
        shipper._prune_at = 0.0
        wait_until(lambda: shipper._prune_at)
        assert stored(url) == ids(records)
    assert caplog.text.count("the clock was set forward by 17520 hours") == 1


def test_a_clock_that_starts_in_the_future_deletes_a_day_an_hour(
    folder: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = days_ago(20.5, 20, 19, 10, 0)
    engine = open_store(url)
    migrate(engine)
    with engine.begin() as connection:
        insert(connection, records)
    engine.dispose()
    monkeypatch.setattr("bento_service.records.shipping.datetime", InTwoYears)
    with shipping(folder, url, retention_days=30) as (_, shipper):
        wait_until(lambda: shipper._prune_at)
        assert stored(url) == ids(records[2:])


def test_a_table_that_was_taken_away_is_a_fault_of_the_store_and_not_of_the_records(folder: Path, url: str) -> None:
    with shipping(folder, url, max_backoff=0.1) as (journal, shipper):
        wait_until(lambda: shipper._migrated)
        engine = open_store(url)
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE predictions RENAME TO away"))
        append(journal, [prediction()])
        wait_until(lambda: shipper.state().last_error is not None)
        assert shipper.state().damaged == 0
        with engine.begin() as connection:
            connection.execute(text("ALTER TABLE away RENAME TO predictions"))
        wait_until(lambda: shipper.state().shipped == 1)


@pytest.mark.trial
def test_a_backlog_takes_no_memory(folder: Path, url: str) -> None:
    journal = Journal(folder, max_bytes=1 << 30)
    padding = {"Description": "x" * 1_000}
    for _ in range(60):
        append(journal, [prediction(number, listing=padding) for number in range(1_000)])
    journal.close()
    program = """if True:
        import resource, sys
        from pathlib import Path
        from bento_service.records.journal import Journal
        from bento_service.records.shipping import Shipper
        from resources.predictions.tables import migrate, open_store
        def peak():
            return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        folder, url = sys.argv[1:]
        migrate(open_store(url))
        journal = Journal(Path(folder), max_bytes=1 << 30)
        shipper = Shipper(journal, url, retention_days=10_000)
        before = peak()
        journal.adopt()
        shipper.start()
        assert shipper.stop(120)
        print(shipper.state().shipped, peak() - before)
    """
    output = subprocess.check_output([sys.executable, "-c", program, str(folder), url])
    shipped, kilobytes = map(int, output.split())
    assert shipped == 60_000
    assert kilobytes < 20_000  # of a backlog of 80 MB
