"""Learns the price estimator (``inference/estimate.py``): the listings in the leaves, and what calibrates intervals."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import numpy as np

from housing_assets.features.crossing import texts_of
from housing_assets.features.encoded import EncodedListings
from housing_assets.features.split import HELD_OUT, group_keys
from housing_assets.inference.comparables import Comparables, kept_names
from housing_assets.inference.estimate import (
    COVERAGES,
    MAX_LISTINGS,
    N_COLUMNS,
    NEUTRAL,
    Calibration,
    PriceEstimator,
    forecast_deviation,
)
from housing_assets.inference.forest import FlatForest
from housing_assets.inference.market import Market
from housing_assets.listings.price_kinds import has_exact_price
from housing_assets.valuation import Valuations

if TYPE_CHECKING:
    import pandas as pd
    from scipy.sparse import csr_matrix

MAX_MEMBERS = 8
"""Listings that a leaf keeps, drawn at random: a price is no surer for more that are alike."""

PRIOR_ROWS = 30
"""All rows together weigh as much as so many of an area's own when its factors are learned."""

UNLIKE = 0.01
"""Share of held-out listings that are unlike all training listings."""

_ROWS_AT_ONCE = 4_096


@dataclass(frozen=True)
class Priced:
    """Encoded listings with their prices.

    Attributes
    ----------
    X : csr_matrix of shape (n_rows, n_columns), float32
    prices : ndarray of shape (n_rows,), float64
    known : ndarray of shape (n_rows,), float64
        What each log price is without the forest, learned from other rows; zeros where nothing is known.
    texts : sequence of str or None
        Of each row, the text by which intervals are calibrated.
    groups : ndarray of shape (n_rows,), uint64
        Copies of one home share a group.
    """

    X: "csr_matrix"
    prices: np.ndarray
    known: np.ndarray
    texts: Sequence[str | None]
    groups: np.ndarray

    @classmethod
    def of(cls, market: Market, X: "csr_matrix", crossed: "pd.DataFrame", known: np.ndarray | None) -> Self:
        """Take those encoded listings whose price is exact.

        Parameters
        ----------
        market : Market
            With a price.
        X : csr_matrix of shape (n_rows, n_columns)
        crossed : DataFrame of shape (n_rows, n_values)
            The same rows.
        known : ndarray of shape (n_rows,) or None
            As the attribute, of all rows; None where nothing is known.
        """
        exact = has_exact_price(market, crossed)
        rows = crossed[exact]
        return cls(
            X[np.flatnonzero(exact)],
            rows[market.target_value.name].to_numpy(np.float64),
            np.zeros(len(rows)) if known is None else known[exact],
            texts_of(rows, calibration_key(market)),
            group_keys(market, rows),
        )

    def __len__(self) -> int:
        return len(self.prices)

    def rows(self, chosen: np.ndarray) -> Self:
        """Return some of the rows, by a boolean mask."""
        positions = np.flatnonzero(chosen)
        texts = [self.texts[position] for position in positions.tolist()]
        return type(self)(
            self.X[positions], self.prices[positions], self.known[positions], texts, self.groups[positions]
        )


def calibration_key(market: Market) -> str:
    """Return the text by whose values intervals are calibrated: what tells most of a price, as for the rule."""
    return market.fallback[0] if market.fallback else ""


def learn_estimator(forest: FlatForest, encoded: EncodedListings, crossed: "pd.DataFrame") -> PriceEstimator:
    """Learn to estimate prices by the leaves of a forest; what is learned is empty where the market has none.

    Parameters
    ----------
    forest : FlatForest
    encoded : EncodedListings
        What it was grown on.
    crossed : DataFrame of shape (n_rows, n_values)
        The same listings, with ``held_out``.

    Raises
    ------
    ValueError
        If no training or no held-out listing has an exact price.
    """
    market = encoded.encoder.market
    if not market.has_price:
        return PriceEstimator.nothing(forest.n_leaves)
    held_out = crossed[HELD_OUT].to_numpy()
    training = Priced.of(market, encoded.X_train, crossed[~held_out], encoded.known_log_prices_train)
    estimator = fill_leaves(forest, training)
    if market.comparables:
        learned_from = crossed[~held_out]
        exact = learned_from[has_exact_price(market, learned_from)]
        estimator = replace(estimator, comparables=keep_listings(market, training, exact))
    judging = Priced.of(market, encoded.X_holdout, crossed[held_out], encoded.known_log_prices_holdout)
    return calibrate(estimator, forest, judging, calibration_key(market))


def judge_estimates(estimator: PriceEstimator, forest: FlatForest, held_out: Priced) -> Valuations:
    """Return the estimates of held-out listings beside their prices; no home calibrates what it is judged by.

    The homes are halved by their hashes, and the intervals of each half calibrated by the other.

    Parameters
    ----------
    estimator : PriceEstimator
    forest : FlatForest
    held_out : Priced
    """
    estimates = np.empty((len(held_out), N_COLUMNS))
    half = held_out.groups % np.uint64(2) == 0
    for judged in (half, ~half):
        if judged.any() and not judged.all():
            calibrated = calibrate(estimator, forest, held_out.rows(~judged), estimator.calibration.key)
            estimates[judged] = estimate_all(calibrated, forest, held_out.rows(judged))
            estimates[judged, 0] = np.where(calibrated.is_unlike(estimates[judged]), np.nan, estimates[judged, 0])
        else:
            estimates[judged] = np.nan
    return Valuations(
        held_out.prices,
        estimates[:, 0],
        {50: (estimates[:, 1], estimates[:, 2]), 80: (estimates[:, 5], estimates[:, 6])},
        forecast_deviation(estimates[:, 0], estimates[:, 3], estimates[:, 4]),
    )


def fill_leaves(forest: FlatForest, training: Priced, seed: int = 0) -> PriceEstimator:
    """Return an estimator with training listings in the leaves.

    Parameters
    ----------
    forest : FlatForest
    training : Priced
    seed : int
        Of the draw among too many listings.

    Raises
    ------
    ValueError
        If there are no listings.
    """
    if not len(training):
        raise ValueError("no training listing has an exact price to estimate others by")
    rng = np.random.default_rng(seed)
    rows = _numbered_rows(training, rng)
    values = np.log(training.prices[rows]) - training.known[rows]
    mixed = rng.permutation(len(rows))  # so that the first of a leaf are a draw
    leaves = _leaves(forest, training.X[rows[mixed]])
    by_leaf = np.argsort(leaves.T, axis=None, kind="stable")
    counts = np.bincount(leaves.ravel(), minlength=forest.n_leaves)
    ends = np.cumsum(counts)
    rank = np.arange(leaves.size) - np.repeat(ends - counts, counts)
    members = mixed[by_leaf % len(rows)][rank < MAX_MEMBERS]
    starts = np.concatenate([[0], np.cumsum(np.minimum(counts, MAX_MEMBERS))])
    return PriceEstimator(starts.astype(np.int32), members.astype(np.uint16), values)


def keep_listings(market: Market, training: Priced, listings: "pd.DataFrame", seed: int = 0) -> Comparables:
    """Return what answers may show of training listings, in the order of their numbers in ``fill_leaves``.

    Parameters
    ----------
    market : Market
    training : Priced
    listings : DataFrame of shape (n_rows, n_values)
        The same rows.
    seed : int
        That of ``fill_leaves``.
    """
    kept = listings.iloc[_numbered_rows(training, np.random.default_rng(seed))]
    values = {name: kept[name].tolist() for name in kept_names(market)}
    return Comparables.of(market, kept[market.target_value.name].tolist(), values)


def _numbered_rows(training: Priced, rng: np.random.Generator) -> np.ndarray:
    """Return the positions of the training listings that an estimator keeps, in the order of their numbers."""
    drawn = rng.permutation(len(training))[:MAX_LISTINGS]
    residuals = np.log(training.prices[drawn]) - training.known[drawn]
    return np.asarray(drawn[np.argsort(residuals, kind="stable")])


def calibrate(estimator: PriceEstimator, forest: FlatForest, held_out: Priced, key: str) -> PriceEstimator:
    """Return an estimator whose intervals hold as often as they say, by listings that it was not made of.

    For each row and coverage the score is how far the price lies from the estimate, in distances of the interval's end
    there; the factor is the score's quantile at the coverage, with the area's own rows weighing 1 each and all
    others together ``PRIOR_ROWS`` (weighted conformal prediction, Barber et al. 2023, with fixed weights).

    Parameters
    ----------
    estimator : PriceEstimator
    forest : FlatForest
    held_out : Priced
    key : str
        Name of the text that ``held_out.texts`` are values of.

    Raises
    ------
    ValueError
        If there are no listings.
    """
    if not len(held_out):
        raise ValueError("no held-out listing has an exact price to calibrate estimates by")
    estimates = estimate_all(replace(estimator, calibration=NEUTRAL), forest, held_out)
    scores = _scores(estimates, held_out)
    order = np.argsort(scores, axis=0)
    texts, codes = np.unique(np.array([text or "" for text in held_out.texts], dtype=object), return_inverse=True)
    factors = {}
    for code, text in enumerate(texts.tolist()):
        if text:
            own = codes == code
            weights = np.where(own, 1.0, PRIOR_ROWS / max(int(np.count_nonzero(~own)), 1))
            factors[text] = _quantiles(scores, order, weights)
    least = float(np.quantile(estimates[:, -1], UNLIKE, method="lower"))
    everywhere = _quantiles(scores, order, np.ones(len(scores)))
    return replace(estimator, calibration=Calibration(key, factors, everywhere, least))


def estimate_all(estimator: PriceEstimator, forest: FlatForest, priced: Priced) -> np.ndarray:
    """Return ``PriceEstimator.estimate`` of encoded listings, a bounded number of them at once."""
    estimates = np.empty((len(priced), N_COLUMNS))
    for first in range(0, len(priced), _ROWS_AT_ONCE):
        rows = slice(first, first + _ROWS_AT_ONCE)
        leaves = _leaves(forest, priced.X[rows])
        estimates[rows] = estimator.estimate(leaves, priced.known[rows], priced.texts[rows])
    return estimates


def _leaves(forest: FlatForest, encoded: "csr_matrix") -> np.ndarray:
    return forest.walk(encoded)[1]


def _scores(estimates: np.ndarray, held_out: Priced) -> np.ndarray:
    """Return how far prices lie from estimates, in distances of the uncalibrated ends: (n_rows, n_coverages)."""
    logs = np.log(estimates[:, :-1])
    error = np.log(held_out.prices) - logs[:, 0]
    below, above = logs[:, :1] - logs[:, 1::2], logs[:, 2::2] - logs[:, :1]
    return np.where(error[:, None] < 0, -error[:, None] / below, error[:, None] / above)


def _quantiles(scores: np.ndarray, order: np.ndarray, weights: np.ndarray) -> tuple[float, ...]:
    """Return the quantile of the scores at each coverage, by weights; a row to come weighs 1, with an endless score.

    Parameters
    ----------
    scores, order : ndarray of shape (n_rows, n_coverages)
        The scores, and the rows of each coverage by ascending score: sorted once for all weights.
    weights : ndarray of shape (n_rows,)
    """
    found = []
    for position, coverage in enumerate(COVERAGES):
        ranked = order[:, position]
        share = np.cumsum(weights[ranked]) / (weights.sum() + 1.0)
        reached = min(int(np.searchsorted(share, coverage)), len(ranked) - 1)
        found.append(float(scores[ranked[reached], position]))
    return tuple(found)
