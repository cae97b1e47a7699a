"""One process ships the records of all workers of a host, while they live, and after their death."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil
import pytest
from sqlalchemy import select

from bento_service.records.journal import Journal
from bento_service.records.segments import frame
from bento_service.records.shipping_process import ShippingProcess
from bento_service.records.shipping_state import BYTES, MAX_ERROR_CHARACTERS, ShippingState, read_state, write_state
from resources.predictions.tables import PREDICTIONS, open_store
from tests.bento_service.serving import PROJECT
from tests.databases import new_sqlite
from tests.resources.prediction_records import prediction

pytestmark = pytest.mark.acceptance

WORKER = """if True:
    import os, sys
    from pathlib import Path
    import orjson
    from bento_service.records.journal import Journal
    from tests.bento_service.records.test_shipping_process import process_of
    from tests.resources.prediction_records import prediction
    journal = Journal(Path(sys.argv[1]) / "journal", max_bytes=1 << 30)
    process_of(journal, Path(sys.argv[1]), sys.argv[2]).start()
    while True:
        record = prediction()
        journal.append([orjson.dumps(record)])
        os.write(1, record["prediction_id"].encode() + b"\\n")
"""


def process_of(journal: Journal, folder: Path, url: str, *, drain: float = 10.0) -> ShippingProcess:
    return ShippingProcess(
        journal, folder / "shipping", url, max_bytes=1 << 30, retention_days=10_000, drain_seconds=drain
    )


@contextmanager
def shipping(folder: Path, url: str, *, drain: float = 10.0) -> Iterator[tuple[Journal, ShippingProcess]]:
    journal = Journal(folder / "journal", max_bytes=1 << 30)
    process = process_of(journal, folder, url, drain=drain)
    process.start()
    try:
        yield journal, process
    finally:
        process.stop()


def append(journal: Journal, count: int) -> set[str]:
    records = [prediction() for _ in range(count)]
    journal.append([orjson.dumps(record) for record in records])
    return {record["prediction_id"] for record in records}


def stored(url: str) -> set[str]:
    engine = open_store(url)
    with engine.connect() as connection:
        found = set(connection.execute(select(PREDICTIONS.c.prediction_id)).scalars())
    engine.dispose()
    return found


def wait_until(condition: Callable[[], object], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def shippers() -> list[psutil.Process]:
    """Return the processes that this one has started to ship records."""
    return [child for child in psutil.Process().children() if "bento_service.records.shipping" in child.cmdline()]


def test_what_workers_write_is_stored_by_one_process_while_they_run_and_at_their_end(tmp_path: Path) -> None:
    url = new_sqlite(tmp_path)
    with shipping(tmp_path, url) as (journal, process):
        process.wait_until_tried(20)
        with shipping(tmp_path, url) as (other, second):
            assert len(shippers()) == 1
            written = append(journal, 700) | append(other, 700)
            wait_until(lambda: written <= stored(url))
            wait_until(lambda: second.state()["shipped"] == process.state()["shipped"] == 1_400)
            wait_until(lambda: process.state()["pending_bytes"] == 0)
            assert process.lag() == 0
            written |= append(other, 10)
        assert written <= stored(url)  # the other's process has stored what this one handed over at its end
        written |= append(journal, 10)
    assert stored(url) == written
    assert shippers() == []
    assert not list((tmp_path / "journal").iterdir())


def test_a_process_that_is_killed_is_followed_by_another_and_nothing_is_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("bento_service.records.shipping_process.RESTART_SECONDS", 0.1)
    url = new_sqlite(tmp_path)
    with shipping(tmp_path, url) as (journal, process):
        process.wait_until_tried(20)
        written = append(journal, 100)
        (first,) = shippers()
        first.terminate()  # as whoever ends the group of processes does: it has records to wait for
        first.kill()
        wait_until(lambda: "ended with -9" in caplog.text)
        wait_until(lambda: written <= stored(url))
        assert process.state()["last_error"] is None
    assert stored(url) == written


def test_the_process_ends_when_its_worker_is_killed_and_has_stored_what_that_one_wrote(tmp_path: Path) -> None:
    url = new_sqlite(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path), url], cwd=PROJECT, stdout=subprocess.PIPE
    ) as worker:
        assert worker.stdout is not None
        wait_until(lambda: (read_state(tmp_path / "shipping") or ShippingState()).tried)
        (shipper,) = psutil.Process(worker.pid).children()
        acknowledged = [worker.stdout.readline() for _ in range(500)]
        worker.kill()
        acknowledged += worker.stdout.readlines()
    assert worker.returncode == -signal.SIGKILL
    shipper.wait(20)
    with shipping(tmp_path, url):
        pass
    assert {line.decode().strip() for line in acknowledged} <= stored(url)


def test_a_store_that_is_away_is_told_of_and_holds_up_no_end(tmp_path: Path) -> None:
    ahead = prediction(predicted_at="2090-01-01T00:00:00Z")  # no record's date counts
    with shipping(tmp_path, f"postgresql://ada:s3cret@/db?host={tmp_path}", drain=0.2) as (journal, process):
        process.wait_until_tried(20)
        before = time.monotonic()
        journal.append([orjson.dumps(ahead)])
        wait_until(lambda: process.state()["last_error"])
        wait_until(lambda: process.lag() > 0.2)
        assert process.lag() <= time.monotonic() - before + 0.1
        state = process.state()
        assert "OperationalError" in str(state["last_error"])
        assert "s3cret" not in str(state) + " ".join(shippers()[0].cmdline())
        started = time.monotonic()
    assert time.monotonic() - started < 2
    assert len(list((tmp_path / "journal").iterdir())) == 1


def test_a_fault_of_the_disk_ends_the_handing_over_for_as_long_as_it_lasts(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    url = new_sqlite(tmp_path)
    with shipping(tmp_path, url) as (journal, process):
        process.wait_until_tried(20)
        journal.folder.rename(tmp_path / "away")
        wait_until(lambda: "cannot be handed over" in caplog.text)
        (tmp_path / "away").rename(journal.folder)
        written = append(journal, 10)
        wait_until(lambda: written <= stored(url))


@pytest.mark.parametrize(("changed", "least", "most"), [(-3_600, 3_599, 3_660), (3_600, 0, 60)])
def test_the_lag_of_what_was_left_counts_from_its_last_record_and_is_never_negative(
    tmp_path: Path, changed: int, least: float, most: float
) -> None:
    (tmp_path / "journal").mkdir()
    left = tmp_path / "journal" / "0.journal"
    left.write_bytes(frame([b"{}"]))
    os.utime(left, (time.time() + changed, time.time() + changed))  # ahead where the clock was set back since
    journal = Journal(tmp_path / "journal", max_bytes=1 << 20)
    process = process_of(journal, tmp_path, "sqlite:///nowhere")
    state = process.state()
    assert state["pending_bytes"] == left.stat().st_size
    assert least <= (state["oldest_pending_seconds"] or 0) <= most
    journal.close()


def test_what_is_told_fits_whatever_the_error(tmp_path: Path) -> None:
    file = tmp_path / "shipping"
    assert read_state(file) is None
    long = ShippingState(True, "2026-03-01T12:00:00.000+00:00", "\u0130" * MAX_ERROR_CHARACTERS, 2**60, 2**60)
    with file.open("wb") as opened:
        for state in (long, long._replace(last_error=None)):
            write_state(opened.fileno(), state)
            assert read_state(file) == state
    assert file.stat().st_size == BYTES
