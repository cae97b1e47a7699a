"""The one declaration of what an ad consists of: raw columns, the values read from them, and what each value is for.

Every other module asks this one, so that a column is added here and nowhere else, and another market's ads are
another declaration. It imports no table library: serving reads it too.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from housing_assets.listings import parsing


class Role(StrEnum):
    """What a value is for."""

    NUMERIC = "numeric"
    ORDINAL = "ordinal"
    CATEGORY = "category"
    HASHED = "hashed"
    CLOCK = "clock"
    TARGET = "target"


NUMBERS = frozenset({Role.NUMERIC, Role.ORDINAL, Role.TARGET})
TEXTS = frozenset({Role.CATEGORY, Role.HASHED})


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
    personal : bool
        Whether the value can lead to a person, so that logs mask it.
    """

    name: str
    role: Role
    minimum: float = 0.0
    maximum: float = 1e9
    scale: float = 1.0
    personal: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """One raw column, the rule that reads it, and the values that the rule returns, in order.

    ``required`` columns must have a value: without it the row is quarantined (and a request refused).
    """

    raw: str
    rule: parsing.Rule
    values: tuple[Value, ...]
    required: bool = False

    def parse(self, cell: Any) -> tuple[Any, ...]:
        """Return the values of a cell, checked against their bounds.

        Raises
        ------
        parsing.Unusable
            If the cell cannot be read, a number is out of bounds, or a required cell is empty.
        """
        result = self.rule(cell)
        if result is None:
            if self.required:
                raise parsing.Unusable("missing")
            return (None,) * len(self.values)
        results = tuple(result) if isinstance(result, tuple) else (result,)
        for value, found in zip(self.values, results, strict=True):
            if value.role in NUMBERS and found is not None and not value.minimum <= found <= value.maximum:
                raise parsing.Unusable(f"{found:g} is not within {value.minimum:g} to {value.maximum:g}")
        return results


def _number(name: str, minimum: float = 0.0, maximum: float = 1e9, scale: float = 1.0) -> tuple[Value]:
    return (Value(name, Role.NUMERIC, minimum, maximum, scale),)


def _category(name: str) -> tuple[Value]:
    return (Value(name, Role.CATEGORY),)


COLUMNS: tuple[Column, ...] = (
    Column("district", parsing.category, _category("district"), required=True),
    Column("price", parsing.lira, (Value("price", Role.TARGET, 1_000, 1e11),), required=True),
    Column(
        "address",
        parsing.address,
        (
            Value("property_kind", Role.CATEGORY),
            Value("neighbourhood", Role.HASHED),
            Value("address", Role.HASHED, personal=True),
        ),
    ),
    Column("AdUpdateDate", parsing.day, (Value("updated_on", Role.CLOCK),)),
    Column("Category", parsing.category, _category("category")),
    Column("GrossSquareMeters", parsing.square_metres, _number("gross_m2", 5, 200_000, 50), required=True),
    Column("BuildingAge", parsing.years, (Value("building_age", Role.ORDINAL, 0, 500, 10),)),
    Column("NumberFloorsofBuilding", parsing.count, _number("building_floors", 0, 200, 5)),
    Column("UsingStatus", parsing.category, _category("using_status")),
    Column("EligibilityForInvestment", parsing.category, _category("investment")),
    Column("BuildStatus", parsing.category, _category("build_status")),
    Column("TitleStatus", parsing.category, _category("title_status")),
    Column("ItemStatus", parsing.category, _category("item_status")),
    Column("NumberOfBathrooms", parsing.count, _number("bathrooms", 0, 100)),
    Column("NumberOfWCs", parsing.count, _number("wcs", 0, 100)),
    Column("AdCreationDate", parsing.day, (Value("created_on", Role.CLOCK),)),
    Column("Type", parsing.category, _category("type")),
    Column("NetSquareMeters", parsing.square_metres, _number("net_m2", 0, 200_000, 50)),
    Column(
        "NumberOfRooms",
        parsing.rooms,
        (Value("rooms", Role.NUMERIC, 0, 200), Value("living_rooms", Role.NUMERIC, 0, 50)),
    ),
    Column(
        "FloorLocation",
        parsing.floor,
        (Value("floor_location", Role.CATEGORY), Value("floor", Role.NUMERIC, -10, 200, 5)),
    ),
    Column("HeatingType", parsing.category, _category("heating_type")),
    Column("CreditEligibility", parsing.category, _category("credit_eligibility")),
    Column("InsideTheSite", parsing.category, _category("inside_the_site")),
    Column("StructureType", parsing.category, _category("structure_type")),
    Column("MortgageStatus", parsing.category, _category("mortgage")),
    Column("Swap", parsing.category, _category("swap")),
    Column("Balcony", parsing.category, _category("balcony")),
    Column("PriceStatus", parsing.category, _category("price_status")),
    Column("RentalIncome", parsing.lira, _number("rental_income", 0, 1e9, 5_000)),
    Column("NumberOfBalconies", parsing.count, _number("balconies", 0, 100)),
    Column("BalconyType", parsing.category, _category("balcony_type")),
    Column("HallSquareMeters", parsing.square_metres, _number("hall_m2", 0, 200_000, 20)),
    Column("WCSquareMeters", parsing.square_metres, _number("wc_m2", 0, 200_000, 5)),
    Column("IsItVideoNavigable?", parsing.category, _category("video")),
    Column("Subscription", parsing.lira, _number("dues", 0, 1e9, 200)),
    Column("BathroomSquareMeters", parsing.square_metres, _number("bathroom_m2", 0, 200_000, 5)),
    Column("BalconySquareMeters", parsing.square_metres, _number("balcony_m2", 0, 200_000, 10)),
)
"""The columns of the ads, in the order of the source; what the source has beside them is left unread."""


@dataclass(frozen=True, slots=True)
class Bin:
    """A number read as a text, so that it can be crossed with others.

    ``per_log_unit`` bins to every factor of e (10 gives bins 10 % wide); None keeps every distinct number apart.
    """

    name: str
    of: str
    per_log_unit: int | None = None

    def text(self, number: float | None) -> str | None:
        """Return the bin of a number of at least 0."""
        if number is None:
            return None
        if self.per_log_unit is None:
            return f"{number:g}"
        return str(round(math.log1p(number) * self.per_log_unit))


@dataclass(frozen=True, slots=True)
class Quotient:
    """A number divided by another; ``scale`` is the size of an ordinary difference."""

    name: str
    dividend: str
    divisor: str
    scale: float


BINS = (
    Bin("age_years", "building_age"),
    Bin("room_count", "rooms"),
    Bin("gross_exact", "gross_m2"),
    Bin("gross_10", "gross_m2", 10),
    Bin("gross_5", "gross_m2", 5),
    Bin("net_10", "net_m2", 10),
    Bin("dues_exact", "dues"),
)

QUOTIENTS = (
    Quotient("net_share", "net_m2", "gross_m2", 0.2),
    Quotient("m2_per_room", "gross_m2", "rooms", 20),
)

CROSSES: tuple[tuple[str, ...], ...] = (
    ("district", "heating_type"),
    ("district", "floor_location"),
    ("district", "property_kind"),
    ("district", "age_years"),
    ("district", "gross_5"),
    ("district", "neighbourhood"),
    ("district", "neighbourhood", "heating_type"),
    ("district", "neighbourhood", "age_years"),
    ("district", "neighbourhood", "age_years", "heating_type"),
    ("district", "neighbourhood", "room_count"),
    ("district", "neighbourhood", "room_count", "age_years"),
    ("district", "neighbourhood", "gross_5"),
    ("district", "neighbourhood", "gross_exact", "room_count"),
    ("district", "neighbourhood", "floor_location"),
    ("district", "neighbourhood", "dues_exact"),
)
"""Values whose combination is a feature of its own."""

TARGET = next(value.name for column in COLUMNS for value in column.values if value.role is Role.TARGET)


def values(*roles: Role) -> Iterator[Value]:
    """Yield the declared values of these roles (all of them without arguments), in order."""
    for column in COLUMNS:
        for value in column.values:
            if not roles or value.role in roles:
                yield value


def personal_names() -> list[str]:
    """Return the names, raw and typed, of what can lead to a person."""
    declared = [(column.raw, value) for column in COLUMNS for value in column.values if value.personal]
    return [name for raw, value in declared for name in (raw, value.name)]


def parse_listing(cells: Mapping[str, Any], *, with_target: bool) -> tuple[dict[str, Any], dict[str, str]]:
    """Read one ad.

    Parameters
    ----------
    cells : mapping
        Raw texts or clean numbers by raw column name; a column that is absent is empty.
    with_target : bool
        Whether to read the price, too (training) or to leave it (prediction).

    Returns
    -------
    listing : dict
        Values by name; None where the ad says nothing.
    reasons : dict
        For every raw column that could not be used, why. The row is usable when it is empty.
    """
    listing: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    for column in COLUMNS:
        if column.values[0].role is Role.TARGET and not with_target:
            continue
        try:
            found = column.parse(cells.get(column.raw))
        except parsing.Unusable as fault:
            reasons[column.raw] = str(fault)
            continue
        listing.update(zip((value.name for value in column.values), found, strict=True))
    return listing, reasons
