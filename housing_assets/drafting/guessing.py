"""Guesses what the columns of a file are: how each is written, and what its values are for.

A guess is a place to begin, for a person to read; what it is not sure of is said in ``remarks``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from housing_assets.drafting.bounds import SMALLEST, Bounds, value_bounds
from housing_assets.drafting.number_guessing import guess_number
from housing_assets.drafting.reading import MAX_CELLS, Reading, count_texts, try_rule
from housing_assets.drafting.remarks import remarks_on, shown
from housing_assets.drafting.rule_guessing import guess_rule
from housing_assets.drafting.vocabulary import is_header_of, sounds_like
from housing_assets.inference.declaration import MAX_CATEGORIES as MAX_CLASSES
from housing_assets.inference.declaration import DeclarationError, Role
from housing_assets.inference.rule_base import Rule
from housing_assets.inference.rules import Breadcrumb, Choice, Code, Coordinate, Day, Floor, Number, Rooms, Text, Years

MAX_CATEGORIES = 200
"""Distinct texts of a category; beyond them a text is hashed."""

MAX_LEVELS = 15
"""Distinct whole numbers up to which they are taken for levels, such as grades."""

FREE_TEXT = 0.9
"""Share of rows with a text of their own from which on a column names no group of homes."""

FEW = 30
"""Distinct texts up to which a file is too short to tell so."""

LONG_TEXT = 150
"""Characters of a usual cell from which on it is a description."""

READABLE_PRICES = 0.5
"""Share of rows whose price must be read: below, the column holds something else, or is written in another way."""

LONG_EXAMPLE = 90
"""Characters from which on an example makes the line too long, if there is a shorter one."""

LONGEST_NUMBER = 18
"""Digits up to which a number of a row may have been counted up."""

_CODE = re.compile(r"[^\W\d_]{1,6}[-_/#]\d{3,}\S{0,6}|[1-9]\d{6,}")
"""A number to look something up by: ``WG-70007/B``, ``70000007``. What is measured has fewer digits, or a unit."""

_CONTACT = re.compile(r"\S+@\S+\.\w+|(?:https?://|www\.)\S+|\+\d[\d\s()/-]{7,}")


@dataclass(frozen=True)
class Guess:
    """What a column was taken for.

    Attributes
    ----------
    raw : str
        Its header.
    rule : Rule or None
        None: it is left out.
    roles : tuple of Role
        Of the values that the rule returns.
    example : str
        Its commonest cell that the rule reads, within the bounds.
    bounds : tuple of Bounds
        Of the values that the rule returns.
    missing : float
        Share of the rows without content.
    distinct : int
        Different texts.
    unit : str
        Of its numbers.
    personal : bool
        Whether the header sounds as if its texts could lead to a person.
    is_place, is_size : bool
        Whether the header sounds like a place whose homes can be compared, or like a size.
    remarks : tuple of str
        What was not understood, and what became of it.
    """

    raw: str
    rule: Rule | None
    roles: tuple[Role, ...] = ()
    example: str = ""
    bounds: tuple[Bounds, ...] = ()
    missing: float = 0.0
    distinct: int = 0
    unit: str = ""
    personal: bool = False
    is_place: bool = False
    is_size: bool = False
    remarks: tuple[str, ...] = ()


def guess_column(raw: str, cells: pd.Series) -> Guess:
    """Guess what a column is that is no target.

    Parameters
    ----------
    raw : str
        Its header.
    cells : Series of shape (n_rows,)
        Texts, numbers or dates.
    """
    rows = count_texts(cells)
    if rows is None:
        return Guess(raw, None, remarks=("its cells are neither texts, numbers nor dates",))
    reason = _reason_to_leave_out(raw, rows)
    if reason:
        return Guess(raw, None, remarks=(reason,))
    reading = guess_rule(raw, rows)
    if isinstance(reading.rule, Number) and (set(rows.index) == {"0", "1"} or sounds_like("key", raw)):
        reading = try_rule(Text(), rows)
    roles = _roles(reading.rule, raw, rows)
    if isinstance(reading.rule, Text) and Role.KEY not in roles and _is_free_text(rows):
        return Guess(raw, None, remarks=("nearly every row has a text of its own",))
    guess = _guess(raw, len(cells), reading, roles)
    if not guess.example:
        return Guess(raw, None, remarks=("no cell can be read",))
    return guess


def guess_price(raw: str, cells: pd.Series) -> Guess:
    """Guess how the prices of a column are written.

    Raises
    ------
    DeclarationError
        If most cells are no prices.
    """
    rows = count_texts(cells)
    number = None if rows is None or rows.empty else guess_number(raw, rows)
    if rows is None or number is None:
        raise DeclarationError(f"target is {raw!r}, in which no cell is a number: expected prices (--target)")
    reading = try_rule(Number(number.units, number.of, number.decimal, number.ignored), rows)
    if reading.share < READABLE_PRICES:
        raise DeclarationError(
            f"target is {raw!r}, of which {1 - reading.share:.0%} of the rows cannot be read as prices: "
            f"{shown(reading.refusals)} (--target)"
        )
    if not (reading.numbers(0) >= SMALLEST).any():
        raise DeclarationError(f"target is {raw!r}, in which no number is above 0: expected prices (--target)")
    return _guess(raw, len(cells), reading, (Role.PRICE,))


def guess_classes(raw: str, cells: pd.Series) -> Guess:
    """Take the values of a column for classes.

    Raises
    ------
    DeclarationError
        If it holds nothing, or what has no text.
    """
    rows = count_texts(cells)
    if rows is None or rows.empty or try_rule(Text(), rows).refusals:
        raise DeclarationError(f"target is {raw!r}: expected texts of at most 1,000 characters (--target)")
    classes = tuple(sorted(rows.index))
    if not 2 <= len(classes) <= MAX_CLASSES:
        raise DeclarationError(
            f"target is {raw!r}, which has {len(classes):,} different texts: expected 2 to {MAX_CLASSES} classes "
            "(--target)"
        )
    counts = ", ".join(f"{name}: {int(rows[name]):,}" for name in classes)
    guess = _guess(raw, len(cells), try_rule(Choice(classes), rows), (Role.CLASS,))
    return Guess(**{**vars(guess), "remarks": (f"rows of each class: {counts}",)})


def guess_target(frame: pd.DataFrame, headers: Sequence[str]) -> str | None:
    """Return the header that sounds most like a price, one with numbers below it if there is any, None if none does."""
    named = [header for header in headers if sounds_like("price", header)]
    named.sort(key=lambda one: (not is_header_of("price", one), sounds_like("derived_price", one)))
    for header in named:
        rows = count_texts(frame[header])
        if rows is None or rows.empty or (number := guess_number(header, rows)) is None:
            continue
        if try_rule(number, rows.head(MAX_CELLS)).share >= READABLE_PRICES:
            return header
    return named[0] if named else None


def _reason_to_leave_out(raw: str, rows: pd.Series) -> str:
    if rows.empty:
        return "every cell is empty"
    n_filled = int(rows.sum())
    if sounds_like("contact", raw) or int(rows[[bool(_CONTACT.fullmatch(text)) for text in rows.index]].sum()) > (
        0.5 * n_filled
    ):
        return "it leads to a person or a page, and says nothing of a home"
    if len(rows) == n_filled > 1 and sounds_like("key", raw):
        return (
            "every row has its own. If it is a number of the home, which comes back when the home is sold again, "
            "declare it with Role.KEY"
        )
    if len(rows) == n_filled > FEW and _are_consecutive(list(rows.index)):
        return "it numbers the rows"
    if len(rows) == n_filled > FEW and all(map(_CODE.fullmatch, rows.index)):
        return "every row has its own, as advertisements have numbers"
    return ""


def _is_free_text(rows: pd.Series) -> bool:
    usual = int(np.median([len(text) for text in rows.index]))
    return usual > LONG_TEXT or len(rows) > max(FREE_TEXT * int(rows.sum()), FEW)


def _roles(rule: Rule, raw: str, rows: pd.Series) -> tuple[Role, ...]:
    match rule:
        case Day():
            return (Role.CLOCK,)
        case Rooms():
            return (Role.NUMERIC, Role.NUMERIC)
        case Breadcrumb():
            return (Role.CATEGORY, Role.HASHED, Role.HASHED)
        case Years():
            return (Role.ORDINAL,)
        case Number():
            return (Role.ORDINAL if len(rows) <= MAX_LEVELS else Role.NUMERIC,)
        case Coordinate():
            return (Role.NUMERIC,)
        case Floor():
            return (Role.CATEGORY, Role.NUMERIC)
    if sounds_like("key", raw) and len(rows) > 0.5 * int(rows.sum()):
        return (Role.KEY,)
    return (Role.CATEGORY if len(rows) <= MAX_CATEGORIES else Role.HASHED,)


def _guess(raw: str, n_rows: int, reading: Reading, roles: tuple[Role, ...]) -> Guess:
    rows, rule = reading.rows, reading.rule
    personal = sounds_like("personal", raw) and roles[0] not in (Role.PRICE, Role.CLASS)
    is_category = roles[0] is Role.CATEGORY and isinstance(rule, Text | Code)
    bounds = tuple(value_bounds(rule, role, reading.numbers(position)) for position, role in enumerate(roles))
    units = [unit for unit in rule.units if unit != "+"] if isinstance(rule, Number) else []
    return Guess(
        raw=raw,
        rule=rule,
        roles=roles,
        example=_example(reading, bounds),
        bounds=bounds,
        missing=1 - int(rows.sum()) / max(n_rows, 1),
        distinct=len(rows),
        unit=units[0] if units else "",
        personal=personal,
        is_place=is_category and not personal and len(rows) > 1 and sounds_like("place", raw),
        is_size=isinstance(rule, Number) and roles[0] is Role.NUMERIC and sounds_like("size", raw),
        remarks=remarks_on(raw, reading, roles),
    )


def _example(reading: Reading, bounds: Sequence[Bounds]) -> str:
    """Return the commonest text that is read and no longer than a line, else the shortest; empty if there is none."""
    within = {
        text: values
        for text, values in reading.values.items()
        if all(bound.hold(value) for bound, value in zip(bounds, values, strict=True))
    }
    texts = [text for text, values in within.items() if values[0] is not None] or list(within)
    return next((text for text in texts if len(text) <= LONG_EXAMPLE), min(texts, key=len, default=""))


def _are_consecutive(texts: Sequence[str]) -> bool:
    numbers = [int(text) for text in texts if text.isdecimal() and len(text) <= LONGEST_NUMBER]
    return len(numbers) == len(texts) and max(numbers) - min(numbers) == len(numbers) - 1
