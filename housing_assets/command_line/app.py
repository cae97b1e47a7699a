"""The command ``housing``: one group of commands a module, all of them thin.

Heavy libraries are imported inside the functions that need them: a command line that explains itself must not wait for
MLflow.
"""

import typer

from housing_assets.command_line.bento import bento
from housing_assets.command_line.compute import compute_app
from housing_assets.command_line.console import console
from housing_assets.command_line.decisions import decisions
from housing_assets.command_line.erase import erase
from housing_assets.command_line.exporter import exporter
from housing_assets.command_line.faults import Commands
from housing_assets.command_line.keys import keys_app
from housing_assets.command_line.market import market_app
from housing_assets.command_line.review import review_app
from housing_assets.command_line.runs import judge, materialize
from housing_assets.command_line.sample import sample
from housing_assets.command_line.servers import dev, serve
from housing_assets.command_line.settings import settings_app
from housing_assets.command_line.summary import summary
from housing_assets.command_line.traffic import traffic
from housing_assets.command_line.versions import rollback, versions_app
from housing_assets.command_line.windows import windows_app

app = typer.Typer(
    name="housing",
    cls=Commands,
    help="The housing price platform from the command line. HOUSING_ variables are its settings (housing settings).",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain lines: they are read in logs, too
    pretty_exceptions_enable=False,
)
for command in (
    materialize,
    judge,
    serve,
    dev,
    console,
    exporter,
    summary,
    rollback,
    decisions,
    sample,
    traffic,
    erase,
    bento,
):
    app.command()(command)
app.add_typer(versions_app, name="versions")
app.add_typer(windows_app, name="windows")
app.add_typer(review_app, name="review")
app.add_typer(market_app, name="market")
app.add_typer(keys_app, name="keys")
app.add_typer(compute_app, name="compute")
app.add_typer(settings_app, name="settings")
