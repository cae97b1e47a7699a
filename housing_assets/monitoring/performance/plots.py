"""Pictures of performance, as PNG bytes."""

from collections.abc import Mapping
from datetime import date

import numpy as np

from housing_assets.monitoring.figures import as_png, new_figure
from housing_assets.monitoring.profiles.outcomes import Outcomes


def accuracy_over_time(by_version: Mapping[int, Mapping[date, Outcomes]], expected: float | None) -> bytes:
    """Return the accuracy of each version by day, with two standard errors, and the holdout's."""
    figure, (axes,) = new_figure(["Accuracy by day on which the label came in"], height=3.0)
    for version, by_day in sorted(by_version.items()):
        days = sorted(by_day)
        accuracy = np.array([by_day[day].accuracy for day in days])
        rows = np.array([by_day[day].rows for day in days])
        margin = 2 * np.sqrt(accuracy * (1 - accuracy) / np.maximum(rows, 1))
        axes.errorbar(np.array(days, dtype="datetime64[D]"), accuracy, margin, marker="o", label=f"version {version}")
    if expected is not None:
        axes.axhline(expected, color="#999999", linestyle="--", label="holdout")
    axes.set_ylim(0, 1)
    axes.tick_params(axis="x", labelrotation=30, labelsize=7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="lower left")
    return as_png(figure)
