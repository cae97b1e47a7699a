"""Pictures of drift and of performance, as PNG bytes."""

import io
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np

from housing_assets.features.bands import CATEGORIES
from housing_assets.monitoring.cells import Cells
from housing_assets.monitoring.drift import DriftReport
from housing_assets.monitoring.performance import Outcomes
from housing_assets.monitoring.prediction_profile import PredictionProfile

_WIDTH = 5.0
_DPI = 90
_REFERENCE, _WINDOW = "#9db4c0", "#253237"
N_COLUMNS = 25
"""Columns in the picture of PSI: as many as can be read."""


def stability_by_column(report: DriftReport) -> bytes:
    """Return bars of each column's debiased PSI, with the limits it is held against."""
    found = sorted((one for one in report.findings if one.statistic == "psi"), key=lambda one: one.effect)[-N_COLUMNS:]
    figure, (axes,) = _axes(["PSI by column"], height=1.2 + 0.2 * max(len(found), 4))
    axes.barh([one.column for one in found], [max(one.effect, 0.0) for one in found], color=_WINDOW)
    for limit, style, name in (
        (report.thresholds.psi_warn, ":", "worth watching"),
        (report.thresholds.psi_alert, "--", "drift"),
    ):
        axes.axvline(limit, color="#b23a48", linestyle=style, label=f"{name}: {limit:g}")
    axes.set_xlim(0, max([1.2 * report.thresholds.psi_alert, *(1.05 * one.effect for one in found)]))
    axes.tick_params(axis="y", labelsize=7)
    axes.legend(fontsize=7, loc="lower right")
    return _png(figure)


def compared_columns(columns: Mapping[str, Cells]) -> bytes:
    """Return, for each column, bars of its shares in the reference and in the window."""
    figure, all_axes = _axes([f"{name}: share of the rows" for name in columns], height=2.6 * len(columns))
    for axes, cells in zip(all_axes, columns.values(), strict=True):
        _compare_bars(axes, cells)
    return _png(figure)


def prediction_mix(reference: PredictionProfile, window: PredictionProfile) -> bytes:
    """Return bars of the shares of the predicted categories, on the holdout and in the window."""
    figure, (axes,) = _axes(["Predicted categories: share of the rows"], height=2.6)
    _compare_bars(axes, Cells(CATEGORIES, reference.counts, window.counts))
    return _png(figure)


def accuracy_over_time(by_version: Mapping[int, Mapping[date, Outcomes]], expected: float | None) -> bytes:
    """Return the accuracy of each version by day, with two standard errors, and the holdout's."""
    figure, (axes,) = _axes(["Accuracy by day on which the price came in"], height=3.0)
    for version, by_day in sorted(by_version.items()):
        days = sorted(by_day)
        accuracy = np.array([by_day[day].accuracy for day in days])
        rows = np.array([by_day[day].rows for day in days])
        margin = 2 * np.sqrt(accuracy * (1 - accuracy) / np.maximum(rows, 1))
        axes.errorbar(np.array(days, dtype="datetime64[D]"), accuracy, margin, marker="o", label=f"version {version}")
    if expected is not None:
        axes.axhline(expected, color="#999999", linestyle="--", label="on the holdout")
    axes.set_ylim(0, 1)
    axes.tick_params(axis="x", labelrotation=30, labelsize=7)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(fontsize=7, loc="lower left")
    return _png(figure)


def _compare_bars(axes: Any, cells: Cells) -> None:
    positions = np.arange(len(cells.names))
    for offset, counts, label, color in (
        (-0.2, cells.reference, "reference", _REFERENCE),
        (0.2, cells.window, "window", _WINDOW),
    ):
        axes.bar(positions + offset, counts / max(counts.sum(), 1), 0.4, label=label, color=color)
    axes.set_xticks(positions, [name[:18] for name in cells.names], rotation=45, ha="right", fontsize=7)
    axes.legend(fontsize=7, loc="upper right")


def _axes(titles: Sequence[str], height: float) -> tuple[Any, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    all_axes = figure.subplots(len(titles), squeeze=False)[:, 0].tolist()
    for axes, title in zip(all_axes, titles, strict=True):
        axes.set_title(title, fontsize=10)
    return figure, all_axes


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
