"""The storage of a new Dagster instance, made once: Dagster takes a quarter of a second to create its tables."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Lock

import dagster as dg

_KEPT = TemporaryDirectory()
_MAKING = Lock()  # `cache` lets two threads make the same thing


def new_home(home: Path, configuration: str = "telemetry: {enabled: false}\n") -> Path:
    """Make the home of an instance on SQLite files, in which nothing has happened yet, and return it."""
    with _MAKING:
        template = _template()
    shutil.copytree(template, home, dirs_exist_ok=True)
    (home / "dagster.yaml").write_text(configuration)
    return home


@cache
def _template() -> Path:
    home = Path(_KEPT.name) / "home"
    home.mkdir()
    dg.DagsterInstance.from_config(str(home)).dispose()
    return home
