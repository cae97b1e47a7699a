"""Guesses how the cells of a column are written: the rule that reads most of them, the most particular one first."""

import re
from collections.abc import Callable, Iterator, Sequence

import pandas as pd

from housing_assets.drafting.number_guessing import guess_number
from housing_assets.drafting.reading import MAX_CELLS, Reading, try_rule
from housing_assets.drafting.vocabulary import MONTHS, sounds_like
from housing_assets.inference.cells import fold
from housing_assets.inference.rule_base import Rule
from housing_assets.inference.rules import Breadcrumb, Code, Coordinate, Day, Floor, Rooms, Text, Years

ENOUGH = 0.98
"""Share of the filled rows that a rule must read: a few are typing errors, which quarantine is for."""

MAX_WORDS = 3
"""Different words of one column that are taken for its way of writing."""

_OR_MORE = re.compile(r"\d+\s*(?P<word>[^\d\s(+][^\d(]*)")
_IN_BRACKETS = re.compile(r"\d+\s*\((?P<word>[^)\d]+)\)")
_ROOMS = re.compile(r"\d+(?:[.,]5)?\s*\+\s*\d+")
_ROOMS_ALONE = re.compile(r"\d+\s*\+?\s*(?P<word>[^\d+]+)")
_RANGE = re.compile(r"(\d+)\s*[-\u2013]\s*(\d+)")
_FLOOR = re.compile(r"\d+\. (?P<word>\w+)")
_MONTH = re.compile(
    r"\d{1,2}\.?\s+(?:de\s+)?(?P<word>[^\W\d]+)\.?,?\s+(?:de\s+)?\d{4}"
    r"|(?P<first>[^\W\d]+)\.?\s+\d{1,2}(?:st|nd|rd|th)?,?\s+\d{4}"
)

_Fits = Callable[[pd.Series], bool]


def guess_rule(header: str, rows: pd.Series) -> Reading:
    """Return what the best rule reads of a column.

    Parameters
    ----------
    header : str
    rows : Series of int
        Rows by text, the commonest first; not empty.
    """
    tried = rows.head(MAX_CELLS)
    for rule, fits in _candidates(header, tried):
        if try_rule(rule, tried).share >= ENOUGH and fits(tried):
            return try_rule(rule, rows)
    return try_rule(Text(), rows)


def _candidates(header: str, rows: pd.Series) -> Iterator[tuple[Rule, _Fits]]:
    """Yield rules with what else must hold for each, the most particular first."""
    texts = list(rows.index)
    if sounds_like("zip", header):
        width = max((len(text) for text in texts if text.isdecimal()), default=0)
        yield Code(width), lambda cells: _share(cells, str.isdecimal) > 0.5
    if sounds_like("latitude", header):
        yield Coordinate(), _within_degrees(90)
    if sounds_like("longitude", header):
        yield Coordinate("E", "W"), _within_degrees(180)
    yield Breadcrumb(), lambda cells: _share(cells, lambda text: text.startswith("['") or " > " in text) > 0.5
    yield (
        Rooms(words=_words(texts, _ROOMS_ALONE) or ("rooms", "room"), studio=_without_digits(texts) or ("studio",)),
        lambda cells: _share(cells, lambda text: bool(_ROOMS.fullmatch(text))) > 0.3,
    )
    for storey in _words(texts, _FLOOR, fold_case=False)[:1]:
        yield Floor(storey=storey), lambda cells: _share(cells, lambda text: bool(_FLOOR.fullmatch(text))) > 0.3
    yield (
        Years(
            or_more=_words(texts, _OR_MORE),
            new=_words(texts, _IN_BRACKETS),
            none=_without_digits(texts),
        ),
        _has_ranges,
    )
    for day in _days(texts):
        yield day, lambda cells: _share(cells, lambda text: len(text) >= 8) > ENOUGH
    if number := guess_number(header, rows):
        yield number, lambda cells: True


def _days(texts: Sequence[str]) -> Iterator[Day]:
    yield Day()
    yield Day(month_first=True)
    written = {fold(match["word"] or match["first"]) for text in texts if (match := _MONTH.fullmatch(text))}
    if written:
        yield Day(months=max(MONTHS, key=lambda months: len(written & set(months))))


def _within_degrees(limit: float) -> _Fits:
    def fits(cells: pd.Series) -> bool:
        numbers = try_rule(Coordinate("E", "W") if limit > 90 else Coordinate(), cells).numbers(0)
        return bool((abs(numbers) <= limit).all())

    return fits


def _has_ranges(cells: pd.Series) -> bool:
    """Return whether a part of the cells are ranges such as 5-10; a telephone number 555-1234 is none."""
    ranges = [match for text in cells.index if (match := _RANGE.fullmatch(text))]
    ascending = all(len(match[2]) <= 3 and int(match[1]) < int(match[2]) for match in ranges if len(match[1]) <= 3)
    return ascending and len(ranges) > 0.05 * len(cells)


def _words(texts: Sequence[str], form: "re.Pattern[str]", *, fold_case: bool = True) -> tuple[str, ...]:
    """Return the commonest words of a form; of those in lower case none where many tell no way of writing."""
    found = [match["word"].strip() for text in texts if (match := form.fullmatch(text))]
    counts = pd.Series([word.lower() for word in found] if fold_case else found, dtype=object).value_counts()
    return tuple(counts.index[:MAX_WORDS]) if len(counts) <= MAX_WORDS or not fold_case else ()


def _without_digits(texts: Sequence[str]) -> tuple[str, ...]:
    """Return the texts without a digit in lower case, none where there are many."""
    found = tuple(text.lower() for text in texts if not any(mark.isdigit() for mark in text))
    return found if len(found) <= MAX_WORDS else ()


def _share(rows: pd.Series, holds: Callable[[str], bool]) -> float:
    return sum(int(count) for text, count in rows.items() if holds(str(text))) / max(int(rows.sum()), 1)
