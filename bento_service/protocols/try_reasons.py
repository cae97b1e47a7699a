"""The reasons of an answer in plain words, for the page of the form: what counts most, and homes like it."""

import math
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from housing_assets.inference.market import Market

if TYPE_CHECKING:
    from bento_service.answers import Comparable, Contribution, Difference, Explanation

MOST_BARS = 8
LEAST = 0.005
"""Share of the price, or of a probability, below which a field is not worth a line."""

MOST_DIFFERENCES = 4

_LONGEST = 40
"""Characters that are shown of what a field says."""

_HALF = 100.0
"""Width of the longest bar to either side."""

_WORDS = re.compile(r"(?<=[a-z])(?=[A-Z])|_")


class Reasons(NamedTuple):
    """What the page shows.

    Attributes
    ----------
    none : str
        Why there are no reasons; empty where there are.
    caption : str
    bars : list of dict
    comparables : list of dict
    """

    none: str
    caption: str
    bars: list[dict[str, Any]]
    comparables: list[dict[str, str]]


def tell_reasons(found: "Explanation", market: Market, cells: Mapping[str, str]) -> Reasons:
    """Return an explanation in plain words.

    Parameters
    ----------
    found : Explanation
    market : Market
    cells : mapping of str to str
        What was written into the form.
    """
    by_price = found["base_price"] is not None
    amounts = [_amount(one, found["price_category"], by_price=by_price) for one in found["contributions"]]
    ranked = sorted(zip(found["contributions"], amounts, strict=True), key=lambda each: -abs(each[1]))
    shown = [(one["column"], amount) for one, amount in ranked[:MOST_BARS] if abs(amount) >= LEAST]
    longest = max((abs(amount) for _, amount in shown), default=1.0)
    return Reasons(
        none=_sentence(found["no_contributions"]),
        caption=_caption(found, by_price=by_price),
        bars=[_bar(column, cells.get(column, ""), amount, longest, by_price=by_price) for column, amount in shown],
        comparables=[_comparable(one, market) for one in found["comparables"]],
    )


def words(name: str) -> str:
    """Return the name of a column as words."""
    return _WORDS.sub(" ", name)


def rounded(price: float) -> str:
    """Return a price with as many digits as an estimate is good for."""
    return f"{float(f'{price:.3g}'):,.0f}"


def _amount(one: "Contribution", category: str, *, by_price: bool) -> float:
    """Return what a field adds: to the log of the price, or to the probability of the answered category."""
    if by_price:
        return math.log(one["price_factor"] or 1.0)
    return one["probabilities"][category]


def _caption(found: "Explanation", *, by_price: bool) -> str:
    if found["base_price"] is not None and by_price:
        return (
            f"What each field makes of the price, from {rounded(found['base_price'])}, which the model expects of a "
            "home that nothing is known of"
        )
    share = found["base_probabilities"].get(found["price_category"], 0.0)
    return (
        f"What each field adds to how likely {found['price_category']} is, from {100 * share:.0f} %, which the model "
        "expects of a home that nothing is known of"
    )


def _bar(column: str, said: str, amount: float, longest: float, *, by_price: bool) -> dict[str, Any]:
    width = _HALF * abs(amount) / longest
    told = math.expm1(amount) if by_price else amount
    unit = "%" if by_price else "points"
    return {
        "label": words(column),
        "said": said if len(said) <= _LONGEST else said[:_LONGEST] + "…",
        "told": f"{100 * abs(told):.0f} {unit} {'more' if amount > 0 else 'less'}",
        "more": amount > 0,
        "start": f"{_HALF if amount > 0 else _HALF - width:.1f}",
        "width": f"{width:.1f}",
    }


def _comparable(one: "Comparable", market: Market) -> dict[str, str]:
    # What both say comes first.
    differences = sorted(one["differences"], key=lambda each: each["theirs"] is None or each["asked"] is None)
    told = [_difference(each, market) for each in differences[:MOST_DIFFERENCES]]
    if len(differences) > MOST_DIFFERENCES:
        told.append(f"{len(differences) - MOST_DIFFERENCES} more")
    adjusted = one["adjusted_price"]
    as_of_now = "" if adjusted is None else f", {rounded(adjusted)} today"
    return {
        "alike": f"{100 * one['similarity']:.0f} %",
        "price": f"{rounded(one['price'])} {market.currency}{as_of_now}",
        "dated": one["dated"] or "",
        "differences": "; ".join(told) or "nothing that it knows",
    }


def _difference(one: "Difference", market: Market) -> str:
    column = next(each for each in market.columns if each.raw == one["column"])
    name = words(column.raw if len(column.values) == 1 else one["name"])
    if one["theirs"] is None:
        return f"{name} not said"
    instead = "" if one["asked"] is None else f" instead of {_value(one['asked'])}"
    return f"{name} {_value(one['theirs'])}{instead}"


def _value(found: float | str) -> str:
    return found[:_LONGEST] if isinstance(found, str) else f"{found:,.6g}"


def _sentence(why: str | None) -> str:
    return "" if why is None else f"{why[:1].upper()}{why[1:]}."
