"""Guesses how a column writes numbers: their units, their decimal mark, and what follows and says nothing."""

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from housing_assets.drafting.reading import MAX_CELLS, try_rule
from housing_assets.drafting.vocabulary import sounds_like
from housing_assets.inference.cells import SPACED
from housing_assets.inference.rules import Number

MAX_UNITS = 4
"""Different texts beside the digits of one column that are taken for units."""

USUAL = 0.01
"""Share of the rows from which on what stands beside the digits is a unit, and not one of other rows' by mistake."""

MAX_UNSAID = 3
"""Different texts without digits in a column of numbers that are taken for "not said", such as "on request"."""

MAX_BADGES = 3
"""Different texts with digits behind a unit that are taken for badges, such as that of a changed price."""

_AMOUNT = re.compile(r"(?P<before>[^\d+-]*)[+-]?(?P<digits>\d[\d.,]*)(?P<after>.*)", re.DOTALL)
_SCIENTIFIC = re.compile(r"[+-]?\d+(?:\.\d+)?[eE][+-]?\d{1,3}", re.ASCII)
_UNIT = re.compile(r"\D{1,20}|\D{0,18}[^\W\d_][23]")
_DIGITS = re.compile(r"\d[\d.,]*")
_THOUSANDS_OR_DECIMALS = re.compile(r"\D*[1-9]\d{0,2}[.,]\d{3}(?:\D.*)?", re.ASCII)
_DECIMAL = {
    mark: re.compile(
        rf"\d+[{mark}](?:\d{{1,2}}|\d{{4,}})|0[{mark}]\d+"
        rf"|\d{{1,3}}(?:[{other}]\d{{3}})+[{mark}]\d+|\d{{1,3}}(?:[{other}]\d{{3}}){{2,}}",
        re.ASCII,
    )
    for mark, other in ((".", ","), (",", "."))
}
"""Digits that show what the decimal mark is: 2.5 and 1,250.5 do, and 1,250,000; 1,250 does not."""


def guess_number(header: str, rows: pd.Series) -> Number | None:
    """Return the rule that reads the numbers of a column best, None where no cell has one number.

    Parameters
    ----------
    header : str
    rows : Series of int
        Rows by text.
    """
    matches = {text: match for text in rows.index if (match := _AMOUNT.fullmatch(SPACED.sub("", text)))}
    written = {text: match for text, match in matches.items() if not _SCIENTIFIC.fullmatch(text)}
    if not matches:
        return None
    units: Counter[str] = Counter()
    counts = rows.to_dict()
    for text, match in written.items():
        for beside in (match["before"], match["after"]):
            if _UNIT.fullmatch(unit := beside.strip().lower()):
                units[unit] += counts[text]
    n_filled = int(rows.sum())
    commonest = tuple(unit for unit, n_rows in units.most_common(MAX_UNITS) if n_rows >= USUAL * n_filled)
    digits = [match["digits"] for match in written.values()]
    decimals = [mark for mark, form in _DECIMAL.items() if any(form.fullmatch(each) for each in digits)]
    never = (*((0.0,) if sounds_like("year", header) and "0" in rows.index else ()), *_unsaid(rows))
    tried = [
        Number(
            units=commonest,
            of=", ".join(commonest) or "plain digits",
            decimal=decimal,
            ignored=_badges([match["after"] for match in written.values()], commonest),
            missing=never,
        )
        for decimal in (*decimals, "")
    ]
    return min(tried, key=lambda rule: _misfit(rule, rows.head(MAX_CELLS)))


def example_of_doubt(texts: Sequence[str]) -> str | None:
    """Return a text such as ``1,250`` that may be thousands or decimals, None if there is none."""
    return next((text for text in texts if _THOUSANDS_OR_DECIMALS.fullmatch(text)), None)


def _unsaid(rows: pd.Series) -> tuple[str, ...]:
    """Return the texts without a digit that many cells of a column of numbers are."""
    wordy = rows[[not any(map(str.isdigit, text)) for text in rows.index]]
    by_text = wordy.groupby(wordy.index.str.strip().str.lower()).sum().sort_values(ascending=False, kind="stable")
    usual = by_text[by_text >= max(USUAL * rows.sum(), 2)]
    return tuple(usual.index) if len(usual) <= MAX_UNSAID and wordy.sum() < rows.sum() / 2 else ()


def _badges(after: Sequence[str], units: Sequence[str]) -> str:
    """Return the regular expression of what follows a unit and has digits of its own."""
    forms: Counter[str] = Counter()
    for text in after:
        beside = text.strip()
        rest = next((beside[len(unit) :].strip() for unit in units if beside.lower().startswith(unit)), "")
        if any(map(str.isdigit, rest)) and beside.lower() not in units:
            forms[_DIGITS.sub("\0", rest)] += 1
    if len(forms) > MAX_BADGES:  # so many ways of going on are no badges
        return ""
    return "|".join(re.escape(form).replace("\0", r"[\d.,]+") for form in sorted(forms))


def _misfit(rule: Number, rows: pd.Series) -> tuple[int, float]:
    """Return how many cells a rule refuses, then how unlike the numbers are: 2.250 among 160 and 95 is no 2.25."""
    reading = try_rule(rule, rows)
    numbers = [abs(value) for (value,) in reading.values.values() if value is not None]
    return len(reading.refusals), round(float(np.log1p(numbers).std()), 9) if numbers else 0.0
