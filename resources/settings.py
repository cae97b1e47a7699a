"""Every setting of the platform, read from the environment once and refused at start if it is wrong."""

import os
from pathlib import Path
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

PREFIX = "HOUSING_"

READ_ELSEWHERE = {"HOUSING_MODEL_FOLDER", "HOUSING_REAL_DATA", "HOUSING_KILL_SEED"}
"""Variables with the prefix that the service and the tests read for themselves."""


class Settings(BaseSettings):
    """Settings with the prefix ``HOUSING_``; ``MLFLOW_TRACKING_URI`` means what it means everywhere."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")

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

    port: int = Field(default=3100, ge=1, le=65_535, description="HTTP port of the service.")

    @model_validator(mode="after")
    def _know_every_name(self) -> Self:
        known = {f"{PREFIX}{name}".upper() for name in type(self).model_fields if name != "tracking_uri"}
        known |= READ_ELSEWHERE
        unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
        if unknown:
            raise ValueError(f"unknown setting {', '.join(unknown)}; there are {', '.join(sorted(known))}")
        return self

    @field_validator("storage")
    @classmethod
    def _make_absolute(cls, storage: Path) -> Path:
        return storage.expanduser().absolute()

    @property
    def mlflow_uri(self) -> str:
        """The MLflow tracking URI in force."""
        return self.tracking_uri or f"sqlite:///{self.storage / 'mlflow.db'}"
