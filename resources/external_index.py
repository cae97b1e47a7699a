"""Where an external price index comes from."""

from pathlib import Path

import dagster as dg


class ExternalIndex(dg.ConfigurableResource):
    """A published price index of the market's region, in a CSV that ``housing_assets.features`` reads; or none."""

    location: str = ""

    @property
    def path(self) -> Path | None:
        """The file, None where no index is named."""
        return Path(self.location) if self.location else None
