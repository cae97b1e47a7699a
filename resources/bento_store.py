"""Where BentoML keeps bentos and the models in them."""

from pathlib import Path

import dagster as dg


class BentoStore(dg.ConfigurableResource):
    """A folder that BentoML knows as ``BENTOML_HOME``."""

    folder: str

    @property
    def home(self) -> Path:
        """The folder."""
        return Path(self.folder)
