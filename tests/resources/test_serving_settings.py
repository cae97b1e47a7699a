from pathlib import Path

import pytest
from pydantic import ValidationError

from bento_service.auth import OPEN_TO_NEIGHBOURS
from resources.serving_settings import ServingSettings


def test_what_is_wrong_with_a_key_is_said_without_showing_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOUSING_API_KEYS", "a-secret-in-the-wrong-form")

    with pytest.raises(ValidationError) as refused:
        ServingSettings()

    assert "name:sha256" in str(refused.value)
    assert "a-secret" not in str(refused.value)


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
