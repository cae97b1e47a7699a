"""Days that are held and released, from the command line."""

from pathlib import Path

import pytest

from resources.mlflow.registry import LABELLED_DAYS, ModelRegistry
from tests.command_line.conftest import Housing
from tests.resources.mlflow_database import new_database
from tests.resources.registered import register


@pytest.fixture(autouse=True)
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    """Two promoted versions below HOUSING_STORAGE, of which the second learned from two days of production."""
    registry = ModelRegistry(tracking_uri=new_database(tmp_path / "storage"))
    registry.promote(register(registry, tmp_path))
    tags = {LABELLED_DAYS: "2026-03-01/2026-03-02", "decision": "promoted"}
    registry.promote(register(registry, tmp_path, tags=tags))
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return registry


def test_a_day_is_held_and_released_with_who_decided_and_why(housing: Housing) -> None:
    assert housing("windows").stdout == "no day is held\n"

    held = housing("windows", "hold", "2026-03-05", "--reason", "square feet", "--by", "ayse")
    assert held.stdout.startswith("2026-03-05  held      square feet (ayse, ")
    assert housing("windows").stdout == held.stdout

    released = housing("windows", "release", "2026-03-05", "--reason", "villas only", "--by", "mehmet").stdout
    assert released.startswith("2026-03-05  released  villas only (mehmet, ")
    assert "housing judge 2026-03-05 judges it anew" in released
    assert housing("windows").stdout in released
    assert [line.split()[1] for line in housing("windows", "--history").stdout.splitlines()] == ["held", "released"]


def test_a_version_that_learned_from_a_day_that_is_held_later_is_told_with_the_way_back(
    housing: Housing, registry: ModelRegistry
) -> None:
    assert "learned held days" not in housing("versions").stdout

    told = housing("windows", "hold", "2026-03-02", "--reason", "areas x 10").stdout

    (command,) = [line.partition(": ")[2] for line in told.splitlines() if line.startswith("version 2")]
    assert command.startswith('housing rollback --reason "learned 2026-03-02"')
    newest, oldest = housing("versions").stdout.split("\n\n")
    assert "  learned held days 2026-03-02: areas x 10" in newest.splitlines()
    assert "held" not in oldest
    assert housing("rollback", "--reason", "learned 2026-03-02").stdout == "production: version 2 -> version 1\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("release", "2026-03-05", "--reason", "why"), "2026-03-05 is not held"),
        (("hold", "2026-03-05", "--reason", " "), "the reason is empty"),
        (("hold", "2999-01-01", "--reason", "why"), "2999-01-01 is yet to come"),
        (("hold", "soon", "--reason", "why"), "the day is 'soon'"),
    ],
)
def test_what_cannot_be_decided_is_refused(housing: Housing, arguments: tuple[str, ...], said: str) -> None:
    refused = housing("windows", *arguments)

    assert refused.exit_code == 1
    assert said in refused.output
