import pytest

from resources.serving_settings import ServingSettings
from resources.settings import Settings

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
