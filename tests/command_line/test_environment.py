"""What commands in production need of Dagster's home."""

from pathlib import Path

import pytest

from housing_assets.command_line.environment import dagster_home, dagster_instance, environment_of, read_settings
from housing_assets.command_line.faults import CommandError
from tests.resources.test_setting_rules import PRODUCTION

ROOT = Path(__file__).parents[2]


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name, value in {**PRODUCTION, "HOUSING_STORAGE": str(tmp_path)}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_production_has_a_home_of_its_own(production: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert dagster_home(read_settings()) == production / "dagster-production"
    for name in PRODUCTION:
        monkeypatch.delenv(name)
    assert dagster_home(read_settings()) == production / "dagster"


def test_a_home_without_a_database_is_refused_in_production(production: Path) -> None:
    settings = read_settings()
    with pytest.raises(CommandError, match=r"names no storage .* deploy/dagster.yaml"):
        environment_of(settings)
    link = production / "dagster-production" / "dagster.yaml"
    link.symlink_to(ROOT / "dagster.yaml")
    with pytest.raises(CommandError, match="names no storage"), dagster_instance(settings):
        pass

    link.unlink()
    link.symlink_to(ROOT / "deploy" / "dagster.yaml")

    assert environment_of(settings)["DAGSTER_HOME"] == str(link.parent)


def test_what_is_wrong_is_told_without_a_password(production: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_OBJECT_STORE", "housing")

    with pytest.raises(CommandError, match="HOUSING_OBJECT_STORE is wrong: expected s3://bucket/prefix") as refused:
        read_settings()
    assert "geheim" not in str(refused.value)
