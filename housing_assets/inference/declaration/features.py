"""The features made of a listing's values (bins, grids, quotients), and which values linear and local scores read."""

import math
from dataclasses import dataclass

from housing_assets.inference.declaration.requirements import DeclarationError, require_name

SEPARATOR = " × "
"""Joins the parts of a cross, and the names of its parts."""

KM_PER_DEGREE = 111.195
"""Kilometres to a degree of latitude, on a sphere of the Earth's mean radius, 6,371.0 km (IUGG)."""


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
