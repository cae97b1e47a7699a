"""Chooses the bounds and the scale of a value: wide enough for what comes next, tight enough for what cannot be."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from housing_assets.drafting.rule_guessing import ENOUGH
from housing_assets.inference.declaration import NUMBERS, Role
from housing_assets.inference.rule_base import Rule
from housing_assets.inference.rules import Coordinate

YEARS = (1500.0, 2100.0)
"""Between which numbers are years of the calendar, if all of them are."""

ROOM = 10.0
"""How many times the largest number of a file may come later."""

SMALLEST = 1e-6
"""What is nearer to 0 is a fault of the file."""


@dataclass(frozen=True)
class Bounds:
    """Arguments of a value, as source.

    Attributes
    ----------
    minimum, maximum : float
    n_numbers : int
        Numbers that were read.
    arguments : tuple of str
        Empty for texts and days.
    remark : str
        What of the file lies outside, if anything does.
    """

    minimum: float = -math.inf
    maximum: float = math.inf
    n_numbers: int = 0
    arguments: tuple[str, ...] = ()
    remark: str = ""

    def hold(self, value: Any) -> bool:
        """Return whether a value that was read lies within."""
        return not isinstance(value, float) or self.minimum <= value <= self.maximum


def value_bounds(rule: Rule, role: Role, numbers: np.ndarray) -> Bounds:
    """Return the bounds of a value.

    Parameters
    ----------
    rule : Rule
        That reads it.
    role : Role
    numbers : ndarray of shape (n_read,), float64
        What it read.
    """
    if role not in NUMBERS:
        return Bounds()
    if not len(numbers):
        return Bounds(0.0, 100.0, 0, ("minimum=0", "maximum=100"))
    low, high = float(numbers.min()), float(numbers.max())
    if isinstance(rule, Coordinate):
        low, high = math.floor(low), math.ceil(high)
    elif low >= YEARS[0] and high <= YEARS[1] and role is not Role.PRICE:
        low, high = YEARS
    elif role is Role.PRICE:
        low = max(_one_digit(float(numbers[numbers > 0].min()) / ROOM, math.floor), SMALLEST)
        high = _one_digit(max(high, 1.0) * ROOM, math.ceil)
    else:
        below = float((numbers < 0).mean())  # a negative area is a typing error, a floor below ground is none
        low = 0.0 if below <= 1 - ENOUGH else _one_digit(low * ROOM, math.floor)
        high = _one_digit(max(high, 1.0) * ROOM, math.ceil)
    outside = int((numbers < low).sum())
    arguments = [f"minimum={_literal(low)}", f"maximum={_literal(high)}"]
    if role is not Role.PRICE:
        arguments.append(f"scale={_literal(_scale(numbers))}")
    remark = f"Rows that are quarantined because their number is below the minimum: {outside:,}." if outside else ""
    return Bounds(low, high, len(numbers), tuple(arguments), remark)


def _scale(numbers: np.ndarray) -> float:
    """Return a round number of the size of the interquartile range."""
    low, high = np.quantile(numbers, (0.25, 0.75))
    spread = float(high - low) or float(numbers.std())
    return _one_digit(spread, round) if spread >= SMALLEST else 1.0


def _one_digit(number: float, how: Callable[[float], int]) -> float:
    """Round to one significant digit."""
    if abs(number) < SMALLEST:
        return 0.0 if number >= 0 else -SMALLEST
    unit = 10.0 ** math.floor(math.log10(abs(number)))
    return float(how(number / unit) * unit)


def _literal(number: float) -> str:
    return f"{int(number):_}" if number == int(number) and abs(number) < 1e15 else f"{number:g}"
