import errno
import itertools
import json
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bento_service.records.journal import RECHECK_SECONDS, Journal, JournalFull
from bento_service.records.segments import Damaged, Segment, frame

LINES = st.lists(st.binary(max_size=60).filter(lambda line: b"\n" not in line), min_size=1, max_size=20)


def read_everything(journal: Journal, max_records: int = 7) -> tuple[list[bytes], list[Damaged]]:
    records: list[bytes] = []
    damaged: list[Damaged] = []
    for segment in journal.segments():
        while segment.pending_bytes:
            chunk = segment.read(max_records)
            assert len(chunk.records) + len(chunk.damaged) <= max_records + 1
            records += chunk.records
            damaged += chunk.damaged
            segment.mark_shipped(chunk)
    return records, damaged


def adopt_everything(folder: Path) -> tuple[list[bytes], list[Damaged]]:
    journal = Journal(folder, max_bytes=1 << 30)
    journal.adopt()
    found = read_everything(journal)
    journal.close()
    return found


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def reads_bounded_to(monkeypatch: pytest.MonkeyPatch, size: int) -> Iterator[None]:
    """Let the kernel read less than was asked for, as it may wherever a file lies."""
    pread = os.pread
    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", lambda descriptor, length, start: pread(descriptor, min(length, size), start))
        yield


@contextmanager
def files_bounded_to(size: int) -> Iterator[None]:
    """Let the kernel refuse what would make a file longer, in the middle of a write."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_records_come_back_in_order_and_segment_by_segment(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=1 << 20, segment_bytes=1000)
    records = [b"record %d " % number + b"x" * (number % 300) for number in range(100)]
    for position in range(0, 100, 4):
        journal.append(records[position : position + 4])
    assert len(journal.segments()) > 5
    assert [segment.sealed for segment in journal.segments()[-2:]] == [True, False]
    assert read_everything(journal) == (records, [])
    journal.close()


def test_a_record_with_a_line_break_is_refused_with_its_batch(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=1 << 20)
    with pytest.raises(ValueError, match="one line"):
        journal.append([b"good", b"b\nad"])
    journal.append([b"next"])
    assert read_everything(journal) == ([b"next"], [])
    journal.close()


def test_a_record_longer_than_a_read_and_than_a_segment_is_read_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=100 << 20, segment_bytes=1 << 20)
    records = [b"a", b"b" * (5 << 20), b"c"]
    for record in records:
        journal.append([record])
    assert read_everything(journal) == (records, [])
    journal.close()


@pytest.mark.parametrize("seed", range(5))
def test_a_killed_process_loses_nothing_that_it_acknowledged(tmp_path: Path, seed: int) -> None:
    program = """if True:
        import itertools, os, sys
        from pathlib import Path
        from bento_service.records.journal import Journal
        journal = Journal(Path(sys.argv[1]), max_bytes=1 << 30, segment_bytes=100_000)
        for number in itertools.count():
            journal.append([b"%d-%d " % (number, part) + b"x" * 900 for part in range(3)])
            os.write(1, b"%d\\n" % number)
    """
    process = subprocess.Popen([sys.executable, "-c", program, str(tmp_path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    acknowledged = [process.stdout.readline() for _ in range(300 + 997 * seed)]
    process.kill()
    acknowledged += process.stdout.readlines()
    assert process.wait() == -signal.SIGKILL
    records, damaged = adopt_everything(tmp_path)
    found = [record.split()[0] for record in records]
    expected = [b"%d-%d" % (number, part) for number in range(len(acknowledged)) for part in range(3)]
    assert found[: len(expected)] == expected
    assert len(found) - len(expected) <= 3  # what was being written
    assert len(damaged) <= 1


def test_the_segment_of_a_living_process_is_left_to_it(tmp_path: Path) -> None:
    alive, other = Journal(tmp_path, 1 << 20), Journal(tmp_path, 1 << 20)
    alive.append([b"mine"])
    alive.seal()
    alive.append([b"mine, too"])
    other.adopt()
    assert read_everything(other) == ([], [])
    alive.close()
    other.adopt()
    other.adopt()
    assert read_everything(other) == ([b"mine", b"mine, too"], [])
    other.close()


def test_a_segment_that_cannot_be_opened_holds_up_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "0.journal").mkdir()
    (tmp_path / "1.journal").write_bytes(frame([b"left"]))
    journal = Journal(tmp_path, 1 << 20)
    journal.adopt()
    journal.adopt()
    assert read_everything(journal) == ([b"left"], [])
    assert caplog.text.count("cannot be adopted") == 1
    journal.close()


def test_a_segment_that_cannot_be_read_for_a_while_is_adopted_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "1.journal").write_bytes(frame([b"left"]))
    journal = Journal(tmp_path, 1 << 20)

    def fail(*_: object) -> bytes:
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(os, "pread", fail)
        for _ in range(3):
            journal.adopt()
    assert len(journal.segments()) == 1
    journal.adopt()
    assert read_everything(journal) == ([b"left"], [])
    assert caplog.text.count("cannot be adopted") == 1
    journal.close()


def test_a_read_that_is_cut_short_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    journal = Journal(tmp_path, max_bytes=100 << 20)
    records = [b"%d " % number + b"x" * 5_000 for number in range(30)]
    journal.append(records)
    journal.seal()
    with reads_bounded_to(monkeypatch, 700):
        assert read_everything(journal) == (records, [])
    journal.close()


@pytest.mark.parametrize("left", [0, 15, 30])
def test_what_is_gone_from_a_segment_is_a_damage_and_holds_up_nothing(tmp_path: Path, left: int) -> None:
    journal = Journal(tmp_path, max_bytes=1 << 20)
    journal.append([b"first record"])
    journal.append([b"second record"])
    journal.seal()
    os.truncate(journal.segments()[0].path, left)
    records, damaged = [], []
    (segment,) = journal.segments()
    while segment.pending_bytes:
        chunk = segment.read(7)
        records += chunk.records
        damaged += chunk.damaged
        segment.mark_shipped(chunk)
    assert records == ([b"first record"] if left == 30 else [])
    assert [each.line for each in damaged] == [frame([b"first record", b"second record"])[len(frame(records)) : left]]
    assert "gone" in damaged[0].reason
    journal.close()


def test_each_left_segment_is_adopted_by_one_of_many(tmp_path: Path) -> None:
    left = Journal(tmp_path, 1 << 20)
    for number in range(40):
        left.append([b"%d" % number])
        left.seal()
    left.close()
    journals = [Journal(tmp_path, 1 << 20) for _ in range(4)]
    barrier = threading.Barrier(4)

    def take(journal: Journal) -> None:
        barrier.wait()
        journal.adopt()
        for segment in journal.segments():
            if segment.sealed and journal is not journals[0]:
                segment.mark_shipped(segment.read(10))
                taken.append(segment.path.name)
                journal.remove(segment)

    taken: list[str] = []
    threads = [threading.Thread(target=take, args=(journal,)) for journal in journals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = [segment.path.name for segment in journals[0].segments() if segment.sealed]
    assert len(taken) + len(kept) == len({*taken, *kept}) == 40
    for journal in journals:
        journal.close()
    assert files(tmp_path) == sorted(kept)


def test_a_full_journal_refuses_until_there_is_room_and_stays_within_its_bound(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=80_000)
    accepted = 0
    with suppress(JournalFull):
        while accepted < 100:
            journal.append([b"x" * 1000])
            accepted += 1
    assert 60 < accepted < 80
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 80_000
    with pytest.raises(JournalFull, match="at most 80,000"):
        journal.append([b"x" * 1000])
    oldest = journal.segments()[0]
    oldest.mark_shipped(oldest.read(1000))
    journal.remove(oldest)
    time.sleep(1.5 * RECHECK_SECONDS)
    journal.append([b"x" * 1000])
    assert len(read_everything(journal)[0]) == accepted - 9 + 1
    journal.close()


def test_starting_over_and_over_stays_within_the_bound(tmp_path: Path) -> None:
    refusals = 0
    for _ in range(30):
        journal = Journal(tmp_path, max_bytes=80_000)
        try:
            for _ in range(5):
                journal.append([b"x" * 1000])
        except JournalFull:
            refusals += 1
        journal.close()
    assert refusals > 10
    assert 60_000 < sum(path.stat().st_size for path in tmp_path.iterdir()) <= 80_000


def test_a_write_that_the_disk_cuts_short_counts_for_nothing_and_the_next_one_does(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=10 << 20)
    journal.append([b"first"])
    with files_bounded_to(2_000):
        for _ in range(3):
            with pytest.raises(JournalFull, match="cannot be written"):
                journal.append([b"a" * 700, b"b" * 700, b"c" * 700])
        journal.append([b"short"])
    journal.append([b"last"])
    assert read_everything(journal) == ([b"first", b"short", b"last"], [])
    journal.close()
    assert adopt_everything(tmp_path) == ([b"first", b"short", b"last"], [])


def test_a_disk_that_is_full_from_the_start_leaves_no_files_behind(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=10 << 20)
    with files_bounded_to(0):
        for _ in range(10):
            with pytest.raises(JournalFull):
                journal.append([b"first"])
    assert len(files(tmp_path)) == 1
    journal.close()
    assert files(tmp_path) == []


def test_what_is_written_while_a_segment_is_handed_over_is_handed_over_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path, max_bytes=1 << 20, segment_bytes=1_000)
    other = Journal(tmp_path, max_bytes=1 << 20)
    meanwhile = [b"%d " % number + b"x" * 400 for number in range(5)]
    left, fsync = iter(meanwhile), os.fsync

    def fill_the_new_segment(descriptor: int) -> None:
        for record in left:
            journal.append([record])
        fsync(descriptor)

    journal.append([b"before"])
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fill_the_new_segment)
        journal.hand_over()
    other.adopt()
    assert read_everything(other) == ([b"before"], [])
    journal.append([b"after"])
    journal.hand_over()
    other.adopt()
    records, damaged = read_everything(other)
    assert (sorted(records), damaged) == (sorted([*meanwhile, b"after"]), [])
    journal.close()
    other.close()


@pytest.mark.parametrize("failing", ["dup", "open"])
def test_a_flush_that_lacks_descriptors_keeps_none_and_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    journal = Journal(tmp_path, max_bytes=1 << 20, segment_bytes=1_000)
    for number in range(5):
        journal.append([b"%d " % number + b"x" * 900])
    descriptors = files(Path("/proc/self/fd"))
    calls = itertools.count()
    working = getattr(os, failing)

    def run_out(*given: Any) -> int:
        if failing == "open" or next(calls) == 3:
            raise OSError(errno.EMFILE, "Too many open files")
        found: int = working(*given)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(os, failing, run_out)
        with pytest.raises(OSError, match="Too many"):
            journal.sync()
    assert files(Path("/proc/self/fd")) == descriptors
    flushed: list[int] = []
    monkeypatch.setattr(os, "fsync", flushed.append)
    journal.sync()
    assert len(flushed) == 5 + 1
    journal.close()


def test_a_closed_journal_takes_nothing_and_keeps_what_it_has(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=1 << 20)
    journal.append([b"kept"])
    journal.close()
    journal.close()
    with pytest.raises(JournalFull, match="shutting down"):
        journal.append([b"late"])
    assert adopt_everything(tmp_path) == ([b"kept"], [])


def test_a_folder_that_cannot_be_written_to_is_found_out_at_once(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        Journal(tmp_path / "file", max_bytes=1 << 20)


def test_threads_append_side_by_side(tmp_path: Path) -> None:
    journal = Journal(tmp_path, max_bytes=100 << 20, segment_bytes=50_000)

    def write(name: int) -> None:
        for number in range(500):
            journal.append([b"%d %d" % (name, number), b"x" * 100])

    threads = [threading.Thread(target=write, args=(name,)) for name in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    records, damaged = read_everything(journal)
    assert damaged == []
    for name in range(4):
        assert [each for each in records if each.startswith(b"%d " % name)] == [
            b"%d %d" % (name, n) for n in range(500)
        ]
    journal.close()


@given(LINES, st.data())
def test_what_was_written_before_a_cut_is_read_and_the_rest_of_a_line_is_kept_aside(
    lines: list[bytes], data: st.DataObject
) -> None:
    written = frame(lines)
    length = data.draw(st.integers(0, len(written)))
    with TemporaryDirectory() as folder:
        (Path(folder) / "left.journal").write_bytes(written[:length])
        records, damaged = adopt_everything(Path(folder))
    whole = written[:length].count(b"\n")
    assert records == lines[:whole]
    tail = written[:length].split(b"\n")[-1]
    assert [each.line for each in damaged] == ([tail] if tail else [])


@given(LINES, st.data())
def test_a_flipped_bit_costs_no_other_line_and_is_never_read_as_a_record(
    lines: list[bytes], data: st.DataObject
) -> None:
    written = bytearray(frame(lines))
    position = data.draw(st.integers(0, len(written) - 1))
    hit = bytes(written[:position]).count(b"\n")
    joined = written[position] == ord("\n")
    written[position] ^= 1 << data.draw(st.integers(0, 7))
    with TemporaryDirectory() as folder:
        (Path(folder) / "left.journal").write_bytes(written)
        records, damaged = adopt_everything(Path(folder))
    expected = lines[:hit] + lines[hit + 1 + joined :]
    assert [record for record in records if record != b""] == [line for line in expected if line != b""]
    assert b"\n".join(each.line for each in damaged) in bytes(written)
    assert damaged


@given(st.lists(st.binary(max_size=40), min_size=1, max_size=5))
def test_what_is_set_aside_can_be_had_back_byte_by_byte(lines: list[bytes]) -> None:
    with TemporaryDirectory() as folder:
        segment = Segment.create(Path(folder))
        segment.set_aside([Damaged(line, "a reason") for line in lines[:1]])
        segment.set_aside([Damaged(line, "a reason") for line in lines[1:]])
        kept = segment.path.with_suffix(".damaged").read_text(encoding="ascii").splitlines()
        segment.remove()
        assert [json.loads(entry)["line"].encode("utf-8", "surrogateescape") for entry in kept] == lines
        assert files(Path(folder)) == [segment.path.with_suffix(".damaged").name]
