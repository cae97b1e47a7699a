"""The storage of a new Dagster instance, made once: Dagster takes a quarter of a second to create its tables."""

import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import dagster as dg

_KEPT = TemporaryDirectory()


def new_home(home: Path, configuration: str = "telemetry: {enabled: false}\n") -> Path:
    """Make the home of an instance on SQLite files, in which nothing has happened yet, and return it."""
    shutil.copytree(_template(), home, dirs_exist_ok=True)
    (home / "dagster.yaml").write_text(configuration)
    return home


@cache
def _template() -> Path:
    home = Path(_KEPT.name) / "home"
    home.mkdir()
    dg.DagsterInstance.from_config(str(home)).dispose()
    return home
