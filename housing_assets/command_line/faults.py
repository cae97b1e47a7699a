"""What a command says when it cannot do its work: one line for what a user can mend, a traceback for a bug."""

from typing import Any

import typer
from typer.core import TyperGroup


class CommandError(Exception):
    """A command cannot do its work; the message says what was found, what was expected and what mends it."""


class Commands(TyperGroup):
    """Commands that end with exit code 1 and one line where their user is to mend something."""

    def invoke(self, ctx: Any) -> Any:
        """Run the chosen command."""
        try:
            return super().invoke(ctx)
        except Exception as fault:
            said = _said(fault)
            if said is None:
                raise
            typer.echo(f"housing: {said}", err=True)
            raise typer.Exit(1) from fault


def _said(fault: Exception) -> str | None:
    """Return what to tell of a fault, None where it is a bug."""
    from housing_assets.inference.declaration import DeclarationError

    # A KeyError or IndexError, which are LookupErrors too, is a bug; what the registry lacks is not.
    if isinstance(fault, CommandError | DeclarationError) or type(fault) is LookupError:
        return str(fault)
    # By name: importing pandas or MLflow for a comparison takes a second.
    names = {f"{kind.__module__}.{kind.__name__}" for kind in type(fault).__mro__}
    if names & {"housing_assets.listings.source.SourceError", "housing_assets.inference.artifact.ArtifactRefused"}:
        return str(fault)
    if "mlflow.exceptions.MlflowException" in names:
        return f"MLflow: {str(fault).splitlines()[0]}"
    return None
