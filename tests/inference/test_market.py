"""A market: what it reads of one listing, what follows from its parts, and that it travels as JSON."""

import json
import math
from dataclasses import replace
from datetime import date
from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.inference.cells import Unusable
from housing_assets.inference.declaration import (
    Bin,
    Classes,
    Column,
    DeclarationError,
    PriceBands,
    Quotient,
    Role,
    Value,
)
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Choice, Number, Rule, Text
from housing_assets.listings import cleaning, contract
from housing_assets.listings.origins import ORIGINS
from housing_assets.market_loading import load_market, market_names
from housing_assets.markets.istanbul import MARKET
from tests.inference.test_rules_of_other_markets import EVERY_RULE
from tests.listings.ads import PLAIN_AD, ad, frame
from tests.other_markets import BOTH_KINDS, LOCAL_PARCELS, PARCELS, THREE_GRADES, TWO_GRADES


def test_a_plain_ad_is_read_without_reasons():
    listing, reasons = MARKET.parse_listing(PLAIN_AD, with_target=True)
    assert reasons == {}
    assert {name: value for name, value in listing.items() if value is not None} == {
        "district": "kadikoy",
        "price": 3_100_000,
        "property_kind": "Daire",
        "neighbourhood": "Örnek Mahallesi",
        "address": "Anasayfa > Satılık Daire > Kadıköy Satılık Daire > Örnek Mahallesi Satılık Daire",
        "updated_on": date(2022, 2, 24),
        "gross_m2": 160,
        "building_age": 7.5,
        "bathrooms": 2,
        "created_on": date(2022, 1, 2),
        "net_m2": 120,
        "rooms": 3,
        "living_rooms": 1,
        "floor_location": "3. Kat",
        "floor": 3,
        "heating_type": "Kombi Doğalgaz",
        "dues": 50,
    }


def test_every_unusable_cell_has_its_reason():
    cells = ad(district=" ", price="5 EUR", BuildingAge="eski", AdCreationDate="31 Şubat 2022", NetSquareMeters="-1 m2")
    listing, reasons = MARKET.parse_listing(cells, with_target=True)
    assert reasons == {
        "district": "missing",
        "price": "not in Turkish lira (TL): 'EUR'",
        "BuildingAge": "not a number",
        "AdCreationDate": "not a day such as '2022-02-24' or '24.02.2022'",
        "NetSquareMeters": "-1 is not within 0 to 200,000",
    }
    assert listing["gross_m2"] == 160
    assert "price" not in listing


def test_an_absent_column_is_an_empty_one():
    absent = MARKET.parse_listing({"district": "kadikoy", "GrossSquareMeters": 100}, with_target=False)
    empty = MARKET.parse_listing(
        dict.fromkeys(PLAIN_AD, "") | {"district": "kadikoy", "GrossSquareMeters": 100}, with_target=False
    )
    assert absent == empty
    assert absent[1] == {}


def test_the_price_is_left_unread_for_a_prediction():
    listing, reasons = MARKET.parse_listing(ad(price="a secret"), with_target=False)
    assert "price" not in listing
    assert reasons == {}


@pytest.mark.parametrize("raw", [column.raw for column in MARKET.columns if column.required])
@pytest.mark.parametrize("cell", ["", None, math.nan])
def test_a_required_column_must_have_a_value(raw, cell):
    assert MARKET.parse_listing(PLAIN_AD | {raw: cell}, with_target=True)[1] == {raw: "missing"}


def origin_of(listings: pd.DataFrame) -> "pd.Categorical[str]":
    return pd.Categorical(["source"] * len(listings), categories=ORIGINS)


BOUNDED = [column for column in MARKET.columns if len(column.values) == 1 and column.values[0].is_number]


@pytest.mark.parametrize("column", BOUNDED, ids=lambda column: column.raw)
def test_both_bounds_are_allowed_and_nothing_beyond_them(column):
    (value,) = column.values
    for bound, beyond in ((value.minimum, -math.inf), (value.maximum, math.inf)):
        assert column.parse(bound) == (bound,)
        with pytest.raises(Unusable, match="is not within"):
            column.parse(math.nextafter(bound, beyond))


@pytest.mark.parametrize(
    ("raw", "cell", "reason"),
    [
        ("NumberOfRooms", "201+1", "201 is not within 0 to 200"),
        ("NumberOfRooms", "3+51", "51 is not within 0 to 50"),
        ("FloorLocation", "900. Kat", "900 is not within -10 to 200"),
        ("FloorLocation", "Kot 11 (-11). Kat", "-11 is not within -10 to 200"),
        ("price", "0 TL", "0 is not within 1,000 to 100,000,000,000"),
    ],
)
def test_each_number_of_a_cell_has_its_bounds(raw, cell, reason):
    assert MARKET.parse_listing(PLAIN_AD | {raw: cell}, with_target=True)[1] == {raw: reason}


def test_a_column_is_added_in_one_line():
    pool = Column("PoolSquareMeters", "12 m2", Number(("m2",)), (Value("pool_m2", Role.NUMERIC, 1, 500),))
    market = replace(MARKET, columns=(*MARKET.columns, pool))

    listing, reasons = market.parse_listing(PLAIN_AD | {"PoolSquareMeters": "40 m2"}, with_target=True)
    assert (listing["pool_m2"], reasons) == (40, {})
    assert market.parse_listing(PLAIN_AD | {"PoolSquareMeters": "600 m2"}, with_target=True)[1] == {
        "PoolSquareMeters": "600 is not within 1 to 500"
    }
    assert "pool_m2" in {name for name, _, _ in market.encoded_numbers}

    raw = frame(ad(), ad(district="adalar"), ad(district="sile")).assign(PoolSquareMeters=["40 m2", "", "600 m2"])
    cleaned = cleaning.clean(market, raw)
    assert cleaned.listings["pool_m2"].tolist()[0] == 40
    assert cleaned.quarantined["column"].tolist() == ["PoolSquareMeters"]

    schema = contract.listings_schema(market)
    listings = cleaned.listings.assign(origin=origin_of(cleaned.listings))
    assert contract.failure_cases(schema, listings).empty
    beyond = contract.failure_cases(schema, listings.assign(pool_m2=[501.0, math.nan]))
    assert beyond["column"].tolist() == ["pool_m2"]
    assert beyond["failure_case"].tolist() == [501]


def test_a_text_is_read_alike_the_first_time_and_again() -> None:
    cells = {"district": "  Şile ", "GrossSquareMeters": "2.250 m2", "NumberOfRooms": "3+1", "price": "nothing"}
    first, again = (MARKET.parse_listing(cells, with_target=True) for _ in range(2))
    assert first == again
    assert first[1].keys() == {"price"}


def test_numbers_and_truth_values_that_are_equal_are_not_read_as_each_other() -> None:
    assert [MARKET.parse_listing({"Swap": cell}, with_target=False)[0]["swap"] for cell in (1, True, 1.0, "1")] == [
        "1",
        "True",
        "1",
        "1",
    ]


# What follows from the parts


def test_roles_decide_what_a_value_is_used_for() -> None:
    assert [name for name, _, _ in PARCELS.encoded_numbers] == [
        "sold_on",
        "bedrooms",
        "living_sqft",
        "renovated_in",
        "latitude",
        "longitude",
        "sqft_per_bedroom",
    ]
    assert PARCELS.declared_texts == ("zip_code", "view")
    assert PARCELS.encoded_texts == (
        "zip_code",
        "view",
        "living_250",
        "bedroom_count",
        "cell",
        "shifted_cell",
        "zip_code × bedroom_count",
        "cell × living_250",
        "zip_code × view × living_250",
    )


def test_the_target_is_no_feature() -> None:
    for market, target in ((PARCELS, "price"), (THREE_GRADES, "grade"), (MARKET, "price")):
        assert market.target_value.name == target
        assert target not in {name for name, _, _ in market.encoded_numbers} | set(market.encoded_texts)
        assert market.target_column not in market.inputs
        assert len(market.inputs) == len(market.columns) - 1 - (market.exact_value is not None)
        assert target not in market.example


def test_categories_price_and_currency_are_the_targets() -> None:
    assert (PARCELS.categories, PARCELS.has_price, PARCELS.currency) == (PARCELS.target.categories, True, "USD")
    assert (THREE_GRADES.categories, THREE_GRADES.has_price, THREE_GRADES.currency) == (("C", "A", "B"), False, "")


def test_a_home_is_known_by_its_key_or_else_by_all_but_price_and_dates() -> None:
    assert PARCELS.identity == ("parcel",)
    assert PARCELS.likeness == (
        "parcel",
        "bedrooms",
        "living_sqft",
        "renovated_in",
        "zip_code",
        "view",
        "latitude",
        "longitude",
    )
    assert MARKET.identity == MARKET.likeness
    others = {"price", "price_is_exact", "updated_on", "created_on"}
    assert others.isdisjoint(MARKET.identity)
    assert len(MARKET.identity) == sum(1 for _ in MARKET.values()) - len(others)


def test_personal_values_are_known_by_both_names_and_required_columns_by_their_raw_ones() -> None:
    assert PARCELS.personal_names == {"id", "parcel"}
    assert PARCELS.required == ("id", "sqft_living", "zipcode")
    assert THREE_GRADES.known_names == {column.raw for column in THREE_GRADES.columns}


def test_a_cross_of_a_personal_value_is_personal() -> None:
    owner = Column("owner", "a", Text(), (Value("owner", Role.HASHED, personal=True),))
    district = Column("district", "b", Text(), (Value("district", Role.CATEGORY),))
    crossed = replace(PARCELS, columns=(*PARCELS.columns, owner, district), crosses=(("district", "owner"),))
    assert crossed.personal_names == {"id", "parcel", "owner", crossed.named_crosses[0][0]}


# JSON


def full(target: PriceBands | Classes) -> Market:
    """Return a market with every rule, and every part beside."""
    columns = [
        Column(
            rule.kind + str(number), example_of(rule), rule, tuple(values_of(rule, number)), required=number % 2 == 0
        )
        for number, rule in enumerate(EVERY_RULE)
    ]
    if isinstance(target, PriceBands):
        columns.append(Column("p", "5", Number(), (Value("price", Role.PRICE, 1, 9, 2, "€"),), required=True))
    else:
        rule = Choice(target.categories)
        columns.append(Column("c", target.categories[0], rule, (Value("c", Role.CLASS),), required=True))
    return replace(PARCELS, columns=(*PARCELS.columns[:-1], *columns), target=target, sample="somewhere:SAMPLE")


def example_of(rule: Rule) -> str:
    examples = {"choice": "a", "number": "12", "day": "2014-10-13", "coordinate": "47.5"}
    return examples.get(rule.kind, "3")


def values_of(rule: Rule, number: int) -> list[Value]:
    roles = {
        "text": [Role.HASHED],
        "choice": [Role.CATEGORY],
        "code": [Role.KEY],
        "day": [Role.CLOCK],
        "floor": [Role.CATEGORY, Role.NUMERIC],
        "rooms": [Role.NUMERIC, Role.ORDINAL],
        "breadcrumb": [Role.CATEGORY, Role.HASHED, Role.HASHED],
    }.get(rule.kind, [Role.NUMERIC])
    return [Value(f"v{number}_{place}", role, -5, 1e6, 3, "m", personal=place == 1) for place, role in enumerate(roles)]


EVERY_MARKET = {name: load_market(name) for name in market_names()} | {
    "parcels": PARCELS,
    "local parcels": LOCAL_PARCELS,
    "three grades": THREE_GRADES,
    "both kinds of prices": BOTH_KINDS,
    "every rule, prices": full(PriceBands(("a", "b"), (0.5,), "EUR")),
    "every rule, classes": full(Classes(("a b", "ç", "×"))),
}


@pytest.mark.parametrize("market", EVERY_MARKET.values(), ids=EVERY_MARKET)
def test_a_market_read_back_from_json_is_the_same(market: Market) -> None:
    stored = market.to_json()
    again = Market.from_json(stored)
    assert again.to_json() == stored
    assert again.fingerprint == market.fingerprint
    assert again.target == market.target
    assert [column.rule for column in again.columns] == [column.rule for column in market.columns]
    assert list(again.values()) == list(market.values())
    for name in ("bins", "grids", "crosses", "linear", "quotients", "local", "segments", "fallback", "name", "title"):
        assert getattr(again, name) == getattr(market, name)
    assert again.encoded_numbers == market.encoded_numbers
    assert again.encoded_texts == market.encoded_texts
    assert again.sample == ""  # the generator stays behind


@pytest.mark.parametrize("market", EVERY_MARKET.values(), ids=EVERY_MARKET)
def test_the_examples_of_the_columns_are_one_listing_that_can_be_used(market: Market) -> None:
    cells = {column.raw: column.example for column in market.columns}
    assert market.parse_listing(cells, with_target=True)[1] == {}
    assert market.parse_listing(market.example, with_target=False)[1] == {}


NAMES = st.text("abcdefghijklmnopqrstuvwxyz_0123456789", min_size=1, max_size=8).filter(lambda name: name[0].isalpha())
BOUNDS = st.tuples(st.floats(-1e9, 1e9), st.floats(-1e9, 1e9)).map(sorted)


@st.composite
def drawn_markets(draw: st.DrawFn) -> Market:
    """Draw markets of numbers and texts, with bins, crosses and quotients of them, and any number of bands."""
    names = draw(st.lists(NAMES.map("n_{}".format), min_size=4, max_size=10, unique=True))
    half = len(names) // 2
    columns = []
    for name in names[:half]:
        minimum, maximum = draw(BOUNDS)
        value = Value(name, Role.NUMERIC, minimum, maximum, draw(st.floats(1e-6, 1e6)), draw(st.text(max_size=3)))
        number = Number(
            tuple(draw(st.lists(st.text(max_size=3), max_size=2))), decimal=draw(st.sampled_from(["", "."]))
        )
        columns.append(Column(name.upper(), "", number, (value,)))
    texts = [Column(name.upper(), "", Text(), (Value(name, Role.CATEGORY),)) for name in names[half:]]
    categories = draw(st.lists(st.text(min_size=1).filter(str.strip), min_size=2, max_size=6, unique=True))
    quantiles = [(position + 1) / len(categories) for position in range(len(categories) - 1)]
    price = Column("PRICE", "5", Number(), (Value("price", Role.PRICE, 1),), required=True)
    return Market(
        draw(NAMES),
        draw(st.text()),
        (*columns, *texts, price),
        PriceBands(tuple(categories), tuple(quantiles), "EUR"),
        bins=(Bin("a_bin", names[0], width=draw(st.none() | st.floats(1e-3, 1e3))),),
        crosses=((names[-1], "a_bin"),),
        quotients=(Quotient("a_quotient", names[0], names[1], 2),),
    )


@given(market=drawn_markets())
def test_any_market_read_back_from_json_is_the_same(market: Market) -> None:
    again = Market.from_json(market.to_json())
    assert again.to_json() == market.to_json()
    assert again.fingerprint == market.fingerprint
    assert list(again.values()) == list(market.values())
    assert (again.bins, again.target) == (market.bins, market.target)


def edited(change: Any) -> Market:
    stored = json.loads(PARCELS.to_json())
    change(stored)
    return Market.from_json(json.dumps(stored))


def value_of(stored: dict[str, Any], name: str) -> dict[str, Any]:
    return next(value for column in stored["columns"] for value in column["values"] if value["name"] == name)


CHANGES_READING = {
    "name": lambda stored: stored.update(name="other"),
    "rule": lambda stored: stored["columns"][3]["rule"].update(decimal=","),
    "raw name": lambda stored: stored["columns"][2].update(raw="beds"),
    "required": lambda stored: stored["columns"][5].update(required=False),
    "role": lambda stored: value_of(stored, "view").update(role="hashed"),
    "minimum": lambda stored: value_of(stored, "bedrooms").update(minimum=1),
    "scale": lambda stored: value_of(stored, "bedrooms").update(scale=2),
    "personal": lambda stored: value_of(stored, "view").update(personal=True),
    "order": lambda stored: stored["columns"].reverse(),
    "quantile": lambda stored: stored["target"].update(quantiles=[0.1, 0.4, 0.6, 0.8]),
    "category": lambda stored: stored["target"].update(categories=["least", "low", "middle", "high", "highest"]),
    "bin": lambda stored: stored["bins"][0].update(width=100),
    "grid": lambda stored: stored["grids"][0].update(km=1),
    "cross": lambda stored: stored["crosses"].pop(),
    "shift": lambda stored: stored["grids"][1].update(shift=0.25),
    "linear": lambda stored: stored["linear"].pop(),
    "log": lambda stored: stored["linear"][0].update(log=False),
    "quotient": lambda stored: stored["quotients"][0].update(scale=100),
    "fallback": lambda stored: stored.update(fallback=["zip_code"]),
    "local kernel": lambda stored: stored.update(local=LOCAL_PARCELS.to_dict()["local"]),
}


@pytest.mark.parametrize("what", CHANGES_READING)
def test_the_fingerprint_changes_with_whatever_decides_how_a_listing_is_read_and_encoded(what: str) -> None:
    if what == "rule":  # its own example would be refused otherwise
        market = edited(lambda stored: (CHANGES_READING[what](stored), stored["columns"][3].update(example="1.180")))
    else:
        market = edited(CHANGES_READING[what])
    assert market.fingerprint != PARCELS.fingerprint


@pytest.mark.parametrize(
    "change",
    [
        lambda stored: stored.update(title="Other"),
        lambda stored: stored["columns"][2].update(example="7"),
        lambda stored: value_of(stored, "bedrooms").update(unit="rooms"),
        lambda stored: stored.update(segments=[]),
        lambda stored: stored["target"].update(price_kind="paid"),
    ],
    ids=["title", "example", "unit", "segments", "kind of price"],
)
def test_the_fingerprint_does_not_change_with_what_is_for_people(change: Any) -> None:
    assert edited(change).fingerprint == PARCELS.fingerprint


def test_markets_differ_by_their_fingerprints() -> None:
    prints = [market.fingerprint for market in (*EVERY_MARKET.values(), TWO_GRADES)]
    assert len(set(prints)) == len(prints)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the declaration is no JSON"),
        ("[]", "the declaration's format is 'list', this version reads 1"),
        ("null", "the declaration's format is 'NoneType', this version reads 1"),
        ("{}", "the declaration's format is None, this version reads 1"),
        ('{"format": 2}', "the declaration's format is 2, this version reads 1"),
        ('{"format": 1, "code": "x"}', "the declaration has the field code: expected format, name, title"),
        ('{"format": 1}', "the declaration cannot be read: 'name'"),
    ],
)
def test_what_is_no_declaration_is_refused(text: str, message: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        Market.from_json(text)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda stored: stored["columns"][2].update(rule={"kind": "eval"}), "no rule is called 'eval'"),
        (lambda stored: stored["columns"][2].update(code="x"), "a column has the field code"),
        (lambda stored: stored["columns"][2]["values"][0].update(role="spy"), "role of bedrooms is 'spy'"),
        (lambda stored: stored["columns"][2]["values"][0].update(code="x"), "unexpected keyword argument 'code'"),
        (lambda stored: stored["target"].update(kind="regression"), "kind of the target is 'regression'"),
        (lambda stored: stored["bins"][0].update(of="nothing"), "`of` of the bin living_250 names 'nothing'"),
        (lambda stored: stored.update(crosses=7), "the declaration cannot be read"),
        (lambda stored: stored.update(columns=[]), "columns with the target are none"),
    ],
)
def test_a_stored_declaration_that_was_changed_for_the_worse_is_refused(change: Any, message: str) -> None:
    with pytest.raises(DeclarationError) as refused:
        edited(change)
    assert message in str(refused.value)
