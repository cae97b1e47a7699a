"""Keys of the service's clients, and of those who sign what it loads."""

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from housing_assets.command_line.environment import read_serving_settings
from housing_assets.command_line.faults import CommandError

keys_app = typer.Typer(no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of the client, such as mobile-2026.", metavar="NAME")]


class KeyScope(StrEnum):
    """``bento_service.auth.Scope``, which the command line does not load to explain itself."""

    PREDICT = "predict"
    FEEDBACK = "feedback"
    REPLAY = "replay"
    ADMIN = "admin"


@keys_app.callback()
def keys() -> None:
    """Make, list and revoke keys.

    API keys of the service, and keys to sign versions with. API keys are in the file that HOUSING_KEYS_FILE names,
    which a running service reads again when it changes.
    """


@keys_app.command()
def new(
    name: Name,
    scope: Annotated[
        list[KeyScope],
        typer.Option(help="What the key may be used for; may be repeated.", show_default="predict, feedback"),
    ] = [KeyScope.PREDICT, KeyScope.FEEDBACK],  # noqa: B006 - typer copies it
    rate: Annotated[
        float | None, typer.Option(min=0.001, help="Most requests a second; by default HOUSING_RATE_LIMIT.")
    ] = None,
) -> None:
    """Make an API key.

    The service is given its SHA-256 only.
    """
    from bento_service.auth import new_key
    from bento_service.key_file import add_entry

    with _explained():
        path = _path()
        key, entry = new_key(name, scope, rate)
        add_entry(path, entry)
    print(f"key for the client, shown only now:  {key}")
    print(f"entry in {path}:  {entry}")


@keys_app.command("list")
def list_() -> None:
    """List the keys of the file: name, scopes, rate."""
    from bento_service.auth import read_entries
    from bento_service.key_file import read_file

    with _explained():
        clients = read_entries(read_file(_path())).values()
    for client in clients:
        rate = f"{client.rate:g}/s" if client.rate else ""
        print(f"{client.name:<24}  {', '.join(sorted(client.scopes)):<32}  {rate}".rstrip())


@keys_app.command()
def revoke(name: Name) -> None:
    """Take a key out of the file: it stops working within seconds."""
    from bento_service.key_file import remove_entry

    with _explained():
        remove_entry(_path(), name)
    print(f"{name} is revoked")


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


def _path() -> Path:
    return read_serving_settings().keys_path


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as fault:
        raise CommandError(str(fault)) from fault
