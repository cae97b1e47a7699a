"""Every setting of the platform, read from the environment once and refused at start if it is wrong."""

from pathlib import Path

from pydantic import Field, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Settings with the prefix ``HOUSING_``; ``MLFLOW_TRACKING_URI`` means what it means everywhere."""

    model_config = SettingsConfigDict(env_prefix="HOUSING_", env_ignore_empty=True, extra="ignore")

    source: str | None = Field(
        default=None,
        description="Where raw listings lie: a file, folder, glob, s3:// prefix, or SQLAlchemy URL#query. "
        "Unset: the bundled synthetic sample.",
    )
    sample_rows: int = Field(
        default=6_000, ge=500, le=5_000_000, description="Rows of the synthetic sample, where no source is set."
    )
    storage: Path = Field(default=Path(".housing"), description="Root of everything the embedded default writes.")
    tracking_uri: str | None = Field(
        default=None,
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow tracking server. Unset: an SQLite file below HOUSING_STORAGE.",
    )

    @field_validator("storage")
    @classmethod
    def _make_absolute(cls, storage: Path) -> Path:
        return storage.expanduser().absolute()

    @property
    def mlflow_uri(self) -> str:
        """The MLflow tracking URI in force."""
        return self.tracking_uri or f"sqlite:///{self.storage / 'mlflow.db'}"
