"""Comparables: the training listings that share most leaves with a listing, as a valuer would name them.

What is kept of each is its price and its declared values that can lead to nobody, as a line of JSON. Lines are read
when they are asked for: thousands of listings cost their bytes and no objects.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from housing_assets.inference.declaration import FEATURE_NUMBERS, TEXTS, Role
from housing_assets.inference.market import Market
from housing_assets.inference.price_index import PriceIndex, month_of

FILE = "comparables.jsonl"
N_COMPARABLES = 5

FORMAT = 1
MAX_LINE = 2**14
"""Bytes of a listing: more than the texts and numbers of any market have."""

MAX_TEXT = 100
"""Characters of a text that are kept: one that is longer describes, and compares with nothing."""

Told = float | str | None
"""A value as it is kept: a number, a text, or a day as ISO 8601 has it."""


class Difference(NamedTuple):
    """A declared value in which a comparable differs from the listing that was asked about.

    Attributes
    ----------
    column : str
        The raw column that holds it.
    name : str
    theirs, asked : float, str or None
        None where nothing is said.
    """

    column: str
    name: str
    theirs: Told
    asked: Told


class Comparable(NamedTuple):
    """A training listing like the one that was asked about.

    Attributes
    ----------
    similarity : float
        Share of the trees that lead both to the same leaf.
    price : float
        In the market's currency.
    adjusted_price : float or None
        The price as of the asked listing's month (of the price index's base month where it has none); None without a
        price index, or a date.
    dated : str or None
        The day of the price, ISO 8601; None where the market declares none, or it is not known.
    differences : tuple of Difference
    """

    similarity: float
    price: float
    adjusted_price: float | None
    dated: str | None
    differences: tuple[Difference, ...]


@dataclass(frozen=True, eq=False)
class Comparables:
    """What is kept of the training listings, in the order of the estimator's numbers.

    Attributes
    ----------
    names : tuple of str
        Of the values of each listing.
    content : bytes
        The file: a line that names the values, and one for each listing, its price first.
    """

    names: tuple[str, ...]
    content: bytes

    def __len__(self) -> int:
        return len(self._ends) - 1

    @classmethod
    def of(cls, market: Market, prices: Iterable[float], values: Mapping[str, Sequence[Any]]) -> Self:
        """Keep listings.

        Parameters
        ----------
        market : Market
        prices : iterable of float
        values : mapping of str to sequence
            Of each kept name (see ``kept_names``), the values of the listings; None, NaN or NaT where there is none.
        """
        names = kept_names(market)
        rows = zip(prices, *(map(tell, values[name]) for name in names), strict=True)
        lines = (json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
        header = json.dumps({"format": FORMAT, "names": names})
        return cls(names, "".join(f"{line}\n" for line in (header, *lines)).encode("utf-8", "backslashreplace"))

    def describe(
        self,
        market: Market,
        similar: Iterable[tuple[int, float]],
        listing: Mapping[str, Any],
        index: PriceIndex,
    ) -> tuple[Comparable, ...]:
        """Return comparables of a listing.

        Parameters
        ----------
        market : Market
        similar : iterable of (int, float)
            Numbers of training listings, and their similarities.
        listing : mapping
            The values that were asked about, by name.
        index : PriceIndex
            It adjusts prices for time.
        """
        days = [value.name for value in market.values(Role.CLOCK)]
        clock = index.clock or next(iter(days), "")
        asked_month = month_of(listing.get(clock))
        columns = {value.name: column.raw for column in market.columns for value in column.values}
        found = []
        for number, similarity in similar:
            price, values = self.read(number)
            dated = values.get(clock)
            differences = tuple(
                Difference(columns[name], name, theirs, asked)
                for name, theirs in values.items()
                if name not in days and theirs != (asked := tell(listing.get(name)))
            )
            adjusted = None
            if index.exists and dated is not None:
                adjusted = price * float(index.factor(month_of(date.fromisoformat(str(dated))), asked_month))
            found.append(Comparable(similarity, price, adjusted, None if dated is None else str(dated), differences))
        return tuple(found)

    def read(self, number: int) -> tuple[float, dict[str, Told]]:
        """Return the price and the values of a listing."""
        line = json.loads(self.content[self._ends[number] : self._ends[number + 1]])
        return float(line[0]), dict(zip(self.names, line[1:], strict=True))

    def save(self, folder: Path) -> None:
        """Write ``comparables.jsonl`` to a folder."""
        (folder / FILE).write_bytes(self.content)

    @classmethod
    def load(cls, folder: Path, n_listings: int) -> Self:
        """Read what ``save`` wrote.

        Raises
        ------
        ValueError
            If it is damaged, or has not as many listings as are expected.
        """
        content = (folder / FILE).read_bytes()
        header = json.loads(content[: content.find(b"\n") + 1] or b"null")
        if not isinstance(header, dict) or header.get("format") != FORMAT:
            raise ValueError(f"{FILE}: its first line is no header of format {FORMAT}")
        comparables = cls(tuple(map(str, header["names"])), content)
        if len(comparables) != n_listings or not content.endswith(b"\n"):
            raise ValueError(f"{FILE}: it has {len(comparables):,} listings, expected {n_listings:,}")
        if n_listings and int(np.diff(comparables._ends).max()) > MAX_LINE:
            raise ValueError(f"{FILE}: a line has more than {MAX_LINE:,} bytes")
        return comparables

    @cached_property
    def _ends(self) -> np.ndarray:
        """Where each line ends, the header's first: int64 of shape (n_listings + 1,)."""
        return np.flatnonzero(np.frombuffer(self.content, np.uint8) == ord("\n")) + 1


def kept_names(market: Market) -> tuple[str, ...]:
    """Return the names of the values that are kept of a training listing: none that can lead to a person or a home."""
    kept = market.values(*FEATURE_NUMBERS, *TEXTS, Role.CLOCK)
    return tuple(value.name for value in kept if value.name not in market.personal_names)


def tell(value: Any) -> Told:
    """Return a value as it is kept."""
    if value is None or value != value:  # NaN and NaT alone differ from themselves
        return None
    if isinstance(value, date):
        return value.isoformat()[:10]
    if isinstance(value, str):
        return value[:MAX_TEXT]
    return float(f"{float(value):.7g}")
