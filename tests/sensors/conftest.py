"""What the tests of the sensors need."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sensors.loop import Loop


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """Give a platform in a folder of its own; no tick of it may have failed unless the test took note of that."""
    monkeypatch.setenv("TINY_LOOP", str(tmp_path))
    made = Loop(tmp_path)
    try:
        yield made
        assert made.ticks_may_fail or made.failed_ticks() == []
    finally:
        made.close()
