"""The knobs of a shift by name, as a command line gives them: ``price_inflation`` is ``0.6``."""

from collections.abc import Mapping
from typing import Any

from housing_assets.markets.istanbul_sample.shift import Shift

KNOBS = {
    "price_inflation": "rise of all prices; 0.6 is +60 %",
    "new_district_share": "share of the ads in unseen districts",
    "only_district": "all ads in this district, such as kadikoy",
    "new_address_share": "share of the ads in unseen neighbourhoods of known districts",
    "missing.COLUMN": "share of a column's values to blank, such as missing.HeatingType",
    "gross_area_factor": "factor on GrossSquareMeters alone",
    "outside_range": "true: every number a thousand times too large",
    "concept_change": "0 to 1: exchange of the districts' price levels",
    "mix.KIND": "factor on the frequency of a kind of home, such as mix.Villa",
}
"""Each knob with what it does."""

_BY_KEY = ("missing", "mix")
_FLAGS = {"true": True, "false": False}


def read_shift(given: Mapping[str, Any]) -> Shift:
    """Return the shift that knobs ask for.

    Parameters
    ----------
    given : mapping of str to object
        Values, or the texts of them, by name. ``missing`` and ``mix`` are mappings, or one name for each of their
        keys: ``missing.HeatingType``, ``mix.Villa``.

    Raises
    ------
    ValueError
        If a knob is unknown or out of its range.
    """
    knobs: dict[str, Any] = {}
    for name, value in given.items():
        knob, dot, key = name.partition(".")
        if knob not in Shift.__dataclass_fields__ or bool(dot) > (knob in _BY_KEY) or (dot and not key):
            raise ValueError(f"there is no shift {name!r}: expected one of {', '.join(KNOBS)}")
        if dot:
            knobs[knob] = {**knobs.get(knob, {}), key: _number(name, value)}
        elif knob in _BY_KEY:
            knobs[knob] = {**knobs.get(knob, {}), **_mapping(name, value)}
        elif knob == "only_district":
            knobs[knob] = value
        else:
            knobs[knob] = _flag(name, value) if knob == "outside_range" else _number(name, value)
    return Shift(**knobs)


def _mapping(name: str, value: Any) -> dict[str, float]:
    if not isinstance(value, Mapping):
        raise ValueError(f"{name} is {value!r}: expected {name}.NAME=NUMBER")
    return {str(key): _number(f"{name}.{key}", share) for key, share in value.items()}


def _number(name: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}: expected a number") from None


def _flag(name: str, value: Any) -> bool:
    flag = _FLAGS.get(str(value).lower())
    if flag is None:
        raise ValueError(f"{name} is {value!r}: expected true or false")
    return flag
