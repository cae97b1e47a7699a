"""Where sweeps of settings keep their trials: on the disk of the machine that searches."""

import shutil
from pathlib import Path

import dagster as dg


class Studies(dg.ConfigurableResource):
    """A folder for the sweeps of each family of classifiers. One run at a time searches for a family."""

    folder: str

    def path_of(self, family: str) -> Path:
        """Return the folder of one family's sweeps."""
        return Path(self.folder) / family

    def forget(self, family: str) -> None:
        """Remove the sweeps of one family, if there are any."""
        if self.path_of(family).is_dir():
            shutil.rmtree(self.path_of(family))
