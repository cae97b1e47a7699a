"""Measures how a window differs from its reference: every statistic of the drift report, column by column."""

from collections.abc import Collection, Iterator

import numpy as np

from housing_assets.monitoring.drift.findings import Consequence, Measurement
from housing_assets.monitoring.profiles.blocks import PREDICTIONS
from housing_assets.monitoring.profiles.numbers import NumberProfile
from housing_assets.monitoring.profiles.predictions import PredictionProfile
from housing_assets.monitoring.profiles.profile import Profile
from housing_assets.monitoring.statistics import richness, two_sample
from housing_assets.monitoring.statistics.cells import (
    Cells,
    Counts,
    common_counts,
    commonest_cells,
    decile_cells,
    even_cells,
)
from housing_assets.monitoring.thresholds import Thresholds

N_LISTED = 10
"""Unseen values that are listed by name, the commonest first."""


def measure(
    reference: Profile, window: Profile, limits: Thresholds, personal: Collection[str] = ()
) -> Iterator[Measurement]:
    """Yield every measurement of a window; those that cannot be made, for want of values, are left out.

    Rows that come together say less than as many independent ones: the window's counts are divided by the column's
    design effect before chance is judged (Rao & Scott 1992, "A simple method for the analysis of clustered binary
    data").

    Parameters
    ----------
    reference, window : Profile
        Of the same columns; neither is empty.
    limits : Thresholds
    personal : collection of str
        Columns whose values can lead to a person: none of them is named.
    """
    for name, number in window.numbers.items():
        if window.independent_rows(name) >= limits.min_independent:
            yield from _measure_number(name, reference.numbers[name], number, limits, window.design_effect(name))
    for name, text in window.texts.items():
        if window.independent_rows(name) < limits.min_independent:
            continue
        of_reference, design_effect = reference.texts[name], window.design_effect(name)
        counts = common_counts(of_reference, text)
        cells = commonest_cells(counts, of_reference.missing, text.missing).present()
        yield from _stability(name, cells, limits, design_effect)
        yield from _measure_text(name, counts, limits, design_effect, named=name not in personal)
    for name in window.missing:
        yield from measure_missing(name, reference, window, limits)
    for name, lag in window.lags.items():
        yield from _freshness(name, reference.lags[name], lag)
    predicted = window.predictions.rows >= limits.min_rows and reference.predictions.rows
    if predicted and window.independent_rows(PREDICTIONS) >= limits.min_independent:
        design_effect = window.design_effect(PREDICTIONS)
        yield from _measure_predictions(reference.predictions, window.predictions, limits, design_effect)


def measure_missing(name: str, reference: Profile, window: Profile, limits: Thresholds) -> Iterator[Measurement]:
    """Yield by what factor the share of missing values has risen, or, where that is more, that of present ones fallen.

    Where most values are missing already, the rise alone says little: 93 instead of 82 % is a column that lost 60 % of
    what it had.
    """
    missing, lost = reference.missing[name], window.missing[name]
    if not missing and not lost:
        return
    share, share_lost = missing / reference.rows, lost / window.rows
    design_effect = window.design_effect(name) if name not in window.lags else 1.0
    risen = share_lost / max(share, limits.missing_floor)
    fallen = max(1 - share, limits.missing_floor) / max(1 - share_lost, limits.missing_floor)
    yield Measurement(
        name,
        "missing",
        value=share_lost,
        effect=max(risen, fallen),
        p=two_sample.compare_proportions(missing, reference.rows, lost / design_effect, window.rows / design_effect),
        alert=limits.missing_ratio,
        consequence=Consequence.ALERT,
        detail=f"{share_lost:.1%} missing, {share:.1%} in the reference",
    )


def measure_unseen(
    name: str, counts: Counts, limits: Thresholds, design_effect: float = 1.0, *, named: bool
) -> Iterator[Measurement]:
    """Yield the share of rows with values that the reference never had; a larger share has the limit of retraining.

    Parameters
    ----------
    name : str
    counts : Counts
    limits : Thresholds
    design_effect : float
        Rows of the window that tell as much as an independent one.
    named : bool
        Whether the values may be named.
    """
    m = int(counts.window.sum())
    if not m or not counts.reference.any():
        return
    unseen = richness.unseen_rows(counts.reference, counts.window, design_effect)
    excess = (unseen.found - unseen.expected) / m
    mendable = excess > limits.unseen_share_retraining
    yield Measurement(
        name,
        "unseen",
        value=unseen.found / m,
        effect=excess,
        p=unseen.p,
        alert=limits.unseen_share_retraining if mendable else limits.unseen_share,
        consequence=Consequence.RETRAINING if mendable else Consequence.ALERT,
        detail=f"{unseen.found / m:.1%} of the rows, {unseen.expected / m:.1%} expected" + _listed(counts, named),
    )


def _measure_number(
    name: str, reference: NumberProfile, window: NumberProfile, limits: Thresholds, design_effect: float
) -> Iterator[Measurement]:
    from scipy.stats import wasserstein_distance

    yield from _stability(name, decile_cells(reference, window).present(), limits, design_effect)
    if not reference.present or not window.present:
        return
    distance = two_sample.kolmogorov_smirnov(reference.counts, window.counts / design_effect)
    moved = float(wasserstein_distance(reference.positions, reference.positions, reference.counts, window.counts))
    spread = reference.quantile(0.75) - reference.quantile(0.25) or reference.deviation or 1.0
    fullest = max(reference.counts.max() / reference.present, window.counts.max() / window.present)
    yield Measurement(
        name,
        "ks",
        value=distance.value,
        effect=distance.effect,
        p=distance.p,
        warn=limits.ks_warn,
        alert=limits.ks_alert,
        consequence=Consequence.RETRAINING,
        inclusive=True,
        detail=f"mean {window.mean:,.4g}, {reference.mean:,.4g} in the reference; D is at most {fullest:.1%} too small",
    )
    yield Measurement(
        name,
        "wasserstein",
        value=moved,
        effect=moved / spread,
        detail=f"values moved by {moved:,.4g} on average, {moved / spread:.2f} interquartile ranges",
    )


def _measure_text(
    name: str, counts: Counts, limits: Thresholds, design_effect: float, *, named: bool
) -> Iterator[Measurement]:
    if not counts.reference.any() or not counts.window.any():
        return
    cells = even_cells(counts)
    association = two_sample.chi_square(cells.reference, cells.window / design_effect)
    yield Measurement(
        name,
        "chi_square",
        value=association.value,
        effect=association.effect,
        p=association.p,
        warn=limits.cramers_v_warn,
        alert=limits.cramers_v_alert,
        consequence=Consequence.RETRAINING,
        inclusive=True,
        detail=f"Cramér's V {association.effect:.3f}",
    )
    yield from measure_unseen(name, counts, limits, design_effect, named=named)
    distinct = richness.distinct_values(counts.reference, counts.window)
    yield Measurement(
        name,
        "cardinality",
        value=distinct.found,
        effect=distinct.found / distinct.expected,
        p=distinct.p,
        alert=limits.cardinality_ratio,
        consequence=Consequence.ALERT,
        detail=f"{distinct.found:,} distinct values, {distinct.expected:,.1f} expected of as many rows",
    )
    gone = richness.vanished_values(counts.reference, counts.window, design_effect)
    yield Measurement(
        name,
        "vanished",
        value=gone.found / counts.reference.sum(),
        effect=gone.share,
        p=gone.p,
        alert=limits.vanished_share,
        consequence=Consequence.ALERT,
        detail=f"values of {gone.found / counts.reference.sum():.1%} of the reference's rows do not occur, "
        f"{gone.expected / counts.reference.sum():.1%} expected of as many rows",
    )


def _measure_predictions(
    reference: PredictionProfile, window: PredictionProfile, limits: Thresholds, design_effect: float
) -> Iterator[Measurement]:
    divergence = two_sample.kullback_leibler(reference.counts, window.counts / design_effect)
    yield Measurement(
        PREDICTIONS,
        "kl",
        value=divergence.value,
        effect=divergence.effect,
        p=divergence.p,
        warn=limits.kl_warn,
        alert=limits.kl_alert,
        consequence=Consequence.RETRAINING,
        detail=_largest_change(Cells(reference.categories, reference.counts, window.counts)),
    )
    shift = window.mean_probabilities - reference.mean_probabilities
    largest = int(np.abs(shift).argmax())
    yield Measurement(
        PREDICTIONS,
        "mean_probability",
        value=float(shift[largest]),
        effect=float(abs(shift[largest])),
        detail=f"mean probability of {reference.categories[largest]} {window.mean_probabilities[largest]:.3f}, "
        f"{reference.mean_probabilities[largest]:.3f} in the reference",
    )


def _stability(name: str, cells: Cells, limits: Thresholds, design_effect: float) -> Iterator[Measurement]:
    if not cells.reference.any() or not cells.window.any() or np.count_nonzero(cells.reference + cells.window) < 2:
        return
    stability = two_sample.population_stability(cells.reference, cells.window / design_effect)
    yield Measurement(
        name,
        "psi",
        value=stability.value,
        effect=stability.effect,
        p=stability.p,
        warn=limits.psi_warn,
        alert=limits.psi_alert,
        consequence=Consequence.RETRAINING,
        detail=_largest_change(cells),
    )


def _freshness(name: str, reference: NumberProfile, window: NumberProfile) -> Iterator[Measurement]:
    if reference.present and window.present:
        yield Measurement(
            name,
            "lag_days",
            value=window.mean,
            effect=window.mean - reference.mean,
            detail=f"{window.mean:,.0f} days old on average, {reference.mean:,.0f} in the reference",
        )


def _largest_change(cells: Cells) -> str:
    p, q = cells.reference / cells.reference.sum(), cells.window / cells.window.sum()
    largest = int(np.abs(q - p).argmax())
    return f"{cells.names[largest]}: {q[largest]:.1%} of the rows, {p[largest]:.1%} in the reference"


def _listed(counts: Counts, named: bool) -> str:
    unseen = np.flatnonzero((counts.reference == 0) & (counts.window > 0))
    if not len(unseen):
        return ""
    if not named:
        return f"; {len(unseen):,} distinct"
    commonest = unseen[np.argsort(-counts.window[unseen], kind="stable")[:N_LISTED]]
    more = f" and {len(unseen) - len(commonest):,} more" if len(unseen) > len(commonest) else ""
    return ": " + ", ".join(f"{counts.names[index]} ({counts.window[index]:,})" for index in commonest) + more
