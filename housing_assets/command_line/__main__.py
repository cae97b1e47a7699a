"""The command ``housing`` as ``python -m housing_assets.command_line``."""

from housing_assets.command_line.app import app

app(prog_name="housing")
