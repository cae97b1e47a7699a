"""The figures of a card: how each is called, and how it is written. A figure reads the same wherever it stands."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from housing_assets.packaging.card.document import Table
from housing_assets.training.evaluation import as_metric_names
from housing_assets.training.out_of_time import PREFIX, ROLLING, SHOWN
from housing_assets.valuation import MIN_ROWS

if TYPE_CHECKING:
    import pandas as pd

BLANK = "–"

MOST_SEGMENTS = 100
"""Segments of a table, those with most rows: a page of areas; the evaluation has all of them."""


class Figure(NamedTuple):
    """A figure by its key, with a name for people, and what is accepted of it where a standard says so."""

    key: str
    name: str
    accepted: str = ""


OF_CATEGORIES = (
    Figure("macro_f1", "macro-F1"),
    Figure("accuracy", "accuracy"),
    Figure("roc_auc_ovr", "ROC-AUC, one category against the others"),
    Figure("log_loss", "log loss (nats)"),
    Figure("calibration_error", "expected calibration error"),
)

OF_PRICES = (
    Figure("price_rows", "held-out listings with a price"),
    Figure("price_hit_rate", "share that got an estimate"),
    Figure("price_mdape", "median absolute percentage error"),
    Figure("price_mape", "mean absolute percentage error (MAPE)"),
    Figure("price_smape", "symmetric MAPE"),
    Figure("price_wmape", "MAPE weighted by price"),
    Figure("price_rmse", "root mean squared error"),
    Figure("price_r2", "R²"),
    Figure("price_within_5", "within 5 % of the price"),
    Figure("price_within_10", "within 10 %"),
    Figure("price_within_15", "within 15 %"),
    Figure("price_within_20", "within 20 %"),
    Figure("price_median_bias", "median signed error (bias)"),
    Figure("price_mean_bias", "mean signed error"),
    Figure("price_error_std", "standard deviation of the signed error"),
    Figure("price_cod", "coefficient of dispersion (COD)", "5 to 15"),
    Figure("price_prd", "price-related differential (PRD)", "0.98 to 1.03"),
    Figure("price_prb", "price-related bias (PRB)", "−0.05 to 0.05"),
    Figure("price_fsd", "mean forecast standard deviation (FSD)"),
    Figure("price_error_68", "±% that held 68 % of prices"),
    Figure("price_fsd_share", "share of prices within their FSD", "68 %"),
    Figure("price_coverage_50", "prices within the 50 % interval", "50 %"),
    Figure("price_width_50", "median width of the 50 % interval over the estimate"),
    Figure("price_coverage_80", "prices within the 80 % interval", "80 %"),
    Figure("price_width_80", "median width of the 80 % interval over the estimate"),
    Figure("price_coverage_80_gap", "mean gap of the 80 % interval's coverage by segment"),
    Figure("price_coverage_80_gap_worst_tenth", "the same, exceeded in a tenth of the segments"),
    Figure("price_coverage_80_gap_by_chance", "the same, to expect by chance"),
)

_NAMES = {one.key: one.name for one in (*OF_CATEGORIES, *OF_PRICES)}

_AT_MIX = "macro-F1 at the holdout's mix of categories"

OF_NEWER = (
    Figure(f"{PREFIX}rows", "listings judged"),
    Figure(f"{PREFIX}macro_f1_at_mix", _AT_MIX),
    *(Figure(f"{PREFIX}{key}", _NAMES[key]) for key in SHOWN),
    Figure(f"{ROLLING}macro_f1_mean", f"{_AT_MIX}: mean of all folds"),
    Figure(f"{ROLLING}macro_f1_std", "the same: standard deviation over the folds"),
    Figure(f"{ROLLING}macro_f1_lowest", "the same: lowest of the folds"),
)
"""Of listings newer than all that was learned from."""

OF_SEGMENTS = (
    *("price_rows", "price_hit_rate", "price_mdape", "price_within_10", "price_within_20", "price_median_bias"),
    *("price_fsd", "price_error_68", "price_coverage_80", "price_width_80", "price_cod", "price_prb"),
)
"""Columns of a table of segments: error, bias, and how sure."""

_SHORT = {
    "price_rows": "rows",
    "price_hit_rate": "with estimate",
    "price_mdape": "median error",
    "price_median_bias": "bias",
    "price_fsd": "FSD",
    "price_error_68": "held 68 %",
    "price_coverage_80": "in 80 % interval",
    "price_width_80": "its width",
    "price_cod": "COD",
    "price_prb": "PRB",
}

_COUNTS = {"price_rows", "out_of_time_rows"}
_PLAIN = {"macro_f1", "accuracy", "roc_auc_ovr", "log_loss", "calibration_error", "price_r2", "price_prd", "price_prb"}


def show(key: str, value: float, currency: str = "") -> str:
    """Return a figure as the card has it, by its key; a blank where it is NaN."""
    if value != value:
        return BLANK
    bare = key.removeprefix(PREFIX).removeprefix(ROLLING)
    if key in _COUNTS:
        return f"{value:,.0f}"
    if bare == "price_rmse":
        return f"{value:,.0f} {currency}"
    if bare == "price_cod":
        return f"{value:.2f}"
    if bare.startswith("price_") and bare not in _PLAIN:
        return share(value)
    return f"{value:.4f}"


def share(value: float) -> str:
    """Return a fraction in percent."""
    return f"{100 * value:.1f} %"


def figures_table(title: str, figures: Sequence[Figure], metrics: Mapping[str, float], currency: str = "") -> Table:
    """Return a row for each figure that there is."""
    accepted = any(one.accepted for one in figures)
    return Table(
        title,
        ("figure", "value", *(["accepted or promised"] if accepted else [])),
        tuple(
            (one.name, show(one.key, metrics[one.key], currency), *([one.accepted or BLANK] if accepted else []))
            for one in figures
            if one.key in metrics
        ),
    )


def other_figures(metrics: Mapping[str, float], categories: Sequence[str]) -> tuple[Figure, ...]:
    """Return the figures that no other table has, so that none is left out; those of newer listings stand apart."""
    of_categories = {f"{kind}_{name}" for kind in ("precision", "recall", "f1") for name in as_metric_names(categories)}
    told = {one.key for one in (*OF_CATEGORIES, *OF_PRICES)} | of_categories
    return tuple(
        Figure(key, key.replace("_", " "))
        for key in sorted(metrics)
        if key not in told and not key.startswith((PREFIX, ROLLING))
    )


def by_category(metrics: Mapping[str, float], categories: Sequence[str]) -> Table:
    """Return precision, recall and F1 of each category."""
    kinds = ("precision", "recall", "f1")
    return Table(
        "By category, on held-out listings",
        ("category", "precision", "recall", "F1"),
        tuple(
            (category, *(show(kind, metrics[f"{kind}_{name}"]) for kind in kinds))
            for category, name in zip(categories, as_metric_names(categories), strict=True)
        ),
    )


def by_segment(segment: str, valued: "pd.DataFrame", currency: str) -> Table:
    """Return the valuers' figures of each value of a segment, in the order of their names."""
    rows = valued[valued["segment"] == segment]
    shown = rows.nlargest(MOST_SEGMENTS, "price_rows").index.sort_values()
    keys = [key for key in OF_SEGMENTS if key in rows]
    cut = f"; the {MOST_SEGMENTS} of {len(rows):,} with most rows" if len(rows) > MOST_SEGMENTS else ""
    return Table(
        f"By {segment.replace('_', ' ')}; {BLANK} where fewer than {MIN_ROWS} rows have an estimate{cut}",
        (segment, *(_SHORT.get(key, key.removeprefix("price_").replace("_", " ") + " %") for key in keys)),
        tuple(
            (str(row["value"]), *(show(key, float(row[key]), currency) for key in keys))
            for row in rows.loc[shown].to_dict("records")
        ),
    )
