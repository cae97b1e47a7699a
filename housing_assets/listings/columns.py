"""The one declaration of what an ad consists of: raw columns, the values read from them, and what each value is for.

Every other module asks this one, so that a column is added here and nowhere else, and another market's ads are
another declaration. It imports no table library: serving reads it too.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
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


@dataclass(frozen=True, slots=True, eq=False)
class Column:
    """One raw column, an example of its cells, the rule that reads them, and the values it returns, in order.

    ``required`` columns must have a value: without it the row is quarantined (and a request refused).
    """

    raw: str
    example: str
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

    def parse_named(self, cell: Any) -> tuple[tuple[str, Any], ...]:
        """Return the names and values of a cell."""
        return tuple(zip((value.name for value in self.values), self.parse(cell), strict=True))


def _number(name: str, minimum: float = 0.0, maximum: float = 1e9, scale: float = 1.0) -> tuple[Value]:
    return (Value(name, Role.NUMERIC, minimum, maximum, scale),)


def _category(name: str) -> tuple[Value]:
    return (Value(name, Role.CATEGORY),)


COLUMNS: tuple[Column, ...] = (
    Column("district", "kadikoy", parsing.category, _category("district"), required=True),
    Column("price", "3,100,000TL", parsing.lira, (Value("price", Role.TARGET, 1_000, 1e11),), required=True),
    Column(
        "address",
        "Anasayfa > Satılık Daire > İstanbul Satılık Daire > Kadıköy Satılık Daire > Örnek Mahallesi Satılık Daire",
        parsing.address,
        (
            Value("property_kind", Role.CATEGORY),
            Value("neighbourhood", Role.HASHED),
            Value("address", Role.HASHED, personal=True),
        ),
    ),
    Column("AdUpdateDate", "04 Mart 2022", parsing.day, (Value("updated_on", Role.CLOCK),)),
    Column("Category", "Satılık", parsing.category, _category("category")),
    Column("GrossSquareMeters", "120 m2", parsing.square_metres, _number("gross_m2", 5, 200_000, 50), required=True),
    Column("BuildingAge", "5-10", parsing.years, (Value("building_age", Role.ORDINAL, 0, 500, 10),)),
    Column("NumberFloorsofBuilding", "5", parsing.count, _number("building_floors", 0, 200, 5)),
    Column("UsingStatus", "Boş", parsing.category, _category("using_status")),
    Column("EligibilityForInvestment", "Bilinmiyor", parsing.category, _category("investment")),
    Column("BuildStatus", "İkinci El", parsing.category, _category("build_status")),
    Column("TitleStatus", "Kat Mülkiyeti", parsing.category, _category("title_status")),
    Column("ItemStatus", "Boş", parsing.category, _category("item_status")),
    Column("NumberOfBathrooms", "1", parsing.count, _number("bathrooms", 0, 100)),
    Column("NumberOfWCs", "2", parsing.count, _number("wcs", 0, 100)),
    Column("AdCreationDate", "28 Şubat 2022", parsing.day, (Value("created_on", Role.CLOCK),)),
    Column("Type", "Konut", parsing.category, _category("type")),
    Column("NetSquareMeters", "105 m2", parsing.square_metres, _number("net_m2", 0, 200_000, 50)),
    Column(
        "NumberOfRooms",
        "3+1",
        parsing.rooms,
        (Value("rooms", Role.NUMERIC, 0, 200), Value("living_rooms", Role.NUMERIC, 0, 50)),
    ),
    Column(
        "FloorLocation",
        "3. Kat",
        parsing.floor,
        (Value("floor_location", Role.CATEGORY), Value("floor", Role.NUMERIC, -10, 200, 5)),
    ),
    Column("HeatingType", "Kombi Doğalgaz", parsing.category, _category("heating_type")),
    Column("CreditEligibility", "Krediye Uygun", parsing.category, _category("credit_eligibility")),
    Column("InsideTheSite", "Hayır", parsing.category, _category("inside_the_site")),
    Column("StructureType", "Betonarme", parsing.category, _category("structure_type")),
    Column("MortgageStatus", "Yok", parsing.category, _category("mortgage")),
    Column("Swap", "Yok", parsing.category, _category("swap")),
    Column("Balcony", "Var", parsing.category, _category("balcony")),
    Column("PriceStatus", "Genel Fiyat", parsing.category, _category("price_status")),
    Column("RentalIncome", "5.500 TL", parsing.lira, _number("rental_income", 0, 1e9, 5_000)),
    Column("NumberOfBalconies", "1", parsing.count, _number("balconies", 0, 100)),
    Column("BalconyType", "Açık Balkon", parsing.category, _category("balcony_type")),
    Column("HallSquareMeters", "27 m2", parsing.square_metres, _number("hall_m2", 0, 200_000, 20)),
    Column("WCSquareMeters", "3 m2", parsing.square_metres, _number("wc_m2", 0, 200_000, 5)),
    Column("IsItVideoNavigable?", "Hayır", parsing.category, _category("video")),
    Column("Subscription", "175 TL", parsing.lira, _number("dues", 0, 1e9, 200)),
    Column("BathroomSquareMeters", "4 m2", parsing.square_metres, _number("bathroom_m2", 0, 200_000, 5)),
    Column("BalconySquareMeters", "5 m2", parsing.square_metres, _number("balcony_m2", 0, 200_000, 10)),
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

RULE = ("district", "gross_5")
"""Values, the most telling first, for whose combinations the fallback rule knows the usual price band."""

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
        cell = cells.get(column.raw)
        try:
            if cell is None or (type(cell) is str and len(cell) <= _LONGEST_REMEMBERED):
                listing.update(_parse_remembered(column, cell))
            else:
                listing.update(column.parse_named(cell))
        except parsing.Unusable as fault:
            reasons[column.raw] = str(fault)
    return listing, reasons


_LONGEST_REMEMBERED = 200
"""Characters of a cell whose values are kept: longer ones are rare, and would let requests fill the memory."""


@lru_cache(maxsize=4_096)
def _parse_remembered(column: Column, cell: str | None) -> tuple[tuple[str, Any], ...]:
    """Return the values of a text; most cells of ads are one of few texts, and reading one takes microseconds."""
    return column.parse_named(cell)
