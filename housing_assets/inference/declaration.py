"""The parts of a market's declaration: columns with their rules and values, the features made of these, the target.

They are data. ``market.py`` puts them together; what contradicts itself is refused when it is declared.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Literal

from housing_assets.inference.cells import MISSING, Unusable
from housing_assets.inference.rule_base import Rule


class DeclarationError(ValueError):
    """A declaration that cannot be used; the message names the field, what was found and what was expected."""


class Role(StrEnum):
    """What a value is for.

    Numbers and ordinals are features as numbers; categories and hashed texts as hashed tokens; a clock as months. A key
    identifies a home: its copies are never on both sides of a split. The price, or the class, is what is predicted.
    Exact is a number that says of a row whether its price is one (1, or nothing said) or only stands for the prices of
    its band (0): such a row teaches and judges categories, and no amount.
    """

    NUMERIC = "numeric"
    ORDINAL = "ordinal"
    CATEGORY = "category"
    HASHED = "hashed"
    CLOCK = "clock"
    KEY = "key"
    PRICE = "price"
    CLASS = "class"
    EXACT = "exact"


FEATURE_NUMBERS = (Role.NUMERIC, Role.ORDINAL)
NUMBERS = (*FEATURE_NUMBERS, Role.PRICE, Role.EXACT)
TEXTS = (Role.CATEGORY, Role.HASHED)
TARGETS = (Role.PRICE, Role.CLASS)
OF_TARGETS = (*TARGETS, Role.EXACT)
"""Roles of what is known of a home only together with its target."""

PriceKind = Literal["asking", "paid"]

ASKING: Final = "asking"
PAID: Final = "paid"

PRICE_KINDS: tuple[PriceKind, ...] = (ASKING, PAID)
"""Kinds of prices: what an ad asks, and what was paid in the end. They differ, and one is no measure for the other."""

SEPARATOR = " × "
"""Joins the parts of a cross, and the names of its parts."""


@dataclass(frozen=True, slots=True)
class Value:
    """One typed value of a listing.

    Parameters
    ----------
    name : str
        Its column in ``listings``.
    role : Role
        What it is for; numbers are float64, texts are categories, clocks are days.
    minimum, maximum : float
        Bounds of a number, in its unit, both allowed; outside of them the row is quarantined.
    scale : float
        The size of an ordinary difference, in the number's unit; encoded numbers are divided by it so that
        distances between listings (SMOTE) are not ruled by the largest unit.
    unit : str
        Of a number, for people: ``m²``, ``years``.
    personal : bool
        Whether the value can lead to a person: it is never logged, shown, or stored with a model.
    """

    name: str
    role: Role
    minimum: float = 0.0
    maximum: float = 1e9
    scale: float = 1.0
    unit: str = ""
    personal: bool = False

    def __post_init__(self) -> None:
        require_name("a value's name", self.name)
        object.__setattr__(self, "role", _member(f"role of {self.name}", Role, self.role))
        for bound in ("minimum", "maximum"):
            if not math.isfinite(getattr(self, bound)):
                raise DeclarationError(f"{bound} of {self.name} is {getattr(self, bound)!r}: expected a finite number")
        if not self.minimum <= self.maximum:
            raise DeclarationError(
                f"minimum of {self.name} is {self.minimum:g}: expected at most its maximum, {self.maximum:g}"
            )
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise DeclarationError(f"scale of {self.name} is {self.scale!r}: expected a number above 0")

    @property
    def is_number(self) -> bool:
        """Whether it is held as a number."""
        return self.role in NUMBERS

    @property
    def is_text(self) -> bool:
        """Whether it is held as a text."""
        return not self.is_number and self.role is not Role.CLOCK


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One raw column, an example of its cells, the rule that reads them, and the values it returns, in order.

    ``required`` columns must have a value: without it the row is quarantined (and a request refused).
    """

    raw: str
    example: str
    rule: Rule
    values: tuple[Value, ...]
    required: bool = False

    def __post_init__(self) -> None:
        if not self.raw:
            raise DeclarationError("a column's raw name is empty: expected the header of the source")
        object.__setattr__(self, "values", tuple(self.values))
        if len(self.values) != self.rule.n_values:
            raise DeclarationError(
                f"values of {self.raw} are {len(self.values)}: the rule {self.rule.kind} returns {self.rule.n_values}"
            )
        try:
            self.parse(self.example)
        except Unusable as fault:
            raise DeclarationError(
                f"example of {self.raw} is {self.example!r}, which its rule refuses: {fault}"
            ) from None

    @property
    def is_target(self) -> bool:
        """Whether it holds what is predicted, or something that is known of a home only together with that."""
        return self.values[0].role in OF_TARGETS

    @property
    def personal(self) -> bool:
        """Whether any of its values can lead to a person."""
        return any(value.personal for value in self.values)

    def parse(self, cell: Any) -> tuple[Any, ...]:
        """Return the values of a cell, checked against their bounds.

        Raises
        ------
        Unusable
            If the cell cannot be read, a number is out of bounds, or a required cell is empty.
        """
        result = self.rule(cell)
        if result is None:
            if self.required:
                raise Unusable(MISSING)
            return (None,) * len(self.values)
        results = tuple(result) if isinstance(result, tuple) else (result,)
        for value, found in zip(self.values, results, strict=True):
            if value.is_number and found is not None and not value.minimum <= found <= value.maximum:
                raise Unusable(f"{found:,.15g} is not within {value.minimum:,.15g} to {value.maximum:,.15g}")
        return results

    def parse_named(self, cell: Any) -> tuple[tuple[str, Any], ...]:
        """Return the names and values of a cell."""
        return tuple(zip((value.name for value in self.values), self.parse(cell), strict=True))


@dataclass(frozen=True, slots=True)
class Bin:
    """A number read as a text, so that it can be crossed with others.

    Parameters
    ----------
    name : str
    of : str
        The number; of at least 0 where bins grow with it.
    per_log_unit : float, optional
        Bins to every factor of e (10 gives bins 10 % wide). None keeps numbers apart that differ in their first six
        digits.
    width : float, optional
        Width of even bins, in the number's unit; not together with ``per_log_unit``.
    """

    name: str
    of: str
    per_log_unit: float | None = None
    width: float | None = None

    def __post_init__(self) -> None:
        require_name("a bin's name", self.name)
        if self.per_log_unit is not None and self.width is not None:
            raise DeclarationError(f"bin {self.name} has both per_log_unit and width: expected one of them, or neither")
        for size in ("per_log_unit", "width"):
            found = getattr(self, size)
            if found is not None and not (found > 0 and math.isfinite(found)):
                raise DeclarationError(f"{size} of the bin {self.name} is {found!r}: expected a number above 0")

    def text(self, number: float | None) -> str | None:
        """Return the bin of a number, None where there is none."""
        if number is None:
            return None
        if self.width is not None:
            return str(math.floor(number / self.width))
        if self.per_log_unit is None:
            return f"{number:g}"
        return str(round(math.log1p(number) * self.per_log_unit))


@dataclass(frozen=True, slots=True)
class Grid:
    """The cell of a map that two coordinates lie in, as a text; None where one is missing.

    Parameters
    ----------
    name : str
    latitude, longitude : str
        Numbers, in degrees.
    km : float
        Length of a cell's sides.
    shift : float
        Part of a cell by which the grid is moved, 0 to 1: homes that one grid parts stand together in another.
    """

    name: str
    latitude: str
    longitude: str
    km: float
    shift: float = 0.0

    def __post_init__(self) -> None:
        require_name("a grid's name", self.name)
        if not (self.km > 0 and math.isfinite(self.km)):
            raise DeclarationError(f"km of the grid {self.name} is {self.km!r}: expected a length above 0")
        if not 0 <= self.shift < 1:
            raise DeclarationError(f"shift of the grid {self.name} is {self.shift!r}: expected 0 to 1")

    def text(self, latitude: float | None, longitude: float | None) -> str | None:
        """Return the cell of a place: its row from the equator, and its column there from the prime meridian."""
        if latitude is None or longitude is None:
            return None
        row = math.floor(latitude * KM_PER_DEGREE / self.km + self.shift)
        middle = (row + 0.5 - self.shift) * self.km / KM_PER_DEGREE
        narrowed = math.cos(math.radians(middle))  # a degree of longitude is shorter the further from the equator
        return f"{row}/{math.floor(longitude * KM_PER_DEGREE * narrowed / self.km + self.shift)}"


@dataclass(frozen=True, slots=True)
class LinearNumber:
    """A number that the linear scores weigh, too, beside the texts: what every square metre adds, say.

    Parameters
    ----------
    of : str
    log : bool
        Whether log(1 + number) is weighed: for sizes, of which each percent counts the same.
    """

    of: str
    log: bool = False

    def value(self, number: float) -> float:
        """Return what is weighed."""
        return math.log1p(number) if self.log else number


@dataclass(frozen=True, slots=True)
class LocalKernel:
    """Which values tell how alike two homes of one block are: the local scores learn from the likest.

    How much each of them counts is learned. None of them may be personal: a model remembers those of its training rows.

    Parameters
    ----------
    block : str
        A text, bin or grid. Homes of different blocks teach each other nothing but what all homes have in common.
    numbers : tuple of LinearNumber
        Numbers, quotients, or days; ``log`` for sizes.
    texts : tuple of str
        Texts, bins or grids that are the same or differ.
    """

    block: str
    numbers: tuple[LinearNumber, ...]
    texts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "numbers", tuple(self.numbers))
        object.__setattr__(self, "texts", tuple(self.texts))
        if not self.numbers:
            raise DeclarationError(f"numbers of the local kernel by {self.block!r} are none: expected one at least")


KM_PER_DEGREE = 111.195
"""Kilometres to a degree of latitude, on a sphere of the Earth's mean radius, 6,371.0 km (IUGG)."""


@dataclass(frozen=True, slots=True)
class Quotient:
    """A number divided by another; ``scale`` is the size of an ordinary difference."""

    name: str
    dividend: str
    divisor: str
    scale: float

    def __post_init__(self) -> None:
        require_name("a quotient's name", self.name)
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise DeclarationError(f"scale of the quotient {self.name} is {self.scale!r}: expected a number above 0")


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


def require_name(what: str, name: Any) -> None:
    """Refuse what cannot name a column.

    Raises
    ------
    DeclarationError
    """
    if not isinstance(name, str) or not name or not set(name) <= _NAME or name[0].isdigit():
        raise DeclarationError(f"{what} is {name!r}: expected lower-case letters, digits and _, a letter first")


def require_known(what: str, names: Iterable[str], known: Iterable[str]) -> None:
    """Refuse names that are not declared.

    Raises
    ------
    DeclarationError
    """
    there = list(known)
    for name in names:
        if name not in there:
            raise DeclarationError(f"{what} names {name!r}: expected one of {', '.join(there)}")


def require_fields(what: str, given: Mapping[str, Any], known: Iterable[str]) -> None:
    """Refuse fields that there are not.

    Raises
    ------
    DeclarationError
    """
    unknown = sorted(given.keys() - set(known))
    if unknown:
        raise DeclarationError(f"{what} has the field {', '.join(unknown)}: expected {', '.join(known)}")


_NAME = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")

MAX_CATEGORIES = 20
"""Each has a label in the metrics and a row in every report."""


def _require_categories(categories: tuple[str, ...]) -> None:
    if not 2 <= len(categories) <= MAX_CATEGORIES:
        raise DeclarationError(f"categories of the target are {len(categories)}: expected 2 to {MAX_CATEGORIES}")
    if len(set(categories)) != len(categories) or not all(isinstance(one, str) and one.strip() for one in categories):
        raise DeclarationError(f"categories of the target are {categories}: expected different texts")


def _member(what: str, kind: type[Role], found: Any) -> Role:
    try:
        return kind(found)
    except ValueError:
        raise DeclarationError(f"{what} is {found!r}: expected one of {', '.join(kind)}") from None
