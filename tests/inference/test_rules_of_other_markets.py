"""Rules as markets other than Istanbul need them, bins and grids, and rules stored as JSON."""

import json
import math
from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.inference.cells import Unusable
from housing_assets.inference.rules import (
    Breadcrumb,
    Choice,
    Code,
    Coordinate,
    Day,
    Floor,
    FloorRead,
    Number,
    Rooms,
    RoomsRead,
    Rule,
    RuleRefused,
    Text,
    Years,
)
from housing_assets.inference.stored_rules import RULES, rule_from_dict, rule_to_dict

POINT = Number(decimal=".")
COMMA = Number(decimal=",")
EITHER = Number()
SQUARE_FEET = Number(units=("sq ft", "sqft", "ft²"), of="square feet", decimal=".")
SALE_PRICE = Number(units=("$",), of="US dollars", decimal=".", ignored=r"\(reduced .*\)")

EVERY_RULE = (
    Text(),
    Choice(("a", "b")),
    Code(5),
    SQUARE_FEET,
    SALE_PRICE,
    Number(missing=(0.0, -1.0)),
    Years(("or more",), ("new",), ("none",)),
    Rooms(("pièces", "pièce"), ("studio",)),
    Floor("étage", "sous-sol"),
    Day(("janvier",) * 12, month_first=True),
    Coordinate("E", "O"),
    Breadcrumb(),
)


@pytest.mark.parametrize(
    ("rule", "cell", "value"),
    [
        (POINT, "47.511", 47.511),
        (POINT, "1,180", 1_180),
        (POINT, "221,900.50", 221_900.5),
        (POINT, "1,234,567", 1_234_567),
        (POINT, "2.250", 2.25),
        (COMMA, "47,511", 47.511),
        (COMMA, "1.180", 1_180),
        (COMMA, "221.900,50", 221_900.5),
        (COMMA, "2,250", 2.25),
        (EITHER, "47.511", 47_511),
        (EITHER, "1,180", 1_180),
        (EITHER, "1,250.50", 1_250.5),
        (EITHER, "1.250,50", 1_250.5),
        (SQUARE_FEET, "1,180 sq ft", 1_180),
        (SQUARE_FEET, "1180 SQFT", 1_180),
        (SQUARE_FEET, "1,180.5 ft²", 1_180.5),
        (SALE_PRICE, "$221,900", 221_900),
        (SALE_PRICE, "$ 221,900 (reduced 3 %)", 221_900),
        (SALE_PRICE, 221_900, 221_900),
        (SALE_PRICE, "1.225e+06", 1_225_000),
        (POINT, "1E5", 100_000),
        (COMMA, "-2.5e-1", -0.25),
    ],
)
def test_a_number_is_read_as_its_market_writes_it(rule: Rule, cell: object, value: float) -> None:
    assert rule(cell) == value


@pytest.mark.parametrize(
    ("rule", "cell", "reason"),
    [
        (POINT, "1.180.000", "not a number"),
        (POINT, "47,5", "not a number"),
        (POINT, "1.250,50", "not a number"),
        (COMMA, "1,180,000", "not a number"),
        (COMMA, "47.5", "not a number"),
        (SQUARE_FEET, "109 m2", "not in square feet: 'm2'"),
        (SALE_PRICE, "€221,900", "not in US dollars: '€'"),
        (SALE_PRICE, "on request", "not a number of US dollars"),
    ],
)
def test_a_number_that_its_market_does_not_write_so_is_unusable(rule: Rule, cell: str, reason: str) -> None:
    with pytest.raises(Unusable) as refused:
        rule(cell)
    assert str(refused.value) == reason


@given(thousandths=st.integers(0, 10**12))
def test_a_number_with_a_decimal_point_is_read_back_however_it_is_grouped(thousandths: int) -> None:
    number = thousandths / 1000
    assert POINT(f"{number:.3f}") == POINT(f"{number:,.3f}") == pytest.approx(number)
    assert COMMA(f"{number:,.3f}".translate(str.maketrans(",.", ".,"))) == pytest.approx(number)


@pytest.mark.parametrize("cell", [0, 0.0, "0", "0.0", "-0", -0.0])
def test_a_number_that_stands_for_not_said_is_missing(cell: object) -> None:
    assert Number(missing=(0,))(cell) is None
    assert Number(missing=(-1,))(cell) == 0


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("98178", "98178"),
        (98178, "98178"),
        (2139, "02139"),
        ("2139", "02139"),
        (2139.0, "02139"),
        ("02139-4307", "02139-4307"),
        ("SW1A", "SW1A"),
        ("", None),
        (None, None),
        (math.nan, None),
    ],
)
def test_a_code_keeps_or_gets_back_its_zeros(cell: object, text: str | None) -> None:
    assert Code(5)(cell) == text


def test_a_code_of_any_width_is_a_text() -> None:
    assert [Code()(cell) for cell in (7129300520, "007")] == ["7129300520", "007"]


@pytest.mark.parametrize(
    ("cell", "degrees"),
    [
        ("-122.257", -122.257),
        ("122.257° W", -122.257),
        ("122.257 w", -122.257),
        ("122.257°E", 122.257),
        ("47,5112", 47.5112),
        ("47", 47),
        (-122.257, -122.257),
        ("", None),
    ],
)
def test_a_coordinate_is_degrees_to_the_east_or_west(cell: object, degrees: float | None) -> None:
    assert Coordinate("E", "W")(cell) == degrees


@pytest.mark.parametrize("cell", ["122.257 N", "47° 30' 40\"", "somewhere", "47..5", "1,122.257", "W"])
def test_what_is_no_coordinate_of_its_axis_is_unusable(cell: str) -> None:
    with pytest.raises(Unusable, match=r"not degrees such as '47.5112' or '47.5112° E'"):
        Coordinate("E", "W")(cell)


def test_a_coordinate_has_a_sign_or_a_hemisphere() -> None:
    with pytest.raises(Unusable, match="both a sign and a hemisphere"):
        Coordinate("E", "W")("-122.257 W")


@pytest.mark.parametrize(
    "cell",
    [
        "20141013T000000",
        "20141013",
        "2014-10-13",
        "2014-10-13T23:59",
        "13.10.2014",
        date(2014, 10, 13),
        datetime(2014, 10, 13, 5),
    ],
)
def test_a_day_is_read_in_iso_forms_too(cell: object) -> None:
    assert Day()(cell) == date(2014, 10, 13)


def test_of_two_numbers_the_first_is_the_month_where_the_market_writes_so() -> None:
    assert Day(month_first=True)("10/13/2014") == date(2014, 10, 13)
    assert Day(month_first=True)("10/11/2014") == date(2014, 10, 11)
    with pytest.raises(Unusable):
        Day(month_first=True)("13/10/2014")


def test_a_month_is_unknown_where_the_market_names_none() -> None:
    with pytest.raises(Unusable):
        Day()("13 October 2014")
    english = "january february march april may june july august september october november december".split()
    assert Day(tuple(english))("13 October 2014") == date(2014, 10, 13)


@pytest.mark.parametrize(
    ("cell", "months"),
    [
        ("Oct 13, 2014", "jan feb mar apr may jun jul aug sep oct nov dec"),
        ("Oct. 13th 2014", "jan feb mar apr may jun jul aug sep oct nov dec"),
        ("13. Oktober 2014", "januar februar marz april mai juni juli august september oktober november dezember"),
        ("13 de outubro de 2014", "1 2 3 4 5 6 7 8 9 outubro 11 12"),
    ],
)
def test_a_named_month_stands_as_each_language_writes_it(cell: str, months: str) -> None:
    assert Day(tuple(months.split()))(cell) == date(2014, 10, 13)
    with pytest.raises(Unusable):
        Day(tuple(months.split()))(cell.replace("13", "32"))


@pytest.mark.parametrize("cell", ["on request", " On Request ", "0", 0])
@pytest.mark.parametrize("declared", ["on request", "On request"])
def test_texts_and_numbers_may_stand_for_not_said(cell: object, declared: str) -> None:
    assert Number(missing=(0, declared))(cell) is None
    with pytest.raises(Unusable):
        Number(missing=(0, "on request"))("nothing")


def test_a_choice_is_one_of_its_options_as_written() -> None:
    rule = Choice(("low", "high"))
    assert [rule(cell) for cell in (" low ", "high", "", None)] == ["low", "high", None, None]
    with pytest.raises(Unusable, match="not one of low, high"):
        rule("High")


def test_words_of_rooms_floors_and_years_are_the_markets() -> None:
    assert Rooms(("pièces", "pièce"), ("studio",))("4 pièces") == RoomsRead(4, None)
    assert Floor("étage")("3. étage") == FloorRead("3. étage", 3)
    assert Floor("étage")("sous-sol 1 (-1). étage") == FloorRead("sous-sol 1 (-1). étage", None)
    assert Floor("étage", "sous-sol")("sous-sol 1 (-1). étage") == FloorRead("sous-sol 1 (-1). étage", -1)
    assert Years(("ou plus",), ("neuf",), ("aucune",))("21 ou plus") == 21
    assert Years(("ou plus",), ("neuf",), ("aucune",))("0 (neuf)") == Years(none=("aucune",))("aucune") == 0
    assert Years(none=("Aucune",))("AUCUNE") == 0
    for rule in (Years(), Rooms()):
        with pytest.raises(Unusable):
            rule("21 ou plus")


# Stored rules


@pytest.mark.parametrize("rule", EVERY_RULE, ids=lambda rule: rule.kind)
def test_a_rule_read_back_from_json_is_equal(rule: Rule) -> None:
    assert rule_from_dict(json.loads(json.dumps(rule_to_dict(rule)))) == rule


def test_every_kind_of_rule_is_stored_under_its_own_name() -> None:
    assert {rule.kind for rule in EVERY_RULE} == set(RULES)
    assert all(RULES[rule.kind] is type(rule) for rule in EVERY_RULE)


@pytest.mark.parametrize(
    ("stored", "message"),
    [
        ({"kind": "code of Python"}, "no rule is called 'code of Python'; there are text, choice, code"),
        ({"width": 5}, "no rule is called None"),
        ([], r"no rule is called \[\]"),
        ("text", "no rule is called 'text'"),
        ({"kind": "text", "width": 5}, "the rule text has no field width; it has "),
        ({"kind": "code", "width": "5"}, "width of the rule code is '5', expected int"),
        ({"kind": "number", "units": "TL"}, "units of the rule number is 'TL', expected tuple"),
        ({"kind": "day", "month_first": "no"}, "month_first of the rule day is 'no', expected bool"),
    ],
)
def test_a_stored_rule_that_is_not_known_is_refused_by_its_name(stored: object, message: str) -> None:
    with pytest.raises(RuleRefused, match=message):
        rule_from_dict(stored)
