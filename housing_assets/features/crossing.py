"""Bins, grids, crosses and quotients of a frame of listings: equal to ``inference/crossing.py`` row by row."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from housing_assets.inference.crossing import cross_texts
from housing_assets.inference.declaration import Grid
from housing_assets.inference.market import Market
from housing_assets.shards import join_frames, split_frame
from resources.compute.engines import LOCAL, Engine

if TYPE_CHECKING:
    import pandas as pd

_LARGEST_CODE = 2**62
"""Combinations that 64 bits can number: five texts of 50,000 values each have more."""


def cross_frame(market: Market, listings: "pd.DataFrame", engine: Engine = LOCAL) -> "pd.DataFrame":
    """Add the declared bins, grids and crosses (category) and quotients (float64) to listings.

    Parameters
    ----------
    market : Market
    listings : DataFrame of shape (n_rows, n_values)
        Typed listings; texts are categories.
    engine : Engine

    Returns
    -------
    crossed : DataFrame of shape (n_rows, n_values + n_bins + n_grids + n_crosses + n_quotients)
    """
    read = listings[[name for name in listings if name in _names_read(market)]]
    derived = join_frames(
        list(engine.map_shards(partial(_derive, market), split_frame(read, engine))), sort_texts=False
    )
    return listings.assign(**{str(name): derived[name].array for name in derived})


def _names_read(market: Market) -> set[str]:
    return {
        *(bin_.of for bin_ in market.bins),
        *(name for grid in market.grids for name in (grid.latitude, grid.longitude)),
        *(name for _, names in market.named_crosses for name in names),
        *(name for quotient in market.quotients for name in (quotient.dividend, quotient.divisor)),
    }


def _derive(market: Market, listings: "pd.DataFrame") -> "pd.DataFrame":
    """Return what is added to listings."""
    binned = bin_frame(market, listings)
    crosses = {crossed_as: _cross([binned[name] for name in names]) for crossed_as, names in market.named_crosses}
    quotients = {
        quotient.name: _divide(listings[quotient.dividend].to_numpy(), listings[quotient.divisor].to_numpy())
        for quotient in market.quotients
    }
    return binned.assign(**crosses, **quotients).drop(columns=listings.columns)


def bin_frame(market: Market, listings: "pd.DataFrame") -> "pd.DataFrame":
    """Add the declared bins and grids (category) to typed listings."""
    return listings.assign(
        **{bin_.name: _bin(listings[bin_.of].to_numpy(), bin_.text) for bin_ in market.bins},
        **{grid.name: _cells(grid, listings) for grid in market.grids},
    )


def texts_of(crossed: "pd.DataFrame", name: str) -> list[str | None]:
    """Return the texts of a column, None where there is none; of no column (an empty name), as many None."""
    if not name:
        return [None] * len(crossed)
    texts = crossed[name].cat
    return np.array([*texts.categories, None], dtype=object)[texts.codes.to_numpy()].tolist()


def _bin(numbers: np.ndarray, text: Callable[[float], str | None]) -> "pd.Categorical[Any]":
    import pandas as pd

    codes, distinct = pd.factorize(numbers + 0.0, use_na_sentinel=False)
    return _texts([None if number != number else text(number) for number in distinct.tolist()]).take(codes)


def _cells(grid: Grid, listings: "pd.DataFrame") -> "pd.Categorical[Any]":
    """Return the cell of each place, each distinct place looked up once."""
    import pandas as pd

    places = [listings[name].to_numpy() for name in (grid.latitude, grid.longitude)]
    coded = [pd.factorize(numbers, use_na_sentinel=False) for numbers in places]
    width = len(coded[1][1])
    codes, distinct = pd.factorize(coded[0][0] * width + coded[1][0])
    pairs = zip(coded[0][1][distinct // width].tolist(), coded[1][1][distinct % width].tolist(), strict=True)
    texts = [grid.text(*(None if number != number else number for number in pair)) for pair in pairs]
    return _texts(texts).take(codes)


def _cross(parts: Sequence["pd.Series"]) -> "pd.Categorical[Any]":
    import pandas as pd

    combined, room = np.zeros(len(parts[0]), dtype=np.int64), 1
    for number, part in enumerate(parts):  # the code of a missing part is 0, those of texts follow
        width = len(part.cat.categories) + 1
        if room * width > _LARGEST_CODE:  # what is crossed so far is one part from here on
            return _cross([pd.Series(_cross(parts[:number])), *parts[number:]])
        combined, room = combined * width + part.cat.codes.to_numpy() + 1, room * width
    codes, remaining = pd.factorize(combined)
    texts = []
    for part in reversed(parts):
        with_missing = np.array([None, *part.cat.categories], dtype=object)
        texts.append(with_missing[remaining % len(with_missing)])
        remaining = remaining // len(with_missing)
    names = zip(*reversed(texts), strict=True)
    return _texts([cross_texts(each) for each in names]).take(codes)


def _texts(texts: list[str | None]) -> "pd.Categorical[Any]":
    """Return texts as a Categorical; some may be equal, as parts that hold the separator themselves can be."""
    import pandas as pd

    distinct = dict.fromkeys(text for text in texts if text is not None)
    return pd.Categorical(texts, categories=pd.Index(distinct, dtype=object))


def _divide(dividend: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.divide(dividend, divisor, out=np.full(len(dividend), np.nan), where=divisor != 0)
