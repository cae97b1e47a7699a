"""What the sensors decided, as people read it."""

from pathlib import Path

import dagster as dg
import pytest

from resources.decision_log import Decision, DecisionLogs, Log
from tests.command_line.conftest import Housing
from tests.dagster_home import new_home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Dagster instance with decisions of two markets."""
    home = new_home(tmp_path / "home")
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    with dg.DagsterInstance.from_config(str(home)) as instance:
        for prefix, log, decision in (
            ((), Log.RETRAINING, Decision("nothing found", "All is well.")),
            ((), Log.RETRAINING, Decision("retrain", "Two of two windows failed.", {"windows": 2})),
            ((), Log.ROLLBACK, Decision("rolled back", "It was worse.", needs_person=True)),
            (("king_county",), Log.RETRAINING, Decision("cooldown", "It waits.")),
        ):
            instance.report_runless_asset_event(DecisionLogs(prefix).event(log, decision))
    return home


def told(shown: str) -> list[str]:
    return [line.split("  ", 1)[1] for line in shown.splitlines()]


def test_decisions_are_told_newest_last(home: Path, housing: Housing) -> None:
    assert told(housing("decisions").stdout) == [
        "retraining_decisions  nothing found: All is well.",
        "retraining_decisions  retrain: Two of two windows failed.",
        "rollback_decisions  rolled back (needs a person): It was worse.",
    ]


def test_they_can_be_narrowed_and_explained(home: Path, housing: Housing) -> None:
    shown = housing("decisions", "retraining_decisions", "--limit", "1", "--evidence").stdout
    assert shown.partition("\n")[2] == '{\n  "windows": 2\n}\n'
    assert "Two of two windows failed." in shown


def test_those_of_another_market_are_its_own(home: Path, housing: Housing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_MARKET", "king_county")
    assert told(housing("decisions").stdout) == ["retraining_decisions  cooldown: It waits."]


def test_where_none_was_taken_it_says_so(home: Path, housing: Housing) -> None:
    assert "nothing has been decided yet" in housing("decisions", "new_listings_decisions").stdout


def test_an_unknown_log_is_refused(home: Path, housing: Housing) -> None:
    shown = housing("decisions", "gossip")
    assert shown.exit_code == 2
    assert "retraining_decisions" in shown.stderr


def test_the_names_are_those_of_the_logs() -> None:
    from housing_assets.command_line.decisions import LogName

    assert {(each.name, each.value) for each in LogName} == {(each.name, each.value) for each in Log}
