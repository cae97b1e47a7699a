"""What a declaration makes of rows, column by column and row by row."""

import pandas as pd

from housing_assets.drafting.inspection import inspect_rows
from tests.other_markets import PARCELS, THREE_GRADES, drawn_sales


def test_cells_are_read_missing_or_refused() -> None:
    raw = drawn_sales(PARCELS, 40)
    raw.loc[0, "price"] = "£5"
    raw.loc[1, "sqft_living"] = ""
    raw.loc[2, "view"] = ""
    raw.loc[3, "lat"] = "north"
    raw = pd.concat([raw, raw.loc[[5]]], ignore_index=True)

    found = inspect_rows(PARCELS, raw)

    by_name = {column.raw: column for column in found.columns}
    assert by_name["price"].refused == 1
    assert by_name["price"].refusals == ("'£5': not in US dollars: '£'",)
    assert by_name["sqft_living"].refusals == ("an empty cell: missing",)
    assert by_name["view"].missing == raw["view"].isin(["", "none"]).sum()
    assert (found.rows, found.listings, found.quarantined, found.duplicates) == (41, 37, 3, 1)
    assert [count for _, count in found.reasons] == [1, 1, 1]


def test_a_price_that_no_home_like_it_has_would_be_quarantined() -> None:
    raw = drawn_sales(PARCELS, 300)
    raw.loc[:1, "price"] = ["$4,848,230", "$51,000"]

    found = inspect_rows(PARCELS, raw)

    assert (found.listings, found.quarantined) == (298, 2)
    assert ("price: no home like it costs as much, or as little", 2) in found.reasons
    assert sum(count for _, count in found.categories) == 298


def test_every_listing_is_in_a_band() -> None:
    found = inspect_rows(PARCELS, drawn_sales(PARCELS, 200))

    assert [name.split()[0] for name, _ in found.categories] == list(PARCELS.categories)
    assert [count for _, count in found.categories] == [40] * 5
    assert found.categories[0][0].endswith(" USD")


def test_every_listing_has_a_class() -> None:
    found = inspect_rows(THREE_GRADES, drawn_sales(THREE_GRADES, 90))

    assert sum(count for _, count in found.categories) == 90
    assert [name for name, _ in found.categories] == ["C", "A", "B"]


def test_a_category_without_a_row_leaves_none_to_be_told() -> None:
    raw = drawn_sales(PARCELS, 20)

    assert inspect_rows(PARCELS, raw.assign(price="100000")).categories == ()
    assert inspect_rows(PARCELS, raw.assign(price="")).categories == ()


def test_a_key_that_leads_to_a_person_is_not_listed() -> None:
    raw = drawn_sales(PARCELS, 20)

    found = inspect_rows(PARCELS, raw)

    assert next(column for column in found.columns if column.raw == "id").summary == "20 distinct"
