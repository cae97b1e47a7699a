"""The service's own settings: what each is, and what it may be."""

from ipaddress import IPv4Address
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, IPvAnyAddress, field_validator
from pydantic_settings import NoDecode

from resources.key_entries import KEY_ENTRY, KEY_FORM
from resources.signatures import read_key

Endpoint = Literal["predict", "predict_batch", "explain", "feedback", "model", "health", "metrics", "replay"]
"""What the service answers, over HTTP and gRPC, under the names that settings and metrics use."""


class ServingFields(BaseModel):
    """What the service alone is told; ``ServingSettings`` reads it from the environment, with those of the platform."""

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
