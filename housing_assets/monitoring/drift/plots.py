"""Pictures of drift, as PNG bytes."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from housing_assets.monitoring.drift.report import DriftReport
from housing_assets.monitoring.figures import as_png, new_figure
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.statistics.cells import Cells

_REFERENCE, _WINDOW = "#9db4c0", "#253237"

N_COLUMNS = 25
"""Columns in the picture of PSI: as many as can be read."""


def stability_by_column(report: DriftReport) -> bytes:
    """Return bars of each column's debiased PSI, with the limits it is held against."""
    found = sorted((one for one in report.findings if one.statistic == "psi"), key=lambda one: one.effect)[-N_COLUMNS:]
    figure, (axes,) = new_figure(["PSI by column"], height=1.2 + 0.2 * max(len(found), 4))
    axes.barh([one.column for one in found], [max(one.effect, 0.0) for one in found], color=_WINDOW)
    for limit, style, name in (
        (report.thresholds.psi_warn, ":", "worth watching"),
        (report.thresholds.psi_alert, "--", "drift"),
    ):
        axes.axvline(limit, color="#b23a48", linestyle=style, label=f"{name}: {limit:g}")
    axes.set_xlim(0, max([1.2 * report.thresholds.psi_alert, *(1.05 * one.effect for one in found)]))
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(fontsize=7, loc="lower right")
    return as_png(figure)


def compared_columns(columns: Mapping[str, Cells]) -> bytes:
    """Return, for each column, bars of its shares in the reference and in the window."""
    figure, all_axes = new_figure([f"{name}: share of the rows" for name in columns], height=2.6 * len(columns))
    for axes, cells in zip(all_axes, columns.values(), strict=True):
        _compare_bars(axes, cells)
    return as_png(figure)


def prediction_mix(reference: PredictionProfile, window: PredictionProfile) -> bytes:
    """Return bars of the shares of the predicted categories, on the holdout and in the window."""
    figure, (axes,) = new_figure(["Predicted categories: share of the rows"], height=2.6)
    _compare_bars(axes, Cells(reference.categories, reference.counts, window.counts))
    return as_png(figure)


def _compare_bars(axes: Any, cells: Cells) -> None:
    positions = np.arange(len(cells.names))
    for offset, counts, label, color in (
        (-0.2, cells.reference, "reference", _REFERENCE),
        (0.2, cells.window, "window", _WINDOW),
    ):
        axes.bar(positions + offset, counts / max(counts.sum(), 1), 0.4, label=label, color=color)
    axes.set_xticks(positions, [name[:18] for name in cells.names], rotation=45, ha="right", fontsize=7)
    axes.legend(fontsize=7, loc="upper right")
