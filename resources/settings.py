"""Every setting of the platform, read from the environment once and refused at start if it is wrong."""

import os
import re
from datetime import date
from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyAddress, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from resources.setting_names import PREFIX, require_known_names
from resources.signatures import read_key

DEFAULT_MARKET = "istanbul"
"""Its assets, storage and registered model have bare names; those of other markets are told apart by theirs."""

MODEL_NAME = "HousingPriceClassifier"
"""Registered model of the default market."""

EXPERIMENT = "housing_price_classifier"
"""MLflow experiment of the default market."""

LOCAL_COMPUTE = "local"
"""Computing in the process of the step."""

_SCHEDULER = re.compile(r"tls://(?:\[[0-9a-fA-F:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")

SHIPPED_PASSWORDS = frozenset({"password", "password1234"})
"""Passwords of MLflow's user admin that earlier releases of it came with: everybody knows them."""

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

_SCOPE = "(?:predict|feedback|replay|admin)"

KEY_ENTRY = re.compile(rf"([^:,#\s]+):([0-9a-f]{{64}})(?::({_SCOPE}(?:\+{_SCOPE})*)(?::([0-9]+(?:\.[0-9]+)?))?)?")
"""An API key of the service as it is configured: name, SHA-256, scopes, requests a second."""

KEY_FORM = "name:sha256, name:sha256:scope+scope or name:sha256:scope+scope:requests_a_second"


class _Form(NamedTuple):
    """What the text of a setting looks like, and how that is said."""

    pattern: re.Pattern[str]
    told: str


_POSTGRESQL = _Form(re.compile(r"postgresql(\+[a-z0-9]+)?://.+"), "a PostgreSQL URL (postgresql://...)")
_PSYCOPG2 = _Form(
    re.compile(r"postgresql\+psycopg2://.+"),
    "postgresql+psycopg2://..., the only driver that Dagster's statements suit",
)
_S3 = _Form(re.compile(r"s3://[a-z0-9][a-z0-9.-]+(/[^?#]*)?"), "s3://bucket/prefix")
_HTTP = _Form(re.compile(r"https?://.+"), "the http(s) address of an MLflow server")

_IN_PRODUCTION = {
    "dagster_store": _PSYCOPG2,
    "prediction_store": _POSTGRESQL,
    "object_store": _S3,
    "tracking_uri": _HTTP,
}


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
    deployment: Literal["local", "production"] = Field(
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
        require_known_names(
            os.environ,
            [name for name in ServingSettings.model_fields if name != "tracking_uri"],
            [name for name in ServingSettings.model_fields if name not in _SHARED],
            self.market_name,
        )
        self._expect_a_deployment()
        self._expect_own_password_of_mlflow()
        self._expect_a_cluster_with_certificates()
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

    def _expect_a_deployment(self) -> None:
        """Refuse what is missing or wrong for the deployment, all of it at once; values may be passwords."""
        faults = []
        for field in self.needed_in_production if self.deployment == "production" else ():
            form, found = _IN_PRODUCTION[field], getattr(self, field)
            text = found.get_secret_value() if isinstance(found, SecretStr) else found
            if not text or not form.pattern.fullmatch(text):
                variable = self.variables(field, self.market_name)[0 if not self.is_default_market else -1]
                faults.append(f"{variable} is {'wrong' if text else 'not set'}: expected {form.told}")
        if self.deployment == "local":
            unused = [field for field in ("dagster_store", "object_store") if getattr(self, field)]
            faults += [f"{PREFIX}{field.upper()} is set" for field in unused]
        if faults:
            raise ValueError(f"{PREFIX}DEPLOYMENT is {self.deployment}, but {'; '.join(faults)}")

    def _expect_own_password_of_mlflow(self) -> None:
        given = {name: os.environ.get(name) for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_AUTH_ADMIN_PASSWORD")}
        uri = self.tracking_uri or ""
        if uri.startswith(("http://", "https://")):
            given["MLFLOW_TRACKING_URI"] = urlsplit(uri).password
        shipped = [name for name, password in given.items() if password in SHIPPED_PASSWORDS]
        if shipped:
            raise ValueError(
                f"{shipped[0]} has a password that MLflow was shipped with, which everybody knows: change that of the "
                "server's admin, and name a user of your own"
            )

    def _expect_a_cluster_with_certificates(self) -> None:
        if self.compute == LOCAL_COMPUTE:
            return
        if not _SCHEDULER.fullmatch(self.compute):
            raise ValueError(f"{PREFIX}COMPUTE is {self.compute!r}, expected {LOCAL_COMPUTE} or tls://host:port")
        if self.compute_certificates is None:
            raise ValueError(
                f"{PREFIX}COMPUTE_CERTIFICATES is not set, and {PREFIX}COMPUTE names a cluster: "
                "`housing compute certificates FOLDER` makes it"
            )

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


Endpoint = Literal["predict", "predict_batch", "explain", "feedback", "model", "health", "metrics", "replay"]
"""What the service answers, over HTTP and gRPC, under the names that settings and metrics use."""


class ServingSettings(Settings):
    """Settings of the service, with those of the platform that it shares."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)  # a wrong entry of the keys may be a key
    needed_in_production: ClassVar[tuple[str, ...]] = ("prediction_store", "tracking_uri")

    host: IPvAnyAddress = Field(
        default=IPv4Address("127.0.0.1"),
        description="Address that the service listens on. 0.0.0.0: every one of the machine; a key is then needed for "
        "what HOUSING_OPEN_ENDPOINTS does not name.",
    )
    port: int = Field(default=3100, ge=1, le=65_535, description="HTTP port of the service.")
    grpc_port: int = Field(default=3101, ge=0, le=65_535, description="gRPC port of the service; 0 switches it off.")
    workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="Processes of the service that answer; with several, one may die without a gap.",
    )
    model_folder: Path | None = Field(
        default=None,
        description="Folder of the model artifact to fall back on. Unset: the one that is baked into the bento, if "
        "any.",
    )

    api_keys: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Valid API keys as name:sha256, name:sha256:scopes or name:sha256:scopes:rate, separated by "
        "commas.",
    )
    keys_file: Path | None = Field(
        default=None,
        description="File of API keys besides those of HOUSING_API_KEYS, one a line, that is read again when it "
        "changes. Unset: `keys` below HOUSING_STORAGE, which `housing keys` writes.",
    )
    open_endpoints: Annotated[list[Endpoint] | None, NoDecode] = Field(
        default=None,
        description="What is answered without a key, separated by commas, or `none`. Unset: predict, explain, model, "
        "health and metrics where the service listens on its own machine alone, nothing elsewhere.",
    )
    rate_limit: float = Field(
        default=0,
        ge=0,
        le=1_000_000,
        description="Requests a second that one key may send, and all clients without one; each listing of a batch "
        "counts. 0: no limit.",
    )
    max_batch: int = Field(default=500, ge=1, le=10_000, description="Listings that one batch may have.")
    max_request_bytes: int = Field(
        default=1_000_000,
        ge=10_000,
        le=100_000_000,
        description="Bytes that a batch may have; a larger one is answered 413. Other requests have 64 KB at most.",
    )
    explain_ms: float = Field(
        default=1_000.0,
        ge=0,
        le=4_000,
        description="Milliseconds that the exact contributions of an explanation may take; where they would take "
        "longer, it has path contributions.",
    )
    max_delay: float = Field(
        default=1.0,
        gt=0,
        le=60,
        description="Seconds that requests may wait for their turn before they are answered 503.",
    )

    drain_seconds: float = Field(
        default=3.0,
        ge=0,
        le=300,
        description="Seconds from SIGTERM, at which the service says that it is not ready, to its taking no more "
        "connections.",
    )

    registry_timeout: float = Field(
        default=10, gt=0, le=300, description="Seconds that one try of loading a version from the registry may take."
    )
    registry_attempts: int = Field(
        default=3, ge=1, le=10, description="How often a failing call of the registry is tried."
    )
    breaker_failures: int = Field(
        default=5,
        ge=1,
        le=100,
        description="Calls of the registry that must fail in a row before it is not called for a while.",
    )
    breaker_seconds: float = Field(
        default=60,
        gt=0,
        le=3_600,
        description="Seconds for which the registry is not called after HOUSING_BREAKER_FAILURES failures in a row.",
    )
    refresh_seconds: float = Field(
        default=10,
        gt=0,
        le=3_600,
        description="Seconds after which the registry is asked again what is in production.",
    )
    allow_unverified: bool = Field(
        default=False,
        description="Whether a version is served that was registered without the digest of its manifest.",
    )

    trusted_signers: Annotated[list[str], NoDecode] = Field(
        default=[],
        description="Ed25519 public keys, separated by commas: a version that none of them has signed is refused. "
        "Unset: no signature is needed.",
    )

    challenger_share: float = Field(
        default=0, ge=0, le=1, description="Share of the request keys that the version in staging answers."
    )
    shadow: bool = Field(
        default=False,
        description="Whether the version in staging also predicts what production answers, without its prediction "
        "being returned.",
    )

    journal_bytes: int = Field(
        default=1_000_000_000,
        ge=1_000_000,
        description="Bytes of disk space for predictions that are not in the prediction store yet.",
    )
    log_share: float = Field(default=0.01, ge=0, le=1, description="Share of the predictions that are logged.")
    log_personal: bool = Field(
        default=False, description="Whether logged predictions show what the market declares personal."
    )

    @property
    def keys_path(self) -> Path:
        """Where the file of keys is."""
        return self.keys_file or self.market_storage / "keys"

    @field_validator("trusted_signers")
    @classmethod
    def _expect_public_keys(cls, keys: list[str]) -> list[str]:
        for key in keys:
            read_key(key)
        return keys

    @field_validator("api_keys", "open_endpoints", "trusted_signers", mode="before")
    @classmethod
    def _split_list(cls, text: object) -> object:
        if text == "none":
            return []
        return [each.strip() for each in text.split(",") if each.strip()] if isinstance(text, str) else text

    @field_validator("api_keys")
    @classmethod
    def _know_the_form_of_keys(cls, entries: list[str]) -> list[str]:
        wrong = [position for position, entry in enumerate(entries, start=1) if not KEY_ENTRY.fullmatch(entry)]
        if wrong:  # the entry itself is not shown: it may be a key
            raise ValueError(f"entry {wrong[0]} is not {KEY_FORM}; `housing keys new NAME` makes one")
        return entries
