"""Rules as ads in Turkish need them: tables of what each reads and refuses, and what holds for any rule and cell."""

import math
from datetime import date, datetime
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from housing_assets.inference.cells import Unusable
from housing_assets.inference.rules import AddressRead, FloorRead, RoomsRead, Text
from housing_assets.markets.istanbul import MARKET

_RULE_OF = {column.raw: column.rule for column in MARKET.columns}
category = Text()
lira, square_metres = _RULE_OF["price"], _RULE_OF["GrossSquareMeters"]
years, count = _RULE_OF["BuildingAge"], _RULE_OF["NumberOfBathrooms"]
rooms, floor = _RULE_OF["NumberOfRooms"], _RULE_OF["FloorLocation"]
day, address = _RULE_OF["AdCreationDate"], _RULE_OF["address"]

RULES = {
    "category": category,
    "lira": lira,
    "square_metres": square_metres,
    "years": years,
    "count": count,
    "rooms": rooms,
    "floor": floor,
    "day": day,
    "address": address,
}
NUMBER_RULES = ("lira", "square_metres", "years", "count")
LONG_NUMBER = "9" * 400

over_rules = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
over_number_rules = pytest.mark.parametrize("rule", [RULES[name] for name in NUMBER_RULES], ids=NUMBER_RULES)


@over_rules
@pytest.mark.parametrize(
    "cell", [None, math.nan, np.float64("nan"), pd.NaT, Decimal("nan"), "", "  ", "-", "NaN", "None", "null"]
)
def test_an_empty_cell_has_no_value(rule, cell):
    assert rule(cell) is None


@over_rules
def test_a_very_long_cell_is_unusable(rule):
    with pytest.raises(Unusable, match=r"1,001 characters, at most 1,000"):
        rule("1" * 1_001)


@over_rules
@pytest.mark.parametrize("cell", [r"Sobal\xfd", r"160 m2\xc3", r"24 \xdeubat 2022", "3\ud800"])
def test_bytes_that_are_no_text_are_unusable(rule, cell):
    with pytest.raises(Unusable, match="not UTF-8"):
        rule(cell)


@over_rules
@pytest.mark.parametrize("cell", ["5\0", "\0", "2022-02-24\0\0"])
def test_a_nul_is_no_part_of_a_text(rule, cell):
    with pytest.raises(Unusable, match="a NUL"):
        rule(cell)


@over_rules
@pytest.mark.parametrize(
    "cell", [b"5", ["5"], {"5": 5}, pd.NA, np.array([5, 6]), object()], ids=lambda cell: type(cell).__name__
)
def test_what_is_neither_text_nor_number_is_unusable(rule, cell):
    with pytest.raises(Unusable, match=f"neither a text nor a number but {type(cell).__name__}"):
        rule(cell)


@over_number_rules
@pytest.mark.parametrize(
    "cell",
    [math.inf, -math.inf, 1e13, 10**400, 10**5000, Decimal("1e500"), np.float32("inf")],
    ids=["inf", "-inf", "1e13", "400 digits", "5000 digits", "Decimal", "float32"],
)
def test_a_number_that_is_not_finite_is_unusable(rule, cell):
    with pytest.raises(Unusable, match="not a finite number"):
        rule(cell)


@over_number_rules
@pytest.mark.parametrize(
    ("cell", "value"),
    [(3, 3.0), (2.25, 2.25), (np.float32(2.125), 2.125), (np.int64(7), 7.0), (Decimal("2.250"), 2.25), (-4, -4.0)],
)
def test_a_clean_number_is_taken_as_it_is(rule, cell, value):
    assert rule(cell) == value


@over_number_rules
@pytest.mark.parametrize(
    "cell", ["1.2.34", "1,23,456", "12.34,5.6", "inf", "🏠", "abc", "5.", ".5", "٣", "٢.٢٥٠", "5²", "--5", "+-5", True]
)
def test_what_only_looks_like_a_number_is_unusable(rule, cell):
    with pytest.raises(Unusable):
        rule(cell)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("3,100,000TL", 3_100_000),
        ("34,550,000TLarrow_downward%3", 34_550_000),
        ("1,250,000TLarrow_downward%90", 1_250_000),
        ("1,250,000TL arrow_upward % 2,5", 1_250_000),
        ("  50 TL ", 50),
        ("12.000 TL", 12_000),
        ("1.250.000 TL", 1_250_000),
        ("1.250,50 TL", 1_250.5),
        ("1,250.50 TL", 1_250.5),
        ("12.345.678,9 TL", 12_345_678.9),
        ("2,5 TL", 2.5),
        ("0.500 TL", 0.5),
        ("1234.567", 1_234.567),
        ("₺75", 75),
        ("75 try", 75),
        ("75 Tl", 75),
        ("-5 TL", -5),
        ("+5 TL", 5),
        ("0", 0),
        ("1 600 000 TL", 1_600_000),
        ("1\u202f600\u202f000 TL", 1_600_000),
        ("1'250'000 TL", 1_250_000),
    ],
)
def test_lira_reads_amounts_in_lira(cell, value):
    assert lira(cell) == value


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("650,000EUR", "not in Turkish lira (TL): 'EUR'"),
        ("€650,000", "not in Turkish lira (TL): '€'"),
        ("$ 5", "not in Turkish lira (TL): '$'"),
        ("650,000 GBParrow_downward%3", "not in Turkish lira (TL): 'GBP'"),
        ("3 m2", "not in Turkish lira (TL): 'm2'"),
        ("1e5 TL", "not in Turkish lira (TL): 'e5 TL'"),
        ("1e13", "not a finite number up to 1e+12"),
        ("1e400", "not a finite number up to 1e+12"),
        ("5TL5", "not in Turkish lira (TL): 'TL5'"),
        ("1 60 000 TL", "not in Turkish lira (TL): '60000 TL'"),
        ("\u200f160", "not in Turkish lira (TL): '\\u200f'"),
        ("Fiyat için arayınız", "not a number of Turkish lira (TL)"),
        ("1.2.34", "not a number"),
        (LONG_NUMBER, "not a finite number up to 1e+12"),
    ],
)
def test_lira_refuses_other_currencies_and_says_why(cell, reason):
    with pytest.raises(Unusable) as refused:
        lira(cell)
    assert str(refused.value) == reason


def test_a_price_badge_without_a_price_says_nothing():
    assert lira("arrow_downward%3") is None


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("160 m2", 160),
        ("2.250 m2", 2_250),
        ("160m²", 160),
        ("160 M2", 160),
        ("120,5 m2", 120.5),
        ("160", 160),
        ("-5 m2", -5),
    ],
)
def test_the_2_of_m2_is_not_a_digit_of_the_area(cell, value):
    assert square_metres(cell) == value


@pytest.mark.parametrize("cell", ["1700 ft2", "3 dönüm", "50 TL", "m2", "inf m2", "1.2.34 m2"])
def test_another_unit_of_area_is_unusable(cell):
    with pytest.raises(Unusable):
        square_metres(cell)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("0 (Yeni)", 0),
        ("0 (YENİ)", 0),
        ("4", 4),
        ("5-10", 7.5),
        ("11 - 15", 13),
        ("5\u201310", 7.5),
        ("16 \u2013 20", 18),
        ("16-20", 18),
        ("21 Ve Üzeri", 21),
        ("21 VE ÜZERİ", 21),
        ("21 ve u\u0308zeri", 21),
        ("21+", 21),
        ("-4", -4),
    ],
)
def test_years_reads_ages_and_their_ranges(cell, value):
    assert years(cell) == value


@pytest.mark.parametrize(
    "cell",
    ["Yeni", "Yok", "eski", "5\u2014", "5-10-15", f"{LONG_NUMBER}-5", f"{LONG_NUMBER}+", f"{LONG_NUMBER} (yeni)"],
)
def test_years_refuses_what_is_no_age(cell):
    with pytest.raises(Unusable):
        years(cell)


@pytest.mark.parametrize(
    ("cell", "value"), [("Yok", 0), ("YOK", 0), (" yok ", 0), ("3", 3), ("4 +", 4), ("6+", 6), ("10-20", 15)]
)
def test_count_reads_none_of_it_as_zero(cell, value):
    assert count(cell) == value


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("3+1", RoomsRead(3, 1)),
        ("2.5+1", RoomsRead(2.5, 1)),
        ("2,5+1", RoomsRead(2.5, 1)),
        ("10 + 2", RoomsRead(10, 2)),
        ("0+1", RoomsRead(0, 1)),
        ("8+ Oda", RoomsRead(8, None)),
        ("5 Oda", RoomsRead(5, None)),
        ("1 oda", RoomsRead(1, None)),
        ("Stüdyo", RoomsRead(1, 0)),
        ("STÜDYO", RoomsRead(1, 0)),
        ("studio", RoomsRead(1, 0)),
        ("4", RoomsRead(4, None)),
        (4, RoomsRead(4, None)),
        (2.5, RoomsRead(2.5, None)),
    ],
)
def test_rooms_tells_rooms_and_living_rooms(cell, value):
    assert rooms(cell) == value


@pytest.mark.parametrize(
    "cell",
    ["3+", "3+1+1", "2.7+1", "üç", "Oda", True, f"3+{LONG_NUMBER}", f"{LONG_NUMBER}+1", f"{LONG_NUMBER} oda", "+-3"],
)
def test_rooms_refuses_what_it_cannot_tell(cell):
    with pytest.raises(Unusable):
        rooms(cell)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("3. Kat", FloorRead("3. Kat", 3)),
        ("10-20. Kat", FloorRead("10-20. Kat", 15)),
        ("30-40. Kat", FloorRead("30-40. Kat", 35)),
        ("40+. Kat", FloorRead("40+. Kat", 40)),
        ("Kot 1 (-1). Kat", FloorRead("Kot 1 (-1). Kat", -1)),
        ("KOT 3 (-3). KAT", FloorRead("KOT 3 (-3). KAT", -3)),
        ("Çatı Katı", FloorRead("Çatı Katı", None)),
        ("C\u0327atı Katı ", FloorRead("Çatı Katı", None)),
        ("3.Kat", FloorRead("3.Kat", None)),
        (3, FloorRead("3. Kat", 3)),
        (3.0, FloorRead("3. Kat", 3)),
        (-1, FloorRead("-1. Kat", -1)),
        (1_234_567, FloorRead("1234567. Kat", 1_234_567)),
    ],
)
def test_floor_keeps_what_is_written_and_tells_its_number(cell, value):
    assert floor(cell) == value


@pytest.mark.parametrize(
    "cell", [f"{LONG_NUMBER}. Kat", f"1-{LONG_NUMBER}. Kat", f"Kot 1 (-{LONG_NUMBER}). Kat", "٣. Kat"]
)
def test_a_floor_whose_number_is_none_is_unusable(cell):
    with pytest.raises(Unusable):
        floor(cell)


MONTHS = "Ocak Şubat Mart Nisan Mayıs Haziran Temmuz Ağustos Eylül Ekim Kasım Aralık".split()
CAPITALS = "OCAK ŞUBAT MART NİSAN MAYIS HAZİRAN TEMMUZ AĞUSTOS EYLÜL EKİM KASIM ARALIK".split()


ASCII = "Ocak Subat Mart Nisan Mayis Haziran Temmuz Agustos Eylul Ekim Kasim Aralik".split()


@pytest.mark.parametrize(
    "months",
    [MONTHS, CAPITALS, ASCII, [month.upper() for month in ASCII]],
    ids=["as written", "in capitals", "in ASCII", "in ASCII capitals"],
)
def test_day_knows_every_turkish_month(months):
    assert [day(f"02 {month} 2022") for month in months] == [date(2022, month, 2) for month in range(1, 13)]


@pytest.mark.parametrize(
    "cell",
    [
        "24 Şubat 2022",
        " 24 S\u0327ubat 2022 ",
        "24  Şubat\u00a0 2022",
        "24.02.2022",
        "24.2.2022",
        "24/02/2022",
        "2022-02-24",
        "2022-02-24 00:00:00",
        "2022-02-24T10:30:00+03:00",
        date(2022, 2, 24),
        datetime(2022, 2, 24, 23, 59),
        pd.Timestamp("2022-02-24"),
    ],
    ids=str,
)
def test_day_reads_texts_and_dates(cell):
    found = day(cell)
    assert found == date(2022, 2, 24)
    assert type(found) is date


def test_of_two_numbers_the_first_is_the_day():
    assert day("03.04.2022") == day("03/04/2022") == date(2022, 4, 3)


@pytest.mark.parametrize(
    "cell",
    [
        "30 Şubat 2022",
        "29 Şubat 2021",
        "0 Mart 2022",
        "32 Ocak 2022",
        "24 Şubat 0000",
        "24 Foo 2022",
        "24 02 2022",
        "24.02.22",
        "24.02/2022",
        "24..02.2022",
        "02/24/2022",
        "31.02.2022",
        "dün",
        "2022-13-01",
        "2022-W08",
        "2022W084",
        1.5,
        7,
    ],
)
def test_what_is_no_day_of_the_calendar_is_unusable(cell):
    with pytest.raises(Unusable, match=r"not a day such as '2022-02-24' or '24.02.2022'"):
        day(cell)


PATH = "Anasayfa > Satılık Daire > İstanbul Satılık Daire > Adalar Satılık Daire > Maden Mahallesi Satılık Daire"


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (
            "['Anasayfa', 'Satılık Daire', 'İstanbul Satılık Daire', 'Adalar Satılık Daire', "
            "'Maden Mahallesi Satılık Daire']",
            AddressRead("Daire", "Maden Mahallesi", PATH),
        ),
        (PATH, AddressRead("Daire", "Maden Mahallesi", PATH)),
        (
            '[\'A\', "Satılık Ev", "O\'Neil Satılık Ev"]',
            AddressRead("Ev", "O'Neil", "A > Satılık Ev > O'Neil Satılık Ev"),
        ),
        (
            r"['A', 'Satılık Ev', 'O\'Neil Satılık Ev']",
            AddressRead("Ev", "O'Neil", "A > Satılık Ev > O'Neil Satılık Ev"),
        ),
        ("[['A', 'S Ev'], ['Ada [2] S Ev']]", AddressRead("Ev", "Ada [2]", "A > S Ev > Ada [2] S Ev")),
        ("['A', '', ' S Ev ', 'Ada S Ev']", AddressRead("Ev", "Ada", "A > S Ev > Ada S Ev")),
        ("['A', 'Satılık', 'Ada Satılık']", AddressRead(None, "Ada", "A > Satılık > Ada Satılık")),
        ("['A', 'S Ev', 'S Ev']", AddressRead("Ev", None, "A > S Ev > S Ev")),
        ("['A', 'S Ev']", AddressRead(None, None, "A > S Ev")),
        ("['A', 'S Ev', 'Ada']", AddressRead(None, None, "A > S Ev > Ada")),
        ("Kadıköy, Moda", AddressRead(None, None, "Kadıköy, Moda")),
        ("🏠 שלום", AddressRead(None, None, "🏠 שלום")),
    ],
)
def test_address_names_kind_and_neighbourhood(cell, value):
    assert address(cell) == value


@pytest.mark.parametrize("cell", ["[]", "['']", "[1, 2]", "[[[", " [ ] "])
def test_an_address_without_names_is_unusable(cell):
    with pytest.raises(Unusable, match="an address path without names"):
        address(cell)


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        ("  Kombi Doğalgaz ", "Kombi Doğalgaz"),
        ("Dog\u0306algaz", "Doğalgaz"),
        ("Bilinmiyor", "Bilinmiyor"),
        (r"C:\x41", r"C:\x41"),
        ("🏠", "🏠"),
        (5, "5"),
        (5.0, "5"),
        (-0.0, "0"),
        (2.5, "2.5"),
        (123_456_789, "123456789"),
        (True, "True"),
        (date(2022, 2, 24), "2022-02-24"),
    ],
)
def test_category_is_the_normalised_text(cell, value):
    assert category(cell) == value


CELLS = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.text("0123456789.,+-% mMtTlL²()>[]'\"\\xİıŞşğ٣", max_size=30),
    st.floats(),
    st.integers(),
    st.integers(min_value=10**300),
    st.booleans(),
    st.binary(),
    st.decimals(allow_nan=False),
    st.dates(),
    st.datetimes(),
)


def numbers_of(value):
    if isinstance(value, RoomsRead | FloorRead):
        return [number for number in value if isinstance(number, float)]
    return [value] if isinstance(value, float) else []


@over_rules
@given(cell=CELLS)
def test_any_cell_has_a_finite_value_or_is_unusable(rule, cell):
    try:
        value = rule(cell)
    except Unusable:
        return
    assert all(map(math.isfinite, numbers_of(value)))


@pytest.mark.parametrize("unit", ["", " TL", "TL", " ₺"])
@given(amount=st.integers(0, 10**12))
def test_an_amount_is_read_whatever_separates_its_thousands(unit, amount):
    written = [f"{amount}", f"{amount:,}", f"{amount:,}".replace(",", ".")]
    assert [lira(text + unit) for text in written] == [amount] * 3


@over_number_rules
@given(number=st.floats(-1e12, 1e12))
def test_a_clean_number_round_trips(rule, number):
    assert rule(number) == number
    assert rule(rule(number)) == number


@given(text=st.text())
def test_a_category_round_trips(text):
    try:
        clean = category(text)
    except Unusable:
        return
    assert category(clean) == clean


@given(drawn=st.dates())
def test_a_day_round_trips_in_every_form(drawn):
    turkish = f"{drawn.day:02d} {MONTHS[drawn.month - 1]} {drawn.year:04d}"
    numbers = [f"{drawn.day:02d}{mark}{drawn.month:02d}{mark}{drawn.year:04d}" for mark in "./"]
    assert {day(form) for form in (drawn, drawn.isoformat(), turkish, *numbers)} == {drawn}


NAMES = st.text(st.characters(categories=["L", "N", "Zs"], include_characters="'\"()"), min_size=1, max_size=12)


@given(names=st.lists(NAMES, min_size=1, max_size=6))
def test_the_clean_form_of_an_address_is_read_as_its_scraped_form(names):
    try:
        scraped = address(str(names))
    except Unusable:
        return
    if scraped is not None:  # a path that says nothing has no clean form
        assert address(scraped.path) == scraped


@given(n_rooms=st.integers(0, 99), living_rooms=st.integers(0, 9))
def test_rooms_are_read_back_as_written(n_rooms, living_rooms):
    assert rooms(f"{n_rooms}+{living_rooms}") == RoomsRead(n_rooms, living_rooms)
