"""The generator under the protocol that every market's sample has: knobs by name, with texts or values."""

from collections.abc import Mapping
from datetime import date
from typing import Any

import pandas as pd

from housing_assets.markets.istanbul_sample.ads import synthetic_listings
from housing_assets.markets.istanbul_sample.knobs import KNOBS, read_shift

SCRAPED_ON = date(2022, 3, 4)
"""Day of the scrape that the generator imitates: price levels and exchange rates are those of early 2022."""


class IstanbulSample:
    """Synthetic ads of Istanbul; see ``housing_assets.listings.samples.Sample``."""

    @property
    def shifts(self) -> Mapping[str, str]:
        """The knobs with what each does."""
        return KNOBS

    def draw(
        self, rows: int, *, seed: int = 0, as_of: date | None = None, shift: Mapping[str, Any] | None = None
    ) -> pd.DataFrame:
        """Invent raw ads; see ``synthetic_listings``.

        Parameters
        ----------
        rows : int
        seed : int
        as_of : date, optional
            Day of the scrape; 4 March 2022 by default.
        shift : mapping, optional
            Knobs by name; see ``read_shift``.

        Raises
        ------
        ValueError
            If `rows` or `seed` is negative, or a knob is unknown or out of its range.
        """
        return synthetic_listings(rows, seed=seed, shift=read_shift(shift or {}), as_of=as_of or SCRAPED_ON)


SAMPLE = IstanbulSample()
