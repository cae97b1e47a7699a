"""The columns of a source: what reads their cells, and what the values of these are for."""

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from housing_assets.inference.cells import MISSING, Unusable
from housing_assets.inference.declaration.requirements import DeclarationError, require_name
from housing_assets.inference.rule_base import Rule


class Role(StrEnum):
    """What a value is for.

    Numbers and ordinals are features as numbers; categories and hashed texts as hashed tokens; a clock as months. A key
    identifies a home: its copies are never on both sides of a split. The price, or the class, is what is predicted.
    Exact is a number that says of a row whether its price is one (1, or nothing said) or only stands for the prices of
    its band (0): such a row teaches and judges categories, and no amount.
    """

    NUMERIC = "numeric"
    ORDINAL = "ordinal"
    CATEGORY = "category"
    HASHED = "hashed"
    CLOCK = "clock"
    KEY = "key"
    PRICE = "price"
    CLASS = "class"
    EXACT = "exact"


FEATURE_NUMBERS = (Role.NUMERIC, Role.ORDINAL)
NUMBERS = (*FEATURE_NUMBERS, Role.PRICE, Role.EXACT)
TEXTS = (Role.CATEGORY, Role.HASHED)
TARGETS = (Role.PRICE, Role.CLASS)
OF_TARGETS = (*TARGETS, Role.EXACT)
"""Roles of what is known of a home only together with its target."""


@dataclass(frozen=True, slots=True)
class Value:
    """One typed value of a listing.

    Parameters
    ----------
    name : str
        Its column in ``listings``.
    role : Role
        What it is for; numbers are float64, texts are categories, clocks are days.
    minimum, maximum : float
        Bounds of a number, in its unit, both allowed; outside of them the row is quarantined.
    scale : float
        The size of an ordinary difference, in the number's unit; encoded numbers are divided by it so that
        distances between listings (SMOTE) are not ruled by the largest unit.
    unit : str
        Of a number, for people: ``m²``, ``years``.
    personal : bool
        Whether the value can lead to a person: it is never logged, shown, or stored with a model.
    """

    name: str
    role: Role
    minimum: float = 0.0
    maximum: float = 1e9
    scale: float = 1.0
    unit: str = ""
    personal: bool = False

    def __post_init__(self) -> None:
        require_name("a value's name", self.name)
        object.__setattr__(self, "role", _member(f"role of {self.name}", Role, self.role))
        for bound in ("minimum", "maximum"):
            if not math.isfinite(getattr(self, bound)):
                raise DeclarationError(f"{bound} of {self.name} is {getattr(self, bound)!r}: expected a finite number")
        if not self.minimum <= self.maximum:
            raise DeclarationError(
                f"minimum of {self.name} is {self.minimum:g}: expected at most its maximum, {self.maximum:g}"
            )
        if not (self.scale > 0 and math.isfinite(self.scale)):
            raise DeclarationError(f"scale of {self.name} is {self.scale!r}: expected a number above 0")

    @property
    def is_number(self) -> bool:
        """Whether it is held as a number."""
        return self.role in NUMBERS

    @property
    def is_text(self) -> bool:
        """Whether it is held as a text."""
        return not self.is_number and self.role is not Role.CLOCK


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One raw column, an example of its cells, the rule that reads them, and the values it returns, in order.

    ``required`` columns must have a value: without it the row is quarantined (and a request refused).
    """

    raw: str
    example: str
    rule: Rule
    values: tuple[Value, ...]
    required: bool = False

    def __post_init__(self) -> None:
        if not self.raw:
            raise DeclarationError("a column's raw name is empty: expected the header of the source")
        object.__setattr__(self, "values", tuple(self.values))
        if len(self.values) != self.rule.n_values:
            raise DeclarationError(
                f"values of {self.raw} are {len(self.values)}: the rule {self.rule.kind} returns {self.rule.n_values}"
            )
        try:
            self.parse(self.example)
        except Unusable as fault:
            raise DeclarationError(
                f"example of {self.raw} is {self.example!r}, which its rule refuses: {fault}"
            ) from None

    @property
    def is_target(self) -> bool:
        """Whether it holds what is predicted, or something that is known of a home only together with that."""
        return self.values[0].role in OF_TARGETS

    @property
    def personal(self) -> bool:
        """Whether any of its values can lead to a person."""
        return any(value.personal for value in self.values)

    def parse(self, cell: Any) -> tuple[Any, ...]:
        """Return the values of a cell, checked against their bounds.

        Raises
        ------
        Unusable
            If the cell cannot be read, a number is out of bounds, or a required cell is empty.
        """
        result = self.rule(cell)
        if result is None:
            if self.required:
                raise Unusable(MISSING)
            return (None,) * len(self.values)
        results = tuple(result) if isinstance(result, tuple) else (result,)
        for value, found in zip(self.values, results, strict=True):
            if value.is_number and found is not None and not value.minimum <= found <= value.maximum:
                raise Unusable(f"{found:,.15g} is not within {value.minimum:,.15g} to {value.maximum:,.15g}")
        return results

    def parse_named(self, cell: Any) -> tuple[tuple[str, Any], ...]:
        """Return the names and values of a cell."""
        return tuple(zip((value.name for value in self.values), self.parse(cell), strict=True))


def _member(what: str, kind: type[Role], found: Any) -> Role:
    try:
        return kind(found)
    except ValueError:
        raise DeclarationError(f"{what} is {found!r}: expected one of {', '.join(kind)}") from None
