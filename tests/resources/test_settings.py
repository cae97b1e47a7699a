from pathlib import Path

import pytest
from pydantic import ValidationError

from resources.serving_settings import ServingSettings
from resources.settings import Settings

VARIABLES = (
    "HOUSING_SOURCE",
    "HOUSING_SAMPLE_ROWS",
    "HOUSING_STORAGE",
    "MLFLOW_TRACKING_URI",
)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


def test_without_an_environment_everything_lies_below_one_local_folder() -> None:
    settings = Settings()

    assert settings.source is None
    assert settings.storage == Path.cwd() / ".housing"
    assert settings.mlflow_uri == f"sqlite:///{Path.cwd()}/.housing/mlflow.db"


@pytest.mark.parametrize(
    ("variable", "text", "field", "value"),
    [
        ("HOUSING_SOURCE", "s3://ads/2026/", "source", "s3://ads/2026/"),
        ("HOUSING_SAMPLE_ROWS", "1234", "sample_rows", 1234),
        ("HOUSING_STORAGE", "/var/housing", "storage", Path("/var/housing")),
        ("MLFLOW_TRACKING_URI", "http://mlflow:5000", "mlflow_uri", "http://mlflow:5000"),
    ],
)
def test_each_variable_sets_its_field(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str, field: str, value: object
) -> None:
    monkeypatch.setenv(variable, text)

    assert getattr(Settings(), field) == value


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("HOUSING_SAMPLE_ROWS", "many"),
        ("HOUSING_SAMPLE_ROWS", "499"),
        ("HOUSING_SAMPLE_ROWS", "5000001"),
    ],
)
def test_a_wrong_value_is_refused_with_its_name_and_what_was_found(
    monkeypatch: pytest.MonkeyPatch, variable: str, text: str
) -> None:
    monkeypatch.setenv(variable, text)

    with pytest.raises(ValidationError) as refused:
        Settings()

    (fault,) = refused.value.errors()
    assert fault["loc"] == (variable.removeprefix("HOUSING_").lower(),)
    assert text in str(refused.value)


@pytest.mark.parametrize("variable", VARIABLES)
def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    default = Settings()
    monkeypatch.setenv(variable, "")

    assert Settings() == default


def test_a_relative_storage_is_bound_to_the_folder_it_was_read_in(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOUSING_STORAGE", "data/housing")

    settings = Settings()
    monkeypatch.chdir("/")

    assert settings.storage == tmp_path / "data/housing"
    assert settings.mlflow_uri == f"sqlite:///{tmp_path}/data/housing/mlflow.db"


def test_the_home_folder_is_understood_in_storage(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HOUSING_STORAGE", "~/housing")

    assert Settings().storage == tmp_path / "housing"


def test_each_market_but_the_default_has_names_and_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", "/var/housing")

    istanbul, other = Settings(), Settings(market="/etc/ads/my_ads.py")

    assert (istanbul.model_name, istanbul.key_prefix) == ("HousingPriceClassifier", ())
    assert istanbul.market_storage == Path("/var/housing")
    assert (other.model_name, other.key_prefix) == ("HousingPriceClassifier_my_ads", ("my_ads",))
    assert other.market_storage == Path("/var/housing/my_ads")
    assert other.prediction_store_url == "sqlite:////var/housing/my_ads/predictions.db"
    assert other.experiment_name != istanbul.experiment_name
    assert other.mlflow_uri == istanbul.mlflow_uri


def test_a_setting_of_one_market_wins_over_the_general_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_SOURCE", "ads.csv")
    monkeypatch.setenv("HOUSING_KING_COUNTY_SOURCE", "sales.csv")
    monkeypatch.setenv("HOUSING_KING_COUNTY_PORT", "3200")

    assert Settings().source == "ads.csv"
    assert Settings(market="king_county").source == "sales.csv"
    assert ServingSettings(market="king_county").port == 3200
    monkeypatch.setenv("HOUSING_MARKET", "king_county")
    assert Settings().source == "sales.csv"


def test_two_markets_do_not_share_a_prediction_store(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_PREDICTION_STORE", "postgresql://bob:geheim@db/istanbul")

    assert Settings().prediction_store_url == "postgresql://bob:geheim@db/istanbul"
    with pytest.raises(ValueError, match="set HOUSING_KING_COUNTY_PREDICTION_STORE to a database") as refused:
        Settings(market="king_county")
    assert "geheim" not in str(refused.value)
    monkeypatch.setenv("HOUSING_KING_COUNTY_PREDICTION_STORE", "postgresql://bob:geheim@db/king_county")
    assert Settings(market="king_county").prediction_store_url == "postgresql://bob:geheim@db/king_county"


def test_a_wrong_setting_of_one_market_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_KING_COUNTY_SAMPLE_ROWS", "many")

    Settings()
    with pytest.raises(ValidationError, match="sample_rows"):
        Settings(market="king_county")


def test_by_default_values_and_checkpoints_lie_below_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", "/var/housing")

    assert Settings().values_location == "/var/housing/assets"
    assert Settings().checkpoints_location == ""
