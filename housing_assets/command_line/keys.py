"""Keys of the service's clients, and of those who sign what it loads."""

from typing import Annotated

import typer

from housing_assets.command_line.faults import CommandError

keys_app = typer.Typer(no_args_is_help=True)


@keys_app.callback()
def keys() -> None:
    """Make API keys of the service, and keys to sign versions with."""


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


@keys_app.command()
def signing() -> None:
    """Make a pair of keys to sign registered versions with.

    Where versions are registered, HOUSING_SIGNING_KEY is the private one; services have the public one in
    HOUSING_TRUSTED_SIGNERS, and then refuse what it has not signed.
    """
    from resources.signatures import new_key_pair

    private, public = new_key_pair()
    print(f"HOUSING_SIGNING_KEY, shown only now:  {private}")
    print(f"HOUSING_TRUSTED_SIGNERS:              {public}")
