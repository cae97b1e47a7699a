"""The shifts of synthetic ads as arguments of a command line."""

import argparse
import re
from typing import Any

from housing_assets.listings.sample.shift import Shift

_NUMBERS = {
    "--price-inflation": "rise of all prices; 0.6 is +60 %%",
    "--new-district-share": "share of ads in unseen districts",
    "--new-address-share": "share of ads in unseen neighbourhoods",
    "--gross-area-factor": "factor on GrossSquareMeters alone",
    "--concept-change": "0 to 1: exchange of district price levels",
}
_SETTINGS = {
    "--missing": ("COLUMN=SHARE", "share of a column to blank; may be repeated"),
    "--mix": ("KIND=FACTOR", "factor on a kind's frequency; may be repeated"),
}


def add_shift(parser: argparse.ArgumentParser) -> None:
    """Add an argument for each knob."""
    # What is not given is not handed on: the neutral values are Shift's own.
    knobs = parser.add_argument_group("shifts, to see what notices them", argument_default=argparse.SUPPRESS)
    for knob, meaning in _NUMBERS.items():
        knobs.add_argument(knob, type=float, help=meaning)
    for knob, (form, meaning) in _SETTINGS.items():
        knobs.add_argument(knob, type=_setting, action="append", metavar=form, help=meaning)
    knobs.add_argument("--only-district", metavar="DISTRICT", help="all ads in this district, such as kadikoy")
    knobs.add_argument("--outside-range", action="store_true", help="every number a thousand times too large")


def take_shift(given: dict[str, Any]) -> Shift:
    """Take the knobs out of parsed arguments.

    Raises
    ------
    ValueError
        If a knob is out of its range.
    """
    names = Shift.__dataclass_fields__.keys() & given.keys()
    taken = ((name, given.pop(name)) for name in names)
    knobs: dict[str, Any] = {name: dict(value) if isinstance(value, list) else value for name, value in taken}
    return Shift(**knobs)


def _setting(text: str) -> tuple[str, float]:
    if not re.fullmatch(r".+=\d*\.?\d+", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a setting such as NAME=0.5")
    name, _, number = text.rpartition("=")
    return name, float(number)
