"""Bins, grids, crosses and quotients of one listing: the features that a market declares to be made of others."""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from housing_assets.inference.declaration import SEPARATOR
from housing_assets.inference.market import Market


def derive_listing(market: Market, listing: Mapping[str, Any]) -> dict[str, Any]:
    """Add bins, grids and quotients to one listing; they are None where a part is missing, or the divisor is 0."""
    derived = dict(listing)
    for bin_ in market.bins:
        number = listing.get(bin_.of)
        derived[bin_.name] = None if number is None else bin_.text(number + 0.0)  # -0.0 is 0, as in a frame
    for grid in market.grids:
        derived[grid.name] = grid.text(listing.get(grid.latitude), listing.get(grid.longitude))
    for quotient in market.quotients:
        dividend, divisor = listing.get(quotient.dividend), listing.get(quotient.divisor)
        derived[quotient.name] = None if dividend is None or not divisor else dividend / divisor
    return derived


def cross_listing(market: Market, listing: Mapping[str, Any]) -> dict[str, Any]:
    """Add the declared features to one listing: the same as ``derive_listing``, and crosses."""
    crossed = derive_listing(market, listing)
    for crossed_as, names in market.named_crosses:
        crossed[crossed_as] = cross_texts([crossed.get(name) for name in names])
    return crossed


def cross_texts(parts: Sequence[str | None]) -> str | None:
    """Return the text of a cross: its parts joined, None where one is missing."""
    return None if None in parts else SEPARATOR.join(cast("Sequence[str]", parts))
