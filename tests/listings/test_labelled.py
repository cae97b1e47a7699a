"""Answered requests whose truth came back become listings: typed by the rules of every row, and behind those."""

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from housing_assets.inference.market import Market
from housing_assets.listings.cleaning import clean
from housing_assets.listings.contract import failure_cases, listings_schema
from housing_assets.listings.labelled import Joined, Labelled, join_labelled, type_labelled
from housing_assets.listings.origins import WHEN
from housing_assets.listings.price_kinds import count_kinds
from housing_assets.markets.istanbul import MARKET
from tests.listings.ads import PLAIN_AD, ad, frame
from tests.other_markets import BOTH_KINDS, THREE_GRADES, drawn_sales

KINDS = {"1": True, "2": False}
"""Whether a version was trained on synthetic rows; any other is not registered."""

ASKED, REPORTED = datetime(2026, 3, 1, 23, 59, tzinfo=UTC), datetime(2026, 3, 9, 0, 1, tzinfo=UTC)

N_ROWS = 10
"""Rows that the source of these tests has in all."""


def answered(
    *requests: tuple[dict[str, Any], Any], version: int = 2, truth: str = "price", kind: str | None = "asking"
) -> pd.DataFrame:
    """Return labelled predictions as the prediction store reads them: cells as sent, and the truth."""
    return pd.DataFrame(
        {
            "model_version": [version] * len(requests),
            "sent": [cells for cells, _ in requests],
            truth: [found for _, found in requests],
            "price_kind": pd.Series([kind] * len(requests), dtype=object),
            "predicted_at": pd.Series([ASKED] * len(requests), dtype="datetime64[us, UTC]"),
            "received_at": pd.Series([REPORTED] * len(requests), dtype="datetime64[us, UTC]"),
        }
    )


def labelled(*frames: pd.DataFrame, market: Market = MARKET) -> Labelled:
    names = [column.raw for column in market.columns]
    return type_labelled(
        market,
        frames,
        lambda stored: pd.DataFrame([*stored["sent"]], columns=names, dtype=object),
        lambda version: KINDS.get(version),
    )


def home(**cells: Any) -> dict[str, Any]:
    return {name: cell for name, cell in (PLAIN_AD | cells).items() if name != "price"}


def sourced(*ads: dict[str, Any]) -> pd.DataFrame:
    return clean(MARKET, frame(*ads)).listings


def joined(listings: pd.DataFrame, taught: Labelled, *, synthetic: bool = False) -> Joined:
    return join_labelled(MARKET, listings, taught.listings, n_rows=N_ROWS, synthetic=synthetic)


# Typing


def test_a_labelled_row_says_when_it_was_asked_for_and_reported_and_a_row_of_the_source_does_not() -> None:
    found = joined(sourced(ad()), labelled(answered((home(district="sile"), 3_100_000.0)))).listings
    assert found["asked_on"].astype(str).tolist() == ["NaT", "2026-03-01"]
    assert found["reported_on"].astype(str).tolist() == ["NaT", "2026-03-09"]


def test_a_request_is_typed_by_the_rules_of_every_row_with_the_price_that_came_back() -> None:
    taught = labelled(answered((home(), 3_100_000.0)))
    as_read = sourced(ad())
    assert (len(taught.listings), taught.unusable, taught.copies) == (1, 0, 0)
    pd.testing.assert_frame_equal(taught.listings[as_read.columns], as_read)


@pytest.mark.parametrize("price", [3_100_000.0, 1_234_567.5, 1_000.125])
def test_a_reported_price_is_read_as_it_was_reported(price: float) -> None:
    assert labelled(answered((home(), price))).listings["price"].tolist() == [price]


def test_clean_numbers_and_texts_may_be_sent_for_one_column() -> None:
    taught = labelled(
        answered(
            (home(GrossSquareMeters=120.125, NumberOfRooms=4, BuildingAge=7.5), 9e5),
            (home(GrossSquareMeters="2.250 m2", NumberOfRooms="3+1", AdCreationDate="2022-03-01"), 8e5),
        )
    )
    assert taught.listings["gross_m2"].tolist() == [120.125, 2_250.0]
    assert taught.listings["rooms"].tolist() == [4, 3]
    assert taught.listings["created_on"].tolist()[1] == pd.Timestamp("2022-03-01")


def test_rows_that_the_rules_refuse_are_counted_and_left_out() -> None:
    taught = labelled(
        answered(
            (home(), 9e5),
            (home(GrossSquareMeters="large"), 9e5),
            (home(district="adalar"), 5.0),  # no such price
            (home(district="sile"), None),
        )
    )
    assert (len(taught.listings), taught.unusable, taught.copies) == (1, 3, 0)


def test_a_request_that_was_sent_twice_with_one_truth_is_one_listing_and_with_another_price_is_two() -> None:
    taught = labelled(answered((home(), 9e5), (home(), 9e5)), answered((home(), 9e5), (home(), 8e5)))
    assert (taught.listings["price"].tolist(), taught.unusable, taught.copies) == ([9e5, 8e5], 0, 2)


def test_versions_decide_the_kind_and_rows_of_one_that_is_not_registered_are_left_out() -> None:
    taught = labelled(
        answered((home(district="a"), 9e5), version=1),
        answered((home(district="b"), 9e5), version=2),
        answered((home(district="c"), 9e5), version=3),
    )
    assert dict(zip(taught.listings["district"], taught.listings["synthetic"], strict=True)) == {"a": True, "b": False}
    assert (taught.unusable, taught.copies) == (0, 0)
    assert taught.listings["origin"].tolist() == ["production"] * 2


def test_the_kind_stays_with_its_row_when_rows_between_are_left_out() -> None:
    mixed = answered((home(district="a"), "?"), (home(district="b"), 9e5), (home(district="c"), 9e5))
    mixed["model_version"] = [2, 1, 2]
    taught = labelled(mixed)
    assert dict(zip(taught.listings["district"], taught.listings["synthetic"], strict=True)) == {"b": True, "c": False}


def test_no_answered_request_makes_listings_without_rows_that_have_every_column() -> None:
    for nothing in (labelled(), labelled(answered((home(), 9e5), version=3)), labelled(answered())):
        assert nothing.listings.empty
        assert {"row", "origin", *WHEN, "synthetic", *(value.name for value in MARKET.values())} == set(
            nothing.listings
        )


def test_the_truth_of_a_market_without_prices_is_the_class_that_came_back() -> None:
    sales = drawn_sales(THREE_GRADES, 3).drop(columns="grade").to_dict("records")
    truths = zip(sales, ["A", "B", "D"], strict=True)
    taught = labelled(answered(*truths, truth="true_category"), market=THREE_GRADES)  # type: ignore[arg-type]
    assert taught.listings["grade"].tolist() == ["A", "B"]
    assert taught.unusable == 1


def test_prices_of_another_kind_teach_nothing_and_are_counted() -> None:
    taught = labelled(answered((home(), 9e5)), answered((home(), 8e5), kind="paid"), answered((home(), 7e5), kind=None))
    assert (taught.listings["price"].tolist(), taught.of_another_price_kind, taught.unusable) == ([9e5], 2, 0)
    assert count_kinds(MARKET, taught.listings) == {"asking": 1}


def test_where_a_column_says_the_kind_of_each_row_it_is_the_one_that_was_reported() -> None:
    asked = drawn_sales(BOTH_KINDS, 2).drop(columns="price").assign(offer="asking").to_dict("records")
    first, second = ((cells, 200_000.0) for cells in asked)
    taught = labelled(
        answered(first, kind="asking"),
        answered(first, second, kind="paid"),
        answered(first, kind=None),
        market=BOTH_KINDS,
    )
    assert taught.listings["offer_kind"].tolist() == ["asking", "paid", "paid"]
    assert taught.of_another_price_kind == 1
    assert count_kinds(BOTH_KINDS, taught.listings) == {"asking": 1, "paid": 2}


# Joining


def test_labelled_rows_stand_behind_those_of_the_source_and_are_numbered_behind_all_of_its_rows() -> None:
    listings = sourced(ad(), ad(price="?"), ad(district="adalar"))
    taught = labelled(answered((home(district="new"), 9e5), (home(district="sile"), "?"), (home(district="c"), 8e5)))
    found = joined(listings, taught)
    assert found.listings["row"].tolist() == [0, 2, N_ROWS, N_ROWS + 2]
    assert found.listings["origin"].tolist() == ["source", "source", "production", "production"]
    assert found.listings["district"].tolist() == ["kadikoy", "adalar", "new", "c"]
    assert "synthetic" not in found.listings
    assert (found.of_another_kind, found.known_already) == (0, 0)


def test_the_joined_listings_obey_the_contract() -> None:
    taught = labelled(answered((home(district="new", HeatingType="Soba"), 9e5)))
    found = joined(sourced(ad(), ad(district="adalar", HeatingType="")), taught).listings
    assert failure_cases(listings_schema(MARKET), found).empty
    for value in MARKET.values():
        assert isinstance(found[value.name].dtype, pd.CategoricalDtype) == value.is_text


def test_texts_of_both_are_in_one_sorted_list_of_categories() -> None:
    taught = labelled(answered((home(district="b"), 9e5)))
    found = joined(sourced(ad(district="c"), ad(district="a")), taught).listings["district"]
    assert found.tolist() == ["c", "a", "b"]
    assert found.cat.categories.tolist() == ["a", "b", "c"]


def test_a_column_that_one_side_leaves_empty_keeps_its_type() -> None:
    taught = labelled(answered((home(HeatingType="", NetSquareMeters="", AdCreationDate=""), 9e5)))
    found = joined(sourced(ad()), taught).listings
    assert found["heating_type"].isna().tolist() == [False, True]
    assert (found["net_m2"].dtype, found["created_on"].dtype) == (np.float64, "datetime64[s]")


@pytest.mark.parametrize("synthetic", [True, False])
def test_rows_of_a_demonstration_and_real_ones_are_never_mixed(synthetic: bool) -> None:
    taught = labelled(
        answered((home(district="demo"), 9e5), version=1),
        answered((home(district="real"), 9e5), (home(district="real too"), 9e5), version=2),
    )
    found = joined(sourced(ad()), taught, synthetic=synthetic)
    assert found.listings["district"].tolist()[1:] == (["demo"] if synthetic else ["real", "real too"])
    assert found.of_another_kind == (2 if synthetic else 1)
    assert found.listings["origin"].tolist()[0] == ("synthetic" if synthetic else "source")


def test_a_labelled_row_that_the_source_has_already_is_left_out_and_one_with_another_price_is_not() -> None:
    taught = labelled(answered((home(), 3_100_000.0), (home(), 3_200_000.0)))
    found = joined(sourced(ad(), ad(district="adalar")), taught)
    assert found.listings["price"].tolist() == [3_100_000.0, 3_100_000.0, 3_200_000.0]
    assert (found.known_already, found.of_another_kind) == (1, 0)


def test_nothing_labelled_leaves_the_listings_as_they_are() -> None:
    listings = sourced(ad(), ad(district="adalar"))
    found = joined(listings, labelled()).listings
    pd.testing.assert_frame_equal(found.drop(columns=["origin", *WHEN]), listings)
    assert found["origin"].cat.categories.tolist() == ["source", "synthetic", "production"]
