"""Pictures of a training set and of a forest's evaluation, as PNG bytes."""

import io
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from housing_assets.valuation import Valuations

if TYPE_CHECKING:
    import pandas as pd

_SIZE = (5.0, 3.6)
_DPI = 90
N_IMPORTANT = 20
"""Columns in the importance plot: as many as can be read."""


def class_balance(before: Mapping[str, int], after: Mapping[str, int]) -> bytes:
    """Return bars of the class counts before and after balancing."""
    figure, axes = _axes("Listings by price category")
    positions = np.arange(len(before))
    axes.bar(positions - 0.2, list(before.values()), 0.4, label="before", color="#9db4c0")
    axes.bar(positions + 0.2, [after[name] for name in before], 0.4, label="after", color="#253237")
    axes.set_xticks(positions, list(before))
    axes.legend()
    return _png(figure)


def confusion_matrix(counts: np.ndarray, categories: Sequence[str]) -> bytes:
    """Return a table of true against predicted categories, shaded by the share of the true category."""
    figure, axes = _axes("Confusion on held-out listings")
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.ndindex(counts.shape):
        shade = "white" if shares[row, column] > 0.5 else "black"
        label = f"{counts[row, column]:,}\n{shares[row, column]:.0%}"
        axes.text(column, row, label, ha="center", va="center", color=shade)
    axes.set_xticks(range(len(categories)), categories)
    axes.set_yticks(range(len(categories)), categories)
    axes.set_xlabel("predicted")
    axes.set_ylabel("true")
    return _png(figure)


def calibration(curve: "pd.DataFrame", n_classes: int) -> bytes:
    """Return accuracy against confidence; a calibrated model lies on the diagonal."""
    figure, axes = _axes("Calibration on held-out listings")
    axes.plot([1 / n_classes, 1], [1 / n_classes, 1], color="#999999", linestyle="--", label="perfect")
    axes.plot(curve["confidence"], curve["accuracy"], marker="o", color="#253237", label="forest")
    axes.set_xlabel("mean probability of the predicted category")
    axes.set_ylabel("share that was right")
    axes.legend()
    return _png(figure)


def estimates(valuations: Valuations, currency: str) -> bytes:
    """Return estimates against prices, both on a logarithmic scale, with the lines of 10 % above and below."""
    figure, axes = _axes("Estimates of held-out listings", height=_SIZE[0])
    valued = valuations.rows(valuations.valued)
    if len(valued):
        ends = np.array([valued.prices.min(), valued.prices.max()])
        axes.loglog(valued.prices, valued.estimates, ".", markersize=2, alpha=0.4, color="#253237", rasterized=True)
        axes.loglog(ends, ends, color="#d1495b", linewidth=1, label="right")
        for factor, label in ((1.1, "10 % off"), (0.9, None)):
            axes.loglog(ends, ends * factor, color="#d1495b", linewidth=0.7, linestyle="--", label=label)
        axes.legend()
    axes.set_xlabel(f"price, {currency}")
    axes.set_ylabel(f"estimate, {currency}")
    return _png(figure)


def importance(importances: Mapping[str, float]) -> bytes:
    """Return bars of the most important columns (mean decrease in impurity, summing to 1 over all columns)."""
    figure, axes = _axes("Feature importance", height=5.5)
    top = sorted(importances.items(), key=lambda item: item[1])[-N_IMPORTANT:]
    axes.barh([name[:45] for name, _ in top], [share for _, share in top], color="#5c6b73")
    axes.tick_params(axis="y", labelsize=7)
    return _png(figure)


def contributions(means: "pd.DataFrame") -> bytes:
    """Return bars of the columns that add most to the answers: to the log price, or else to the probabilities."""
    ranked = means.head(N_IMPORTANT)[::-1]
    by_price = "log_price" in means
    figure, axes = _axes("What fields add to answers, on the whole", height=5.5)
    if len(ranked):
        axes.barh(ranked["column"].str.slice(stop=45), 100 * ranked["log_price" if by_price else "mean_probability"])
    axes.set_xlabel("mean size of the contribution, " + ("% of the price" if by_price else "points of probability"))
    axes.tick_params(axis="y", labelsize=7)
    return _png(figure)


def differences(names: Sequence[str], values: np.ndarray, reference: str) -> bytes:
    """Return differences in macro-F1 with their intervals: ``values`` of shape (n_names, 3), value, low and high."""
    figure, axes = _axes(f"Macro-F1 against the {reference}, 95 % interval")
    middle, low, high = values.T
    positions = np.arange(len(names))[::-1]
    axes.axvline(0, color="#999999", linestyle="--", linewidth=1)
    axes.errorbar(middle, positions, xerr=[middle - low, high - middle], fmt="o", color="#253237", capsize=3)
    axes.set_yticks(positions, list(names))
    axes.set_ylim(-0.5, len(names) - 0.5)
    return _png(figure)


def _axes(title: str, height: float = _SIZE[1]) -> tuple[Any, Any]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_SIZE[0], height), dpi=_DPI, layout="constrained")
    axes = figure.subplots()
    axes.set_title(title, fontsize=10)
    return figure, axes


def _png(figure: Any) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
