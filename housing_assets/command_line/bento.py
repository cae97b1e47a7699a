"""The bento that was built last."""

import os

from housing_assets.command_line.environment import QUIET, read_settings
from housing_assets.command_line.faults import CommandError

NAME = "housing_price_classifier"


def bento() -> None:
    """Print the tag of the bento that was built last.

    BentoML knows it by that tag where BENTOML_HOME is the folder bentoml below the market's storage.
    """
    home = read_settings().market_storage / "bentoml"
    os.environ.update(QUIET | {"BENTOML_HOME": str(home)})
    import bentoml
    from bentoml.exceptions import NotFound

    try:
        print(bentoml.get(f"{NAME}:latest").tag)
    except NotFound:
        raise CommandError(f"no bento is in {home}: make materialize builds one of what it registers") from None
