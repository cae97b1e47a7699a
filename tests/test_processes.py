"""What the demonstration waits for."""

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.processes import ProcessError, Processes


@pytest.fixture
def processes(tmp_path: Path) -> Iterator[Processes]:
    with Processes(tmp_path, {}) as running:
        yield running


def test_what_does_not_happen_in_time_is_named(processes: Processes) -> None:
    with pytest.raises(ProcessError, match="the retraining ends: not within 0 s"):
        processes.wait_until(lambda: False, "the retraining ends", 0.3)


def test_what_gets_on_is_waited_for_beyond_that_time(processes: Processes) -> None:
    looks, steps = itertools.count(), itertools.count()

    processes.wait_until(lambda: next(looks) > 4, "the retraining ends", 0.5, progress=lambda: next(steps))

    assert next(looks) > 5


def test_what_gets_on_no_more_is_not_waited_for(processes: Processes) -> None:
    with pytest.raises(ProcessError, match="not within"):
        processes.wait_until(lambda: False, "the retraining ends", 0.3, progress=lambda: 7)
