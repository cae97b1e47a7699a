"""What predicting one listing takes and gives, whichever model predicts it."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from housing_assets.inference.estimate import Estimate, NoEstimate
from housing_assets.inference.market import Market


class UnusableListing(ValueError):
    """A listing that cannot be classified; ``reasons`` tells why, by raw column."""

    def __init__(self, reasons: Mapping[str, str]):
        super().__init__("; ".join(f"{column}: {reason}" for column, reason in reasons.items()))
        self.reasons = reasons


class Prediction(NamedTuple):
    """The answer for one listing.

    Attributes
    ----------
    category : int
        Index into the model's categories.
    probabilities : tuple of float
        One for each category, summing to 1.
    unseen : tuple of str
        Names of the texts (an area, an address) that no training listing had.
    estimate : Estimate or NoEstimate
        Of the price, or why there is none.
    """

    category: int
    probabilities: tuple[float, ...]
    unseen: tuple[str, ...]
    estimate: Estimate | NoEstimate


def parse_usable(market: Market, cells: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a raw listing, without its target.

    Raises
    ------
    UnusableListing
        If a cell cannot be used.
    """
    listing, reasons = market.parse_listing(cells, with_target=False)
    if reasons:
        raise UnusableListing(reasons)
    return listing
