"""Where forests in training keep their checkpoints."""

from pathlib import Path

import dagster as dg


class Checkpoints(dg.ConfigurableResource):
    """A folder for each forest in training; on a disk that outlives the process."""

    folder: str

    def path_of(self, name: str) -> Path:
        """Return the folder of one forest's checkpoints."""
        return Path(self.folder) / name
