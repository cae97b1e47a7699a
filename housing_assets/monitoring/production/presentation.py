"""What the report on a day's traffic leaves for the lineage page."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from housing_assets.lineage_page import table
from housing_assets.monitoring.production.traffic import TrafficReport
from resources.predictions.store import Refusals


def traffic_metadata(report: TrafficReport) -> Mapping[str, Any]:
    """Return how much was answered and refused, beside what was expected."""
    traffic = report.traffic
    return {
        "dagster/row_count": traffic.answered,
        "refused": traffic.refused,
        "refused_share": report.refused_share,
        "expected": report.expected or 0.0,
        "unmatched_feedback": traffic.unmatched_feedback,
        "summary": f"{report.refusals_summary} {report.traffic_summary}",
        "refusals": table(pd.DataFrame(traffic.refusals, columns=list(Refusals._fields))),
    }
