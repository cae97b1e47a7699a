"""Drafts of small files in the manner of several countries load, and read their own cells."""

import re
import subprocess
import sys
from datetime import date
from typing import Any

import pandas as pd
import pytest

from housing_assets.drafting.writing import draft_market
from housing_assets.inference.declaration import Classes, Column, DeclarationError, PriceBands, Role
from housing_assets.inference.market import Market
from housing_assets.inference.rules import Choice, Code, Day, Number, Rooms, Text, Years
from tests.drafting.conftest import Draft

PRICES = [f"{price}" for price in range(100_000, 140_000, 1_000)]

GERMAN = {
    "Kaufpreis": ["1.250.000,00 €", "349.000,50 €", "89.500,00 €", "410.000,00 €"] * 10,
    "Wohnfläche": ["85,5 m²", "120 m²", "42,25 m²", "63,1 m²"] * 10,
    "Zimmer": ["3", "2,5", "4", "1"] * 10,
    "Baujahr": ["1998", "1904", "2015", "0"] * 10,
    "PLZ": ["4109", "10115", "80331", "1067"] * 10,
    "Stadt": ["Leipzig", "Berlin", "München", "Dresden"] * 10,
    "Inserat vom": ["24.02.2022", "01.03.2022", "31.12.2021", "15.07.2022"] * 10,
    "Etage": ["1. OG", "2. OG", "EG", "3. OG"] * 10,
}

BRITISH = {
    "Price": ["£425,000", "Offers over £310,500", "£1,200,000", "£99,950"] * 10,
    "Bedrooms": ["3 bed", "2 bed", "5 bed", "1 bed"] * 10,
    "Postcode": ["SW1A 1AA", "M1 1AE", "B33 8TH", "CR2 6XH"] * 10,
    "Listed": ["3 March 2022", "24 February 2022", "1 May 2021", "30 November 2021"] * 10,
    "Floor area": ["1,250 sq ft", "640 sq ft", "2,100 sq ft", "402.5 sq ft"] * 10,
}

BRAZILIAN = {
    "Preço": ["R$ 350.000", "R$ 1.250.000", "R$ 89.900", "R$ 470.500"] * 10,
    "Área": ["85 m2", "120 m2", "42,5 m2", "60 m2"] * 10,
    "Bairro": ["Moema", "Pinheiros", "Centro", "Lapa"] * 10,
    "Idade": ["5-10", "11-15", "0", "21+"] * 10,
    "Mobiliado": ["sim", "não", "não", "sim"] * 10,
}


def column(market: Market, raw: str) -> Column:
    return next(one for one in market.columns if one.raw == raw)


def read(market: Market, raw: str, cell: Any) -> Any:
    found = column(market, raw).parse(cell)
    return found[0] if len(found) == 1 else found


@pytest.mark.parametrize("cells", [GERMAN, BRITISH, BRAZILIAN], ids=["german", "british", "brazilian"])
def test_every_cell_is_read_by_the_draft(draft: Draft, cells: dict[str, list[str]]) -> None:
    market = draft(cells)

    for raw, texts in cells.items():
        for text in texts[:4]:
            column(market, raw).parse(text)


def test_a_german_file(draft: Draft) -> None:
    market = draft(GERMAN)

    assert read(market, "Kaufpreis", "349.000,50 €") == 349_000.5
    assert read(market, "Kaufpreis", "1.250,00 €".replace("1.250", "125.000")) == 125_000
    assert read(market, "Wohnfläche", "42,25 m²") == 42.25
    assert column(market, "Wohnfläche").values[0].name == "wohnflache"
    assert column(market, "Wohnfläche").values[0].unit == "m²"
    assert read(market, "Baujahr", "0") is None
    assert read(market, "PLZ", 4109.0) == "04109"
    assert read(market, "Inserat vom", "24.02.2022") == date(2022, 2, 24)
    assert read(market, "Etage", "2. OG") == ("2. OG", 2.0)
    assert market.currency == "EUR"
    assert market.fallback == ("plz", "wohnflache_bin") or market.fallback[0] in ("plz", "stadt")


def test_a_british_file(draft: Draft) -> None:
    market = draft(BRITISH)

    assert read(market, "Price", "Offers over £310,500") == 310_500
    assert read(market, "Bedrooms", "3 bed") == 3
    assert isinstance(column(market, "Postcode").rule, Text)
    assert read(market, "Listed", "24 February 2022") == date(2022, 2, 24)
    assert read(market, "Floor area", "1,250 sq ft") == 1250
    assert read(market, "Floor area", "402.5 sq ft") == 402.5
    assert market.currency == "GBP"


def test_a_brazilian_file(draft: Draft) -> None:
    market = draft(BRAZILIAN)

    assert read(market, "Preço", "R$ 350.000") == 350_000
    assert read(market, "Área", "42,5 m2") == 42.5
    assert isinstance(column(market, "Idade").rule, Years)
    assert column(market, "Mobiliado").values[0].role is Role.CATEGORY
    assert market.currency == "BRL"
    assert market.segments == ("bairro",)


ENGLISH = tuple("jan feb mar apr may jun jul aug sep oct nov dec".split())
PORTUGUESE = tuple("janeiro fevereiro marco abril maio junho julho agosto setembro outubro novembro dezembro".split())


@pytest.mark.parametrize(
    ("header", "cells", "expected"),
    [
        ("waterfront", ["0", "1", "0", "0"], Text()),
        ("lift", ["yes", "no", "no", "yes"], Text()),
        ("zip", ["02134", "2138", "10001", "94110"], Code(5)),
        ("bathrooms", ["1.5", "2", "2.25", "1.125"], Number(decimal=".")),
        ("lot", ["1.250", "800", "2.100", "950"], Number()),
        ("listed", ["02/24/2022", "03/01/2022", "12/31/2021", "07/15/2022"], Day(month_first=True)),
        ("listed", ["20140523T000000", "20140601T000000", "20141231T000000", "20140715T000000"], Day()),
        ("listed", ["Feb 24, 2022", "Mar. 1, 2022", "Dec 31st 2021", "Jul 15, 2022"], Day(months=ENGLISH)),
        ("listed", ["24 de fevereiro de 2022", "1 de maio de 2022"] * 2, Day(months=PORTUGUESE)),
        ("size", ["80", "On request", "95", "120"], Number(missing=("on request",))),
        ("rooms", ["3+1", "2+1", "5 rooms", "studio"], Rooms(words=("rooms",), studio=("studio",))),
        ("tel_code", ["555-1234", "555-1234", "555-9876", "555-9876"], Text()),
    ],
)
def test_the_rule_that_reads_a_column(draft: Draft, header: str, cells: list[str], expected: object) -> None:
    market = draft({"price": PRICES, header: cells * 10})

    assert column(market, header).rule == expected


@pytest.mark.parametrize(
    ("header", "cells", "reason"),
    [
        ("notes", [f"A sunny flat with view number {number}" for number in range(40)], "a text of its own"),
        ("remarks", ["A long text. " * 20, "Another. " * 30] * 20, "a text of its own"),
        ("page", [f"https://example.com/{number % 7}" for number in range(40)], "leads to a person"),
        ("who", [f"seller{number % 7}@example.com" for number in range(40)], "leads to a person"),
        ("agent_phone", [f"555{number % 7}" for number in range(40)], "leads to a person"),
        ("nothing", ["", "-", "nan", "null"] * 10, "every cell is empty"),
        ("number", [str(number) for number in range(7, 47)], "numbers the rows"),
        ("ref", [f"WG-{70_007 + 13 * number}/B" for number in range(40)], "every row has its own"),
        ("inserat", [str(70_000_007 + 13 * number) for number in range(40)], "every row has its own"),
        ("listing_id", [str(7_919 * number) for number in range(40)], "Role.KEY"),
        ("origin", ["a", "b"] * 20, "rename it in the source"),
    ],
)
def test_what_tells_nothing_of_a_home_is_left_out_and_said_so(header: str, cells: list[str], reason: str) -> None:
    text = draft_market(pd.DataFrame({"price": PRICES, "town": ["a", "b"] * 20, header: cells}), "mine")

    comments = " ".join(line.strip().removeprefix("# ") for line in text.splitlines())
    assert re.search(rf'"{header}" is left out: [^:]*{re.escape(reason)}', comments)


def test_a_number_that_comes_back_is_a_key(draft: Draft) -> None:
    market = draft({"price": PRICES, "parcel_id": [str(7_919 * (number // 2)) for number in range(0, 78, 2)] + ["0"]})

    assert [value.role for value in column(market, "parcel_id").values] == [Role.KEY]


def test_coordinates_make_cells_of_the_map(draft: Draft) -> None:
    places = {"lat": ["52,5200", "52,4901", "52,5333", "52,5"] * 10, "lon": ["13,4050", "13,3", "13,45", "13,41"] * 10}
    market = draft({"price": PRICES, **places})

    assert read(market, "lat", "52,5200") == 52.52
    assert [grid.km for grid in market.grids] == [1, 4]


def test_a_badge_behind_a_price_is_no_part_of_it(draft: Draft) -> None:
    market = draft(
        {"price": ["3,100,000TL", "950,000TLarrow_downward%3", "1,250,000TL", "800,000TL"] * 10, "rooms": PRICES}
    )

    assert read(market, "price", "950,000TLarrow_downward%12") == 950_000
    assert market.currency == "TRY"


def test_a_negative_size_is_taken_for_an_error_of_the_file(draft: Draft) -> None:
    market = draft({"price": PRICES * 3, "area": [str(50 + number) for number in range(119)] + ["-315"]})

    assert column(market, "area").values[0].minimum == 0
    assert [bin_.of for bin_ in market.bins] == ["area"]


def test_what_sounds_personal_is_declared_so(draft: Draft) -> None:
    market = draft({"price": PRICES, "street": ["Oak Street", "Elm Street"] * 20, "town": ["a", "b"] * 20})

    assert market.personal_names == {"street"}
    assert "street" not in {name for cross in market.crosses for name in cross}


def test_the_price_is_the_column_with_numbers(draft: Draft) -> None:
    named = {"price_status": ["fixed", "open"] * 20, "price_per_m2": ["1,000", "2,000"] * 20, "sale_price": PRICES}

    assert draft(named | {"town": ["a", "b"] * 20}).target_column.raw == "sale_price"


def test_a_currency_that_is_not_in_the_file_is_none(draft: Draft) -> None:
    columns = {"price": PRICES, "town": ["a", "b"] * 20}

    assert draft(columns).currency == "XXX"
    assert draft(columns, currency="SEK").currency == "SEK"


def test_names_are_different_and_none_is_the_platforms(draft: Draft) -> None:
    market = draft(
        {
            "price": PRICES,
            "Row": ["a", "b"] * 20,
            "row!": ["a", "b"] * 20,
            "2nd": ["c", "d"] * 20,
            "面積": ["1", "2"] * 20,
        }
    )

    assert [value.name for value in market.values()] == ["price", "row_2", "row_3", "c_2nd", "column"]


def test_classes_are_the_texts_of_the_target(draft: Draft) -> None:
    market = draft({"grade": ["B", "A", "C", "A"] * 10, "town": ["a", "b"] * 20}, target="grade", classes=True)

    assert market.target == Classes(("A", "B", "C"))
    assert market.target_column.rule == Choice(("A", "B", "C"))


def test_prices_are_in_three_bands(draft: Draft) -> None:
    market = draft({"price": PRICES, "town": ["a", "b"] * 20}, currency="EUR")

    assert market.target == PriceBands(("low", "medium", "high"), (0.4, 0.8), "EUR", "asking")


def test_prices_that_were_paid_are_declared_so(draft: Draft) -> None:
    assert draft({"price": PRICES, "town": ["a", "b"] * 20}, price_kind="paid").price_kind == "paid"


@pytest.mark.parametrize(
    ("columns", "options", "said"),
    [
        (
            {"price": PRICES, "town": ["a", "b"] * 20},
            {"price_kind": "sold"},
            "price_kind is 'sold': expected asking or paid (--price-kind)",
        ),
        (
            {"town": ["a", "b"]},
            {},
            "target is no column, because none sounds like a price: expected one of town",
        ),
        (
            {"price": ["1", "2"], "town": ["a", "b"]},
            {"target": "cost"},
            "target is 'cost': expected one of price, town",
        ),
        (
            {"price": ["1", "2"], "town": ["a", "b"]},
            {"target": "town"},
            "target is 'town', in which no cell is a number",
        ),
        ({"price": ["0", "-5"], "town": ["a", "b"]}, {}, "no number is above 0"),
        (
            {"cost": ["12*500", "13*700", "9"], "town": ["a", "b", "c"]},
            {"target": "cost"},
            "67% of the rows cannot be read",
        ),
        ({"price": ["1", "2"]}, {}, "no column beside the target 'price' can be read: there is none"),
        ({"price": ["1", "2"], "notes": ["", ""]}, {}, "can be read: notes: every cell is empty"),
        (
            {"grade": ["a", ""], "n": ["1", "2"]},
            {"target": "grade", "classes": True},
            "has 1 different texts: expected 2 to 20 classes",
        ),
        ({"value": ["1", "2"], "town": ["a", "b"]}, {"target": "value"}, "rename it in the source"),
    ],
)
def test_what_cannot_be_drafted_is_refused_in_a_sentence(
    columns: dict[str, list[str]], options: dict[str, Any], said: str
) -> None:
    with pytest.raises(DeclarationError) as refused:
        draft_market(pd.DataFrame(columns), "mine", **options)

    assert said in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", ["My ads", "2022", ""])
def test_a_name_that_names_no_market_is_refused(name: str) -> None:
    with pytest.raises(DeclarationError, match="the market's name is"):
        draft_market(pd.DataFrame({"price": PRICES}), name)


def test_a_header_that_is_there_twice_is_refused() -> None:
    frame = pd.DataFrame([["1", "a", "b"], ["2", "c", "d"]], columns=["price", "town", "town"])

    with pytest.raises(DeclarationError, match="more than one column is named town"):
        draft_market(frame, "mine")


def test_numbers_and_dates_of_a_table_are_read_as_they_are(draft: Draft) -> None:
    frame = pd.DataFrame(
        {
            "price": [250_000.5, 300_000.0, None, 410_000.0] * 10,
            "sold": pd.to_datetime(["2022-02-24", "2022-03-01", None, "2021-12-31"] * 10),
            "furnished": [True, False, None, True] * 10,
            "photos": [["a.jpg"], [], ["b.jpg"], []] * 10,
        }
    )
    market = draft(frame)

    assert [column.raw for column in market.columns] == ["price", "sold", "furnished"]
    assert isinstance(column(market, "sold").rule, Day)


@pytest.mark.parametrize("cells", [GERMAN, BRITISH, BRAZILIAN], ids=["german", "british", "brazilian"])
def test_a_draft_is_formatted_as_the_package_is(cells: dict[str, list[str]]) -> None:
    text = draft_market(pd.DataFrame(cells), "mine")

    for command in (["format", "-"], ["check", "--quiet", "--fix-only", "-"]):
        ended = subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--stdin-filename", "mine.py"],
            input=text,
            capture_output=True,
            text=True,
            check=True,
        )
        assert ended.stdout == text
    assert max(map(len, text.splitlines())) <= 120
