"""Says of a guess what a person should look at: what is refused, what may be meant otherwise, what tells nothing."""

from collections.abc import Sequence

import pandas as pd

from housing_assets.drafting.number_guessing import example_of_doubt, guess_number
from housing_assets.drafting.reading import Reading, try_rule
from housing_assets.drafting.rule_guessing import ENOUGH
from housing_assets.drafting.vocabulary import currency_of, sounds_like
from housing_assets.inference.declaration import Role
from housing_assets.inference.rules import Day, Number, Rooms, Text, Years

NEARLY = 0.8
"""Share of rows from which on it is said what a rule would read that does not read enough."""


def remarks_on(raw: str, reading: Reading, roles: tuple[Role, ...]) -> tuple[str, ...]:
    """Return what is to be said of a guess, in sentences."""
    rule, rows, remarks = reading.rule, reading.rows, []
    if len(rows) == 1 and roles[0] is not Role.PRICE:
        remarks.append(f"Every filled cell is {_cut(rows.index[0])}: that tells no homes apart.")
    if reading.refusals:
        remarks.append(f"{1 - reading.share:.1%} of the filled cells are refused: {shown(reading.refusals)}.")
    if isinstance(rule, Number) and not rule.decimal and (text := example_of_doubt(list(reading.values))):
        remarks.append(f'{text!r} is read as {reading.values[text][0]:,.0f}. If it is not, say decimal="." or ",".')
    if isinstance(rule, Number) and 0 in rule.missing:
        remarks.append("0 is taken for a year that is not known, or for never.")
    if isinstance(rule, Number) and (unsaid := [text for text in rule.missing if isinstance(text, str)]):
        remarks.append(f'{_listed(unsaid)} is taken for "not said".')
    if isinstance(rule, Number) and rule.ignored:
        remarks.append("What ignored= matches behind the unit is taken for a badge, no part of the number.")
    if isinstance(rule, Years) and any(text.lower() in rule.none for text in rows.index):
        remarks.append(f"{_listed(rule.none)} is read as 0. If it says that nobody knows, empty these cells.")
    if isinstance(rule, Rooms) and any(text.lower() in rule.studio for text in rows.index):
        remarks.append(f"{_listed(rule.studio)} is read as a studio: one room.")
    if Role.PRICE in roles and isinstance(rule, Number) and len({currency_of(unit) for unit in rule.units}) > 1:
        remarks.append(f"Are these prices in one currency? Beside them stands {_listed(rule.units)}.")
    if rule == Day() and try_rule(Day(month_first=True), rows).share >= ENOUGH and _has_two_numbers(rows):
        remarks.append("Of two numbers the first is taken for the day. If it is the month, say month_first=True.")
    if isinstance(rule, Number) and Role.PRICE not in roles and sounds_like("price", raw):
        remarks.append("Does it follow from the price? A request will not have it, then: leave it out.")
    if type(rule) is Text and Role.KEY not in roles and (number := guess_number(raw, rows)) is not None:
        read = try_rule(number, rows)
        if NEARLY <= read.share < ENOUGH:
            remarks.append(
                f"{read.share:.1%} of the filled cells are numbers, too few to be taken for one; the others: "
                f"{shown(read.refusals)}."
            )
    return tuple(remarks)


def _has_two_numbers(rows: pd.Series) -> bool:
    return any("/" in text or "." in text for text in rows.index[:100])


def shown(refusals: dict[str, str]) -> str:
    """Return some of what a rule refuses, with the reasons."""
    return "; ".join(f"{_cut(text)} ({reason})" for text, reason in list(refusals.items())[:3])


def _listed(words: Sequence[str]) -> str:
    return " or ".join(map(repr, words))


def _cut(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:39]}…")
