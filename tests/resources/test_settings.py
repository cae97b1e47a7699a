from pathlib import Path

import pytest
from pydantic import ValidationError

from bento_service.auth import OPEN_TO_NEIGHBOURS
from resources.settings import ServingSettings, Settings

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


def test_a_name_that_is_not_known_is_refused_without_showing_the_values_of_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOUSING_PREDICTION_STORE", "postgresql://bob:geheim@db/predictions")
    monkeypatch.setenv("HOUSING_ALERT_WEBHOOK", "https://chat.example/services/T0/B0/geheim")
    monkeypatch.setenv("HOUSING_RETRAIN_WINDOWS_NEEDED", "6")

    with pytest.raises(ValueError, match="HOUSING_RETRAIN_WINDOWS_NEEDED is 6, expected at most") as refused:
        Settings()
    assert "geheim" not in str(refused.value)

    monkeypatch.setenv("HOUSING_SUORCE", "ads.csv")
    with pytest.raises(ValueError, match="unknown setting HOUSING_SUORCE") as refused:
        Settings()
    assert "geheim" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("HOUSING_GRCP_PORT", "HOUSING_GRPC_PORT"),
        ("HOUSING_CONSOL_HOST", "HOUSING_CONSOLE_HOST"),
        ("HOUSING_EXPORT_PORT", "HOUSING_EXPORTER_PORT"),
        ("HOUSING_API_KEYS_FILE", "HOUSING_KEYS_FILE"),
    ],
)
def test_a_slip_is_not_taken_for_the_name_of_a_market(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    monkeypatch.setenv(name, "1")

    for kind in (Settings, ServingSettings):
        with pytest.raises(ValueError, match=f"^unknown setting {name}; did you mean {meant}$"):
            kind()


@pytest.mark.parametrize("market", ["istanbul", "king_county", "my_ads", "oslo", "port_louis", "lansing", "uk", "x"])
def test_settings_of_a_market_that_another_process_knows_are_left_to_it(
    monkeypatch: pytest.MonkeyPatch, market: str
) -> None:
    of_it = [
        name for field in ServingSettings.model_fields if len(name := ServingSettings.variables(field, market)) == 2
    ]
    for variable, _ in of_it:
        monkeypatch.setenv(variable, "of another market")

    assert len(of_it) > 40
    assert ServingSettings(market="bergen").port == 3100


def test_a_market_may_be_called_as_it_likes_where_it_is_the_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_GR_PORT", "3200")

    assert ServingSettings(market="markets/gr.py").port == 3200
    with pytest.raises(ValueError, match="did you mean HOUSING_GRPC_PORT"):
        ServingSettings()


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


def test_what_is_wrong_with_a_key_is_said_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_API_KEYS", "a-secret-in-the-wrong-form")

    with pytest.raises(ValidationError) as refused:
        ServingSettings()

    assert "name:sha256" in str(refused.value)
    assert "a-secret" not in str(refused.value)


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


@pytest.mark.parametrize("name", ["STORAGE", "MARKET", "MONITORING_START"])
def test_what_all_markets_share_has_no_form_for_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"HOUSING_KING_COUNTY_{name}", "2026-03-01")

    with pytest.raises(ValueError, match=f"unknown setting HOUSING_KING_COUNTY_{name}"):
        Settings()


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


def test_every_setting_is_documented() -> None:
    documented = (Path(__file__).parents[2] / "docs/settings.md").read_text(encoding="utf-8")

    for name in ServingSettings.model_fields:
        if name != "tracking_uri":
            assert f"`HOUSING_{name.upper()}`" in documented, name
    assert f"`HOUSING_OPEN_ENDPOINTS` | `{','.join(OPEN_TO_NEIGHBOURS)}`" in documented
    description = ServingSettings.model_fields["open_endpoints"].description or ""
    assert f"{', '.join(OPEN_TO_NEIGHBOURS[:-1])} and {OPEN_TO_NEIGHBOURS[-1]}" in description


def test_lists_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_OPEN_ENDPOINTS", "predict, feedback,")
    monkeypatch.setenv("HOUSING_API_KEYS", f"old:{'0' * 64},new:{'f' * 64}")

    assert ServingSettings().open_endpoints == ["predict", "feedback"]
    assert ServingSettings().api_keys == [f"old:{'0' * 64}", f"new:{'f' * 64}"]


PRODUCTION = {
    "HOUSING_DEPLOYMENT": "production",
    "HOUSING_DAGSTER_STORE": "postgresql+psycopg2://bob:geheim@db/dagster",
    "HOUSING_PREDICTION_STORE": "postgresql://bob:geheim@db/predictions",
    "HOUSING_OBJECT_STORE": "s3://housing/team/",
    "MLFLOW_TRACKING_URI": "https://bob:geheim@mlflow",
}


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name, value in PRODUCTION.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.mark.usefixtures("production")
def test_in_production_nothing_that_must_stay_lies_on_the_disk() -> None:
    settings = Settings()

    assert settings.values_location == "s3://housing/team/assets"
    assert settings.checkpoints_location == "s3://housing/team/checkpoints/istanbul"
    assert settings.prediction_store_url == PRODUCTION["HOUSING_PREDICTION_STORE"]
    assert settings.mlflow_uri == PRODUCTION["MLFLOW_TRACKING_URI"]
    assert "geheim" not in str(settings.dagster_store)


def test_by_default_values_and_checkpoints_lie_below_the_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_STORAGE", "/var/housing")

    assert Settings().values_location == "/var/housing/assets"
    assert Settings().checkpoints_location == ""


def test_all_that_production_lacks_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_DEPLOYMENT", "production")

    with pytest.raises(ValueError, match="HOUSING_DEPLOYMENT is production, but") as refused:
        Settings()

    assert all(f"{name} is not set" in str(refused.value) for name in PRODUCTION if name != "HOUSING_DEPLOYMENT")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("HOUSING_DAGSTER_STORE", "sqlite:////geheim/dagster.db", "postgresql+psycopg2://"),
        ("HOUSING_DAGSTER_STORE", "postgresql://bob:geheim@db/dagster", "postgresql+psycopg2://"),
        ("HOUSING_PREDICTION_STORE", "mysql://bob:geheim@db/predictions", "a PostgreSQL URL"),
        ("HOUSING_OBJECT_STORE", "/geheim", "s3://bucket/prefix"),
        ("HOUSING_OBJECT_STORE", "s3://bob:geheim@housing", "s3://bucket/prefix"),
        ("MLFLOW_TRACKING_URI", "sqlite:////geheim/mlflow.db", "the http(s) address of an MLflow server"),
    ],
)
def test_what_is_wrong_for_production_is_named_and_not_shown(
    production: pytest.MonkeyPatch, variable: str, value: str, expected: str
) -> None:
    production.setenv(variable, value)

    with pytest.raises(ValueError, match=f"{variable} is wrong: expected") as refused:
        Settings()

    assert expected in str(refused.value)
    assert "geheim" not in str(refused.value)


def test_a_service_needs_no_access_to_what_it_does_not_use(production: pytest.MonkeyPatch) -> None:
    for name in ("HOUSING_DAGSTER_STORE", "HOUSING_OBJECT_STORE"):
        production.delenv(name)

    assert ServingSettings().deployment == "production"
    production.delenv("HOUSING_PREDICTION_STORE")
    with pytest.raises(ValueError, match="HOUSING_PREDICTION_STORE is not set"):
        ServingSettings()


def test_each_market_in_production_needs_a_prediction_store_of_its_own(production: pytest.MonkeyPatch) -> None:
    production.delenv("HOUSING_PREDICTION_STORE")

    with pytest.raises(ValueError, match="but HOUSING_KING_COUNTY_PREDICTION_STORE is not set"):
        Settings(market="king_county")
    production.setenv("HOUSING_KING_COUNTY_PREDICTION_STORE", "postgresql://db/king_county")
    assert Settings(market="king_county").checkpoints_location == "s3://housing/team/checkpoints/king_county"


@pytest.mark.parametrize("variable", ["HOUSING_DAGSTER_STORE", "HOUSING_OBJECT_STORE"])
def test_what_only_production_uses_is_refused_elsewhere(production: pytest.MonkeyPatch, variable: str) -> None:
    production.delenv("HOUSING_DEPLOYMENT")

    with pytest.raises(ValueError, match=f"HOUSING_DEPLOYMENT is local, but .*{variable} is set"):
        Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MLFLOW_TRACKING_PASSWORD", "password1234"),
        ("MLFLOW_TRACKING_PASSWORD", "password"),
        ("MLFLOW_AUTH_ADMIN_PASSWORD", "password1234"),
        ("MLFLOW_TRACKING_URI", "https://admin:password1234@mlflow.example"),
    ],
)
@pytest.mark.parametrize("kind", [Settings, ServingSettings])
def test_a_password_that_mlflow_was_shipped_with_is_refused(
    monkeypatch: pytest.MonkeyPatch, kind: type[Settings], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError, match=f"{name} has a password that MLflow was shipped with") as refused:
        kind()
    assert "1234" not in str(refused.value)


def test_a_password_of_ones_own_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "correct horse")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:staple@mlflow.example")
    assert Settings().mlflow_uri == "https://me:staple@mlflow.example"
