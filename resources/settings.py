"""The platform's settings, read from the environment once and refused at start if they are wrong.

Those of the service are in ``serving_fields.py``, and both together in ``serving_settings.py``.
"""

import os
from datetime import date
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field, IPvAnyAddress, SecretStr, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from resources.serving_fields import ServingFields
from resources.setting_names import PREFIX, require_known_names
from resources.setting_rules import Deployment, require_certified_cluster, require_deployment, require_own_password
from resources.signatures import read_key

DEFAULT_MARKET = "istanbul"
"""Its assets, storage and registered model have bare names; those of other markets are told apart by theirs."""

MODEL_NAME = "HousingPriceClassifier"
"""Registered model of the default market."""

EXPERIMENT = "housing_price_classifier"
"""MLflow experiment of the default market."""

LOCAL_COMPUTE = "local"
"""Computing in the process of the step."""

_SHARED = frozenset(
    {
        "market",
        "deployment",
        "storage",
        "dagster_store",
        "object_store",
        "cache_bytes",
        "tracking_uri",
        "monitoring_start",
        "monitoring_window_days",
    }
)
"""Settings that all markets of a workspace share: there is no form of them for one market."""

_URL = r"^https?://[^\s/]+[^\s]*$"


class Settings(BaseSettings):
    """Settings of the platform, prefixed ``HOUSING_``; ``MLFLOW_TRACKING_URI`` means what it means everywhere."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="ignore")

    market: str = Field(
        default=DEFAULT_MARKET,
        min_length=1,
        description="Whose listings these are: a market of the package by its name, or the path of a file.py that "
        "declares one.",
    )
    source: str | None = Field(
        default=None,
        description="Where raw listings lie: a file, folder, glob, s3:// prefix, or SQLAlchemy URL#query. "
        "Unset: the market's synthetic sample.",
    )
    sample_rows: int = Field(
        default=6_000, ge=500, le=5_000_000, description="Rows of the synthetic sample, where no source is set."
    )
    review_share: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="Share of the answers that are drawn at random for persons to review: the answers that they want "
        "to review in a day, divided by the answers of a day.",
    )
    price_index: Path | None = Field(
        default=None,
        description="CSV of month,index with a published price index of the region. It completes the one that is "
        "learned from the listings, or replaces it.",
    )
    deployment: Deployment = Field(
        default="local",
        description="local: files and SQLite below HOUSING_STORAGE; production: PostgreSQL, S3 and an MLflow server.",
    )
    storage: Path = Field(
        default=Path(".housing"),
        description="Root of everything the embedded default writes; in production, of what may be lost.",
    )
    dagster_store: SecretStr | None = Field(
        default=None,
        description="postgresql+psycopg2://... for Dagster's runs, events and schedules; production only.",
    )
    object_store: str | None = Field(
        default=None, description="s3://bucket/prefix for assets, checkpoints and logs of steps; production only."
    )
    cache_bytes: int = Field(
        default=10_000_000_000,
        ge=0,
        description="Bytes of disk space for copies of values that lie in the object store.",
    )
    tracking_uri: str | None = Field(
        default=None,
        validation_alias="MLFLOW_TRACKING_URI",
        description="MLflow tracking server. Unset: an SQLite file below HOUSING_STORAGE.",
    )
    prediction_store: str | None = Field(
        default=None,
        description="SQLAlchemy URL (SQLite or PostgreSQL) of the prediction store. Unset: an SQLite file below "
        "HOUSING_STORAGE, one for each market.",
    )
    monitoring_start: date = Field(
        default=date(2026, 1, 1), description="First day whose production is watched: the first partition."
    )
    monitoring_window_days: int = Field(default=1, ge=1, le=30, description="Days that a drift report judges together.")

    compute: str = Field(
        default=LOCAL_COMPUTE,
        description="Where rows are cleaned, hashed, profiled and scored and trees are grown: `local`, or a Dask "
        "cluster by its scheduler, tls://host:port.",
    )
    compute_certificates: Path | None = Field(
        default=None,
        description="Folder of the certificate that is shown to the Dask cluster; `housing compute certificates` makes "
        "it.",
    )
    compute_shard_rows: int = Field(
        default=200_000, ge=1_000, le=5_000_000, description="Rows that a worker of the Dask cluster computes at once."
    )

    landing: str | None = Field(
        default=None,
        description="Folder or s3:// prefix: complete new files there start a training, which reads all of it unless "
        "HOUSING_SOURCE says otherwise.",
    )
    landing_settle_seconds: float = Field(
        default=60,
        ge=0,
        le=86_400,
        description="Seconds for which a new file below HOUSING_LANDING must have stayed the same to count as "
        "complete.",
    )
    retrain_windows_needed: int = Field(
        default=2, ge=1, le=30, description="Number of recent windows that must have findings for a retraining."
    )
    retrain_windows_seen: int = Field(
        default=5, ge=1, le=30, description="Number of recent windows in which findings are counted."
    )
    retrain_cooldown_hours: float = Field(
        default=24, ge=0, le=8_760, description="Hours that must pass between the launches of two retrainings."
    )
    retrain_attempts_a_week: int = Field(
        default=3, ge=1, le=100, description="Retrainings that may be launched in seven days, failed ones included."
    )
    retrain_sweep_trials: int = Field(
        default=0, ge=0, le=10_000, description="Settings of the forest that a retraining after drift tries first."
    )
    sensor_seconds: int = Field(default=30, ge=1, le=3_600, description="Seconds between two looks of each sensor.")
    retention_days: int = Field(
        default=400,
        ge=1,
        le=36_500,
        description="Days after which predictions are deleted from the store, and with them what assets have stored of "
        "them and the records of runs.",
    )
    log_days: int = Field(
        default=30, ge=1, le=36_500, description="Days after which what runs and their steps have logged is deleted."
    )
    unused_days: int = Field(
        default=30,
        ge=1,
        le=36_500,
        description="Days after which what nothing refers to any more is deleted: values before the newest, "
        "checkpoints of finished forests, files of deleted versions.",
    )
    signing_key: SecretStr | None = Field(
        default=None,
        description="Ed25519 private key that registered versions are signed with; `housing keys signing` makes one.",
    )
    alert_webhook: SecretStr | None = Field(
        default=None, description="Webhook in Slack's format that alerts are sent to, besides the local log."
    )

    console_host: IPvAnyAddress = Field(
        default=IPv4Address("127.0.0.1"),
        description="Address that the console listens on. It asks nobody who they are: elsewhere than on its own "
        "machine, put a proxy before it that does.",
    )
    console_port: int = Field(default=3200, ge=1, le=65_535, description="HTTP port of the console.")
    console_service: str | None = Field(
        default=None,
        pattern=_URL,
        description="Address of the service whose health the console shows. Unset: HOUSING_PORT of this machine.",
    )
    console_service_key: SecretStr | None = Field(
        default=None, description="API key with the scope admin, where the service's health is not open."
    )
    lineage_url: str = Field(
        default="http://localhost:3000",
        pattern=_URL,
        description="Where the lineage page is: the console links to it, the exporter asks it of code locations.",
    )
    mlflow_url: str | None = Field(
        default=None,
        pattern=_URL,
        description="Address that the console's links to MLflow lead to. Unset: MLFLOW_TRACKING_URI if that is a "
        "server, or else http://localhost:5000.",
    )

    exporter_host: IPvAnyAddress = Field(
        default=IPv4Address("127.0.0.1"), description="Address that the exporter's metrics are served on."
    )
    exporter_port: int = Field(default=3201, ge=1, le=65_535, description="HTTP port of the exporter.")

    needed_in_production: ClassVar[tuple[str, ...]] = (
        "dagster_store",
        "prediction_store",
        "object_store",
        "tracking_uri",
    )
    """Settings without which a deployment in production has a place on one disk."""

    def __init__(self, **values: Any) -> None:
        market = str(values.get("market") or os.environ.get(f"{PREFIX}MARKET") or DEFAULT_MARKET)
        own = {**self._of_market(Path(market).stem), **values}
        super().__init__(**own)
        self._expect_what_goes_together()
        if self.prediction_store and "prediction_store" not in own and not self.is_default_market:
            raise ValueError(
                f"{PREFIX}PREDICTION_STORE is the store of {DEFAULT_MARKET}: set "
                f"{PREFIX}{self.market_name.upper()}_PREDICTION_STORE to a database of its own, because the answers of "
                "two markets in one store would be trained on as if they were of one"
            )

    @classmethod
    def _of_market(cls, name: str) -> dict[str, str]:
        """Return the settings that the environment has for one market alone: ``HOUSING_KING_COUNTY_SOURCE``, say."""
        own = {field: cls.variables(field, name)[0] for field in cls.model_fields if field not in _SHARED}
        return {field: os.environ[variable] for field, variable in own.items() if os.environ.get(variable)}

    @classmethod
    def variables(cls, field: str, market_name: str) -> tuple[str, ...]:
        """Return the environment variables of a setting, the strongest first: a market's own, then that of all."""
        of_all = str(cls.model_fields[field].validation_alias or f"{PREFIX}{field}".upper())
        return (of_all,) if field in _SHARED else (f"{PREFIX}{market_name}_{field}".upper(), of_all)

    def _expect_what_goes_together(self) -> None:  # as a validator, it would show all values, passwords among them
        self._expect_known_names()
        self._expect_a_deployment()
        require_own_password(self.tracking_uri, os.environ)
        if self.compute != LOCAL_COMPUTE:
            require_certified_cluster(self.compute, self.compute_certificates)
        if self.signing_key is not None:
            try:
                read_key(self.signing_key.get_secret_value())
            except ValueError as fault:
                raise ValueError(f"{PREFIX}SIGNING_KEY is no private key: {fault}") from None
        if self.retrain_windows_needed > self.retrain_windows_seen:
            raise ValueError(
                f"HOUSING_RETRAIN_WINDOWS_NEEDED is {self.retrain_windows_needed}, expected at most "
                f"HOUSING_RETRAIN_WINDOWS_SEEN, which is {self.retrain_windows_seen}"
            )

    def _expect_known_names(self) -> None:
        every = Settings.model_fields | ServingFields.model_fields  # one environment may have both
        require_known_names(
            os.environ,
            [name for name in every if name != "tracking_uri"],
            [name for name in every if name not in _SHARED],
            self.market_name,
        )

    def _expect_a_deployment(self) -> None:
        given = {
            "dagster_store": self.dagster_store.get_secret_value() if self.dagster_store else "",
            "prediction_store": self.prediction_store or "",
            "object_store": self.object_store or "",
            "tracking_uri": self.tracking_uri or "",
        }
        named = -1 if self.is_default_market else 0
        needed = {name: self.variables(name, self.market_name)[named] for name in self.needed_in_production}
        require_deployment(self.deployment, given, needed)

    @field_validator("storage", "compute_certificates", "price_index")
    @classmethod
    def _make_absolute(cls, folder: Path | None) -> Path | None:
        return folder.expanduser().absolute() if folder else folder

    @property
    def market_name(self) -> str:
        """The market's name: that of its file, where it is declared in one."""
        return Path(self.market).stem

    @property
    def is_default_market(self) -> bool:
        """Whether the market's assets, storage and model have bare names."""
        return self.market_name == DEFAULT_MARKET

    @property
    def model_name(self) -> str:
        """The market's registered model."""
        return MODEL_NAME if self.is_default_market else f"{MODEL_NAME}_{self.market_name}"

    @property
    def experiment_name(self) -> str:
        """The market's MLflow experiment."""
        return EXPERIMENT if self.is_default_market else f"{EXPERIMENT}_{self.market_name}"

    @property
    def market_storage(self) -> Path:
        """Where everything lies that markets do not share."""
        return self.storage if self.is_default_market else self.storage / self.market_name

    @property
    def key_prefix(self) -> tuple[str, ...]:
        """What the keys of the market's assets begin with, so that several markets can share one Dagster instance."""
        return () if self.is_default_market else (self.market_name,)

    @property
    def mlflow_uri(self) -> str:
        """The MLflow tracking URI in force."""
        return self.tracking_uri or f"sqlite:///{self.storage / 'mlflow.db'}"

    @property
    def values_location(self) -> str:
        """Where assets store their values: a folder, or ``s3://bucket/prefix``."""
        return f"{self.object_store.rstrip('/')}/assets" if self.object_store else str(self.storage / "assets")

    @property
    def checkpoints_location(self) -> str:
        """Where the market's checkpoints are mirrored; empty where the disk is all there is."""
        return f"{self.object_store.rstrip('/')}/checkpoints/{self.market_name}" if self.object_store else ""

    @property
    def listings_location(self) -> str:
        """Where raw listings lie; empty for the synthetic sample."""
        return self.source or self.landing or ""

    @property
    def prediction_store_url(self) -> str:
        """The URL of the prediction store in force."""
        return self.prediction_store or f"sqlite:///{self.market_storage / 'predictions.db'}"
