"""Where the console's links lead: the lineage page of Dagster, and MLflow."""

from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode


@dataclass(frozen=True)
class Links:
    """Addresses of what the console shows a summary of.

    Attributes
    ----------
    lineage, mlflow : str
        Addresses of the two, without a slash at the end.
    model_name : str
        The registered model.
    prefix : tuple of str
        Of the keys of the market's assets.
    """

    lineage: str
    mlflow: str
    model_name: str
    prefix: Sequence[str] = ()

    def asset(self, name: str, day: str = "") -> str:
        """Return the page of an asset, of one of its days if one is named."""
        path = "/".join(quote(part, safe="") for part in (*self.prefix, name))
        query = f"?{urlencode({'view': 'partitions', 'partition': day})}" if day else ""
        return f"{self.lineage}/assets/{path}{query}"

    def graph(self) -> str:
        """Return the lineage of all assets."""
        return f"{self.lineage}/asset-groups"

    def run(self, report_id: str) -> str:
        """Return the run that made a report."""
        return f"{self.lineage}/runs/{quote(report_id.rpartition('/')[2], safe='')}"

    def sensors(self) -> str:
        """Return the page of sensors and schedules."""
        return f"{self.lineage}/automation"

    def version(self, number: int) -> str:
        """Return the page of a registered version."""
        return f"{self.mlflow}/#/models/{quote(self.model_name, safe='')}/versions/{number}"

    def experiment_run(self, experiment_id: str, run_id: str) -> str:
        """Return the page of the run that trained a version."""
        return f"{self.mlflow}/#/experiments/{quote(experiment_id, safe='')}/runs/{quote(run_id, safe='')}"
