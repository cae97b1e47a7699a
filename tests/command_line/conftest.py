"""The command ``housing``, run in this process."""

from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from housing_assets.command_line.app import app

Housing = Callable[..., Result]


@pytest.fixture
def housing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Housing:
    """Run ``housing`` with arguments, and with a storage of the test's own."""
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path / "storage"))

    def run(*arguments: str) -> Result:
        result = CliRunner().invoke(app, list(arguments))
        assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
        return result

    return run
