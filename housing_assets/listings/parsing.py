"""Rules that turn one raw cell of an ad into typed values.

Every rule is a pure function of one cell: it takes the text as scraped (or an already clean number) and returns the
value, ``None`` where the cell says nothing, or raises :class:`Unusable` with the reason. Batches (``cleaning.py``)
and single requests call these same functions; no other module reads a raw text.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from numbers import Real
from typing import Any, NamedTuple

MAX_CELL_LENGTH = 1_000
"""Characters; address paths of real ads have about 150, so a longer cell is no value but a fault."""

MAX_MAGNITUDE = 1e12
"""Beyond any price in any currency's smallest unit; a larger number is a fault of the source."""

_TO_ASCII = str.maketrans("İIıŞşĞğÜü", "iiissgguu")
"""Months are written with and without their Turkish letters, and the capitals of ı and i as I and İ or both as I."""

# fmt: off
_MONTHS = (
    "ocak", "subat", "mart", "nisan", "mayis", "haziran", "temmuz", "agustos", "eylul", "ekim", "kasim", "aralik",
)
# fmt: on
_EMPTY = frozenset({"", "-", "nan", "none", "null"})
_LIRA = frozenset({"", "tl", "try", "₺"})
_SQUARE_METRES = frozenset({"", "m2", "m²"})
_NONE_OF_IT = frozenset({"yok"})

_HALF_CHARACTER = re.compile("[\\ud800-\\udfff]")
_NOT_UTF8 = re.compile(r"\\x[89a-f][0-9a-f]")
_GROUPED = re.compile(r"[1-9]\d{0,2}([.,])\d{3}(?:\1\d{3})*", re.ASCII)
_GROUPED_WITH_DECIMALS = re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3})+,|(?:,\d{3})+\.)\d+", re.ASCII)
_PLAIN = re.compile(r"\d+(?:[.,]\d+)?", re.ASCII)
_AMOUNT = re.compile(r"(?P<before>[^\d+-]*)(?P<number>[+-]?\d[\d.,]*)(?P<unit>.*)", re.DOTALL)
_PRICE_CHANGE_BADGE = re.compile(r"arrow_(?:down|up)ward\s*%\s*[\d.,]+$")
_RANGE = re.compile(r"(\d+)\s*[-\u2013]\s*(\d+)")
_OR_MORE = re.compile(r"(\d+)\s*(?:\+|ve üzeri)", re.IGNORECASE)
_NEW = re.compile(r"(\d+)\s*\(yeni\)", re.IGNORECASE)
_ROOMS = re.compile(r"(\d+(?:[.,]5)?)\s*\+\s*(\d+)")
_ROOMS_ONLY = re.compile(r"(\d+)\s*\+?\s*oda", re.IGNORECASE)
_FLOOR = re.compile(
    r"(?:kot \d+ \((?P<below>-\d+)\)|(?P<low>\d+)-(?P<high>\d+)|(?P<floor>\d+)\+?)\. kat", re.IGNORECASE
)
_DAY = re.compile(r"(?P<day>\d{1,2})(?:\s+(?P<name>\w+)\s+|(?P<mark>[./])(?P<month>\d{1,2})(?P=mark))(?P<year>\d{4})")
_QUOTED = re.compile(r"'((?:[^'\\]|\\.)*)'|\"((?:[^\"\\]|\\.)*)\"")
_ESCAPED = re.compile(r"\\(.)")
_PATH_SEPARATOR = " > "


class Unusable(ValueError):
    """A cell that has content but no value; the message is the reason that users read."""


class Rooms(NamedTuple):
    """``3+1``: rooms and, where the ad tells them apart, living rooms."""

    rooms: float
    living_rooms: float | None


class Floor(NamedTuple):
    """A floor as written and, where it is one, its number (ground floor 0, below ground negative)."""

    category: str
    number: float | None


class Address(NamedTuple):
    """What an ad's breadcrumb path names."""

    property_kind: str | None
    neighbourhood: str | None
    path: str


Rule = Callable[[Any], Any]
"""A rule takes one cell and returns its value, a named tuple of values, or None."""


def category(cell: Any) -> str | None:
    r"""Return the trimmed, NFC-normalised text of a cell, or None for an empty one.

    A number is its shortest text (``5`` and ``5.0`` are ``5``), so that a column of whole numbers with gaps, which
    tables hold as floats, reads as one without.

    Raises
    ------
    Unusable
        If the cell is longer than ``MAX_CELL_LENGTH``, held bytes that are not UTF-8 (which readers of files turn
        into ``\xe9`` escapes, so that the row can be shown), or is neither text nor number nor date.
    """
    if not isinstance(cell, str):
        return _text_of(cell)
    if len(cell) > MAX_CELL_LENGTH:
        raise Unusable(f"{len(cell):,} characters, at most {MAX_CELL_LENGTH:,} are read")
    if ("\\x" in cell and _NOT_UTF8.search(cell)) or _HALF_CHARACTER.search(cell):
        raise Unusable("bytes that are not UTF-8")
    text = unicodedata.normalize("NFC", cell).strip()
    return None if text.lower() in _EMPTY else text


def _text_of(cell: Any) -> str | None:
    if cell is None:
        return None
    if isinstance(cell, Real | Decimal | date) and cell != cell:  # not a number, not a time
        return None
    if isinstance(cell, bool | date):
        return str(cell)
    number = _clean_number(cell)
    if number is None:
        raise Unusable(f"neither a text nor a number but {type(cell).__name__}")
    return str(int(number)) if number.is_integer() else str(number)


def _clean_number(cell: Any) -> float | None:
    """Return the value of a cell that is a number already, None if it is a text."""
    if isinstance(cell, str | bool) or not isinstance(cell, Real | Decimal):
        return None
    number: Any = cell  # not made a float before it is known to fit one
    if not -MAX_MAGNITUDE <= number <= MAX_MAGNITUDE:
        raise Unusable(f"not a finite number up to {MAX_MAGNITUDE:.0e}")
    return float(number)


def _digits(text: str) -> float:
    """Read ``2.250`` and ``3,100,000`` (thousands), ``2.5`` and ``2,5`` (decimals), ``1.250,50`` (both).

    What contradicts itself, such as ``1.2.34``, is refused.
    """
    unsigned = text[1:] if text.startswith(("+", "-")) else text
    if _GROUPED.fullmatch(unsigned):
        value = float(unsigned.replace(".", "").replace(",", ""))
    elif _GROUPED_WITH_DECIMALS.fullmatch(unsigned):
        thousands = "." if unsigned.rindex(".") < unsigned.find(",") else ","
        value = float(unsigned.replace(thousands, "").replace(",", "."))
    elif _PLAIN.fullmatch(unsigned):
        value = float(unsigned.replace(",", "."))
    else:
        raise Unusable("not a number")
    if value > MAX_MAGNITUDE:
        raise Unusable(f"not a finite number up to {MAX_MAGNITUDE:.0e}")
    return -value if text.startswith("-") else value


def _amount(cell: Any, units: frozenset[str], expected: str) -> float | None:
    text = category(cell)
    if text is None:
        return None
    clean = _clean_number(cell)
    if clean is not None:
        return clean
    match = _AMOUNT.fullmatch(text)
    if match is None:
        raise Unusable(f"not a number of {expected}")
    for unit in (match["before"], match["unit"]):
        if unit.strip().lower() not in units:
            raise Unusable(f"not in {expected}: {unit.strip()[:20]!r}")
    return _digits(match["number"])


def lira(cell: Any) -> float | None:
    """Return an amount in Turkish lira: ``3,100,000TL``, ``50 TL``, ``34,550,000TLarrow_downward%3``.

    The badge after a changed price is a percentage, not a digit of the price. Another currency is unusable.
    """
    if isinstance(cell, str) and len(cell) <= MAX_CELL_LENGTH:
        cell = _PRICE_CHANGE_BADGE.sub("", cell.strip())
    return _amount(cell, _LIRA, "Turkish lira (TL)")


def square_metres(cell: Any) -> float | None:
    """Return an area in m²: ``160 m2`` is 160, ``2.250 m2`` is 2250."""
    return _amount(cell, _SQUARE_METRES, "square metres (m2)")


def years(cell: Any) -> float | None:
    """Return a building's age in years: ``0 (Yeni)`` 0, ``5-10`` its midpoint 7.5, ``21 Ve Üzeri`` 21.

    The dash of a range may be an en dash.
    """
    text = category(cell)
    if text is None:
        return None
    clean = _clean_number(cell)
    if clean is not None:
        return clean
    if match := _RANGE.fullmatch(text):
        return (_digits(match[1]) + _digits(match[2])) / 2
    if match := _NEW.fullmatch(text) or _OR_MORE.fullmatch(text):
        return _digits(match[1])
    return _digits(text)


def count(cell: Any) -> float | None:
    """Return a count: ``3``, ``4 +`` is 4, ``10-20`` its midpoint, ``Yok`` (there is none) 0."""
    text = category(cell)
    if text is not None and text.lower() in _NONE_OF_IT:
        return 0.0
    return years(cell)


def rooms(cell: Any) -> Rooms | None:
    """Return rooms and living rooms: ``3+1``, ``2.5+1``, ``Stüdyo`` (1+0); ``8+ Oda``, ``5 Oda`` tell rooms alone."""
    text = category(cell)
    if text is None:
        return None
    clean = _clean_number(cell)
    if clean is not None:
        return Rooms(clean, None)
    if text.lower() in ("stüdyo", "studio"):
        return Rooms(1.0, 0.0)
    if match := _ROOMS.fullmatch(text):
        return Rooms(_digits(match[1]), _digits(match[2]))
    if match := _ROOMS_ONLY.fullmatch(text):
        return Rooms(_digits(match[1]), None)
    return Rooms(_digits(text), None)


def floor(cell: Any) -> Floor | None:
    """Return a floor: ``3. Kat`` is number 3, ``Kot 1 (-1). Kat`` -1, ``10-20. Kat`` 15, ``Çatı Katı`` has none."""
    text = category(cell)
    if text is None:
        return None
    clean = _clean_number(cell)
    if clean is not None:
        return Floor(f"{text}. Kat", clean)
    match = _FLOOR.fullmatch(text)
    if match is None:
        return Floor(text, None)
    if match["low"]:
        return Floor(text, (_digits(match["low"]) + _digits(match["high"])) / 2)
    return Floor(text, _digits(match["below"] or match["floor"]))


def day(cell: Any) -> date | None:
    """Return a date: ``24 Şubat 2022`` or ``24 Subat 2022``, ``24.02.2022``, ``24/02/2022``, ``2022-02-24``, or a date.

    Of two numbers the first is the day, as Turkish has it; the time of day behind an ISO date is dropped.

    Raises
    ------
    Unusable
        If the text is in no such form (an ISO week is no day), or the calendar has no such day.
    """
    if isinstance(cell, datetime):
        return None if cell != cell else cell.date()
    if isinstance(cell, date):
        return cell
    text = category(cell)
    if text is None:
        return None
    try:
        if match := _DAY.fullmatch(text):
            name = match["name"]
            month = _MONTHS.index(name.translate(_TO_ASCII).lower()) + 1 if name else int(match["month"])
            return date(int(match["year"]), month, int(match["day"]))
        if "W" in text:  # an ISO week, of which Python would take the Monday
            raise ValueError(text)
        return datetime.fromisoformat(text).date()
    except ValueError:
        raise Unusable("not a day such as '24 Şubat 2022' or '2022-02-24'") from None


def address(cell: Any) -> Address | None:
    """Return what a breadcrumb path names.

    The path is the list as scraped, ``"['Anasayfa', 'Satılık Daire', …, 'Maden Mahallesi Satılık Daire']"``, or its
    clean form, the names joined by ``" > "``. The second name tells the kind of property and closes the others; a path
    of another form is kept whole, without kind and neighbourhood.
    """
    text = category(cell)
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
    if path.lower() in _EMPTY:
        return None
    if len(names) < 3 or not names[-1].endswith(names[1]):
        return Address(None, None, path)
    neighbourhood = names[-1].removesuffix(names[1]).strip()
    kind = names[1].partition(" ")[2]
    return Address(kind or None, neighbourhood or None, path)
