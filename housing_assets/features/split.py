"""Learns what the categories mean and which ads are held out, for a new lineage; applies the split of a known one."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import uuid4

import numpy as np

from housing_assets.inference.declaration import PriceBands, Role
from housing_assets.inference.labels import LabelScheme
from housing_assets.inference.market import Market

if TYPE_CHECKING:
    import pandas as pd

HELD_OUT = "held_out"
"""Column of crossed listings: whether they are kept for evaluation. The split is stored there and nowhere else."""

HOLDOUT_SHARE = 0.2
STRATIFIED_WITHIN = 0.001
"""A salt is taken when no category's held-out share is further from ``HOLDOUT_SHARE``: a tenth of a percentage point is
less than a year of new ads will move it."""

_MAX_SALTS = 64


def learn_labels(market: Market, listings: "pd.DataFrame", *, synthetic: bool = False) -> LabelScheme:
    """Choose the holdout and learn the edges of the bands from the other, the training rows.

    Salts are tried until one holds out a fifth of every category, to within ``STRATIFIED_WITHIN``; of ``_MAX_SALTS``
    the most even one is taken.

    Parameters
    ----------
    market : Market
    listings : DataFrame of shape (n_rows, n_values)
    synthetic : bool
        Whether they were generated.

    Raises
    ------
    ValueError
        If the prices have too few distinct values for the bands, or a class has no rows.
    """
    targets, groups = _targets(market, listings), group_keys(market, listings, market.recognized_by)
    best, smallest = None, np.inf
    for salt in range(_MAX_SALTS):
        kept_out = _is_held_out(groups, salt)
        if kept_out.all() or not kept_out.any():
            continue
        scheme = _scheme(market, targets[~kept_out], salt, synthetic)
        if scheme.edges and not (
            targets.min() <= scheme.edges[0]
            and scheme.edges[-1] < targets.max()
            and len(set(scheme.edges)) == len(scheme.edges)
        ):
            continue
        labels = scheme.labels(targets)
        counts = np.bincount(labels, minlength=len(market.categories))
        if not counts.all():
            break
        shares = np.bincount(labels[kept_out], minlength=len(market.categories)) / counts
        unevenness = np.abs(shares - HOLDOUT_SHARE).max()
        if unevenness < smallest:
            best, smallest = scheme, unevenness
        if smallest <= STRATIFIED_WITHIN:
            break
    if best is None and market.has_price:
        raise ValueError(
            f"{len(market.categories)} price bands need more distinct prices than these {len(listings)} listings have"
        )
    if best is None:
        raise ValueError(f"each of {', '.join(market.categories)} needs listings: one of them has none")
    return best


def group_keys(market: Market, listings: "pd.DataFrame", identity: Sequence[str] = ()) -> np.ndarray:
    """Return a uint64 key that copies of one home share: a hash of the values that identify it.

    A home without its key is known by its likeness: all of those together would be one group on one side of the split.

    Parameters
    ----------
    market : Market
    listings : DataFrame of shape (n_rows, n_values)
    identity : sequence of str
        The values that identify a home; by default those that the market declares.
    """
    import pandas as pd

    identity = tuple(identity) or market.identity
    named = listings[list(identity)]
    groups = pd.util.hash_pandas_object(named, index=False).to_numpy()
    unknown = named.isna().any(axis=1).to_numpy()
    if any(value.name in identity for value in market.values(Role.KEY)) and unknown.any():
        alike = pd.util.hash_pandas_object(listings.loc[unknown, list(market.likeness)], index=False)
        groups = groups.copy()
        groups[unknown] = alike.to_numpy()
    return groups


def held_out(market: Market, labels: LabelScheme, listings: "pd.DataFrame") -> np.ndarray:
    """Return which listings are kept for evaluation: a boolean mask, the same for all copies of one home.

    A lineage keeps the values that it chose its homes by when it began, so that its versions stay comparable.

    Raises
    ------
    ValueError
        If a value that the holdout was chosen by is not declared any more.
    """
    undeclared = [name for name in labels.identity if name not in listings]
    if undeclared:
        raise ValueError(
            f"the holdout was chosen by {', '.join(undeclared)}, which {market.name} no longer declares: start a "
            "new lineage with price_bands' config reband: true"
        )
    return _is_held_out(group_keys(market, listings, labels.identity), labels.holdout_salt)


def label_rows(market: Market, labels: LabelScheme, listings: "pd.DataFrame") -> np.ndarray:
    """Return the index of each listing's category, int8."""
    return labels.labels(_targets(market, listings))


def log_prices(market: Market, labels: LabelScheme, listings: "pd.DataFrame") -> np.ndarray | None:
    """Return ``LabelScheme.log_prices`` of listings, None where the market has no price."""
    return labels.log_prices(_targets(market, listings)) if market.has_price else None


def amounts(market: Market, listings: "pd.DataFrame") -> np.ndarray | None:
    """Return natural logs of the listings' prices, float64, NaN of a stand-in; None where rows have classes."""
    from housing_assets.listings.price_kinds import has_exact_price

    if not market.has_price:
        return None
    return np.where(has_exact_price(market, listings), np.log(_targets(market, listings)), np.nan)


def band_edges(target: PriceBands, prices: np.ndarray) -> tuple[float, ...]:
    """Return the prices that part the bands of a target, learned from prices."""
    return tuple(np.quantile(prices, target.quantiles, method="lower").tolist())


def _targets(market: Market, listings: "pd.DataFrame") -> np.ndarray:
    targets = listings[market.target_value.name]
    return targets.to_numpy() if market.has_price else targets.astype(object).to_numpy()


def _scheme(market: Market, targets: np.ndarray, salt: int, synthetic: bool) -> LabelScheme:
    edges: tuple[float, ...] = ()
    if isinstance(market.target, PriceBands):
        edges = band_edges(market.target, targets)
    lineage = uuid4().hex[:12]
    return LabelScheme(
        lineage=lineage,
        categories=market.categories,
        edges=edges,
        currency=market.currency,
        holdout_salt=salt,
        identity=market.recognized_by,
        synthetic=synthetic,
        price_kind=market.price_kind,
    )


def _is_held_out(groups: np.ndarray, salt: int) -> np.ndarray:
    """Return whether a group's salted hash (SplitMix64's finalizer, Steele et al. 2014) lies in the lowest fifth."""
    mixed = groups + np.uint64(salt * 0x9E3779B97F4A7C15 % 2**64)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (mixed ^ (mixed >> np.uint64(31))) < np.uint64(HOLDOUT_SHARE * 2**64)
