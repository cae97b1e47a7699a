"""The rows that are sent: drawn the same for the same seed, and changed as they were asked to."""

from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from housing_assets.listings.source import SourceError
from housing_assets.markets.istanbul import MARKET as ISTANBUL
from housing_assets.markets.istanbul_sample import Shift, synthetic_listings
from housing_assets.traffic.rows import Changes, sample_rows, source_rows
from tests.traffic.shops import MARKET as SHOPS

DAY = date(2026, 3, 1)


@pytest.fixture
def shops(tmp_path: Path) -> str:
    """A file of six shops."""
    file = tmp_path / "shops.csv"
    file.write_text(
        "town,area,rooms,grade,notes\n"
        "Ede,100 m2,3+1,A,x\nEde,200 m2,2+1,B,\nUden,300 m2,1+1,A,\nUden,,5+1,B,\nOss,large,4+1,A,\nOss,10.5,3+1,B,\n"
    )
    return str(file)


def test_rows_of_the_sample_are_those_of_its_generator() -> None:
    rows = sample_rows(ISTANBUL, 200, seed=4, as_of=DAY, shift={"price_inflation": "0.4"})

    expected = synthetic_listings(200, seed=4, shift=Shift(price_inflation=0.4), as_of=DAY).drop(columns="")
    pd.testing.assert_frame_equal(rows, expected.astype(object))


def test_rows_of_a_source_are_drawn_without_repeats_while_there_are_enough(shops: str) -> None:
    all_of_them = source_rows(SHOPS, shops, 6, seed=1)
    assert list(all_of_them.columns) == ["town", "area", "rooms", "grade"]
    assert len(all_of_them.drop_duplicates()) == 6
    assert len(source_rows(SHOPS, shops, 50, seed=1)) == 50
    pd.testing.assert_frame_equal(source_rows(SHOPS, shops, 4, seed=1), source_rows(SHOPS, shops, 4, seed=1))
    assert not source_rows(SHOPS, shops, 50, seed=2).equals(source_rows(SHOPS, shops, 50, seed=1))


def test_scaled_numbers_are_clean_and_what_is_no_number_stays(shops: str) -> None:
    rows = source_rows(SHOPS, shops, 6, seed=1, changes=Changes(scale={"area": 1.5}))

    assert sorted(rows["area"].astype(str)) == sorted(["150.0", "300.0", "450.0", "", "large", "15.75"])


def test_a_scaled_price_is_the_price_that_the_rule_reads() -> None:
    plain = sample_rows(ISTANBUL, 500, seed=1, as_of=DAY)
    rows = sample_rows(ISTANBUL, 500, seed=1, as_of=DAY, changes=Changes(scale={"price": 1.4}))

    in_lira = plain["price"].str.fullmatch(r"[\d,]+TL").eq(True)
    read = plain.loc[in_lira, "price"].str.removesuffix("TL").str.replace(",", "").astype(float)
    assert rows.loc[in_lira, "price"].astype(float).to_numpy() == pytest.approx((read * 1.4).to_numpy())


def test_missing_blanks_its_share_and_nothing_else(shops: str) -> None:
    rows = source_rows(SHOPS, shops, 2_000, seed=1, changes=Changes(missing={"rooms": 0.3}))
    plain = source_rows(SHOPS, shops, 2_000, seed=1)

    assert rows["rooms"].isna().mean() == pytest.approx(0.3, abs=0.04)
    pd.testing.assert_frame_equal(rows.drop(columns="rooms"), plain.drop(columns="rooms"))


def test_only_rows_with_a_cell_are_drawn_before_it_is_set(shops: str) -> None:
    rows = source_rows(SHOPS, shops, 40, seed=1, changes=Changes(only={"town": "Uden"}, set={"town": "Veghel"}))

    assert set(rows["town"]) == {"Veghel"}
    assert set(rows["area"]) == {"300 m2", ""}


def test_only_works_on_synthetic_rows_too() -> None:
    rows = sample_rows(ISTANBUL, 100, seed=1, as_of=DAY, changes=Changes(only={"district": "kadikoy"}))

    assert list(rows["district"]) == ["kadikoy"] * 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (Changes(scale={"rooms": 2}), "scale names the column 'rooms': expected one of area"),
        (Changes(scale={"town": 2}), "scale names the column 'town': expected one of area"),
        (Changes(scale={"city": 2}), "scale names the column 'city': expected one of town, area, rooms, grade"),
        (Changes(set={"city": "Oss"}), "set names the column 'city': expected one of town"),
        (Changes(missing={"area": 2}), "missing area is 2: expected a share from 0 to 1"),
        (Changes(only={"town": "Tiel"}), "only town is 'Tiel', which no row has: expected one of Ede, Oss, Uden"),
    ],
)
def test_a_wrong_change_is_refused_by_its_name(shops: str, changes: Changes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        source_rows(SHOPS, shops, 3, seed=1, changes=changes)


def test_a_source_of_another_market_is_refused(shops: str) -> None:
    with pytest.raises(SourceError, match="columns missing: district"):
        source_rows(ISTANBUL, shops, 3, seed=1)
