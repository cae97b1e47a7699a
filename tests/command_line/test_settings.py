"""The settings as they are in force."""

from pathlib import Path

import pytest

from resources.serving_settings import ServingSettings
from tests.command_line.conftest import Housing

KEY = f"mobile:{'a' * 64}"


def rows(shown: str) -> dict[str, list[str]]:
    return {line.split()[0]: line.split()[1:] for line in shown.splitlines()}


def test_every_setting_is_shown_with_its_value_and_where_it_comes_from(
    housing: Housing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HOUSING_PORT", "4100")

    shown = rows(housing("settings").stdout)

    assert len(shown) == len(ServingSettings.model_fields)
    assert shown["HOUSING_PORT"] == ["4100", "environment"]
    assert shown["HOUSING_GRPC_PORT"] == ["3101", "default"]
    assert shown["HOUSING_SOURCE"] == ["not", "set", "default"]
    assert shown["HOUSING_STORAGE"] == [str(tmp_path / "storage"), "environment"]
    assert shown["MLFLOW_TRACKING_URI"] == [f"sqlite:///{tmp_path / 'storage' / 'mlflow.db'}", "HOUSING_STORAGE"]


def test_files_that_land_are_the_source_where_none_is_set(housing: Housing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_LANDING", "s3://ads/new")
    assert rows(housing("settings").stdout)["HOUSING_SOURCE"] == ["s3://ads/new", "HOUSING_LANDING"]


def test_no_secret_is_shown(housing: Housing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_API_KEYS", KEY)
    monkeypatch.setenv("HOUSING_ALERT_WEBHOOK", "https://hooks.example/T0/hunter2")
    monkeypatch.setenv("HOUSING_PREDICTION_STORE", "postgresql://housing:hunter2@db/predictions")
    monkeypatch.setenv("HOUSING_SOURCE", "postgresql+psycopg://reader:hunter2@db/ads#SELECT * FROM ads")

    shown = housing("settings").stdout
    monkeypatch.setenv("HOUSING_PREDICTION_STORE", "postgresql://db/predictions?user=housing&password=hunter2")
    shown_of_query = housing("settings").stdout

    assert "hunter2" not in shown + shown_of_query
    assert "postgresql://db/predictions?user=housing&password=***" in shown_of_query
    assert "a" * 64 not in shown
    assert "postgresql://housing:***@db/predictions" in shown
    assert rows(shown)["HOUSING_API_KEYS"] == ["mobile", "environment"]
    assert "hunter2" not in housing("settings", "get", "alert_webhook").output


@pytest.mark.parametrize(("market", "model"), [("istanbul", ""), ("king_county", "_king_county")])
def test_what_follows_from_several_settings_can_be_asked_for(
    housing: Housing, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, market: str, model: str
) -> None:
    monkeypatch.setenv("HOUSING_MARKET", market)

    below = tmp_path / "storage" / market if model else tmp_path / "storage"
    assert housing("settings", "get", "market_storage").stdout == f"{below}\n"
    assert housing("settings", "get", "model_name").stdout == f"HousingPriceClassifier{model}\n"


def test_a_setting_of_one_market_is_named_as_it_was_set(housing: Housing, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_MARKET", "king_county")
    monkeypatch.setenv("HOUSING_KING_COUNTY_SAMPLE_ROWS", "900")
    assert rows(housing("settings").stdout)["HOUSING_KING_COUNTY_SAMPLE_ROWS"] == ["900", "environment"]

    monkeypatch.setenv("HOUSING_KING_COUNTY_SAMPLE_ROWS", "3")
    assert "HOUSING_KING_COUNTY_SAMPLE_ROWS: " in housing("settings").stderr


def test_an_unknown_one_is_refused_with_those_there_are(housing: Housing) -> None:
    shown = housing("settings", "get", "prot")
    assert shown.exit_code == 1
    assert "there is no setting 'prot': expected one of" in shown.stderr
    assert "market_storage" in shown.stderr


@pytest.mark.parametrize(
    ("market", "said"), [("istambul", "expected one of istanbul"), ("none.py", "there is no such file")]
)
def test_a_market_that_there_is_not_is_refused_by_every_command(
    housing: Housing, monkeypatch: pytest.MonkeyPatch, market: str, said: str
) -> None:
    monkeypatch.setenv("HOUSING_MARKET", market)
    shown = housing("settings")
    assert shown.exit_code == 1
    assert f"HOUSING_MARKET is '{market}': {said}" in shown.stderr
