"""Synthetic rows of a market, where its declaration names a generator of them."""

from collections.abc import Mapping
from datetime import date
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from housing_assets.inference.declaration import DeclarationError
from housing_assets.inference.market import Market

if TYPE_CHECKING:
    import pandas as pd


class Sample(Protocol):
    """A generator of synthetic rows: nothing in them is real."""

    @property
    def shifts(self) -> Mapping[str, str]:
        """The knobs that make rows differ from the ordinary ones, each with what it does."""

    def draw(
        self, rows: int, *, seed: int = 0, as_of: date | None = None, shift: Mapping[str, Any] | None = None
    ) -> "pd.DataFrame":
        """Invent raw rows, the same for the same arguments.

        Parameters
        ----------
        rows : int
        seed : int
            Another one draws other rows of the same market.
        as_of : date, optional
            Day on which the rows were written.
        shift : mapping, optional
            Knobs by name; those that are not given are neutral.

        Raises
        ------
        ValueError
            If a knob is unknown, or out of its range.
        """


def load_sample(market: Market) -> Sample:
    """Return the generator of a market.

    Raises
    ------
    DeclarationError
        If the market declares none, or it is not where the declaration says.
    """
    if not market.sample:
        raise DeclarationError(f"{market.name} has no synthetic sample: set HOUSING_SOURCE to your listings")
    module, _, name = market.sample.partition(":")
    try:
        sample: Sample = getattr(import_module(module), name)
    except (ImportError, AttributeError) as fault:
        raise DeclarationError(
            f"sample of {market.name} is {market.sample!r}: expected module:name of a generator ({fault})"
        ) from fault
    return sample
