"""Rules that turn one raw cell of an ad into typed values.

A rule is data: a frozen dataclass whose fields say how a market writes such a cell, so that it can be declared, stored
with a model and read back. Called with a cell, the text as scraped or an already clean number, it returns the value,
``None`` where the cell says nothing, or raises :class:`Unusable` with the reason. Batches and single requests call the
same rules; nothing else reads a raw text.
"""

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import cache
from typing import Any, ClassVar, NamedTuple

from housing_assets.inference.cells import (
    MAX_CELL_LENGTH,
    Unusable,
    fold,
    is_empty,
    read_amount,
    read_digits,
    read_number,
    read_text,
)
from housing_assets.inference.rule_base import Rule, RuleRefused, any_of, compiled

_RANGE = re.compile(r"(\d+)\s*[-\u2013]\s*(\d+)")
_ROOMS = re.compile(r"(\d+(?:[.,]5)?)\s*\+\s*(\d+)")
_DAY = re.compile(r"(?P<first>\d{1,2})(?P<mark>[./])(?P<second>\d{1,2})(?P=mark)(?P<year>\d{4})")
_DAY_OF_MONTH = re.compile(
    r"(?P<first>\d{1,2})\.?\s+(?:de\s+)?(?P<name>[^\W\d]+)\.?,?\s+(?:de\s+)?(?P<year>\d{4})"
    r"|(?P<name_first>[^\W\d]+)\.?\s+(?P<day>\d{1,2})(?:st|nd|rd|th)?,?\s+(?P<later_year>\d{4})"
)
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_ESCAPED = re.compile(r"\\(.)")
_PATH_SEPARATOR = " > "
_HEMISPHERE = re.compile(r"(?P<degrees>[+-]?\d+(?:[.,]\d+)?)\s*°?\s*(?P<letter>[A-Za-z]?)")


@dataclass(frozen=True)
class Text(Rule):
    """The trimmed text of a cell; a number's shortest one."""

    kind: ClassVar[str] = "text"

    def __call__(self, cell: Any) -> str | None:
        """Return the text."""
        return read_text(cell)


@dataclass(frozen=True)
class Choice(Rule):
    """One of several texts; any other is unusable.

    Parameters
    ----------
    options : tuple of str
    """

    options: tuple[str, ...] = ()
    kind: ClassVar[str] = "choice"

    def __call__(self, cell: Any) -> str | None:
        """Return the text."""
        text = read_text(cell)
        if text is not None and text not in self.options:
            raise Unusable(f"not one of {', '.join(self.options)}")
        return text


@dataclass(frozen=True)
class Code(Rule):
    """A text of digits that is no number, such as a zip code.

    Parameters
    ----------
    width : int
        Digits that it has at least: a table that took it for a number has lost the zeros in front.
    """

    width: int = 0
    kind: ClassVar[str] = "code"

    def __call__(self, cell: Any) -> str | None:
        """Return the text, zeros in front included."""
        text = read_text(cell)
        return text.zfill(self.width) if text is not None and text.isdecimal() else text


@dataclass(frozen=True)
class Number(Rule):
    """A number with an optional unit: ``160 m2``, ``3,100,000TL``, ``1,180``.

    Parameters
    ----------
    units : tuple of str
        In lower case, what may stand before or after the digits; another unit is unusable.
    of : str
        What the number is in, for the reason of a refusal.
    decimal : str
        ``.`` or ``,``; empty where ads write either (see ``cells.read_digits``).
    ignored : str
        Regular expression of what may follow and says nothing of the number, such as the badge after a changed price.
    missing : tuple of float or str
        Numbers, and texts in any case, that stand for "not said": ``0``, ``on request``.
    """

    units: tuple[str, ...] = ()
    of: str = "plain digits"
    decimal: str = ""
    ignored: str = ""
    missing: tuple[float | str, ...] = ()
    kind: ClassVar[str] = "number"

    def __post_init__(self) -> None:
        if self.decimal not in ("", ".", ","):
            raise RuleRefused(f"decimal of the rule number is {self.decimal!r}, expected '.' or ',', or nothing")
        lowered = tuple(each.lower() if isinstance(each, str) else each for each in self.missing)
        object.__setattr__(self, "missing", lowered)
        try:
            re.compile(self.ignored)
        except re.error as fault:
            raise RuleRefused(
                f"ignored of the rule number is {self.ignored!r}, no regular expression: {fault}"
            ) from None

    def __call__(self, cell: Any) -> float | None:
        """Return the number."""
        if self.ignored and isinstance(cell, str) and len(cell) <= MAX_CELL_LENGTH:
            cell = compiled(f"(?:{self.ignored})$").sub("", cell.strip())
        if isinstance(cell, str) and self.missing and cell.strip().lower() in self.missing:
            return None
        number = read_amount(cell, self.units, self.of, self.decimal)
        return None if number in self.missing else number


@dataclass(frozen=True)
class Years(Rule):
    """A count, often given as a range: ``5-10`` is its midpoint 7.5, ``21+`` is 21.

    Parameters
    ----------
    or_more : tuple of str
        What stands behind the number where it is a lower bound, besides ``+``.
    new : tuple of str
        What stands in brackets behind a number and says nothing more.
    none : tuple of str
        Texts for 0; upper and lower case are the same.
    """

    or_more: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    none: tuple[str, ...] = ()
    kind: ClassVar[str] = "years"

    def __call__(self, cell: Any) -> float | None:
        """Return the number; the dash of a range may be an en dash."""
        text = read_text(cell)
        if text is None:
            return None
        clean = read_number(cell)
        if clean is not None:
            return clean
        if text.lower() in (one.lower() for one in self.none):
            return 0.0
        if match := _RANGE.fullmatch(text):
            return (read_digits(match[1]) + read_digits(match[2])) / 2
        if match := compiled(rf"(\d+)\s*{any_of('+', *self.or_more)}").fullmatch(text):
            return read_digits(match[1])
        if self.new and (match := compiled(rf"(\d+)\s*\({any_of(*self.new)}\)").fullmatch(text)):
            return read_digits(match[1])
        return read_digits(text)


class RoomsRead(NamedTuple):
    """``3+1``: rooms and, where the ad tells them apart, living rooms."""

    rooms: float
    living_rooms: float | None


@dataclass(frozen=True)
class Rooms(Rule):
    """Rooms and living rooms: ``3+1``, ``2.5+1``; a studio is 1+0; ``8+ rooms``, ``5 rooms`` tell rooms alone.

    Parameters
    ----------
    words : tuple of str
        For rooms.
    studio : tuple of str
        Texts for a studio, in lower case.
    """

    words: tuple[str, ...] = ("rooms", "room")
    studio: tuple[str, ...] = ("studio",)
    kind: ClassVar[str] = "rooms"
    n_values: ClassVar[int] = 2

    def __call__(self, cell: Any) -> RoomsRead | None:
        """Return both numbers."""
        text = read_text(cell)
        if text is None:
            return None
        clean = read_number(cell)
        if clean is not None:
            return RoomsRead(clean, None)
        if text.lower() in self.studio:
            return RoomsRead(1.0, 0.0)
        if match := _ROOMS.fullmatch(text):
            return RoomsRead(read_digits(match[1]), read_digits(match[2]))
        if match := compiled(rf"(\d+)\s*\+?\s*{any_of(*self.words)}").fullmatch(text):
            return RoomsRead(read_digits(match[1]), None)
        return RoomsRead(read_digits(text), None)


class FloorRead(NamedTuple):
    """A floor as written and, where it is one, its number (ground floor 0, below ground negative)."""

    category: str
    number: float | None


@dataclass(frozen=True)
class Floor(Rule):
    """A floor by number or by name: ``3. Floor`` is number 3, ``10-20. Floor`` 15, ``Attic`` has none.

    Parameters
    ----------
    storey : str
        The word behind a floor's number.
    below_ground : str
        The word before ``1 (-1)`` of a floor below ground; empty where ads have none.
    """

    storey: str = "Floor"
    below_ground: str = ""
    kind: ClassVar[str] = "floor"
    n_values: ClassVar[int] = 2

    def __call__(self, cell: Any) -> FloorRead | None:
        """Return text and number."""
        text = read_text(cell)
        if text is None:
            return None
        clean = read_number(cell)
        if clean is not None:
            return FloorRead(f"{text}. {self.storey}", clean)
        match = _floor_pattern(self.storey, self.below_ground).fullmatch(text)
        if match is None:
            return FloorRead(text, None)
        if match["low"]:
            return FloorRead(text, (read_digits(match["low"]) + read_digits(match["high"])) / 2)
        return FloorRead(text, read_digits(match["below"] or match["floor"]))


@dataclass(frozen=True)
class Day(Rule):
    """A date: ``24 February 2022``, ``Feb 24, 2022``, ``24.02.2022``, ``2022-02-24``, ``20220224T000000``, or a date.

    ``24. Februar 2022`` and ``24 de fevereiro de 2022`` are read where the months are named so. The time of day behind
    an ISO date is dropped.

    Parameters
    ----------
    months : tuple of str
        Names of the twelve months, in lower case and without diacritics; empty where ads write none.
    month_first : bool
        Whether of two numbers the first is the month.
    """

    months: tuple[str, ...] = ()
    month_first: bool = False
    kind: ClassVar[str] = "day"

    def __call__(self, cell: Any) -> date | None:
        """Return the date.

        Raises
        ------
        Unusable
            If the text is in no such form (an ISO week is no day), or the calendar has no such day.
        """
        if isinstance(cell, datetime):
            return None if cell != cell else cell.date()
        if isinstance(cell, date):
            return cell
        text = read_text(cell)
        if text is None:
            return None
        try:
            if match := _DAY.fullmatch(text):
                first, second, year = int(match["first"]), int(match["second"]), int(match["year"])
                return date(year, first, second) if self.month_first else date(year, second, first)
            if match := _DAY_OF_MONTH.fullmatch(text):
                month = self.months.index(fold(match["name"] or match["name_first"])) + 1
                return date(int(match["year"] or match["later_year"]), month, int(match["first"] or match["day"]))
            if "W" in text:  # an ISO week, of which Python would take the Monday
                raise ValueError(text)
            return datetime.fromisoformat(text).date()
        except ValueError:
            raise Unusable("not a day such as '2022-02-24' or '24.02.2022'") from None


@dataclass(frozen=True)
class Coordinate(Rule):
    """Degrees of latitude or longitude: ``47.5112``, ``-122.257``, ``122.257° W``.

    Parameters
    ----------
    positive, negative : str
        Letters of the two hemispheres.
    """

    positive: str = "N"
    negative: str = "S"
    kind: ClassVar[str] = "coordinate"

    def __call__(self, cell: Any) -> float | None:
        """Return degrees; south and west are negative."""
        text = read_text(cell)
        if text is None:
            return None
        clean = read_number(cell)
        if clean is not None:
            return clean
        match = _HEMISPHERE.fullmatch(text)
        letter = match["letter"].upper() if match else "?"
        if match is None or letter not in ("", self.positive, self.negative):
            raise Unusable(f"not degrees such as '47.5112' or '47.5112° {self.positive}'")
        degrees = float(match["degrees"].replace(",", "."))
        if letter and degrees < 0:
            raise Unusable("degrees with both a sign and a hemisphere")
        return -degrees if letter == self.negative else degrees


class AddressRead(NamedTuple):
    """What an ad's breadcrumb path names."""

    property_kind: str | None
    place: str | None
    path: str


@dataclass(frozen=True)
class Breadcrumb(Rule):
    """The path of pages that leads to an ad: what kind of property it is, and where.

    The path is the list as scraped, ``"['Home', 'For Sale Flat', …, 'Oak Street For Sale Flat']"``, or its clean form,
    the names joined by ``" > "``. The second name tells the kind of property, behind its first word, and closes the
    others; a path of another form is kept whole, without kind and place.
    """

    kind: ClassVar[str] = "breadcrumb"
    n_values: ClassVar[int] = 3

    def __call__(self, cell: Any) -> AddressRead | None:
        """Return kind, place and path."""
        text = read_text(cell)
        if text is None:
            return None
        if text.startswith("["):
            names = [_ESCAPED.sub(r"\1", single or double) for single, double in _QUOTED.findall(text)]
        else:
            names = text.split(_PATH_SEPARATOR)
        names = [name.strip() for name in names if name.strip()]
        if not names:
            raise Unusable("an address path without names")
        path = _PATH_SEPARATOR.join(names)
        if is_empty(path):
            return None
        if len(names) < 3 or not names[-1].endswith(names[1]):
            return AddressRead(None, None, path)
        place = names[-1].removesuffix(names[1]).strip()
        kind = names[1].partition(" ")[2]
        return AddressRead(kind or None, place or None, path)


@cache
def _floor_pattern(storey: str, below_ground: str) -> "re.Pattern[str]":
    below = rf"{re.escape(below_ground)} \d+ \((?P<below>-\d+)\)" if below_ground else r"(?P<below>(?!))"
    return re.compile(rf"(?:{below}|(?P<low>\d+)-(?P<high>\d+)|(?P<floor>\d+)\+?)\. {re.escape(storey)}", re.IGNORECASE)
