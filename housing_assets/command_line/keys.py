"""Keys of the service's clients."""

from typing import Annotated

import typer

from housing_assets.command_line.faults import CommandError

keys_app = typer.Typer(no_args_is_help=True)


@keys_app.callback()
def keys() -> None:
    """Make API keys of the service."""


@keys_app.command()
def new(name: Annotated[str, typer.Argument(help="Whose key it is, such as mobile-2026.", metavar="NAME")]) -> None:
    """Make an API key.

    The service is given its SHA-256 only, in HOUSING_API_KEYS.
    """
    from bento_service.auth import new_key

    try:
        key, entry = new_key(name)
    except ValueError as fault:
        raise CommandError(str(fault)) from fault
    print(f"key for the client, shown only now:  {key}")
    print(f"entry for HOUSING_API_KEYS:          {entry}")
