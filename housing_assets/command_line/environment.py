"""The settings in force, and the environment that they mean for other programs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from housing_assets.command_line.faults import CommandError

if TYPE_CHECKING:
    import dagster as dg
    from pydantic_core import ErrorDetails

    from resources.mlflow.registry import ModelRegistry
    from resources.predictions.store import PredictionStore
    from resources.serving_settings import ServingSettings
    from resources.settings import Settings

S = TypeVar("S", bound="Settings")

QUIET = {
    "DAGSTER_DISABLE_TELEMETRY": "yes",
    "BENTOML_DO_NOT_TRACK": "True",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
"""What keeps the programs from reporting on their users, where nobody has said otherwise."""


def read_settings() -> "Settings":
    """Return the platform's settings.

    Raises
    ------
    CommandError
        If one of them is wrong.
    """
    from resources.settings import Settings

    return _read(Settings)


def read_serving_settings() -> "ServingSettings":
    """Return the service's settings, with the platform's.

    Raises
    ------
    CommandError
        If one of them is wrong.
    """
    from resources.serving_settings import ServingSettings

    return _read(ServingSettings)


def registry_of(settings: "Settings") -> "ModelRegistry":
    """Return the registry of the market's models."""
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", QUIET["MLFLOW_DISABLE_TELEMETRY"])
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")  # by default, who waits would wait for minutes
    from resources.mlflow.registry import ModelRegistry

    return ModelRegistry(tracking_uri=settings.mlflow_uri, model_name=settings.model_name)


def prediction_store_of(settings: "Settings") -> "PredictionStore":
    """Return the market's prediction store."""
    from resources.predictions.store import PredictionStore

    return PredictionStore(url=settings.prediction_store_url, review_share=settings.review_share)


def environment_of(settings: "Settings") -> dict[str, str]:
    """Return the environment of a program that the settings mean, with DAGSTER_HOME, which is made.

    Raises
    ------
    CommandError
        If runs and events would lie on this disk in production.
    """
    home = dagster_home(settings)
    home.mkdir(parents=True, exist_ok=True)
    if settings.deployment == "production":
        _require_storage(home / "dagster.yaml")
    told = {
        "HOUSING_STORAGE": str(settings.storage),
        "DAGSTER_HOME": str(home),
        "MLFLOW_TRACKING_URI": settings.mlflow_uri,
    }
    return {**QUIET, **os.environ, **told}


def dagster_home(settings: "Settings") -> Path:
    """Return the folder of the Dagster instance: DAGSTER_HOME, or one of the deployment below HOUSING_STORAGE."""
    named = os.environ.get("DAGSTER_HOME")
    own = "dagster-production" if settings.deployment == "production" else "dagster"
    return Path(named) if named else settings.storage / own


@contextmanager
def dagster_instance(settings: "Settings") -> "Iterator[dg.DagsterInstance]":
    """Open the Dagster instance.

    Raises
    ------
    CommandError
        If there is none yet.
    """
    import dagster as dg

    home = dagster_home(settings)
    if settings.deployment == "production":
        _require_storage(home / "dagster.yaml")
    if not home.is_dir():
        raise CommandError(
            f"{home} is no folder, so nothing was run with it yet: make materialize, or set DAGSTER_HOME"
        )
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _require_storage(configuration: Path) -> None:
    """Refuse a configuration of Dagster without a database: it would take files without a word."""
    import yaml

    told = yaml.safe_load(configuration.read_text(encoding="utf-8")) if configuration.exists() else None
    if not (isinstance(told, dict) and "storage" in told):
        raise CommandError(
            f"HOUSING_DEPLOYMENT is production, and {configuration} names no storage for Dagster's runs and events: "
            "make it a link to deploy/dagster.yaml (make setup does, where there is none)"
        )


def _read(kind: type[S]) -> S:
    from pydantic import ValidationError

    from housing_assets.market_loading import require_market

    try:
        found = kind()
    except ValidationError as fault:
        raise CommandError("; ".join(_of_one(kind, error) for error in fault.errors())) from fault
    except ValueError as fault:
        raise CommandError(str(fault)) from fault
    require_market(found.market)
    return found


def _of_one(kind: "type[Settings]", error: "ErrorDetails") -> str:
    """Say what is wrong with a setting, without its value: it may be a password."""
    name = str(error["loc"][0]) if error["loc"] else ""
    return f"{variable(kind, name)}: {_expected(error) or error['msg'].removeprefix('Value error, ')}"


_EXPECTED = {
    "int_parsing": "expected a whole number",
    "int_from_float": "expected a whole number",
    "float_parsing": "expected a number",
    "finite_number": "expected a number",
    "bool_parsing": "expected true or false",
    "date_from_datetime_parsing": "expected a day such as 2026-03-01",
    "date_parsing": "expected a day such as 2026-03-01",
    "ip_any_address": "expected an IP address such as 127.0.0.1, or 0.0.0.0 for every one of the machine",
    "string_pattern_mismatch": "expected an address such as http://host:port",  # the only texts that have a pattern
    "greater_than_equal": "expected a number of at least {ge:,.10g}",
    "greater_than": "expected a number above {gt:,.10g}",
    "less_than_equal": "expected a number of at most {le:,.10g}",
    "literal_error": "expected {expected}",
}
"""What was expected, in plain words, by the kind of an error."""


def _expected(error: "ErrorDetails") -> str:
    return _EXPECTED.get(error["type"], "").format(**error.get("ctx", {}))


def variable(kind: "type[Settings]", name: str) -> str:
    """Return the environment variable that a setting was read from, or would be."""
    from resources.setting_names import PREFIX
    from resources.settings import DEFAULT_MARKET

    if name not in kind.model_fields:
        return f"{PREFIX}{name.upper()}"
    market = Path(os.environ.get(f"{PREFIX}MARKET") or DEFAULT_MARKET).stem
    *own, of_all = kind.variables(name, market)
    return next((one for one in own if os.environ.get(one)), of_all)
