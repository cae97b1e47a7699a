"""What every rule makes of a raw cell first: its text, its number, or the reason why it has neither."""

import re
import unicodedata
from collections.abc import Collection
from datetime import date
from decimal import Decimal
from numbers import Real
from typing import Any

MAX_CELL_LENGTH = 1_000
"""Characters; address paths of real ads have about 150, so a longer cell is no value but a fault."""

MAX_MAGNITUDE = 1e12
"""Beyond any price in any currency's smallest unit; a larger number is a fault of the source."""

_EMPTY = frozenset({"", "-", "nan", "none", "null"})

_HALF_CHARACTER = re.compile("[\\ud800-\\udfff]")
_NOT_UTF8 = re.compile(r"\\x[89a-f][0-9a-f]")
_GROUPED = {mark: re.compile(rf"[1-9]\d{{0,2}}([{mark}])\d{{3}}(?:\1\d{{3}})*", re.ASCII) for mark in (".,", ".", ",")}
_GROUPED_WITH_DECIMALS = {
    ".,": re.compile(r"[1-9]\d{0,2}(?:(?:\.\d{3})+,|(?:,\d{3})+\.)\d+", re.ASCII),
    ".": re.compile(r"[1-9]\d{0,2}(?:\.\d{3})+,\d+", re.ASCII),
    ",": re.compile(r"[1-9]\d{0,2}(?:,\d{3})+\.\d+", re.ASCII),
}
_PLAIN = {mark: re.compile(rf"\d+(?:[{mark}]\d+)?", re.ASCII) for mark in (".,", ".", ",")}
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d{1,3}", re.ASCII)
SPACED = re.compile(r"(?<=\d)[ \u00a0\u202f'\u2019](?=\d{3}(?!\d))")
"""What parts thousands in French, Polish or Swiss: 250 000 and 1'250'000."""

_AMOUNT = re.compile(r"(?P<before>[^\d+-]*)(?P<number>[+-]?\d[\d.,]*)(?P<unit>.*)", re.DOTALL)


MISSING = "missing"
"""The reason of a required cell that is empty."""


class Unusable(ValueError):
    """A cell that has content but no value; the message is the reason that users read."""


def is_empty(text: str) -> bool:
    """Return whether a trimmed text says nothing."""
    return text.lower() in _EMPTY


def read_text(cell: Any) -> str | None:
    r"""Return the trimmed, NFC-normalised text of a cell, or None for an empty one.

    A number is its shortest text (``5`` and ``5.0`` are ``5``), so that a column of whole numbers with gaps, which
    tables hold as floats, reads as one without.

    Raises
    ------
    Unusable
        If the cell is longer than ``MAX_CELL_LENGTH``, held bytes that are not UTF-8 (which readers of files turn
        into ``\xe9`` escapes, so that the row can be shown), has a NUL, or is neither text nor number nor date.
    """
    if not isinstance(cell, str):
        return _text_of(cell)
    if len(cell) > MAX_CELL_LENGTH:
        raise Unusable(f"{len(cell):,} characters, at most {MAX_CELL_LENGTH:,} are read")
    if ("\\x" in cell and _NOT_UTF8.search(cell)) or _HALF_CHARACTER.search(cell):
        raise Unusable("bytes that are not UTF-8")
    if "\0" in cell:
        raise Unusable("a NUL, which no text has")
    text = unicodedata.normalize("NFC", cell).strip()
    return None if is_empty(text) else text


def read_number(cell: Any) -> float | None:
    """Return the value of a cell that is a number already, None if it is a text."""
    if isinstance(cell, str | bool) or not isinstance(cell, Real | Decimal):
        return None
    number: Any = cell  # not made a float before it is known to fit one
    if not -MAX_MAGNITUDE <= number <= MAX_MAGNITUDE:
        raise Unusable(f"not a finite number up to {MAX_MAGNITUDE:.0e}")
    return float(number)


def read_digits(text: str, decimal: str = "") -> float:
    """Read the digits of a number.

    Parameters
    ----------
    text : str
        With an optional sign, thousands in groups or not.
    decimal : str
        ``.`` or ``,``, which the other then groups thousands by. Empty: either; ``2.250`` and ``3,100,000`` are then
        thousands, ``2.5`` and ``2,5`` decimals, ``1.250,50`` has both.

    Raises
    ------
    Unusable
        If it is no number, or contradicts itself, such as ``1.2.34``.
    """
    groups, points = {"": (".,", ".,"), ".": (",", "."), ",": (".", ",")}[decimal]
    unsigned = text[1:] if text.startswith(("+", "-")) else text
    if _GROUPED[groups].fullmatch(unsigned):
        value = float(unsigned.replace(".", "").replace(",", ""))
    elif _GROUPED_WITH_DECIMALS[groups].fullmatch(unsigned):
        thousands = "." if unsigned.rindex(".") < unsigned.find(",") else ","
        value = float(unsigned.replace(thousands, "").replace(",", "."))
    elif _PLAIN[points].fullmatch(unsigned):
        value = float(unsigned.replace(",", "."))
    else:
        raise Unusable("not a number")
    if value > MAX_MAGNITUDE:
        raise Unusable(f"not a finite number up to {MAX_MAGNITUDE:.0e}")
    return -value if text.startswith("-") else value


def read_amount(cell: Any, units: Collection[str], expected: str, decimal: str = "") -> float | None:
    """Return a number with an optional unit before or after it.

    Parameters
    ----------
    cell : object
    units : collection of str
        In lower case; what may stand beside the digits.
    expected : str
        What the amount is in, for the reason.
    decimal : str
        See ``read_digits``.

    Raises
    ------
    Unusable
    """
    text = read_text(cell)
    if text is None:
        return None
    clean = read_number(cell)
    if clean is not None:
        return clean
    if _SCIENTIFIC.fullmatch(text):  # as programs write large numbers: 1.225e+06
        return read_number(float(text))
    match = _AMOUNT.fullmatch(SPACED.sub("", text))
    if match is None:
        raise Unusable(f"not a number of {expected}")
    for unit in (match["before"], match["unit"]):
        found = unit.strip()
        if found and found.lower() not in units:
            raise Unusable(f"not in {expected}: {found[:20]!r}")
    return read_digits(match["number"], decimal)


def fold(text: str) -> str:
    """Return a text in lower case without its diacritics, as people without the keys write it: ``Août`` is ``aout``."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", text) if not unicodedata.combining(each))
    return plain.casefold().replace("ı", "i")


def _text_of(cell: Any) -> str | None:
    if cell is None:
        return None
    if isinstance(cell, Real | Decimal | date) and cell != cell:  # not a number, not a time
        return None
    if isinstance(cell, bool | date):
        return str(cell)
    number = read_number(cell)
    if number is None:
        raise Unusable(f"neither a text nor a number but {type(cell).__name__}")
    return str(int(number)) if number.is_integer() else str(number)
