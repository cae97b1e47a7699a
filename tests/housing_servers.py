"""Servers of the command ``housing``, as processes of their own."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

PROJECT = Path(__file__).parents[1]
START_SECONDS = 120


@contextmanager
def housing_server(name: str, storage: Path, is_up: Callable[[str], bool], **settings: str) -> Iterator[None]:
    """Run ``housing NAME`` on a storage until the block ends; ``is_up`` is asked with what it has printed so far."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(("HOUSING_", "MLFLOW_"))},
        "HOUSING_STORAGE": str(storage),
        "DAGSTER_HOME": str(storage / "dagster"),
        **settings,
    }
    log = storage / f"{name}.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "housing_assets.command_line", name]
        process = subprocess.Popen(command, cwd=PROJECT, env=environment, stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not is_up(log.read_text()):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)
