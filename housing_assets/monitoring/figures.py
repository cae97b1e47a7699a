"""Figures with axes below each other, as PNG bytes."""

import io
from collections.abc import Sequence
from typing import Any

_WIDTH = 5.0
_DPI = 90


def new_figure(titles: Sequence[str], height: float) -> tuple[Any, list[Any]]:
    """Return a figure and its axes, one for each title.

    Parameters
    ----------
    titles : sequence of str
    height : float
        Of the whole figure, in inches.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, height), dpi=_DPI, layout="constrained")
    all_axes = figure.subplots(len(titles), squeeze=False)[:, 0].tolist()
    for axes, title in zip(all_axes, titles, strict=True):
        axes.set_title(title, fontsize=10)
    return figure, all_axes


def as_png(figure: Any) -> bytes:
    """Return a figure as it is stored."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
