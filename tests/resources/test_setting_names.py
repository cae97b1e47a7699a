import pytest

from resources.serving_settings import ServingSettings
from resources.settings import Settings


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


@pytest.mark.parametrize("name", ["STORAGE", "MARKET", "MONITORING_START"])
def test_what_all_markets_share_has_no_form_for_one(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"HOUSING_KING_COUNTY_{name}", "2026-03-01")

    with pytest.raises(ValueError, match=f"unknown setting HOUSING_KING_COUNTY_{name}"):
        Settings()
