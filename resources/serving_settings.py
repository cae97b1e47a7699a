"""The service's settings, with those of the platform, read from the environment."""

from pathlib import Path
from typing import ClassVar

from pydantic_settings import SettingsConfigDict

from resources.serving_fields import ServingFields
from resources.settings import Settings


class ServingSettings(ServingFields, Settings):
    """Settings of the service, with those of the platform that it shares."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # a wrong entry of the keys may be a key
    needed_in_production: ClassVar[tuple[str, ...]] = ("prediction_store", "tracking_uri")

    @property
    def keys_path(self) -> Path:
        """Where the file of keys is."""
        return self.keys_file or self.market_storage / "keys"
