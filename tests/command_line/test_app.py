"""The command as a whole: it explains itself at once, and says in one line what its user is to mend."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from housing_assets.command_line import versions
from housing_assets.command_line.app import app
from tests.command_line.conftest import Housing

ROOT = Path(__file__).parents[2]
HELP_SECONDS = 0.5
"""Of CPU time. Whoever asks for help waits for nothing heavy."""


def paths_of_commands() -> list[list[str]]:
    found: list[list[str]] = [[]]

    def look_below(command: object, path: list[str]) -> None:
        for name, inner in getattr(command, "commands", {}).items():
            found.append([*path, name])
            look_below(inner, [*path, name])

    look_below(get_command(app), [])
    return found


@pytest.mark.parametrize("path", paths_of_commands(), ids=lambda path: " ".join(path) or "housing")
def test_every_command_explains_itself(housing: Housing, path: list[str]) -> None:
    shown = housing(*path, "--help")

    assert shown.exit_code == 0
    assert "Usage: " in shown.stdout


@pytest.mark.parametrize("path", paths_of_commands(), ids=lambda path: " ".join(path) or "housing")
def test_what_an_option_is_can_be_read_without_its_name(path: list[str]) -> None:
    command = get_command(app)
    for name in path:
        command = command.commands[name]  # type: ignore[attr-defined]
    helps = [text for parameter in command.params if (text := getattr(parameter, "help", None))]
    assert not [text for text in helps if re.match("(Of|For|By|As|Where|Whose|Made|Kept) ", text)]


def test_the_commands_are_those_that_users_hold_on_to() -> None:
    names = {path[0] for path in paths_of_commands() if path}
    expected = {"materialize", "judge", "serve", "dev", "summary", "rollback", "decisions", "sample", "traffic"}
    assert expected | {"versions", "market", "keys", "settings"} <= names


def test_help_imports_nothing_heavy() -> None:
    heavy = ("pandas", "numpy", "dagster", "mlflow", "bentoml", "sklearn", "pydantic")
    code = (
        "import sys, time\nfrom housing_assets.command_line.app import app\n"
        "try: app(['--help'])\nexcept SystemExit: pass\n"
        f"print(sorted(set({heavy!r}) & sys.modules.keys()), time.process_time())"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    imported, _, seconds = ended.stdout.splitlines()[-1].rpartition(" ")
    assert imported == "[]"
    assert float(seconds) < HELP_SECONDS


def test_the_module_runs_as_the_command() -> None:
    command = [sys.executable, "-m", "housing_assets.command_line", "--help"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert ended.stdout.startswith("Usage: housing ")


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("HOUSING_PORT", "none", "HOUSING_PORT: expected a whole number"),
        ("HOUSING_CACHE_BYTES", "1.5", "HOUSING_CACHE_BYTES: expected a whole number"),
        ("HOUSING_SAMPLE_ROWS", "10", "HOUSING_SAMPLE_ROWS: expected a number of at least 500"),
        ("HOUSING_MAX_BATCH", "20000", "HOUSING_MAX_BATCH: expected a number of at most 10,000"),
        ("HOUSING_MAX_DELAY", "0", "HOUSING_MAX_DELAY: expected a number above 0"),
        ("HOUSING_LOG_SHARE", "some", "HOUSING_LOG_SHARE: expected a number"),
        ("HOUSING_SHADOW", "maybe", "HOUSING_SHADOW: expected true or false"),
        ("HOUSING_MONITORING_START", "someday", "HOUSING_MONITORING_START: expected a day such as 2026-03-01"),
        ("HOUSING_DEPLOYMENT", "prod", "HOUSING_DEPLOYMENT: expected 'local' or 'production'"),
        ("HOUSING_HOST", "localhost", "HOUSING_HOST: expected an IP address such as 127.0.0.1"),
        ("HOUSING_LINEAGE_URL", "here", "HOUSING_LINEAGE_URL: expected an address such as http://host:port"),
        ("HOUSING_PROT", "3100", "unknown setting HOUSING_PROT; did you mean HOUSING_PORT"),
        ("HOUSING_API_KEYS", "secret-key", "HOUSING_API_KEYS: entry 1 is not name:sha256"),
        ("HOUSING_RETRAIN_WINDOWS_NEEDED", "9", "HOUSING_RETRAIN_WINDOWS_NEEDED is 9, expected at most"),
    ],
)
def test_a_wrong_setting_is_told_in_one_line_by_its_name_without_its_value(
    housing: Housing, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str
) -> None:
    monkeypatch.setenv(variable, value)

    shown = housing("settings")

    assert shown.exit_code == 1
    assert shown.stderr.startswith(f"housing: {said}")
    assert len(shown.stderr.splitlines()) == 1
    assert "secret-key" not in shown.output


@pytest.mark.parametrize("command", ["summary", "decisions"])
def test_where_nothing_was_run_yet_it_is_told_what_to_run(housing: Housing, command: str) -> None:
    shown = housing(command)
    assert shown.exit_code == 1
    assert "make materialize" in shown.stderr


@pytest.mark.parametrize("market", ["atlantis", "nowhere.py"])
def test_an_unknown_market_is_told_in_one_line(housing: Housing, market: str) -> None:
    shown = housing("sample", "--market", market, "--out", "ads.csv")
    assert shown.exit_code == 1
    assert market in shown.stderr
    assert len(shown.stderr.splitlines()) == 1


def test_a_bug_is_not_hidden(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(settings: object) -> None:
        raise KeyError("a bug")

    monkeypatch.setattr(versions, "registry_of", broken)
    monkeypatch.setenv("HOUSING_STORAGE", str(tmp_path))
    with pytest.raises(KeyError):
        get_command(app).main(["versions"], standalone_mode=False)
