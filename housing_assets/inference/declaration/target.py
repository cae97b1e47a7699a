"""The target of a declaration: a price that is cut into bands, or classes that rows already have."""

from dataclasses import dataclass
from typing import Final, Literal

from housing_assets.inference.declaration.requirements import DeclarationError, require_name

PriceKind = Literal["asking", "paid"]

ASKING: Final = "asking"
PAID: Final = "paid"

PRICE_KINDS: tuple[PriceKind, ...] = (ASKING, PAID)
"""Kinds of prices: what an ad asks, and what was paid in the end. They differ, and one is no measure for the other."""

MAX_CATEGORIES = 20
"""Each has a label in the metrics and a row in every report."""


@dataclass(frozen=True, slots=True)
class PriceBands:
    """A target that is a price, cut into bands.

    Parameters
    ----------
    categories : tuple of str
        Names of the bands, the cheapest first.
    quantiles : tuple of float
        Shares of the training rows below each edge between two bands, ascending.
    currency : str
        ISO 4217.
    price_kind : str
        ``asking`` or ``paid``, of all rows; or the name of the value that says it of each row. Empty in declarations
        from before it was kept.
    """

    categories: tuple[str, ...]
    quantiles: tuple[float, ...]
    currency: str
    price_kind: str = ""

    def __post_init__(self) -> None:
        _require_categories(self.categories)
        if len(self.quantiles) != len(self.categories) - 1:
            raise DeclarationError(
                f"quantiles of the target are {len(self.quantiles)}: {len(self.categories)} categories have "
                f"{len(self.categories) - 1} edges between them"
            )
        if not all(0 < q < 1 for q in self.quantiles) or list(self.quantiles) != sorted(set(self.quantiles)):
            raise DeclarationError(f"quantiles of the target are {self.quantiles}: expected to ascend between 0 and 1")
        if not self.currency:
            raise DeclarationError("currency of the target is empty: expected an ISO 4217 code such as EUR")
        if self.price_kind:
            require_name("price_kind of the target", self.price_kind)


@dataclass(frozen=True, slots=True)
class Classes:
    """A target that rows already have: one of several classes, in no order.

    Parameters
    ----------
    categories : tuple of str
        As the target's column holds them.
    """

    categories: tuple[str, ...]

    def __post_init__(self) -> None:
        _require_categories(self.categories)


def _require_categories(categories: tuple[str, ...]) -> None:
    if not 2 <= len(categories) <= MAX_CATEGORIES:
        raise DeclarationError(f"categories of the target are {len(categories)}: expected 2 to {MAX_CATEGORIES}")
    if len(set(categories)) != len(categories) or not all(isinstance(one, str) and one.strip() for one in categories):
        raise DeclarationError(f"categories of the target are {categories}: expected different texts")
