"""The declaration of columns: reading one ad, its reasons and bounds, and that a column is added in one line."""

import math
from datetime import date

import pytest

from housing_assets.listings import cleaning, columns, contract, parsing
from housing_assets.listings.columns import COLUMNS, NUMBERS, Column, Role, Value, parse_listing
from tests.listings.ads import PLAIN_AD, ad, frame


def test_a_plain_ad_is_read_without_reasons():
    listing, reasons = parse_listing(PLAIN_AD, with_target=True)
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
    listing, reasons = parse_listing(cells, with_target=True)
    assert reasons == {
        "district": "missing",
        "price": "not in Turkish lira (TL): 'EUR'",
        "BuildingAge": "not a number",
        "AdCreationDate": "not a day such as '24 Şubat 2022' or '2022-02-24'",
        "NetSquareMeters": "-1 is not within 0 to 200000",
    }
    assert listing["gross_m2"] == 160
    assert "price" not in listing


def test_an_absent_column_is_an_empty_one():
    absent = parse_listing({"district": "kadikoy", "GrossSquareMeters": 100}, with_target=False)
    empty = parse_listing(
        dict.fromkeys(PLAIN_AD, "") | {"district": "kadikoy", "GrossSquareMeters": 100}, with_target=False
    )
    assert absent == empty
    assert absent[1] == {}


def test_the_price_is_left_unread_for_a_prediction():
    listing, reasons = parse_listing(ad(price="a secret"), with_target=False)
    assert "price" not in listing
    assert reasons == {}


@pytest.mark.parametrize("raw", [column.raw for column in COLUMNS if column.required])
@pytest.mark.parametrize("cell", ["", None, math.nan])
def test_a_required_column_must_have_a_value(raw, cell):
    assert parse_listing(PLAIN_AD | {raw: cell}, with_target=True)[1] == {raw: "missing"}


def test_district_price_and_gross_area_are_required():
    assert [column.raw for column in COLUMNS if column.required] == ["district", "price", "GrossSquareMeters"]


BOUNDED = [column for column in COLUMNS if len(column.values) == 1 and column.values[0].role in NUMBERS]


@pytest.mark.parametrize("column", BOUNDED, ids=lambda column: column.raw)
def test_both_bounds_are_allowed_and_nothing_beyond_them(column):
    (value,) = column.values
    for bound, beyond in ((value.minimum, -math.inf), (value.maximum, math.inf)):
        assert column.parse(bound) == (bound,)
        with pytest.raises(parsing.Unusable, match="is not within"):
            column.parse(math.nextafter(bound, beyond))


@pytest.mark.parametrize(
    ("raw", "cell", "reason"),
    [
        ("NumberOfRooms", "201+1", "201 is not within 0 to 200"),
        ("NumberOfRooms", "3+51", "51 is not within 0 to 50"),
        ("FloorLocation", "900. Kat", "900 is not within -10 to 200"),
        ("FloorLocation", "Kot 11 (-11). Kat", "-11 is not within -10 to 200"),
        ("price", "0 TL", "0 is not within 1000 to 1e+11"),
    ],
)
def test_each_number_of_a_cell_has_its_bounds(raw, cell, reason):
    assert parse_listing(PLAIN_AD | {raw: cell}, with_target=True)[1] == {raw: reason}


def test_addresses_are_personal_by_both_names():
    assert set(columns.personal_names()) == {"address"}


def test_names_are_declared_once():
    names = [value.name for value in columns.values()]
    assert len(set(names)) == len(names)
    assert len({column.raw for column in COLUMNS}) == len(COLUMNS)


def test_crosses_name_declared_texts_or_bins():
    texts = {value.name for value in columns.values(*columns.TEXTS)} | {bin_.name for bin_ in columns.BINS}
    assert {name for cross in columns.CROSSES for name in cross} <= texts
    numbers = {value.name for value in columns.values(*NUMBERS)}
    assert {bin_.of for bin_ in columns.BINS} <= numbers
    assert {name for quotient in columns.QUOTIENTS for name in (quotient.dividend, quotient.divisor)} <= numbers


def test_a_column_is_added_in_one_line(monkeypatch):
    pool = Column("PoolSquareMeters", "12 m2", parsing.square_metres, (Value("pool_m2", Role.NUMERIC, 1, 500),))
    for module in (columns, cleaning, contract):
        monkeypatch.setattr(module, "COLUMNS", (*COLUMNS, pool))

    listing, reasons = parse_listing(PLAIN_AD | {"PoolSquareMeters": "40 m2"}, with_target=True)
    assert (listing["pool_m2"], reasons) == (40, {})
    assert parse_listing(PLAIN_AD | {"PoolSquareMeters": "600 m2"}, with_target=True)[1] == {
        "PoolSquareMeters": "600 is not within 1 to 500"
    }

    raw = frame(ad(), ad(district="adalar"), ad(district="sile")).assign(PoolSquareMeters=["40 m2", "", "600 m2"])
    cleaned = cleaning.clean(raw)
    assert cleaned.listings["pool_m2"].tolist()[0] == 40
    assert cleaned.quarantined["column"].tolist() == ["PoolSquareMeters"]

    schema = contract.listings_schema()
    assert contract.failure_cases(schema, cleaned.listings).empty
    beyond = contract.failure_cases(schema, cleaned.listings.assign(pool_m2=[501.0, math.nan]))
    assert beyond["column"].tolist() == ["pool_m2"]
    assert beyond["failure_case"].tolist() == [501]


@pytest.mark.parametrize(
    ("number", "per_log_unit", "text"),
    [(None, None, None), (7.5, None, "7.5"), (100.0, None, "100"), (0, 10, "0"), (100, 10, "46")],
)
def test_a_bin_is_a_text(number, per_log_unit, text):
    assert columns.Bin("name", "of", per_log_unit).text(number) == text


def test_the_examples_of_the_columns_are_one_listing_that_can_be_used() -> None:
    cells = {column.raw: column.example for column in COLUMNS}
    listing, reasons = parse_listing(cells, with_target=True)
    assert reasons == {}
    assert None not in listing.values()


def test_a_text_is_read_alike_the_first_time_and_again() -> None:
    cells = {"district": "  Şile ", "GrossSquareMeters": "2.250 m2", "NumberOfRooms": "3+1", "price": "nothing"}
    first, again = (parse_listing(cells, with_target=True) for _ in range(2))
    assert first == again
    assert first[1].keys() == {"price"}


def test_numbers_and_truth_values_that_are_equal_are_not_read_as_each_other() -> None:
    assert [parse_listing({"Swap": cell}, with_target=False)[0]["swap"] for cell in (1, True, 1.0, "1")] == [
        "1",
        "True",
        "1",
        "1",
    ]
