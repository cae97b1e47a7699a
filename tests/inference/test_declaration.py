"""What contradicts itself is refused when it is declared: by its field, with what was found and what was expected."""

from collections.abc import Callable
from dataclasses import replace
from math import inf
from typing import Any

import pytest

from housing_assets.inference.coherence import RESERVED, RESERVED_RAW
from housing_assets.inference.declaration import (
    MAX_CATEGORIES,
    Bin,
    Classes,
    Column,
    DeclarationError,
    Grid,
    LinearNumber,
    LocalKernel,
    PriceBands,
    Quotient,
    Role,
    Value,
)
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Choice, Floor, Number, Rooms, RuleRefused, Text
from tests.other_markets import BOTH_KINDS, PARCELS, THREE_GRADES, with_kind

PRICE = Value("price", Role.PRICE, 1_000, 1e9)
EUROS = PriceBands(("low", "medium", "high"), (0.4, 0.8), "EUR")
NAME = "expected lower-case letters, digits and _, a letter first"


def price_column(*values: Value, required: bool = True) -> Column:
    return Column("price", "5000", Number(), values or (PRICE,), required=required)


def text_column(name: str, raw: str = "") -> Column:
    return Column(raw or name, "a", Text(), (Value(name, Role.CATEGORY),))


def market(*columns: Column, **fields: Any) -> Market:
    fields = {"name": "m", "title": "M", "target": EUROS} | fields
    return Market(columns=(price_column(), *columns), **fields)


ROOMS = (LinearNumber("bedrooms"),)
PERSONAL = Column(
    "owner of",
    "Rose Street 5",
    Floor("Street", "below"),
    (Value("owner", Role.CATEGORY, personal=True), Value("area", Role.NUMERIC, personal=True)),
)


def classes_with(column: Column) -> Market:
    columns = tuple(each for each in THREE_GRADES.columns if not each.is_target)
    return replace(THREE_GRADES, columns=(*columns, column))


ERRORS: dict[str, tuple[Callable[[], object], str]] = {
    "a value without a name": (lambda: Value("", Role.NUMERIC), f"a value's name is '': {NAME}"),
    "a value in capitals": (lambda: Value("Price", Role.NUMERIC), f"a value's name is 'Price': {NAME}"),
    "a value of a digit": (lambda: Value("2nd", Role.NUMERIC), f"a value's name is '2nd': {NAME}"),
    "a value that is no text": (lambda: Value(None, Role.NUMERIC), f"a value's name is None: {NAME}"),  # type: ignore[arg-type]
    "a role that is none": (
        lambda: Value("x", "number"),  # type: ignore[arg-type]
        "role of x is 'number': expected one of numeric, ordinal, category, hashed, clock, key, price, class",
    ),
    "bounds the wrong way round": (
        lambda: Value("x", Role.NUMERIC, 5, 4),
        "minimum of x is 5: expected at most its maximum, 4",
    ),
    "a bound that is no number": (
        lambda: Value("x", Role.NUMERIC, float("nan"), 4),
        "minimum of x is nan: expected a finite number",
    ),
    "a bound without end": (
        lambda: Value("x", Role.NUMERIC, 5, float("inf")),
        "maximum of x is inf: expected a finite number",
    ),
    "a scale of nothing": (lambda: Value("x", Role.NUMERIC, scale=0), "scale of x is 0: expected a number above 0"),
    "an infinite scale": (
        lambda: Value("x", Role.NUMERIC, scale=float("inf")),
        "scale of x is inf: expected a number above 0",
    ),
    "a column without a header": (
        lambda: Column("", "a", Text(), (Value("x", Role.CATEGORY),)),
        "a column's raw name is empty: expected the header of the source",
    ),
    "fewer values than the rule returns": (
        lambda: Column("Rooms", "3+1", Rooms(), (Value("rooms", Role.NUMERIC),)),
        "values of Rooms are 1: the rule rooms returns 2",
    ),
    "an example that its rule refuses": (
        lambda: Column("Area", "big", Number(of="m²"), (Value("area", Role.NUMERIC),)),
        "example of Area is 'big', which its rule refuses: not a number of m²",
    ),
    "an example out of bounds": (
        lambda: Column("Area", "7", Number(), (Value("area", Role.NUMERIC, 10, 20),)),
        "example of Area is '7', which its rule refuses: 7 is not within 10 to 20",
    ),
    "an empty example of a required column": (
        lambda: Column("Area", "", Number(), (Value("area", Role.NUMERIC),), required=True),
        "example of Area is '', which its rule refuses: missing",
    ),
    "a bin with two widths": (
        lambda: Bin("b", "x", 10, 5),
        "bin b has both per_log_unit and width: expected one of them, or neither",
    ),
    "a bin with a name of two words": (lambda: Bin("a b", "x"), f"a bin's name is 'a b': {NAME}"),
    "a bin of no width": (lambda: Bin("b", "x", width=0), "width of the bin b is 0: expected a number above 0"),
    "an endless bin": (lambda: Bin("b", "x", width=inf), "width of the bin b is inf: expected a number above 0"),
    "endlessly many bins": (
        lambda: Bin("b", "x", per_log_unit=inf),
        "per_log_unit of the bin b is inf: expected a number above 0",
    ),
    "an endless grid": (lambda: Grid("g", "x", "y", km=inf), "km of the grid g is inf: expected a length above 0"),
    "a bin of a negative width": (
        lambda: Bin("b", "x", per_log_unit=-10),
        "per_log_unit of the bin b is -10: expected a number above 0",
    ),
    "a grid of no width": (
        lambda: Grid("g", "x", "y", km=0),
        "km of the grid g is 0: expected a length above 0",
    ),
    "a grid in capitals": (lambda: Grid("G", "x", "y", km=1), f"a grid's name is 'G': {NAME}"),
    "a grid shifted by a whole cell": (
        lambda: Grid("g", "x", "y", km=1, shift=1),
        "shift of the grid g is 1: expected 0 to 1",
    ),
    "a quotient in capitals": (lambda: Quotient("Q", "x", "y", 1), f"a quotient's name is 'Q': {NAME}"),
    "a quotient without a scale": (
        lambda: Quotient("q", "x", "y", 0),
        "scale of the quotient q is 0: expected a number above 0",
    ),
    "one category": (
        lambda: Classes(("only",)),
        f"categories of the target are 1: expected 2 to {MAX_CATEGORIES}",
    ),
    "too many categories": (
        lambda: Classes(tuple(map(str, range(MAX_CATEGORIES + 1)))),
        f"categories of the target are {MAX_CATEGORIES + 1}: expected 2 to {MAX_CATEGORIES}",
    ),
    "a category twice": (
        lambda: Classes(("a", "b", "a")),
        "categories of the target are ('a', 'b', 'a'): expected different texts",
    ),
    "an empty category": (lambda: Classes(("a", " ")), "categories of the target are ('a', ' '): expected different"),
    "fewer quantiles than edges": (
        lambda: PriceBands(("a", "b", "c"), (0.5,), "EUR"),
        "quantiles of the target are 1: 3 categories have 2 edges between them",
    ),
    "quantiles that fall": (
        lambda: PriceBands(("a", "b", "c"), (0.8, 0.4), "EUR"),
        "quantiles of the target are (0.8, 0.4): expected to ascend between 0 and 1",
    ),
    "a quantile of all": (
        lambda: PriceBands(("a", "b"), (1.0,), "EUR"),
        "quantiles of the target are (1.0,): expected to ascend between 0 and 1",
    ),
    "no currency": (
        lambda: PriceBands(("a", "b"), (0.5,), ""),
        "currency of the target is empty: expected an ISO 4217 code such as EUR",
    ),
    "a kind of price in capitals": (
        lambda: PriceBands(("a", "b"), (0.5,), "EUR", "Paid"),
        f"price_kind of the target is 'Paid': {NAME}",
    ),
    "a kind of price that nothing tells": (
        lambda: with_kind(PARCELS, "sold"),
        "price_kind of the target is 'sold': expected asking or paid, or the category that says it of each row, one of "
        "zip_code, view",
    ),
    "a kind of price in any words": (
        lambda: with_kind(PARCELS, "view"),
        "view says of each row which kind its price is: expected the rule Choice(('asking', 'paid')), required",
    ),
    "kinds of prices that no report tells apart": (
        lambda: replace(BOTH_KINDS, segments=()),
        "segments do not name offer_kind: expected it, so that reports tell how right the model is about each kind",
    ),
    "a market in capitals": (lambda: market(name="Oslo"), f"the market's name is 'Oslo': {NAME}"),
    "a header twice": (
        lambda: market(text_column("a", "A"), text_column("b", "A")),
        "columns name A twice: expected different names",
    ),
    "a value twice": (
        lambda: market(text_column("a", "A"), text_column("a", "B")),
        "values, bins, grids and quotients name a twice: expected different names",
    ),
    "a bin named as a value": (
        lambda: replace(PARCELS, bins=(*PARCELS.bins, Bin("view", "bedrooms"))),
        "values, bins, grids and quotients name view twice: expected different names",
    ),
    "a cross twice": (
        lambda: market(text_column("a"), text_column("b"), crosses=(("a", "b"), ("a", "b"))),
        "crosses name a × b twice: expected different names",
    ),
    "no target": (
        lambda: Market("m", "M", (text_column("a"),), EUROS),
        "columns with the target are none: expected one, whose rule returns one value",
    ),
    "two targets": (
        lambda: market(Column("asked", "5000", Number(), (Value("asked", Role.PRICE, 1),), required=True)),
        "columns with the target are price, asked: expected one, whose rule returns one value",
    ),
    "a target beside another value": (
        lambda: Market(
            "m",
            "M",
            (Column("r", "3+1", Rooms(), (Value("price", Role.PRICE, 1), Value("n", Role.NUMERIC)), required=True),),
            EUROS,
        ),
        "columns with the target are r: expected one, whose rule returns one value",
    ),
    "classes for a price": (
        lambda: market(target=Classes(("a", "b"))),
        "role of price is price: the target declares a class",
    ),
    "a price for classes": (
        lambda: replace(THREE_GRADES, target=EUROS),
        "role of grade is class: the target declares a price",
    ),
    "a target that may be missing": (
        lambda: Market("m", "M", (price_column(required=False),), EUROS),
        "`required` of the target's column price is False: expected True",
    ),
    "a price that may be nothing": (
        lambda: Market("m", "M", (price_column(Value("price", Role.PRICE, 0, 1e9)),), EUROS),
        "minimum of price is 0: expected a price above 0",
    ),
    "classes read as any text": (
        lambda: classes_with(Column("grade", "A", Text(), (Value("grade", Role.CLASS),), required=True)),
        "rule of grade is Text(): expected a Choice of the target's categories, C, A, B",
    ),
    "classes in another order": (
        lambda: classes_with(
            Column("grade", "A", Choice(("A", "B", "C")), (Value("grade", Role.CLASS),), required=True)
        ),
        "expected a Choice of the target's categories, C, A, B",
    ),
    "a bin of what there is not": (
        lambda: market(bins=(Bin("b", "area"),)),
        "`of` of the bin b names 'area': expected one of ",
    ),
    "a bin of the price": (
        lambda: market(bins=(Bin("b", "price"),)),
        "`of` of the bin b names 'price': expected one of ",
    ),
    "a bin that grows with what may be negative": (
        lambda: replace(PARCELS, bins=(*PARCELS.bins, Bin("b", "latitude", 10))),
        "minimum of latitude is -90: the bin b by per_log_unit needs at least 0",
    ),
    "a grid of a text": (
        lambda: market(text_column("a"), grids=(Grid("g", "a", "a", 1),)),
        "the grid g names 'a': expected one of ",
    ),
    "a linear number of the price": (
        lambda: replace(PARCELS, linear=(LinearNumber("price"),)),
        "linear names 'price': expected one of bedrooms, living_sqft, renovated_in, latitude, longitude",
    ),
    "a linear number twice": (
        lambda: replace(PARCELS, linear=(LinearNumber("bedrooms"), LinearNumber("bedrooms", log=True))),
        "linear name bedrooms twice: expected different names",
    ),
    "the log of what may be negative": (
        lambda: replace(PARCELS, linear=(LinearNumber("latitude", log=True),)),
        "linear takes the log of latitude: expected a minimum of at least 0",
    ),
    "a local kernel by an unknown block": (
        lambda: replace(PARCELS, local=LocalKernel("town", ROOMS)),
        "the local kernel names 'town': expected one of zip_code, view, living_250, bedroom_count, cell, shifted_cell",
    ),
    "a local kernel by what is personal": (
        lambda: market(PERSONAL, *THREE_GRADES.columns[2:3], local=LocalKernel("owner", ROOMS)),
        "the local kernel names 'owner', which is personal: its values would be stored with the model",
    ),
    "a local kernel of a personal number": (
        lambda: market(PERSONAL, text_column("town"), local=LocalKernel("town", (LinearNumber("area"),))),
        "the local kernel names 'area', which is personal: its values would be stored with the model",
    ),
    "a local kernel of the price": (
        lambda: replace(PARCELS, local=LocalKernel("zip_code", (LinearNumber("price"),))),
        "the local kernel names 'price': expected one of bedrooms, living_sqft, renovated_in, latitude, longitude, "
        "sqft_per_bedroom, sold_on",
    ),
    "the log of a day": (
        lambda: replace(PARCELS, local=LocalKernel("zip_code", (LinearNumber("sold_on", log=True),))),
        "the local kernel takes the log of sold_on: expected a minimum of at least 0",
    ),
    "a local kernel without numbers": (
        lambda: LocalKernel("zip_code", (), ("view",)),
        "numbers of the local kernel by 'zip_code' are none: expected one at least",
    ),
    "a text of the local kernel twice": (
        lambda: replace(PARCELS, local=LocalKernel("zip_code", ROOMS, ("view", "view"))),
        "texts of the local kernel name view twice: expected different names",
    ),
    "a quotient of the price": (
        lambda: replace(PARCELS, quotients=(Quotient("q", "price", "living_sqft", 1),)),
        "the quotient q names 'price': expected one of bedrooms, living_sqft, renovated_in, latitude, longitude",
    ),
    "a cross of one": (
        lambda: market(text_column("a"), crosses=(("a",),)),
        "the cross ('a',) has 1 part: expected two or more",
    ),
    "a cross of a number": (
        lambda: replace(PARCELS, crosses=(("zip_code", "bedrooms"),)),
        "the cross zip_code × bedrooms names 'bedrooms': expected one of zip_code, view",
    ),
    "a cross of the key": (
        lambda: replace(PARCELS, crosses=(("zip_code", "parcel"),)),
        "the cross zip_code × parcel names 'parcel': expected one of ",
    ),
    "segments of a number": (
        lambda: replace(PARCELS, segments=("bedrooms",)),
        "segments names 'bedrooms': expected one of ",
    ),
    "a fallback by what there is not": (
        lambda: replace(PARCELS, fallback=("borough",)),
        "fallback names 'borough': expected one of ",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_a_declaration_that_cannot_be_used_is_refused_by_its_field(case: str) -> None:
    declare, message = ERRORS[case]
    with pytest.raises(DeclarationError) as refused:
        declare()
    assert str(refused.value).startswith(message) or message in str(refused.value)


@pytest.mark.parametrize("name", sorted(RESERVED))
def test_a_value_cannot_take_the_name_of_a_column_of_the_platform(name: str) -> None:
    with pytest.raises(DeclarationError, match=f"a value is named '{name}': listings have a column of that name"):
        market(text_column(name))


@pytest.mark.parametrize("name", sorted(RESERVED_RAW))
def test_a_column_cannot_have_the_name_of_a_column_of_the_platform(name: str) -> None:
    with pytest.raises(DeclarationError, match=f"a column is named '{name}': raw rows have one .* rename it in the"):
        market(text_column("a", raw=name))


@pytest.mark.parametrize("category", ["None", "-", "null", " low", "low\0", "x" * 1_001])
def test_a_class_that_cannot_be_read_back_is_refused(category: str) -> None:
    target = Classes((category, "high"))
    grade = Column("grade", "high", Choice(target.categories), (Value("grade", Role.CLASS),), required=True)
    with pytest.raises(DeclarationError, match="categories name"):
        Market(name="m", title="M", columns=(grade, text_column("a")), target=target)


@pytest.mark.parametrize("field", ["segments", "fallback"])
def test_what_is_personal_does_not_become_a_part_of_the_model(field: str) -> None:
    owner = Column("owner", "a", Text(), (Value("owner", Role.HASHED, personal=True),))

    with pytest.raises(DeclarationError, match=f"{field} names 'owner', which is personal"):
        market(owner, **{field: ("owner",)})


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (lambda: Number(decimal=";"), r"decimal of the rule number is ';', expected '\.' or ','"),
        (lambda: Number(ignored="("), r"ignored of the rule number is '\(', no regular expression"),
    ],
)
def test_a_rule_that_cannot_be_applied_is_refused(declare: Callable[[], object], message: str) -> None:
    with pytest.raises(RuleRefused, match=message):
        declare()


def test_roles_may_be_given_as_texts_and_values_as_a_list() -> None:
    column = Column("x", "1", Number(), [Value("x", "numeric")])  # type: ignore[arg-type]
    assert column.values == (Value("x", Role.NUMERIC),)
    assert column.values[0].role is Role.NUMERIC
