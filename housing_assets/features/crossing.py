"""Bins, crosses and quotients: features made of other values, declared in ``listings/columns.py``."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from housing_assets.listings.columns import BINS, CROSSES, QUOTIENTS

if TYPE_CHECKING:
    import pandas as pd

SEPARATOR = " × "


def crossed_name(names: Sequence[str]) -> str:
    """Return the name of a cross, and the text of one of its values: the parts joined by ``×``."""
    return SEPARATOR.join(names)


def cross_listing(listing: Mapping[str, Any]) -> dict[str, Any]:
    """Add bins, crosses and quotients to one listing; they are None where a part is missing, or the divisor is 0."""
    crossed = dict(listing)
    for bin_ in BINS:
        number = listing.get(bin_.of)
        crossed[bin_.name] = None if number is None else bin_.text(number + 0.0)  # -0.0 is 0, as in a frame
    for names in CROSSES:
        parts = [crossed.get(name) for name in names]
        crossed[crossed_name(names)] = None if None in parts else crossed_name(parts)
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
    crosses = {crossed_name(names): _cross([binned[name] for name in names]) for names in CROSSES}
    quotients = {
        quotient.name: _divide(listings[quotient.dividend].to_numpy(), listings[quotient.divisor].to_numpy())
        for quotient in QUOTIENTS
    }
    return binned.assign(**crosses, **quotients)


def _bin(numbers: np.ndarray, text: Callable[[float], str | None]) -> "pd.Categorical":
    import pandas as pd

    codes, distinct = pd.factorize(numbers + 0.0)
    texts = pd.Categorical([text(number) for number in distinct.tolist()])
    return pd.Categorical.from_codes(_take_codes(texts.codes, codes), dtype=texts.dtype)


def _cross(parts: Sequence["pd.Series"]) -> "pd.Categorical":
    import pandas as pd

    combined = np.zeros(len(parts[0]), dtype=np.int64)
    missing = np.zeros(len(parts[0]), dtype=bool)
    for part in parts:
        codes = part.cat.codes.to_numpy()
        missing |= codes < 0
        combined = combined * len(part.cat.categories) + codes
    combined[missing] = -1
    codes, distinct = pd.factorize(combined)
    texts = []
    remaining = distinct
    for part in reversed(parts):
        categories = part.cat.categories.to_numpy()
        texts.append(categories[remaining % len(categories)] if len(categories) else np.full(len(distinct), None))
        remaining = remaining // max(1, len(categories))
    kept = distinct >= 0
    names = [crossed_name(each) for each in zip(*(text[kept] for text in reversed(texts)), strict=True)]
    crossed = pd.Categorical(names)  # parts that hold the separator themselves can make the same text
    renumbered = np.where(kept, np.cumsum(kept) - 1, -1)
    return pd.Categorical.from_codes(_take_codes(crossed.codes, renumbered)[codes], dtype=crossed.dtype)


def _take_codes(taken: np.ndarray, codes: np.ndarray) -> np.ndarray:
    return np.append(taken, -1)[codes]


def _divide(dividend: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return np.divide(dividend, divisor, out=np.full(len(dividend), np.nan), where=divisor != 0)
