"""The settings in force."""

import re
from typing import TYPE_CHECKING, Annotated, Any

import typer

from housing_assets.command_line.environment import read_serving_settings, variable
from housing_assets.command_line.faults import CommandError

if TYPE_CHECKING:
    from resources.serving_settings import ServingSettings

IN_FORCE = {
    "source": "listings_location",
    "tracking_uri": "mlflow_uri",
    "prediction_store": "prediction_store_url",
}
"""Settings whose default follows from others, and the property with what is then in force."""

_PASSWORD = re.compile(r"(?<=://)([^:/@\s]*):[^/\s]*@")
_SECRET = re.compile(r"(?i)([?&][a-z_]*(?:password|passwd|secret|token|key)[a-z_]*)=[^&#\s]*")

settings_app = typer.Typer(invoke_without_command=True)


@settings_app.callback()
def settings(context: typer.Context) -> None:
    """Show the settings in force.

    Each is shown with its value and where that comes from; secrets are masked.
    """
    if context.invoked_subcommand is not None:
        return
    found = read_serving_settings()
    rows = [
        (variable(type(found), name), _shown(name, _in_force(found, name)) or "not set", _origin(found, name))
        for name in type(found).model_fields
    ]
    widths = [max(len(row[column]) for row in rows) for column in (0, 1)]
    for name, value, origin in rows:
        print(f"{name:<{widths[0]}}  {value:<{min(widths[1], 60)}}  {origin}")


@settings_app.command()
def get(
    name: Annotated[
        str, typer.Argument(help="Name of the setting, such as market_storage or model_name.", metavar="NAME")
    ],
) -> None:
    """Print the value of one setting.

    It may also be one that follows from several, such as model_name or market_storage.
    """
    from resources.settings import Settings

    found = read_serving_settings()
    derived = [each for each, what in vars(Settings).items() if isinstance(what, property)]
    known = sorted([*type(found).model_fields, *derived])
    if name not in known:
        raise CommandError(f"there is no setting {name!r}: expected one of {', '.join(known)}")
    print(_shown(name, _in_force(found, name)))


def _in_force(found: "ServingSettings", name: str) -> Any:
    return getattr(found, IN_FORCE.get(name, name))


def _origin(found: "ServingSettings", name: str) -> str:
    if name in found.model_fields_set:
        return "environment"
    if name == "source" and found.landing:
        return "HOUSING_LANDING"
    below_storage = name in ("tracking_uri", "prediction_store") and "storage" in found.model_fields_set
    return "HOUSING_STORAGE" if below_storage else "default"


def _shown(name: str, value: Any) -> str:
    """Return a value without what is secret in it: of a key its name, of a URL all but its password."""
    if name == "api_keys":
        return ", ".join(entry.partition(":")[0] for entry in value)
    if isinstance(value, list | tuple):
        return ", ".join(map(str, value))
    return "" if value is None else _SECRET.sub(r"\1=***", _PASSWORD.sub(r"\1:***@", str(value)))
