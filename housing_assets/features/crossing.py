"""Bins, crosses and quotients: features made of other values, declared in ``listings/columns.py``."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from housing_assets.listings.columns import BINS, CROSSES, QUOTIENTS

if TYPE_CHECKING:
    import pandas as pd

SEPARATOR = " × "


def crossed_name(names: Sequence[str]) -> str:
    """Return the name of a cross, and the text of one of its values: the parts joined by ``×``."""
    return SEPARATOR.join(names)


_NAMED_CROSSES = tuple((crossed_name(names), names) for names in CROSSES)


def cross_listing(listing: Mapping[str, Any]) -> dict[str, Any]:
    """Add bins, crosses and quotients to one listing; they are None where a part is missing, or the divisor is 0."""
    crossed = dict(listing)
    for bin_ in BINS:
        number = listing.get(bin_.of)
        crossed[bin_.name] = None if number is None else bin_.text(number + 0.0)  # -0.0 is 0, as in a frame
    for crossed_as, names in _NAMED_CROSSES:
        crossed[crossed_as] = _cross_texts([crossed.get(name) for name in names])
    for quotient in QUOTIENTS:
        dividend, divisor = listing.get(quotient.dividend), listing.get(quotient.divisor)
        crossed[quotient.name] = None if dividend is None or not divisor else dividend / divisor
    return crossed


def cross_frame(listings: "pd.DataFrame") -> "pd.DataFrame":
    """Add bins and crosses (category) and quotients (float64) to listings; equal to ``cross_listing`` row by row.

    Parameters
    ----------
    listings : DataFrame of shape (n_rows, n_values)
        Typed listings; texts are categories.

    Returns
    -------
    crossed : DataFrame of shape (n_rows, n_values + n_bins + n_crosses + n_quotients)
    """
    binned = listings.assign(**{bin_.name: _bin(listings[bin_.of].to_numpy(), bin_.text) for bin_ in BINS})
    crosses = {crossed_as: _cross([binned[name] for name in names]) for crossed_as, names in _NAMED_CROSSES}
    quotients = {
        quotient.name: _divide(listings[quotient.dividend].to_numpy(), listings[quotient.divisor].to_numpy())
        for quotient in QUOTIENTS
    }
    return binned.assign(**crosses, **quotients)


def _bin(numbers: np.ndarray, text: Callable[[float], str | None]) -> "pd.Categorical[Any]":
    import pandas as pd

    codes, distinct = pd.factorize(numbers + 0.0, use_na_sentinel=False)
    return _texts([None if number != number else text(number) for number in distinct.tolist()]).take(codes)


def _cross(parts: Sequence["pd.Series"]) -> "pd.Categorical[Any]":
    import pandas as pd

    combined = np.zeros(len(parts[0]), dtype=np.int64)
    for part in parts:  # the code of a missing part is 0, those of texts follow
        combined = combined * (len(part.cat.categories) + 1) + part.cat.codes.to_numpy() + 1
    codes, remaining = pd.factorize(combined)
    texts = []
    for part in reversed(parts):
        with_missing = np.array([None, *part.cat.categories], dtype=object)
        texts.append(with_missing[remaining % len(with_missing)])
        remaining = remaining // len(with_missing)
    names = zip(*reversed(texts), strict=True)
    return _texts([_cross_texts(each) for each in names]).take(codes)


def _cross_texts(parts: Sequence[str | None]) -> str | None:
    return None if None in parts else crossed_name(cast("Sequence[str]", parts))


def _texts(texts: list[str | None]) -> "pd.Categorical[Any]":
    """Return texts as a Categorical; some may be equal, as parts that hold the separator themselves can be."""
    import pandas as pd

    distinct = dict.fromkeys(text for text in texts if text is not None)
    return pd.Categorical(texts, categories=pd.Index(distinct, dtype=object))


def _divide(dividend: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.divide(dividend, divisor, out=np.full(len(dividend), np.nan), where=divisor != 0)
