"""Batches: the scalar rules row by row, quarantine, duplicates, and the account of every row."""

import math
from datetime import date

import numpy as np
import pandas as pd
import pytest

from housing_assets.listings.cleaning import SHOWN_LENGTH, account_rows, clean, parse_frame
from housing_assets.listings.contract import failure_cases, listings_schema
from housing_assets.listings.origins import ORIGINS
from housing_assets.markets.istanbul import MARKET
from tests.listings.ads import RAW, ad, drawn_ads, frame
from tests.other_markets import PARCELS, THREE_GRADES, drawn_sales

ROWS = 2_000


def as_scalar(value):
    if value is None or value != value:
        return None
    return value.date() if isinstance(value, pd.Timestamp) else value


def parsed_one_by_one(raw):
    return [MARKET.parse_listing(cells, with_target=True) for cells in raw.astype(object).to_dict("records")]


@pytest.fixture(scope="module")
def raw():
    return drawn_ads(ROWS, seed=7)


@pytest.mark.parametrize("dtype", ["object", "category", "string"])
def test_a_batch_is_the_scalar_rules_row_by_row(raw, dtype):
    values, faults = parse_frame(MARKET, raw.astype(dtype), with_target=True)
    scalar = parsed_one_by_one(raw)
    batch = [
        {name: as_scalar(value) for name, value in row.items()} for row in values.astype(object).to_dict("records")
    ]
    reasons = [{} for _ in range(ROWS)]
    for fault in faults:
        for row in np.flatnonzero(fault.rows):
            reasons[row][fault.column] = fault.reasons[row]
    assert reasons == [unusable for _, unusable in scalar]
    assert batch == [dict.fromkeys(values) | listing for listing, _ in scalar]
    assert sum(map(bool, reasons)) > 300


def test_clean_numbers_and_dates_are_read_as_their_texts():
    texts = frame(
        ad(), ad(price="1,250,000TL", GrossSquareMeters="95.5 m2", NetSquareMeters="", AdCreationDate="03 Mart 2022")
    )
    typed = texts.assign(
        price=[3_100_000, 1_250_000],
        GrossSquareMeters=np.array([160, 95.5], dtype=np.float32),
        NetSquareMeters=[120.0, math.nan],
        AdCreationDate=pd.to_datetime(["2022-01-02", "2022-03-03"]),
        NumberOfBathrooms=pd.array([2, 2], dtype="Int64"),
        AdUpdateDate=[date(2022, 2, 24)] * 2,
    )
    pd.testing.assert_frame_equal(clean(MARKET, typed).listings, clean(MARKET, texts).listings)
    pd.testing.assert_frame_equal(clean(MARKET, typed.astype("category")).listings, clean(MARKET, texts).listings)


def test_whole_numbers_with_gaps_are_the_same_categories():
    whole = frame(ad(), ad(district="sile")).assign(InsideTheSite=[1, 0])
    gaps = frame(ad(), ad(district="sile"), ad(district="tuzla")).assign(InsideTheSite=[1, 0, None])
    assert gaps["InsideTheSite"].dtype == np.float64
    assert clean(MARKET, whole).listings["inside_the_site"].tolist() == ["1", "0"]
    assert clean(MARKET, gaps).listings["inside_the_site"].tolist() == ["1", "0", np.nan]


@pytest.mark.parametrize("empty", ["", None, math.nan, pd.NA])
@pytest.mark.parametrize("dtype", ["object", "category"])
def test_an_empty_column_keeps_its_type(empty, dtype):
    optional = [column.raw for column in MARKET.columns if not column.required]
    raw = frame(ad(), ad(district="sile"))
    raw = raw.assign(**dict.fromkeys(optional, pd.Series([empty, empty], dtype="object"))).astype(dtype)
    listings = clean(MARKET, raw).listings
    assert len(listings) == 2
    of_source = listings.assign(origin=pd.Categorical(["source"] * 2, categories=ORIGINS))
    assert failure_cases(listings_schema(MARKET), of_source).empty
    for value in MARKET.values():
        if value.name not in ("district", "price", "gross_m2"):
            assert listings[value.name].isna().all()


def test_listings_have_the_declared_types(raw):
    listings = clean(MARKET, raw).listings
    for value in MARKET.values():
        dtype = listings[value.name].dtype
        if value.is_number:
            assert dtype == np.float64
        elif value.is_text:
            assert isinstance(dtype, pd.CategoricalDtype)
        else:
            assert dtype == "datetime64[s]"


def test_rows_keep_their_order_and_have_one_fate(raw):
    cleaned = clean(MARKET, raw)
    for rows in (cleaned.listings["row"], cleaned.quarantined["row"], pd.Series(cleaned.duplicates)):
        assert len(rows) > 50
        assert rows.is_monotonic_increasing
    fates = [*cleaned.listings["row"], *cleaned.quarantined["row"], *cleaned.duplicates]
    assert sorted(fates) == list(range(ROWS))
    assert account_rows(ROWS, cleaned.listings, cleaned.quarantined, cleaned.duplicates) is None


def test_a_listing_holds_the_values_of_its_row(raw):
    cleaned = clean(MARKET, raw)
    one_by_one = parsed_one_by_one(raw)
    for listing in cleaned.listings.iloc[::37].astype(object).to_dict("records"):
        expected, reasons = one_by_one[listing.pop("row")]
        assert reasons == {}
        assert {name: as_scalar(value) for name, value in listing.items()} == expected


def test_a_quarantined_row_names_its_first_fault_and_keeps_the_raw_ad():
    raw = frame(
        ad(),
        ad(price="650,000EUR", BuildingAge="eski", HeatingType=r"Sobal\xfd"),
        ad(GrossSquareMeters="-5 m2"),
        ad(district=""),
    )
    quarantined = clean(MARKET, raw).quarantined
    assert quarantined[["row", "column", "value", "reason", "unusable_cells"]].to_numpy().tolist() == [
        [1, "price", "650,000EUR", "not in Turkish lira (TL): 'EUR'", 3],
        [2, "GrossSquareMeters", "-5 m2", "-5 is not within 5 to 200,000", 1],
        [3, "district", "", "missing", 1],
    ]
    pd.testing.assert_frame_equal(quarantined[RAW], raw.iloc[1:].reset_index(drop=True))


def test_a_missing_cell_is_not_shown_as_a_text():
    quarantined = clean(
        MARKET, frame(ad(price=None), ad(price=math.nan, district="sile"), ad(price=pd.NA, district="tuzla"))
    ).quarantined
    assert quarantined["value"].tolist() == [None] * 3
    assert quarantined["reason"].tolist() == ["missing"] * 3


def test_a_very_long_cell_is_quarantined_and_shown_in_part():
    quarantined = clean(MARKET, frame(ad(HeatingType="x" * 10_000_000), ad())).quarantined
    assert quarantined["row"].tolist() == [0]
    assert quarantined["reason"].tolist() == ["10,000,000 characters, at most 1,000 are read"]
    assert quarantined["value"].tolist() == ["x" * SHOWN_LENGTH]


@pytest.mark.parametrize("dtype", ["object", "category"])
def test_the_first_of_equal_rows_is_kept(dtype):
    raw = frame(ad(), ad(district="sile"), ad(), ad(price="x"), ad(district="sile"), ad(), ad(price="x"))
    cleaned = clean(MARKET, raw.astype(dtype))
    assert cleaned.listings["row"].tolist() == [0, 1]
    assert cleaned.quarantined["row"].tolist() == [3]
    assert cleaned.duplicates.tolist() == [2, 4, 5, 6]


@pytest.mark.parametrize("dtype", ["object", "string"])
def test_a_nul_in_a_cell_spoils_its_own_row_only(dtype):
    raw = frame(ad(district="kadikoy\0"), ad(), ad(district="kadikoy\0x"), ad()).astype(dtype)
    cleaned = clean(MARKET, raw)
    assert cleaned.listings["row"].tolist() == [1]
    assert cleaned.quarantined["row"].tolist() == [0, 2]
    assert set(cleaned.quarantined["reason"]) == {"a NUL, which no text has"}
    assert cleaned.duplicates.tolist() == [3]


def test_columns_beside_the_declared_ones_do_not_tell_copies_apart():
    raw = frame(ad(), ad()).assign(source_row=[1, 2])
    assert clean(MARKET, raw).duplicates.tolist() == [1]


def test_a_batch_of_unusable_rows_leaves_no_listing():
    cleaned = clean(MARKET, frame(ad(price="?"), ad(price="??")))
    assert cleaned.listings.empty
    assert len(cleaned.quarantined) == 2


def test_a_batch_without_rows_has_none_of_them():
    cleaned = clean(MARKET, frame())
    assert (len(cleaned.listings), len(cleaned.quarantined), len(cleaned.duplicates)) == (0, 0, 0)
    assert account_rows(0, cleaned.listings, cleaned.quarantined, cleaned.duplicates) is None


def test_a_frame_without_price_is_parsed_for_prediction():
    values, faults = parse_frame(
        MARKET, frame(ad(price="?")).drop(columns=["price", "Subscription"]), with_target=False
    )
    assert "price" not in values
    assert values["dues"].isna().all()
    assert faults == []


@pytest.mark.parametrize(
    ("listings", "quarantined", "duplicates", "fault"),
    [
        ([0, 1], [2], [3], None),
        ([3], [0, 1], [2], None),
        ([0, 1], [2], [], "1 rows lost, 0 counted twice, 0 that were never read"),
        ([0, 1], [1, 2], [3], "0 rows lost, 1 counted twice, 0 that were never read"),
        ([0, 0, 1], [2], [], "1 rows lost, 1 counted twice, 0 that were never read"),
        ([0, 1], [2], [3, 99], "0 rows lost, 0 counted twice, 1 that were never read"),
        ([-1, 1], [2], [3], "1 rows lost, 0 counted twice, 1 that were never read"),
        ([], [], [], "4 rows lost, 0 counted twice, 0 that were never read"),
    ],
)
def test_the_account_finds_rows_that_are_lost_doubled_or_invented(listings, quarantined, duplicates, fault):
    found = account_rows(4, pd.DataFrame({"row": listings}), pd.DataFrame({"row": quarantined}), np.array(duplicates))
    assert found == fault


def test_a_cell_that_is_no_value_at_all_spoils_its_own_row_only() -> None:
    cells = [["a list"], {"a": "dict"}, True, 1, "100 m2", 100]
    parsed, faults = parse_frame(
        MARKET, pd.DataFrame({"district": ["kadikoy"] * len(cells), "GrossSquareMeters": cells}), with_target=False
    )
    (fault,) = faults
    assert fault.column == "GrossSquareMeters"
    assert fault.rows.tolist() == [True, True, True, True, False, False]
    assert fault.reasons[2] != fault.reasons[3] == "1 is not within 5 to 200,000"
    assert parsed["gross_m2"].tolist()[4:] == [100.0, 100.0]


@pytest.mark.parametrize("market", [PARCELS, THREE_GRADES], ids=lambda market: market.name)
@pytest.mark.parametrize("dtype", ["object", "category"])
def test_a_batch_of_another_market_is_its_rules_row_by_row(market, dtype):
    raw = drawn_sales(market, 300)
    raw.loc[::7, "sqft_living"] = "109 m2"
    raw.loc[::11, market.target_column.raw] = "on request"
    raw.loc[::5, "zipcode"] = 2139
    values, faults = parse_frame(market, raw.astype(dtype), with_target=True)
    scalar = [market.parse_listing(cells, with_target=True) for cells in raw.to_dict("records")]
    found = [
        {name: as_scalar(value) for name, value in row.items()} for row in values.astype(object).to_dict("records")
    ]
    assert found == [dict.fromkeys(values) | listing for listing, _ in scalar]
    reasons = [{fault.column: fault.reasons[row] for fault in faults if fault.rows[row]} for row in range(300)]
    assert reasons == [unusable for _, unusable in scalar]
    assert {name for each in reasons for name in each} == {"sqft_living", market.target_column.raw}


def test_a_class_that_is_none_of_the_declared_ones_is_quarantined():
    raw = drawn_sales(THREE_GRADES, 5).assign(grade=["A", "B", "D", "", "a"])
    cleaned = clean(THREE_GRADES, raw)
    assert cleaned.listings["grade"].tolist() == ["A", "B"]
    assert cleaned.quarantined[["column", "value", "reason"]].to_numpy().tolist() == [
        ["grade", "D", "not one of C, A, B"],
        ["grade", "", "missing"],
        ["grade", "a", "not one of C, A, B"],
    ]
