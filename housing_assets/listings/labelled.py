"""Answered requests whose truth came back, as listings: typed by the same rules as every row."""

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import pandas as pd

from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import ROW, clean
from housing_assets.listings.origins import ORIGIN, ORIGINS, PRODUCTION, SOURCE, SYNTHETIC, WHEN
from housing_assets.listings.price_kinds import REPORTED_KIND, teach

TAUGHT_BY_SYNTHETIC = "synthetic"
"""Column of labelled listings: whether the version that answered was trained on synthetic rows."""


class Labelled(NamedTuple):
    """Labelled listings.

    Attributes
    ----------
    listings : DataFrame of shape (n_listings, 5 + n_values)
        ``row``, the typed values, ``origin``, the days on which it was asked for and reported, and ``synthetic``.
    unusable : int
        Rows with a cell that the market's rules refuse, as they may after a declaration has changed.
    copies : int
        Rows that equal an earlier one.
    of_another_price_kind : int
        Rows whose price is of a kind that is not predicted: paid, where the market's are asking prices, say.
    """

    listings: pd.DataFrame
    unusable: int
    copies: int
    of_another_price_kind: int


def type_labelled(
    market: Market,
    stored: "Iterable[pd.DataFrame]",
    read_cells: Callable[[pd.DataFrame], pd.DataFrame],
    is_synthetic: Callable[[str], bool | None],
) -> Labelled:
    """Type answered requests whose truth is known, oldest first.

    Where a column says of each row which kind its price is, that is the kind that was reported.

    Parameters
    ----------
    market : Market
    stored : iterable of DataFrame
        Labelled predictions, as the prediction store reads them.
    read_cells : callable
        Returns the listings of such a frame as they were sent, one column for each raw column.
    is_synthetic : callable
        Whether a version was trained on synthetic rows; None for one that is not registered, whose rows are left out.
    """
    parts: list[pd.DataFrame] = []
    flags: list[np.ndarray] = []
    days: list[pd.DataFrame] = []
    of_another_price_kind = 0
    for frame in stored:
        kinds = [is_synthetic(str(version)) for version in frame["model_version"]]
        known = np.array([kind is not None for kind in kinds], dtype=bool)
        of_kind = teach(market, frame)
        of_another_price_kind += int(np.count_nonzero(known & ~of_kind))
        known &= of_kind
        if known.any():
            kept = frame[known]
            cells = {market.target_column.raw: kept["price" if market.has_price else "true_category"].astype(object)}
            if market.price_kind_column is not None:
                cells[market.price_kind_column.raw] = kept[REPORTED_KIND]
            parts.append(read_cells(kept).assign(**cells))
            flags.append(np.array(kinds, dtype=object)[known].astype(bool))
            moments = zip(WHEN, ("predicted_at", "received_at"), strict=True)
            days.append(pd.DataFrame({name: _day_of(kept[moment]) for name, moment in moments}))
    names = [column.raw for column in market.columns]
    raw = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=names, dtype=object)
    cleaned = clean(market, raw)
    synthetic = np.concatenate(flags) if flags else np.zeros(0, dtype=bool)
    when = pd.concat(days, ignore_index=True) if days else _no_days(0)
    listings = cleaned.listings.assign(
        **when.iloc[cleaned.listings[ROW]].reset_index(drop=True),
        **{
            ORIGIN: _origin(PRODUCTION, len(cleaned.listings)),
            TAUGHT_BY_SYNTHETIC: synthetic[cleaned.listings[ROW].to_numpy()],
        },
    )
    return Labelled(listings, len(cleaned.quarantined), len(cleaned.duplicates), of_another_price_kind)


class Joined(NamedTuple):
    """Listings of the source with the labelled ones behind them.

    Attributes
    ----------
    listings : DataFrame of shape (n_listings, 4 + n_values)
        ``row``, the typed values, ``origin``, and the days on which labelled ones were asked for and reported, which
        are numbered behind those of the source.
    of_another_kind : int
        Labelled rows left out because a version answered them that was trained on synthetic rows, where these are
        real, or the other way round: requests of a demonstration must not end up among real ads.
    known_already : int
        Labelled rows left out because they equal a listing of the source in every value.
    """

    listings: pd.DataFrame
    of_another_kind: int
    known_already: int


def join_labelled(
    market: Market, listings: pd.DataFrame, labelled: pd.DataFrame, *, n_rows: int, synthetic: bool
) -> Joined:
    """Put labelled listings behind those of the source.

    Parameters
    ----------
    market : Market
    listings : DataFrame of shape (n_listings, 1 + n_values)
        Of the source, typed, with ``row``.
    labelled : DataFrame
        As ``type_labelled`` returns them.
    n_rows : int
        Rows that the source has in all.
    synthetic : bool
        Whether they are those of the market's generator.
    """
    names = [value.name for value in market.values()]
    sourced = listings.assign(
        **{ORIGIN: _origin(SYNTHETIC if synthetic else SOURCE, len(listings))}, **_no_days(len(listings))
    )
    alike = labelled[labelled[TAUGHT_BY_SYNTHETIC] == synthetic]
    known = set(pd.util.hash_pandas_object(listings[names], index=False)) if len(alike) else set()
    new = ~pd.util.hash_pandas_object(alike[names], index=False).isin(known).to_numpy()
    added = alike.loc[new, [ROW, *names, ORIGIN, *WHEN]]
    if len(added):
        added = added.assign(**{ROW: added[ROW] + n_rows})
        sourced = pd.DataFrame({name: _concatenate(sourced[name], added[name]) for name in sourced})
    return Joined(sourced, len(labelled) - len(alike), len(alike) - len(added))


def _no_days(n_rows: int) -> pd.DataFrame:
    return pd.DataFrame({name: np.full(n_rows, "NaT", dtype="datetime64[s]") for name in WHEN})


def _day_of(moments: pd.Series) -> np.ndarray:
    return moments.dt.tz_localize(None).dt.floor("D").to_numpy().astype("datetime64[s]")


def _origin(origin: str, n_rows: int) -> "pd.Categorical[str]":
    return pd.Categorical.from_codes(np.full(n_rows, ORIGINS.index(origin)), pd.Index(ORIGINS))


def _concatenate(front: pd.Series, back: pd.Series) -> pd.Series:
    if isinstance(front.dtype, pd.CategoricalDtype) and list(front.cat.categories) != list(back.cat.categories):
        return pd.Series(pd.api.types.union_categoricals([front, back], sort_categories=True))
    return pd.concat([front, back], ignore_index=True)
